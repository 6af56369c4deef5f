//! A bucket's access list as a document: what `aws s3api get-bucket-acl` prints and `put-bucket-acl` takes.

use super::{Document, Ids, Ops, read, request, write};
use crate::objects::access::admit::Admitted;
use http::HeaderValue;
use s3s::{
    S3, S3Error, S3Result,
    dto::{self, GetBucketAclInput, PutBucketAclInput},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub struct BucketAcl;

/// s3s's own types cannot be read from JSON.
#[derive(Deserialize, Serialize)]
struct AccessList {
    owner: Option<Owner>,
    grants: Vec<Grant>,
}

#[derive(Deserialize, Serialize)]
struct Owner {
    display_name: Option<String>,
    id: Option<String>,
}

#[derive(Deserialize, Serialize)]
struct Grant {
    grantee: Grantee,
    permission: String,
}

/// An account by its id or address, or a group by its URI.
#[derive(Deserialize, Serialize)]
struct Grantee {
    display_name: Option<String>,
    email_address: Option<String>,
    id: Option<String>,
    uri: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[async_trait::async_trait]
impl Document for BucketAcl {
    fn name(&self) -> &'static str {
        "acl"
    }

    fn operations(&self) -> [&'static str; 3] {
        ["GetBucketAcl", "PutBucketAcl", "PutBucketAcl"]
    }

    async fn get(&self, ops: &Ops, admitted: &Admitted, bucket: &str) -> S3Result<Option<Value>> {
        let input = input!(GetBucketAclInput, bucket);
        let found = ops.get_bucket_acl(request(input, admitted)).await?.output;
        let list = AccessList {
            owner: found.owner.map(|owner| Owner { display_name: owner.display_name, id: owner.id }),
            grants: found.grants.unwrap_or_default().into_iter().filter_map(shown).collect(),
        };
        write(&list, Ids::Upper).map(Some)
    }

    async fn put(&self, ops: &Ops, admitted: &Admitted, bucket: &str, document: &Value) -> S3Result<()> {
        let list: AccessList = read(document)?;
        // Who owns the bucket is not for the document to say: left out, it is whoever does.
        let owner = list.owner.map_or_else(dto::Owner::default, |owner| dto::Owner {
            display_name: owner.display_name,
            id: owner.id,
        });
        let policy = dto::AccessControlPolicy {
            owner: Some(owner),
            grants: Some(list.grants.into_iter().map(wanted).collect()),
        };
        let input = input!(PutBucketAclInput, bucket, set_access_control_policy = Some(policy));
        ops.put_bucket_acl(request(input, admitted)).await.map(drop)
    }

    /// A bucket is never without a list: this leaves it to its owner alone.
    async fn delete(&self, ops: &Ops, admitted: &Admitted, bucket: &str) -> S3Result<()> {
        let mut request = request(input!(PutBucketAclInput, bucket), admitted);
        request.headers.insert("x-amz-acl", HeaderValue::from_static("private"));
        ops.put_bucket_acl(request).await.map(drop)
    }
}

fn shown(grant: dto::Grant) -> Option<Grant> {
    let grantee = grant.grantee?;
    Some(Grant {
        grantee: Grantee {
            display_name: grantee.display_name,
            email_address: grantee.email_address,
            id: grantee.id,
            uri: grantee.uri,
            kind: Some(grantee.type_.as_str().to_owned()),
        },
        permission: grant.permission?.as_str().to_owned(),
    })
}

/// The type says nothing that the other fields do not.
fn wanted(grant: Grant) -> dto::Grant {
    let Grantee { display_name, email_address, id, uri, kind } = grant.grantee;
    let type_ = kind.unwrap_or_else(|| dto::Type::CANONICAL_USER.to_owned()).into();
    let grantee = dto::Grantee { display_name, email_address, id, uri, type_ };
    dto::Grant { grantee: Some(grantee), permission: Some(grant.permission.into()) }
}
