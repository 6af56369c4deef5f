//! Object operations: put, get, head, delete, tags, attributes.

use super::{
    super::{
        asker::{Asker, Gone},
        digest::Algorithm,
        error::Fault,
        model::{Bucket, Condition, Deleted, Deletion, ObjectInfo, PartInfo, PutOptions, Traits, Version},
        read::{ReadCondition, Verdict},
        service::Service,
    },
    convert::{self, Claims, set_checksums},
    guard::{Denied, admitted},
    lifecycle, lock, refuse, sse,
};
use futures::TryStreamExt;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::StreamBody;
use s3s::{Body, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, dto::*};

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
    let mut traits = Traits {
        content_type: input.content_type,
        class: convert::class(input.storage_class.as_ref()),
        headers: convert::system_headers(
            input.cache_control,
            input.content_disposition,
            input.content_encoding,
            input.content_language,
            input.expires.as_ref(),
        ),
        metadata: convert::metadata(input.metadata),
        tags: convert::tags(input.tagging.as_deref()),
        redirect: input.website_redirect_location,
        ..Traits::default()
    };
    let retention = (input.object_lock_mode.as_ref(), input.object_lock_retain_until_date.as_ref());
    lock::lock_new(&bucket, retention, input.object_lock_legal_hold_status.as_ref(), &mut traits)?;
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

pub async fn get(service: &Service, request: S3Request<GetObjectInput>) -> S3Result<GetObjectOutput> {
    sse::check_read(&request.headers)?;
    let input = request.input;
    let customer = sse::customer!(input)?;
    let version = convert::version(input.version_id.as_deref())?;
    let bucket = service.bucket(&input.bucket).await.map_err(convert::error)?;
    // A part that does not exist is told of before the key is asked for.
    if let Some(part) = input.part_number.filter(|_| customer.is_none()) {
        let info = service.head_version(&input.bucket, &input.key, version).await.map_err(convert::error)?;
        part_span(&info, part)?;
    }
    let opened = service
        .open_with(&input.bucket, &input.key, version, customer.as_ref())
        .await
        .map_err(convert::error)?;
    let condition = convert::read_condition(
        input.if_match,
        input.if_none_match,
        input.if_modified_since.as_ref(),
        input.if_unmodified_since.as_ref(),
    );
    judge(&condition, &opened.info)?;
    let span = span(&opened.info, input.range, input.part_number)?;
    let info = opened.info.clone();
    let body = match opened.at_hand(&span.range) {
        // Head and body then leave in one write.
        Some(bytes) => Body::from(bytes),
        None => {
            let frames = opened.into_stream(span.range.clone()).map_ok(http_body::Frame::data);
            Body::http_body_unsync(StreamBody::new(frames))
        }
    };
    let expiration = lifecycle::expiration(&bucket, &info);
    let (lock, told) = (lock::tell(&info.traits), sse::told(&info.traits, customer.as_ref()));
    let mut output = GetObjectOutput {
        accept_ranges: Some("bytes".into()),
        body: Some(body.into()),
        cache_control: info.traits.headers.cache_control,
        content_disposition: info.traits.headers.content_disposition,
        content_encoding: info.traits.headers.content_encoding,
        content_language: info.traits.headers.content_language,
        content_length: Some(signed(span.range.end - span.range.start)),
        content_range: span.header,
        content_type: info.traits.content_type.or_else(|| Some("binary/octet-stream".into())),
        e_tag: Some(convert::etag(&info.etag)),
        expiration,
        expires: info.traits.headers.expires.as_deref().and_then(parse_date),
        last_modified: Some(convert::timestamp(info.last_modified_ms)),
        metadata: Some(info.traits.metadata.into_iter().collect()),
        object_lock_legal_hold_status: lock.hold,
        object_lock_mode: lock.mode,
        object_lock_retain_until_date: lock.until,
        storage_class: info.traits.class.map(StorageClass::from),
        version_id: convert::version_id(&bucket, info.version),
        website_redirect_location: info.traits.redirect,
        parts_count: input.part_number.and(info.parts.as_ref()).map(|parts| parts.len() as i32),
        tag_count: (!info.traits.tags.is_empty()).then_some(info.traits.tags.len() as i32),
        ..Default::default()
    };
    sse::tell!(output, told);
    if input.checksum_mode.is_some() && !span.checksums.is_empty() {
        set_checksums!(output, &span.checksums);
        output.checksum_type = convert::checksum_type(&info.checksums);
    }
    Ok(output)
}

