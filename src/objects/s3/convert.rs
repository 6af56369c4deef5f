//! Between S3's wire types and ours: errors, times, ETags, checksums, conditions, copy sources.

use super::{
    super::{
        digest::{Algorithm, ChecksumKind, Checksums, decode_md5},
        error::Fault,
        intake::Promise,
        model::{Bucket, Condition, Match, Owner, SystemHeaders, Version, Versioning},
        read::ReadCondition,
    },
    refuse,
};
use crate::kernel::error::{Error, Kind};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, percent_decode_str, utf8_percent_encode};
use s3s::{
    S3Error, S3ErrorCode, S3Result, StdError, TrailingHeaders,
    dto::{CopySource, ETag, ETagCondition, Metadata, StreamingBlob, Timestamp, TimestampFormat},
};
use std::{
    io,
    time::{Duration, UNIX_EPOCH},
};

/// An error of ours as S3 says it. Only our own failures are logged.
pub fn error(error: Error) -> S3Error {
    if let Some(fault) = Fault::of(&error) {
        // Every fault is the request's, also where s3s knows no status for its code.
        let refusal = refuse(code(fault), error.message.clone());
        let mut refusal = with_status(refusal, StatusCode::BAD_REQUEST);
        match fault {
            Fault::DeleteMarker { version, modified_ms, .. } => {
                refusal.set_headers(marker_headers(version, *modified_ms));
            }
            Fault::NoSuchKey(_) => {
                let absent =
                    (HeaderName::from_static("x-amz-delete-marker"), HeaderValue::from_static("false"));
                refusal.set_headers(HeaderMap::from_iter([absent]));
            }
            _ => {}
        }
        if let Fault::QuotaExceeded(..) = fault {
            refusal.set_status_code(StatusCode::FORBIDDEN);
        }
        return refusal;
    }
    match error.kind {
        Kind::Busy | Kind::TooMany | Kind::Late => refuse(S3ErrorCode::SlowDown, error.message),
        Kind::Invalid => refuse(S3ErrorCode::InvalidRequest, error.message),
        Kind::Forbidden | Kind::Unauthenticated => refuse(S3ErrorCode::AccessDenied, error.message),
        Kind::Conflict | Kind::Exists => refuse(S3ErrorCode::OperationAborted, error.message),
        Kind::NotFound => refuse(S3ErrorCode::NoSuchKey, error.message),
        Kind::TooLarge => refuse(S3ErrorCode::EntityTooLarge, error.message),
        Kind::Full => {
            tracing::error!(?error, "an S3 request found the disk full");
            let mut refusal = refuse(custom("InsufficientStorage"), error.message);
            refusal.set_status_code(StatusCode::INSUFFICIENT_STORAGE);
            refusal
        }
        Kind::Internal => {
            tracing::error!(?error, "an S3 request failed");
            refuse(S3ErrorCode::InternalError, error.message)
        }
    }
}

