//! The ACLs of buckets and objects over the wire.

use super::{
    super::{
        access::{
            acl::{Acl, GRANTS_MAX, Grant as Given, Grantee as Whom},
            admit::{Admitted, Gatekeeper},
            grants::{Named, Wanted},
            resolve,
            settings::Ownership,
        },
        error::Fault,
        model::{Bucket, Traits},
    },
    convert::{self, error},
    guard::admitted,
    refuse,
};
use http::HeaderMap;
use s3s::{S3ErrorCode, S3Request, S3Result, dto::*};
use std::collections::HashMap;

pub async fn bucket_get(
    gatekeeper: &Gatekeeper,
    request: S3Request<GetBucketAclInput>,
) -> S3Result<GetBucketAclOutput> {
    let bucket = gatekeeper.service.bucket(&request.input.bucket).await.map_err(error)?;
    let acl = bucket.settings.get::<Acl>().map_err(error)?;
    let acl =
        acl.filter(|_| acls_count(&bucket)).map_or_else(|| Acl::private(&bucket.owner), |acl| (*acl).clone());
    let names = gatekeeper.auth.display_names().await.map_err(error)?;
    Ok(GetBucketAclOutput {
        grants: Some(wire(&acl, &names)),
        owner: Some(wire_owner(&bucket.owner, &names)),
    })
}

pub async fn bucket_put(
    gatekeeper: &Gatekeeper,
    request: S3Request<PutBucketAclInput>,
) -> S3Result<PutBucketAclOutput> {
    let admitted = admitted(&request.extensions);
    let input = request.input;
    let bucket = gatekeeper.service.bucket(&input.bucket).await.map_err(error)?;
    let wanted = wanted(&request.headers, input.access_control_policy, &bucket.owner)?;
    let acl = new_acl(gatekeeper, &admitted, &bucket, wanted, &bucket.owner).await?;
    gatekeeper.service.setting_put(&input.bucket, &acl).await.map_err(error)?;
    Ok(PutBucketAclOutput::default())
}

pub async fn object_get(
    gatekeeper: &Gatekeeper,
    request: S3Request<GetObjectAclInput>,
) -> S3Result<GetObjectAclOutput> {
    let input = request.input;
    let bucket = gatekeeper.service.bucket(&input.bucket).await.map_err(error)?;
    let version = convert::version(input.version_id.as_deref())?;
    let info = gatekeeper.service.head_version(&input.bucket, &input.key, version).await.map_err(error)?;
    let counts = acls_count(&bucket);
    let owner = if counts { &info.traits.owner.0 } else { &bucket.owner };
    let acl = info.traits.acl.filter(|_| counts).unwrap_or_else(|| Acl::private(owner));
    let names = gatekeeper.auth.display_names().await.map_err(error)?;
    Ok(GetObjectAclOutput {
        grants: Some(wire(&acl, &names)),
        owner: Some(wire_owner(owner, &names)),
        ..Default::default()
    })
}

pub async fn object_put(
    gatekeeper: &Gatekeeper,
    request: S3Request<PutObjectAclInput>,
) -> S3Result<PutObjectAclOutput> {
    let admitted = admitted(&request.extensions);
    let input = request.input;
    let (service, version) = (&gatekeeper.service, convert::version(input.version_id.as_deref())?);
    let bucket = service.bucket(&input.bucket).await.map_err(error)?;
    let owner = service.head_version(&input.bucket, &input.key, version).await.map_err(error)?.traits.owner;
    let wanted = wanted(&request.headers, input.access_control_policy, &owner.0)?;
    let acl = new_acl(gatekeeper, &admitted, &bucket, wanted, &owner.0).await?;
    let change = move |traits: &mut Traits| {
        // The object may have been replaced meanwhile: what was granted on one is not on the other.
        if traits.owner != owner {
            return Err(Fault::AccessDenied("The object was replaced by another account's.".into()).into());
        }
        traits.acl = Some(acl);
        Ok(())
    };
    let at = (input.bucket.as_str(), input.key.as_str());
    service.object_update_told("s3:ObjectAcl:Put", at, version, change).await.map_err(error)?;
    Ok(PutObjectAclOutput::default())
}