/// The tag count goes into a header by hand: s3s has no field for it here.
pub async fn head(
    service: &Service,
    request: S3Request<HeadObjectInput>,
) -> S3Result<S3Response<HeadObjectOutput>> {
    sse::check_read(&request.headers)?;
    let input = request.input;
    let customer = sse::customer!(input)?;
    let version = convert::version(input.version_id.as_deref())?;
    let bucket = service.bucket(&input.bucket).await.map_err(convert::error)?;
    let info = service.head_version(&input.bucket, &input.key, version).await.map_err(convert::error)?;
    if let Some(part) = input.part_number {
        part_span(&info, part)?;
    }
    sse::check_key(info.traits.seal.as_ref(), customer.as_ref())?;
    let condition = convert::read_condition(
        input.if_match,
        input.if_none_match,
        input.if_modified_since.as_ref(),
        input.if_unmodified_since.as_ref(),
    );
    judge(&condition, &info)?;
    let span = span(&info, input.range, input.part_number)?;
    let tag_count = info.traits.tags.len();
    let expiration = lifecycle::expiration(&bucket, &info);
    let (lock, told) = (lock::tell(&info.traits), sse::told(&info.traits, customer.as_ref()));
    let mut output = HeadObjectOutput {
        accept_ranges: Some("bytes".into()),
        cache_control: info.traits.headers.cache_control,
        content_disposition: info.traits.headers.content_disposition,
        content_encoding: info.traits.headers.content_encoding,
        content_language: info.traits.headers.content_language,
        content_length: Some(signed(span.range.end - span.range.start)),
        content_range: span.header,
        content_type: info.traits.content_type.or_else(|| Some("binary/octet-stream".into())),
        e_tag: Some(convert::etag(&info.etag)),
        expiration,
        expires: info.traits.headers.expires.as_deref().and_then(parse_date),
        last_modified: Some(convert::timestamp(info.last_modified_ms)),
        metadata: Some(info.traits.metadata.into_iter().collect()),
        object_lock_legal_hold_status: lock.hold,
        object_lock_mode: lock.mode,
        object_lock_retain_until_date: lock.until,
        storage_class: info.traits.class.map(StorageClass::from),
        version_id: convert::version_id(&bucket, info.version),
        website_redirect_location: info.traits.redirect,
        parts_count: input.part_number.and(info.parts.as_ref()).map(|parts| parts.len() as i32),
        ..Default::default()
    };
    sse::tell!(output, told);
    if input.checksum_mode.is_some() && !span.checksums.is_empty() {
        set_checksums!(output, &span.checksums);
        output.checksum_type = convert::checksum_type(&info.checksums);
    }
    let mut response = S3Response::new(output);
    if tag_count > 0 {
        response.headers.insert("x-amz-tagging-count", HeaderValue::from(tag_count));
    }
    Ok(response)
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

/// The bytes a read asks for, and their checksums if we have those of just these bytes.
struct Span {
    range: std::ops::Range<u64>,
    header: Option<String>,
    checksums: Vec<(Algorithm, String)>,
}

fn span(info: &ObjectInfo, range: Option<Range>, part: Option<i32>) -> S3Result<Span> {
    let (wanted, checksums) = match (range, part) {
        (Some(_), Some(_)) => {
            return Err(refuse(
                S3ErrorCode::InvalidRequest,
                "Cannot specify both Range header and partNumber query parameter",
            ));
        }
        (None, None) => {
            return Ok(Span { range: 0..info.size, header: None, checksums: info.checksums.values.clone() });
        }
        (Some(range), None) => {
            let outside = |_| convert::error(Fault::InvalidRange(range.to_header_string()).into());
            (range.check(info.size).map_err(outside)?, Vec::new())
        }
        (None, Some(part)) => part_span(info, part)?,
    };
    let header =
        (!wanted.is_empty()).then(|| format!("bytes {}-{}/{}", wanted.start, wanted.end - 1, info.size));
    Ok(Span { range: wanted, header, checksums })
}

/// Where a part lies in its object, and the checksums of its own.
type PartSpan = (std::ops::Range<u64>, Vec<(Algorithm, String)>);

/// The bytes of one part, by its place among the parts; an object put whole is its own only part.
fn part_span(info: &ObjectInfo, part: i32) -> S3Result<PartSpan> {
    let index = usize::try_from(part).ok().and_then(|number| number.checked_sub(1));
    let missing = || convert::error(Fault::InvalidPart(u32::try_from(part).unwrap_or(0)).into());
    let Some(parts) = &info.parts else {
        return match index {
            Some(0) => Ok((0..info.size, info.checksums.values.clone())),
            _ => Err(missing()),
        };
    };
    let index = index.filter(|index| *index < parts.len()).ok_or_else(missing)?;
    let start: u64 = parts[..index].iter().map(PartInfo::size).sum();
    let algorithm = info.checksums.values.first().map(|(algorithm, _)| *algorithm);
    let checksums = algorithm.into_iter().zip(parts[index].checksum().map(str::to_owned)).collect();
    Ok((start..start + parts[index].size(), checksums))
}

fn judge(condition: &ReadCondition, info: &ObjectInfo) -> S3Result<()> {
    match condition.judge(info) {
        Verdict::Proceed => Ok(()),
        Verdict::Failed(which) => Err(convert::error(Fault::PreconditionFailed(which).into())),
        Verdict::NotModified => Err(not_modified(info)),
    }
}

/// 304 carries the validators, so that a cache can refresh what it has.
fn not_modified(info: &ObjectInfo) -> S3Error {
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(&format!("\"{}\"", info.etag)) {
        headers.insert(header::ETAG, value);
    }
    let date = convert::http_date(&convert::timestamp(info.last_modified_ms));
    if let Some(value) = date.and_then(|date| HeaderValue::from_str(&date).ok()) {
        headers.insert(header::LAST_MODIFIED, value);
    }
    let mut error = S3Error::new(S3ErrorCode::NotModified);
    error.set_status_code(StatusCode::NOT_MODIFIED);
    error.set_headers(headers);
    error
}

fn parse_date(text: &str) -> Option<Timestamp> {
    Timestamp::parse(TimestampFormat::HttpDate, text).ok()
}

pub(super) fn signed(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}