pub fn code(fault: &Fault) -> S3ErrorCode {
    match fault {
        Fault::NoSuchBucket(_) => S3ErrorCode::NoSuchBucket,
        Fault::InvalidBucketName(_) => S3ErrorCode::InvalidBucketName,
        Fault::BucketExists(_) => S3ErrorCode::BucketAlreadyOwnedByYou,
        Fault::BucketTaken(_) => S3ErrorCode::BucketAlreadyExists,
        Fault::InvalidBucketState(_) => S3ErrorCode::InvalidBucketState,
        Fault::NoSuchVersion(_) => S3ErrorCode::NoSuchVersion,
        Fault::InvalidVersion(_) => S3ErrorCode::InvalidArgument,
        Fault::DeleteMarker { asked: true, .. } => S3ErrorCode::MethodNotAllowed,
        Fault::DeleteMarker { asked: false, .. } => S3ErrorCode::NoSuchKey,
        Fault::ObjectLocked => S3ErrorCode::AccessDenied,
        Fault::BucketNotEmpty(_) => S3ErrorCode::BucketNotEmpty,
        Fault::NoSuchKey(_) => S3ErrorCode::NoSuchKey,
        Fault::KeyTooLong(_) => S3ErrorCode::KeyTooLongError,
        Fault::KeyEmpty | Fault::InvalidRequest(_) => S3ErrorCode::InvalidRequest,
        Fault::PreconditionFailed(_) => S3ErrorCode::PreconditionFailed,
        Fault::InvalidRange(_) => S3ErrorCode::InvalidRange,
        Fault::InvalidDigest => S3ErrorCode::InvalidDigest,
        Fault::BadDigest(_) => S3ErrorCode::BadDigest,
        Fault::IncompleteBody => S3ErrorCode::IncompleteBody,
        Fault::BodyNotAsSigned => custom("XAmzContentSHA256Mismatch"),
        Fault::ChunkNotAsSigned => S3ErrorCode::SignatureDoesNotMatch,
        Fault::EntityTooLarge(_) | Fault::FormTooLarge(_) => S3ErrorCode::EntityTooLarge,
        Fault::DocumentTooLong(_) => S3ErrorCode::MaxMessageLengthExceeded,
        Fault::EntityTooSmall(_) | Fault::FormTooSmall(_) => S3ErrorCode::EntityTooSmall,
        Fault::MetadataTooLarge(_) => S3ErrorCode::MetadataTooLarge,
        Fault::NoSuchUpload(_) => S3ErrorCode::NoSuchUpload,
        Fault::InvalidPart(_) => S3ErrorCode::InvalidPart,
        Fault::InvalidPartOrder => S3ErrorCode::InvalidPartOrder,
        Fault::InvalidTag(_) => S3ErrorCode::InvalidTag,
        Fault::AccessDenied(_) => S3ErrorCode::AccessDenied,
        Fault::AclNotSupported => S3ErrorCode::AccessControlListNotSupported,
        Fault::MalformedAcl => S3ErrorCode::MalformedACLError,
        Fault::UnresolvableGrant(_) => S3ErrorCode::UnresolvableGrantByEmailAddress,
        Fault::NoSuchWebhook(_) => S3ErrorCode::InvalidArgument,
        Fault::QuotaExceeded(..) => custom("QuotaExceeded"),
        Fault::InvalidArgument(_) => S3ErrorCode::InvalidArgument,
        Fault::InvalidEncryptionAlgorithm => S3ErrorCode::InvalidEncryptionAlgorithmError,
        Fault::CustomerKeyNeeded | Fault::CustomerKeyNotNeeded | Fault::WrongCustomerKey => {
            S3ErrorCode::InvalidRequest
        }
        Fault::NoSuchKmsKey(_) => custom("KMS.NotFoundException"),
        Fault::KmsKeyDisabled(_) => custom("KMS.DisabledException"),
    }
}

/// Whoever finds a delete marker is told so, and which.
fn marker_headers(version: &str, modified_ms: i64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("x-amz-delete-marker", HeaderValue::from_static("true"));
    let date = http_date(&timestamp(modified_ms));
    for (name, value) in [("x-amz-version-id", Some(version)), ("last-modified", date.as_deref())] {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(name, value);
        }
    }
    headers
}

fn custom(name: &'static str) -> S3ErrorCode {
    S3ErrorCode::Custom(name.into())
}

/// An error of a code s3s does not know a status for.
pub fn with_status(mut error: S3Error, status: StatusCode) -> S3Error {
    if error.status_code().is_none() {
        error.set_status_code(status);
    }
    error
}

pub fn timestamp(ms: i64) -> Timestamp {
    (UNIX_EPOCH + Duration::from_millis(u64::try_from(ms).unwrap_or(0))).into()
}

/// Whole seconds since the epoch.
pub fn seconds(time: &Timestamp) -> Option<i64> {
    epoch(time).map(|seconds| seconds.floor() as i64)
}

/// Milliseconds since the epoch.
pub fn millis(time: &Timestamp) -> Option<i64> {
    epoch(time).map(|seconds| (seconds * 1000.0).round() as i64)
}

fn epoch(time: &Timestamp) -> Option<f64> {
    let mut text = Vec::new();
    time.format(TimestampFormat::EpochSeconds, &mut text).ok()?;
    std::str::from_utf8(&text).ok()?.parse().ok()
}

