//! Object operations: put, delete, tags.

use super::{
    super::{
        asker::{Asker, Gone},
        error::Fault,
        model::{Bucket, Condition, Deleted, Deletion, PutOptions, Version},
        service::Service,
    },
    convert::{self, Claims, set_checksums, traits},
    guard::{Denied, admitted},
    lifecycle, lock, refuse, sse,
};
use http::StatusCode;
use s3s::{S3ErrorCode, S3Request, S3Response, S3Result, dto::*};

/// Keys one DeleteObjects may name.
const DELETE_MAX: usize = 1000;

pub async fn put(service: &Service, request: S3Request<PutObjectInput>) -> S3Result<PutObjectOutput> {
    let (input, headers) = (request.input, request.headers);
    let (wish, customer) = (sse::wish!(input)?, sse::customer!(input)?);
    if input.write_offset_bytes.is_some() {
        return Err(refuse(S3ErrorCode::NotImplemented, "Appending to an object is not supported."));
    }
    let promise = convert::promise(Claims {
        length: input.content_length,
        algorithm: input.checksum_algorithm.as_ref().map(|a| a.as_str()),
        headers: &headers,
        trailers: request.trailing_headers,
    })?;
    let bucket = service.bucket(&input.bucket).await.map_err(convert::error)?;
    let mut traits = traits!(input);
    let retention = (input.object_lock_mode.as_ref(), input.object_lock_retain_until_date.as_ref());
    lock::lock_new(&bucket, retention, input.object_lock_legal_hold_status.as_ref(), &mut traits)?;
    lock::check_promised(&traits, &promise)?;
    admitted(&request.extensions).mark(&mut traits);
    let condition = convert::write_condition(input.if_match, input.if_none_match);
    let options = PutOptions { traits, condition, wish };
    let body = convert::body(input.body);
    let info = service
        .put_promised(&input.bucket, &input.key, body, options, promise)
        .await
        .map_err(|error| convert::with_status(convert::error(error), StatusCode::BAD_REQUEST))?;
    let mut output = PutObjectOutput {
        e_tag: Some(convert::etag(&info.etag)),
        expiration: lifecycle::expiration(&bucket, &info),
        version_id: convert::made_version(&bucket, info.version),
        ..Default::default()
    };
    set_checksums!(output, &info.checksums.values);
    output.checksum_type = convert::checksum_type(&info.checksums);
    output.ssekms_encryption_context = input.ssekms_encryption_context;
    sse::tell!(output, sse::told(&info.traits, customer.as_ref()));
    Ok(output)
}

/// The headers of a delete marker are set by hand: S3 leaves them out where s3s would write "false".
pub async fn delete(
    service: &Service,
    request: S3Request<DeleteObjectInput>,
) -> S3Result<S3Response<DeleteObjectOutput>> {
    let owner = admitted(&request.extensions).owner;
    let input = request.input;
    let condition = Condition {
        if_match: convert::matching(input.if_match),
        size: input.if_match_size.and_then(|size| u64::try_from(size).ok()),
        modified_s: input.if_match_last_modified_time.as_ref().and_then(convert::seconds),
        ..Condition::default()
    };
    let wanted = Deletion {
        key: input.key,
        version: convert::version(input.version_id.as_deref())?,
        condition,
        bypass_governance: input.bypass_governance_retention == Some(true),
    };
    let bucket = service.bucket(&input.bucket).await.map_err(convert::error)?;
    let deleted = service.delete_one(&input.bucket, wanted, owner).await.map_err(convert::error)?;
    Ok(S3Response::new(DeleteObjectOutput {
        delete_marker: deleted.marker.then_some(true),
        version_id: deleted.version.and_then(|version| convert::version_id(&bucket, version)),
        ..Default::default()
    }))
}