/// The ACL that a request for a new bucket carries, if it carries one.
pub async fn of_new_bucket(
    gatekeeper: &Gatekeeper,
    headers: &HeaderMap,
    owner: &str,
    ownership: Option<Ownership>,
) -> S3Result<Option<Acl>> {
    let Some(wanted) = resolve::wanted(headers).map_err(error)? else { return Ok(None) };
    let acl = resolve::acl(&gatekeeper.auth, wanted, (owner, owner)).await.map_err(error)?;
    if ownership == Some(Ownership::BucketOwnerEnforced) && acl.reaches_beyond(&[owner]) {
        let message = "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting";
        return Err(refuse(S3ErrorCode::InvalidBucketAclWithObjectOwnership, message));
    }
    Ok(Some(acl))
}

fn acls_count(bucket: &Bucket) -> bool {
    let ownership = bucket.settings.get::<Ownership>().ok().flatten();
    ownership.is_none_or(|ownership| *ownership != Ownership::BucketOwnerEnforced)
}

/// What the headers or the document of a request want, of which there must be one.
fn wanted(headers: &HeaderMap, document: Option<AccessControlPolicy>, owner: &str) -> S3Result<Wanted> {
    let in_headers = resolve::wanted(headers).map_err(error)?;
    match (in_headers, document) {
        (Some(_), Some(_)) => {
            Err(refuse(S3ErrorCode::UnexpectedContent, "This request does not support content"))
        }
        (Some(wanted), None) => Ok(wanted),
        (None, Some(document)) => from_document(document, owner).map(Wanted::Grants),
        (None, None) => Err(refuse(
            S3ErrorCode::MissingSecurityHeader,
            "Your request was missing a required header: x-amz-acl, x-amz-grant-... or a document",
        )),
    }
}

fn from_document(
    document: AccessControlPolicy,
    owner: &str,
) -> S3Result<Vec<(Named, super::super::access::acl::Permission)>> {
    let malformed = || error(Fault::MalformedAcl.into());
    let named = document.owner.ok_or_else(malformed)?;
    if named.id.is_some_and(|id| id != owner) {
        return Err(refuse(S3ErrorCode::AccessDenied, "The owner of a bucket or object cannot be changed."));
    }
    let grants = document.grants.unwrap_or_default();
    if grants.len() > GRANTS_MAX {
        return Err(malformed());
    }
    let one = |grant: Grant| {
        let permission = grant.permission.ok_or_else(malformed)?;
        let permission = resolve::permission(permission.as_str()).map_err(error)?;
        let grantee = grant.grantee.ok_or_else(malformed)?;
        let named = match (grantee.id, grantee.email_address, grantee.uri) {
            (Some(id), ..) => Named::Id(id),
            (None, Some(email), _) => Named::Email(email),
            (None, None, Some(uri)) => Named::Group(uri),
            (None, None, None) => return Err(malformed()),
        };
        Ok((named, permission))
    };
    grants.into_iter().map(one).collect()
}

async fn new_acl(
    gatekeeper: &Gatekeeper,
    admitted: &Admitted,
    bucket: &Bucket,
    wanted: Wanted,
    owner: &str,
) -> S3Result<Acl> {
    if !acls_count(bucket) {
        return Err(error(Fault::AclNotSupported.into()));
    }
    let acl = resolve::acl(&gatekeeper.auth, wanted, (owner, &bucket.owner)).await.map_err(error)?;
    gatekeeper.check_opening(&acl, bucket, admitted.caller.as_deref()).map_err(error)?;
    Ok(acl)
}

fn wire_owner(id: &str, names: &HashMap<String, String>) -> Owner {
    let shown = names.get(id).cloned().unwrap_or_else(|| id.to_owned());
    Owner { display_name: Some(shown), id: Some(id.to_owned()) }
}

fn wire(acl: &Acl, names: &HashMap<String, String>) -> Vec<Grant> {
    let one = |given: &Given| Grant {
        grantee: Some(match &given.grantee {
            Whom::Account(id) => {
                let Owner { display_name, id } = wire_owner(id, names);
                Grantee {
                    display_name,
                    id,
                    type_: Type::from_static(Type::CANONICAL_USER),
                    email_address: None,
                    uri: None,
                }
            }
            group => Grantee {
                uri: group.uri().map(str::to_owned),
                type_: Type::from_static(Type::GROUP),
                display_name: None,
                email_address: None,
                id: None,
            },
        }),
        permission: Some(Permission::from_static(given.permission.as_str())),
    };
    acl.shown().map(one).collect()
}