pub fn http_date(time: &Timestamp) -> Option<String> {
    let mut text = Vec::new();
    time.format(TimestampFormat::HttpDate, &mut text).ok()?;
    String::from_utf8(text).ok()
}

pub fn etag(value: &str) -> ETag {
    ETag::Strong(value.to_owned())
}

pub fn matching(condition: Option<ETagCondition>) -> Option<Match> {
    condition.map(|condition| match condition {
        ETagCondition::Any => Match::Any,
        ETagCondition::ETag(etag) => Match::Etag(etag.into_value()),
    })
}

/// An ETag as DeleteObjects names it, where `*` stands for any.
pub fn match_of(etag: String) -> Match {
    if etag == "*" { Match::Any } else { Match::Etag(etag) }
}

pub fn write_condition(if_match: Option<ETagCondition>, if_none_match: Option<ETagCondition>) -> Condition {
    Condition { if_match: matching(if_match), if_none_match: matching(if_none_match), ..Condition::default() }
}

/// The same from headers, for CopyObject, where s3s has no fields for it.
pub fn condition_headers(headers: &HeaderMap) -> S3Result<Condition> {
    let read = |name: http::HeaderName| -> S3Result<Option<Match>> {
        let Some(value) = headers.get(&name) else { return Ok(None) };
        let text = value.to_str().ok().map(str::trim).filter(|text| !text.is_empty());
        let text = text.ok_or_else(|| {
            refuse(S3ErrorCode::InvalidArgument, format!("The header {name} is not an ETag, nor *."))
        })?;
        Ok(Some(match_of(text.trim_matches('"').to_owned())))
    };
    Ok(Condition {
        if_match: read(http::header::IF_MATCH)?,
        if_none_match: read(http::header::IF_NONE_MATCH)?,
        ..Condition::default()
    })
}

pub fn read_condition(
    if_match: Option<ETagCondition>,
    if_none_match: Option<ETagCondition>,
    modified_since: Option<&Timestamp>,
    unmodified_since: Option<&Timestamp>,
) -> ReadCondition {
    ReadCondition {
        if_match: matching(if_match),
        if_none_match: matching(if_none_match),
        modified_since_s: modified_since.and_then(seconds),
        unmodified_since_s: unmodified_since.and_then(seconds),
    }
}

/// Our name for a checksum algorithm, or the refusal of one nobody knows.
pub fn algorithm(name: &str) -> S3Result<Algorithm> {
    Algorithm::parse(name).ok_or_else(|| {
        refuse(S3ErrorCode::InvalidRequest, format!("The checksum algorithm {name:?} is not supported."))
    })
}

/// What a request says about its body.
pub struct Claims<'a> {
    pub length: Option<i64>,
    pub algorithm: Option<&'a str>,
    pub headers: &'a HeaderMap,
    pub trailers: Option<TrailingHeaders>,
}

pub fn promise(claims: Claims<'_>) -> S3Result<Promise> {
    // s3s takes an empty header for none; S3 takes it for a wrong one.
    let md5 = match claims.headers.get("content-md5") {
        None => None,
        Some(text) => {
            Some(text.to_str().ok().and_then(decode_md5).ok_or_else(|| error(Fault::InvalidDigest.into()))?)
        }
    };
    let mut promise = Promise { md5, ..Promise::default() };
    promise.length = claims.length.map(|length| u64::try_from(length).unwrap_or(0));
    promise.compute.extend(claims.algorithm.map(algorithm).transpose()?);
    promise.checksums = given_checksums(claims.headers).map_err(|fault| error(fault.into()))?;
    let announced = claims.headers.get_all("x-amz-trailer").iter().filter_map(|value| value.to_str().ok());
    let announced: Vec<&str> = announced.flat_map(|names| names.split(',')).map(str::trim).collect();
    let named =
        |algorithm: &Algorithm| announced.iter().any(|name| name.eq_ignore_ascii_case(algorithm.header()));
    promise.trailing = Algorithm::ALL.into_iter().filter(named).collect();
    if !promise.trailing.is_empty() {
        let trailers = claims.trailers;
        promise.trailer =
            Some(Box::new(move || trailers.and_then(|t| t.read(trailing_checksums)).unwrap_or_default()));
    }
    Ok(promise)
}