pub async fn delete_many(
    service: &Service,
    request: S3Request<DeleteObjectsInput>,
) -> S3Result<DeleteObjectsOutput> {
    let owner = admitted(&request.extensions).owner;
    let denied = request.extensions.get::<Denied>().cloned().unwrap_or_default().0;
    let input = request.input;
    let objects = input.delete.objects;
    let named = objects.len() + denied.len();
    if named == 0 || named > DELETE_MAX {
        return Err(refuse(S3ErrorCode::MalformedXML, "Name between 1 and 1,000 keys to delete."));
    }
    let bypass_governance = input.bypass_governance_retention == Some(true);
    let (mut wanted, mut errors, mut deleted) = (Vec::new(), Vec::new(), Vec::new());
    for object in denied {
        errors.push(failed(object.key, object.version_id, &Fault::AccessDenied("Access Denied".into())));
    }
    for object in objects {
        match object.version_id.as_deref().filter(|id| !id.is_empty()).map(Version::parse).transpose() {
            Ok(version) => {
                let condition = delete_condition(&object);
                wanted.push(Deletion { key: object.key, version, condition, bypass_governance });
            }
            Err(_) => {
                errors.push(failed(object.key, object.version_id, &Fault::NoSuchVersion(String::new())))
            }
        }
    }
    let bucket = service.bucket(&input.bucket).await.map_err(convert::error)?;
    let outcomes = service.delete_each(&input.bucket, wanted, owner).await.map_err(convert::error)?;
    for (deletion, outcome) in outcomes {
        let asked = deletion.version.map(|version| version.to_string());
        match outcome {
            Ok(done) => deleted.push(deletion_done(&bucket, deletion.key, asked, &done)),
            Err(fault) => errors.push(failed(deletion.key, asked, &fault)),
        }
    }
    Asker::deletes(gone(&deleted, &errors));
    Ok(DeleteObjectsOutput {
        deleted: (input.delete.quiet != Some(true)).then_some(deleted),
        errors: (!errors.is_empty()).then_some(errors),
        ..Default::default()
    })
}

/// What the access log is told of each key.
fn gone(deleted: &[DeletedObject], errors: &[Error]) -> Vec<Gone> {
    let done = deleted.iter().map(|one| Gone {
        key: one.key.clone().unwrap_or_default(),
        version: one.version_id.clone().or_else(|| one.delete_marker_version_id.clone()),
        error: None,
    });
    let kept = errors.iter().map(|one| Gone {
        key: one.key.clone().unwrap_or_default(),
        version: one.version_id.clone(),
        error: one.code.clone(),
    });
    done.chain(kept).collect()
}

fn deletion_done(bucket: &Bucket, key: String, asked: Option<String>, done: &Deleted) -> DeletedObject {
    let marker = done.version.filter(|_| done.marker).and_then(|v| convert::version_id(bucket, v));
    DeletedObject {
        key: Some(key),
        delete_marker: done.marker.then_some(true),
        delete_marker_version_id: marker,
        version_id: asked,
    }
}

/// A condition that is not kept must not delete: to pass over it would lose somebody's newer object.
fn delete_condition(object: &ObjectIdentifier) -> Condition {
    Condition {
        if_match: object.e_tag.clone().map(|etag| convert::match_of(etag.into_value())),
        size: object.size.and_then(|size| u64::try_from(size).ok()),
        modified_s: object.last_modified_time.as_ref().and_then(convert::seconds),
        ..Condition::default()
    }
}

fn failed(key: String, version_id: Option<String>, fault: &Fault) -> Error {
    Error {
        code: Some(convert::code(fault).as_str().to_owned()),
        key: Some(key),
        message: Some(fault.to_string()),
        version_id,
    }
}

pub async fn tags_get(service: &Service, input: GetObjectTaggingInput) -> S3Result<GetObjectTaggingOutput> {
    let version = convert::version(input.version_id.as_deref())?;
    let bucket = service.bucket(&input.bucket).await.map_err(convert::error)?;
    let info = service.head_version(&input.bucket, &input.key, version).await.map_err(convert::error)?;
    let tag = |(key, value)| Tag { key: Some(key), value: Some(value) };
    Ok(GetObjectTaggingOutput {
        tag_set: info.traits.tags.into_iter().map(tag).collect(),
        version_id: convert::version_id(&bucket, info.version),
    })
}

pub async fn tags_put(service: &Service, input: PutObjectTaggingInput) -> S3Result<PutObjectTaggingOutput> {
    let pair = |tag: Tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default());
    let tags = input.tagging.tag_set.into_iter().map(pair).collect();
    let version_id =
        set_tags(service, (&input.bucket, &input.key), input.version_id.as_deref(), tags).await?;
    Ok(PutObjectTaggingOutput { version_id })
}

pub async fn tags_delete(
    service: &Service,
    input: DeleteObjectTaggingInput,
) -> S3Result<DeleteObjectTaggingOutput> {
    let at = (input.bucket.as_str(), input.key.as_str());
    let version_id = set_tags(service, at, input.version_id.as_deref(), Vec::new()).await?;
    Ok(DeleteObjectTaggingOutput { version_id })
}

async fn set_tags(
    service: &Service,
    (bucket, key): (&str, &str),
    version: Option<&str>,
    tags: Vec<(String, String)>,
) -> S3Result<Option<String>> {
    let version = convert::version(version)?;
    let info = service.set_tags(bucket, key, version, tags).await.map_err(convert::error)?;
    let bucket = service.bucket(bucket).await.map_err(convert::error)?;
    Ok(convert::version_id(&bucket, info.version))
}

pub(super) fn signed(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}
