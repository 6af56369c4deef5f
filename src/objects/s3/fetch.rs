//! GetObject and HeadObject: which version, under which conditions, which of its bytes, and all that
//! is told of it in headers.

use super::{
    super::{
        crypt::CustomerKey,
        digest::Algorithm,
        error::Fault,
        model::{ObjectInfo, PartInfo, Version},
        read::{ReadCondition, Verdict},
        service::Service,
    },
    convert::{self, set_checksums},
    lifecycle, lock,
    object::signed,
    refuse, sse,
};
use futures::TryStreamExt;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::StreamBody;
use s3s::{Body, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, dto::*};

/// What a reader asks for.
struct Wanted {
    version: Option<Version>,
    customer: Option<CustomerKey>,
    condition: ReadCondition,
    range: Option<Range>,
    part: Option<i32>,
    checksums: bool,
}

/// Reads it from either of s3s's two types.
macro_rules! wanted {
    ($input:ident) => {
        Wanted {
            version: convert::version($input.version_id.as_deref())?,
            customer: sse::customer!($input)?,
            condition: convert::read_condition(
                $input.if_match,
                $input.if_none_match,
                $input.if_modified_since.as_ref(),
                $input.if_unmodified_since.as_ref(),
            ),
            range: $input.range,
            part: $input.part_number,
            checksums: $input.checksum_mode.is_some(),
        }
    };
}

/// All that both answers say of the object, in either of s3s's two types.
macro_rules! told {
    ($Output:ident, $bucket:expr, $info:expr, $wanted:expr, $span:expr) => {{
        let (bucket, info, wanted, span): (_, ObjectInfo, &Wanted, Span) = ($bucket, $info, $wanted, $span);
        let (lock, sealed) = (lock::tell(&info.traits), sse::told(&info.traits, wanted.customer.as_ref()));
        let mut output = $Output {
            accept_ranges: Some("bytes".into()),
            content_length: Some(signed(span.range.end - span.range.start)),
            content_range: span.header,
            e_tag: Some(convert::etag(&info.etag)),
            expiration: lifecycle::expiration(bucket, &info),
            last_modified: Some(convert::timestamp(info.last_modified_ms)),
            object_lock_legal_hold_status: lock.hold,
            object_lock_mode: lock.mode,
            object_lock_retain_until_date: lock.until,
            parts_count: wanted.part.and(info.parts.as_ref()).map(|parts| parts.len() as i32),
            version_id: convert::version_id(bucket, info.version),
            cache_control: info.traits.headers.cache_control,
            content_disposition: info.traits.headers.content_disposition,
            content_encoding: info.traits.headers.content_encoding,
            content_language: info.traits.headers.content_language,
            content_type: info.traits.content_type.or_else(|| Some("binary/octet-stream".into())),
            expires: info.traits.headers.expires.as_deref().and_then(parse_date),
            metadata: Some(info.traits.metadata.into_iter().collect()),
            storage_class: info.traits.class.map(StorageClass::from),
            website_redirect_location: info.traits.redirect,
            ..Default::default()
        };
        sse::tell!(output, sealed);
        if wanted.checksums && !span.checksums.is_empty() {
            set_checksums!(output, &span.checksums);
            output.checksum_type = convert::checksum_type(&info.checksums);
        }
        output
    }};
}

pub async fn get(service: &Service, request: S3Request<GetObjectInput>) -> S3Result<GetObjectOutput> {
    sse::check_read(&request.headers)?;
    let input = request.input;
    let wanted = wanted!(input);
    let bucket = service.bucket(&input.bucket).await.map_err(convert::error)?;
    // A part that is not there is told of before the key is asked for.
    if let Some(part) = wanted.part.filter(|_| wanted.customer.is_none()) {
        let info =
            service.head_version(&input.bucket, &input.key, wanted.version).await.map_err(convert::error)?;
        part_span(&info, part)?;
    }
    let opened = service
        .open_with(&input.bucket, &input.key, wanted.version, wanted.customer.as_ref())
        .await
        .map_err(convert::error)?;
    let span = wanted.span(&opened.info)?;
    let info = opened.info.clone();
    let tag_count = info.traits.tags.len() as i32;
    let body = match opened.at_hand(&span.range) {
        // Head and body then leave in one write.
        Some(bytes) => Body::from(bytes),
        None => {
            let frames = opened.into_stream(span.range.clone()).map_ok(http_body::Frame::data);
            Body::http_body_unsync(StreamBody::new(frames))
        }
    };
    let mut output = told!(GetObjectOutput, &bucket, info, &wanted, span);
    output.tag_count = (tag_count > 0).then_some(tag_count);
    output.body = Some(body.into());
    Ok(output)
}

/// The tag count goes into a header by hand: s3s has no field for it here.
pub async fn head(
    service: &Service,
    request: S3Request<HeadObjectInput>,
) -> S3Result<S3Response<HeadObjectOutput>> {
    sse::check_read(&request.headers)?;
    let input = request.input;
    let wanted = wanted!(input);
    let bucket = service.bucket(&input.bucket).await.map_err(convert::error)?;
    let info =
        service.head_version(&input.bucket, &input.key, wanted.version).await.map_err(convert::error)?;
    if let Some(part) = wanted.part {
        part_span(&info, part)?;
    }
    sse::check_key(info.traits.seal.as_ref(), wanted.customer.as_ref())?;
    let span = wanted.span(&info)?;
    let tag_count = info.traits.tags.len();
    let mut response = S3Response::new(told!(HeadObjectOutput, &bucket, info, &wanted, span));
    if tag_count > 0 {
        response.headers.insert("x-amz-tagging-count", HeaderValue::from(tag_count));
    }
    Ok(response)
}

/// The bytes a read asks for, and their checksums if we have those of just these bytes.
struct Span {
    range: std::ops::Range<u64>,
    header: Option<String>,
    checksums: Vec<(Algorithm, String)>,
}

impl Wanted {
    /// What to send of the object, if its conditions hold.
    fn span(&self, info: &ObjectInfo) -> S3Result<Span> {
        match self.condition.judge(info) {
            Verdict::Proceed => {}
            Verdict::Failed(which) => return Err(convert::error(Fault::PreconditionFailed(which).into())),
            Verdict::NotModified => return Err(not_modified(info)),
        }
        let (wanted, checksums) = match (&self.range, self.part) {
            (Some(_), Some(_)) => {
                let message = "Cannot specify both Range header and partNumber query parameter";
                return Err(refuse(S3ErrorCode::InvalidRequest, message));
            }
            (None, None) => {
                let checksums = info.checksums.values.clone();
                return Ok(Span { range: 0..info.size, header: None, checksums });
            }
            (Some(range), None) => {
                let outside = |_| convert::error(Fault::InvalidRange(range.to_header_string()).into());
                (range.check(info.size).map_err(outside)?, Vec::new())
            }
            (None, Some(part)) => part_span(info, part)?,
        };
        let last = wanted.end.checked_sub(1).filter(|_| !wanted.is_empty());
        let header = last.map(|last| format!("bytes {}-{last}/{}", wanted.start, info.size));
        Ok(Span { range: wanted, header, checksums })
    }
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