/// The checksums the headers promise: one at most, and one that can be.
pub fn given_checksums(headers: &HeaderMap) -> Result<Vec<(Algorithm, String)>, Fault> {
    let mut given = Vec::new();
    for algorithm in Algorithm::ALL {
        let Some(value) = headers.get(algorithm.header()) else { continue };
        let value = value.to_str().map(str::trim).unwrap_or_default();
        if algorithm.decode(value).is_none() {
            return Err(Fault::BadDigest(algorithm.name()));
        }
        given.push((algorithm, value.to_owned()));
    }
    if given.len() > 1 {
        let message = "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.";
        return Err(Fault::InvalidRequest(message.into()));
    }
    Ok(given)
}

fn trailing_checksums(trailers: &HeaderMap) -> Vec<(Algorithm, String)> {
    let value = |algorithm: Algorithm| {
        Some((algorithm, trailers.get(algorithm.header())?.to_str().ok()?.trim().to_owned()))
    };
    Algorithm::ALL.into_iter().filter_map(value).collect()
}

/// The body as our intake takes it, with the reasons s3s has for breaking it off.
pub fn body(body: Option<StreamingBlob>) -> impl Stream<Item = io::Result<Bytes>> + Send {
    futures::stream::iter(body).flatten().map(|chunk| chunk.map_err(|error| io::Error::other(broken(&error))))
}

/// s3s keeps the types of these errors to itself; their texts are all there is to go by.
fn broken(error: &StdError) -> Fault {
    if let Some(fault) = error.downcast_ref::<Fault>() {
        return fault.clone();
    }
    let text = error.to_string();
    match () {
        () if text.contains("Sha256Mismatch") => Fault::BodyNotAsSigned,
        () if text.contains("SignatureMismatch") => Fault::ChunkNotAsSigned,
        () if text.contains("LengthMismatch") => {
            Fault::InvalidRequest("The body is longer than was announced.".into())
        }
        () if text.contains("FormatError") || text.contains("TooLarge") => {
            Fault::InvalidRequest("The chunks of the body are not well formed.".into())
        }
        () => Fault::IncompleteBody,
    }
}

pub fn system_headers(
    cache_control: Option<String>,
    content_disposition: Option<String>,
    content_encoding: Option<String>,
    content_language: Option<String>,
    expires: Option<&Timestamp>,
) -> SystemHeaders {
    // The framing of a signed stream is not the encoding of the object.
    let content_encoding = content_encoding.map(|all| {
        let framed = |one: &str| one.eq_ignore_ascii_case("aws-chunked");
        if !all.split(',').map(str::trim).any(framed) {
            return all;
        }
        all.split(',').map(str::trim).filter(|one| !framed(one)).collect::<Vec<_>>().join(", ")
    });
    SystemHeaders {
        cache_control,
        content_disposition,
        content_encoding: content_encoding.filter(|value| !value.is_empty()),
        content_language,
        expires: expires.and_then(http_date),
    }
}

pub fn metadata(metadata: Option<Metadata>) -> Vec<(String, String)> {
    let mut pairs: Vec<(String, String)> = metadata.into_iter().flatten().collect();
    pairs.sort();
    pairs
}

/// Tags as the `x-amz-tagging` header carries them: a query string. S3 gives tags back by key.
pub fn tags(header: Option<&str>) -> Vec<(String, String)> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pairs = header.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let mut tags: Vec<_> = pairs.map(|(key, value)| (decode(key), decode(value))).collect();
    tags.sort();
    tags
}

/// The bucket, key and version a copy reads.
pub fn copy_source(source: CopySource) -> S3Result<(String, String, Option<Version>)> {
    match source {
        CopySource::Bucket { bucket, key, version_id } => {
            Ok((bucket.into(), key.into(), version(version_id.as_deref())?))
        }
        _ => Err(refuse(S3ErrorCode::NotImplemented, "Access points do not exist here: name the bucket.")),
    }
}

