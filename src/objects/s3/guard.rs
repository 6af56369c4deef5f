//! The gatekeeper at the S3 door: every operation passes it, most before their body is read.

use super::{
    super::{
        access::{
            account::means,
            admit::{Admitted, Gatekeeper},
            asked::{Asked, Signature, Tags, query},
            decide::Caller,
        },
        error::Fault,
        names,
    },
    access::caller,
    convert::{self, error},
    gate, range,
};
use crate::kernel::http::Peer;
use http::{Extensions, HeaderMap, Uri};
use s3s::{
    S3Request, S3Result,
    access::{S3Access, S3AccessContext},
    dto::{
        CopyObjectInput, CopySource, DeleteObjectInput, DeleteObjectsInput, ObjectIdentifier,
        PutObjectRetentionInput, PutObjectTaggingInput, Tag, UploadPartCopyInput,
    },
    path::S3Path,
};
use std::sync::Arc;

pub struct Guard(pub Gatekeeper);

/// Keys of a DeleteObjects that the caller may not delete; the others go on.
#[derive(Clone, Debug, Default)]
pub struct Denied(pub Vec<ObjectIdentifier>);

/// What was decided about a request. Every operation passed the guard, so that it is always there.
pub fn admitted(extensions: &Extensions) -> Admitted {
    extensions.get::<Admitted>().cloned().unwrap_or_default()
}

/// The parts of a request a decision looks at.
struct Seen<'a> {
    headers: &'a HeaderMap,
    uri: &'a Uri,
    peer: Option<Peer>,
    signed: bool,
}

impl<'a> Seen<'a> {
    fn of<T>(request: &'a S3Request<T>) -> Self {
        Self {
            headers: &request.headers,
            uri: &request.uri,
            peer: request.extensions.get::<Peer>().copied(),
            signed: request.credentials.is_some(),
        }
    }

    fn asked(&self, operation: &'a str, bucket: &'a str, key: &'a str) -> Asked<'a> {
        let signature = match self.signed {
            true => gate::claimed(self.headers, self.uri),
            false => Signature::None,
        };
        Asked {
            operation,
            bucket,
            key,
            headers: self.headers,
            query: query(self.uri),
            peer: self.peer,
            signature,
            tags: Tags::InHeader,
        }
    }
}

#[async_trait::async_trait]
impl S3Access for Guard {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        let peer = cx.extensions_mut().get::<Peer>().copied();
        let (bucket, key) = match cx.s3_path() {
            S3Path::Root => ("", ""),
            S3Path::Bucket { bucket } => (&**bucket, ""),
            S3Path::Object { bucket, key } => (&**bucket, &**key),
        };
        let bucket = self.unqualified(cx.s3_op().name(), bucket).await?;
        let access_key = cx.credentials().map(|credentials| credentials.access_key.as_str());
        let seen = Seen { headers: cx.headers(), uri: cx.uri(), peer, signed: access_key.is_some() };
        let mut asked = seen.asked(cx.s3_op().name(), bucket, key);
        if asked.operation == "PutObjectTagging" {
            asked.tags = Tags::ToCome;
        }
        let caller = match access_key {
            Some(access_key) => Some(Arc::new(caller(access_key, token(&asked))?)),
            None => None,
        };
        let admitted = self.0.admit(&asked, caller).await.map_err(error)?;
        range::passed(cx.extensions_mut(), &admitted);
        cx.extensions_mut().insert(admitted);
        Ok(())
    }

    async fn delete_object(&self, request: &mut S3Request<DeleteObjectInput>) -> S3Result<()> {
        request.input.bypass_governance_retention = Some(admitted(&request.extensions).bypass);
        Ok(())
    }

    async fn put_object_retention(&self, request: &mut S3Request<PutObjectRetentionInput>) -> S3Result<()> {
        request.input.bypass_governance_retention = Some(admitted(&request.extensions).bypass);
        Ok(())
    }

    async fn copy_object(&self, request: &mut S3Request<CopyObjectInput>) -> S3Result<()> {
        let source = request.input.copy_source.clone();
        let caller = admitted(&request.extensions).caller;
        self.source(&Seen::of(request), caller, source).await
    }

    async fn upload_part_copy(&self, request: &mut S3Request<UploadPartCopyInput>) -> S3Result<()> {
        let source = request.input.copy_source.clone();
        let caller = admitted(&request.extensions).caller;
        self.source(&Seen::of(request), caller, source).await
    }

    async fn put_object_tagging(&self, request: &mut S3Request<PutObjectTaggingInput>) -> S3Result<()> {
        let seen = Seen::of(request);
        let input = &request.input;
        let tag = |tag: &Tag| (tag.key.clone().unwrap_or_default(), tag.value.clone().unwrap_or_default());
        let bucket = names::qualified(&input.bucket).1;
        let mut asked = seen.asked("PutObjectTagging", bucket, &input.key);
        asked.tags = Tags::Given(input.tagging.tag_set.iter().map(tag).collect());
        let caller = admitted(&request.extensions).caller;
        self.0.admit_tags(&asked, caller.as_deref()).await.map_err(error)
    }

    async fn delete_objects(&self, request: &mut S3Request<DeleteObjectsInput>) -> S3Result<()> {
        let caller = admitted(&request.extensions).caller;
        let named = |object: &ObjectIdentifier| {
            (object.key.clone(), object.version_id.clone().filter(|version| !version.is_empty()))
        };
        let keys: Vec<_> = request.input.delete.objects.iter().map(named).collect();
        let seen = Seen::of(request);
        let asked = seen.asked("DeleteObject", names::qualified(&request.input.bucket).1, "");
        let mut allowed =
            self.0.may_delete(&asked, caller.as_deref(), &keys).await.map_err(error)?.into_iter();
        let objects = std::mem::take(&mut request.input.delete.objects);
        let (allowed, denied) = objects.into_iter().partition(|_| allowed.next().unwrap_or(false));
        request.input.delete.objects = allowed;
        request.input.bypass_governance_retention = Some(admitted(&request.extensions).bypass);
        request.extensions.insert(Denied(denied));
        Ok(())
    }
}

impl Guard {
    /// The bucket without the account that stands before it, whose it must be.
    async fn unqualified<'a>(&self, operation: &str, name: &'a str) -> S3Result<&'a str> {
        let (account, bucket) = names::qualified(name);
        if bucket == name {
            return Ok(name);
        }
        if operation == "CreateBucket" {
            return Err(error(Fault::InvalidBucketName(name.to_owned()).into()));
        }
        let found = self.0.service.bucket(bucket).await.map_err(error)?;
        match account.is_empty() || means(account, &found.owner) {
            true => Ok(bucket),
            false => Err(error(Fault::NoSuchBucket(name.to_owned()).into())),
        }
    }

    async fn source(&self, seen: &Seen<'_>, caller: Option<Arc<Caller>>, source: CopySource) -> S3Result<()> {
        let (bucket, key, version) = convert::copy_source(source)?;
        let asked = seen.asked("GetObject", &bucket, &key);
        let source = (bucket.as_str(), key.as_str(), version);
        self.0.admit_source(&asked, caller.as_deref(), source).await.map_err(error)
    }
}

/// The session token, which is a header where the signature is one, and a parameter in a presigned URL.
fn token<'a>(asked: &'a Asked<'_>) -> Option<&'a str> {
    let parameter = || {
        let token = |(name, _): &&(String, String)| name.eq_ignore_ascii_case("x-amz-security-token");
        asked.query.iter().find(token).map(|(_, value)| value.as_str())
    };
    asked.header("x-amz-security-token").or_else(parameter)
}