pub fn kind(kind: ChecksumKind) -> &'static str {
    match kind {
        ChecksumKind::Full => "FULL_OBJECT",
        ChecksumKind::Composite => "COMPOSITE",
    }
}

/// The version a request names, if it names one.
pub fn version(text: Option<&str>) -> S3Result<Option<Version>> {
    let named = text.filter(|text| !text.is_empty());
    named.map(Version::parse).transpose().map_err(|fault| error(fault.into()))
}

pub const STANDARD: &str = "STANDARD";

/// A storage class to keep; the standard one is not written down.
pub fn class(class: Option<&s3s::dto::StorageClass>) -> Option<String> {
    class.map(|class| class.as_str().to_owned()).filter(|class| class != STANDARD && !class.is_empty())
}

/// The id of a version that was just made, which S3 tells where versions are kept from now on.
pub fn made_version(bucket: &Bucket, version: Version) -> Option<String> {
    version_id(bucket, version).filter(|_| bucket.versioning == Versioning::Enabled)
}

/// A version as answers name it: not at all in a bucket that never had versions.
pub fn version_id(bucket: &Bucket, version: Version) -> Option<String> {
    (bucket.versioning != Versioning::Off).then(|| version.to_string())
}

pub fn owner(owner: &Owner) -> s3s::dto::Owner {
    s3s::dto::Owner { display_name: Some(owner.0.clone()), id: Some(owner.0.clone()) }
}

/// What a request says of the object it makes, from each of the wire types that can.
macro_rules! traits {
    ($input:ident) => {
        $crate::objects::model::Traits {
            content_type: $input.content_type,
            class: $crate::objects::s3::convert::class($input.storage_class.as_ref()),
            headers: $crate::objects::s3::convert::system_headers(
                $input.cache_control,
                $input.content_disposition,
                $input.content_encoding,
                $input.content_language,
                $input.expires.as_ref(),
            ),
            metadata: $crate::objects::s3::convert::metadata($input.metadata),
            tags: $crate::objects::s3::convert::tags($input.tagging.as_deref()),
            redirect: $input.website_redirect_location,
            ..Default::default()
        }
    };
}

/// Fills the five checksum fields of a wire type.
macro_rules! set_checksums {
    ($target:expr, $values:expr) => {
        for (algorithm, value) in $values {
            let value = Some(value.clone());
            match algorithm {
                $crate::objects::digest::Algorithm::Crc32 => $target.checksum_crc32 = value,
                $crate::objects::digest::Algorithm::Crc32c => $target.checksum_crc32c = value,
                $crate::objects::digest::Algorithm::Crc64Nvme => $target.checksum_crc64nvme = value,
                $crate::objects::digest::Algorithm::Sha1 => $target.checksum_sha1 = value,
                $crate::objects::digest::Algorithm::Sha256 => $target.checksum_sha256 = value,
            }
        }
    };
}

/// Reads the five checksum fields of a wire type.
macro_rules! get_checksums {
    ($source:expr) => {{
        use $crate::objects::digest::Algorithm::*;
        let all = [
            (Crc32, &$source.checksum_crc32),
            (Crc32c, &$source.checksum_crc32c),
            (Crc64Nvme, &$source.checksum_crc64nvme),
            (Sha1, &$source.checksum_sha1),
            (Sha256, &$source.checksum_sha256),
        ];
        all.into_iter().filter_map(|(algorithm, value)| Some((algorithm, value.clone()?))).collect::<Vec<_>>()
    }};
}

pub(super) use {get_checksums, set_checksums, traits};

/// The type of checksum to name, when there is one at all.
pub fn checksum_type(checksums: &Checksums) -> Option<s3s::dto::ChecksumType> {
    (!checksums.values.is_empty()).then(|| kind(checksums.kind).to_owned().into())
}

/// What `encoding-type=url` leaves as it is.
const PLAIN: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/').remove(b'*');

/// A key for an XML answer, percent-encoded when the client asked for that.
pub fn encode(text: &str, url: bool) -> String {
    if url { encoded(text).to_string() } else { text.to_owned() }
}

/// A key as `encoding-type=url` has it, in pieces.
pub fn encoded(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, PLAIN)
}
