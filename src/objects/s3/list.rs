//! ListObjects, first and second edition, and ListObjectVersions.

use super::{
    super::{
        model::{ListPage, ListQuery, ObjectInfo, VersionQuery},
        service::Service,
    },
    convert::{self, STANDARD, encode},
    entries::Writer,
    refuse,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use s3s::{S3ErrorCode, S3Response, S3Result, dto::*};

const PAGE_MAX: i32 = 1000;

/// The answer but its objects, which are written and go along as `Entries`; so with the second edition.
pub async fn v1(service: &Service, input: ListObjectsInput) -> S3Result<S3Response<ListObjectsOutput>> {
    let url = is_url(input.encoding_type.as_ref())?;
    let max_keys = page_size(input.max_keys)?;
    let query = ListQuery {
        prefix: input.prefix.clone().unwrap_or_default(),
        delimiter: input.delimiter.clone(),
        after: input.marker.clone().filter(|marker| !marker.is_empty()),
        limit: max_keys as usize,
    };
    let (page, objects) = written(service, &input.bucket, query, url, true).await?;
    let next = page.next;
    let output = ListObjectsOutput {
        name: Some(input.bucket),
        // boto3 decodes every field of this answer but the prefix: it is left as it came where XML can say it.
        prefix: Some(input.prefix.map(|prefix| encode(&prefix, url && !is_xml(&prefix))).unwrap_or_default()),
        marker: Some(encode(&input.marker.unwrap_or_default(), url)),
        max_keys: Some(max_keys),
        is_truncated: Some(next.is_some()),
        // Without a delimiter the last key is the marker; S3 then leaves this out, though nobody minds it.
        next_marker: next.map(|next| encode(&next, url)),
        common_prefixes: Some(common_prefixes(page.prefixes, url)),
        delimiter: delimiter(input.delimiter, url),
        encoding_type: input.encoding_type,
        ..Default::default()
    };
    Ok(with_entries(output, objects))
}

pub async fn v2(service: &Service, input: ListObjectsV2Input) -> S3Result<S3Response<ListObjectsV2Output>> {
    let url = is_url(input.encoding_type.as_ref())?;
    let max_keys = page_size(input.max_keys)?;
    let continued = input.continuation_token.as_deref().map(open_token).transpose()?;
    let query = ListQuery {
        prefix: input.prefix.clone().unwrap_or_default(),
        delimiter: input.delimiter.clone(),
        after: continued.or_else(|| input.start_after.clone().filter(|after| !after.is_empty())),
        limit: max_keys as usize,
    };
    let with_owner = input.fetch_owner == Some(true);
    let (page, objects) = written(service, &input.bucket, query, url, with_owner).await?;
    let next = page.next;
    let output = ListObjectsV2Output {
        name: Some(input.bucket),
        prefix: Some(encode(&input.prefix.unwrap_or_default(), url)),
        max_keys: Some(max_keys),
        key_count: Some((objects.count() + page.prefixes.len()) as i32),
        continuation_token: input.continuation_token,
        is_truncated: Some(next.is_some()),
        next_continuation_token: next.map(|next| URL_SAFE_NO_PAD.encode(next)),
        common_prefixes: Some(common_prefixes(page.prefixes, url)),
        delimiter: delimiter(input.delimiter, url),
        encoding_type: input.encoding_type,
        start_after: input.start_after.map(|after| encode(&after, url)),
        ..Default::default()
    };
    Ok(with_entries(output, objects))
}

async fn written(
    service: &Service,
    bucket: &str,
    query: ListQuery,
    url: bool,
    with_owner: bool,
) -> S3Result<(ListPage, Writer)> {
    let writer = Writer::new(query.limit, url, with_owner);
    service.list_into(bucket, query, writer, Writer::add).await.map_err(convert::error)
}

fn with_entries<T>(output: T, objects: Writer) -> S3Response<T> {
    let mut response = S3Response::new(output);
    response.extensions.insert(objects.finish());
    response
}

pub async fn versions(
    service: &Service,
    input: ListObjectVersionsInput,
) -> S3Result<ListObjectVersionsOutput> {
    let url = is_url(input.encoding_type.as_ref())?;
    let max_keys = page_size(input.max_keys)?;
    let key_marker = input.key_marker.clone().filter(|marker| !marker.is_empty());
    let version_marker = convert::version(input.version_id_marker.as_deref())?;
    if version_marker.is_some() && key_marker.is_none() {
        let message = "A version-id marker cannot be specified without a key marker.";
        return Err(refuse(S3ErrorCode::InvalidArgument, message));
    }
    let query = VersionQuery {
        prefix: input.prefix.clone().unwrap_or_default(),
        delimiter: input.delimiter.clone(),
        after: key_marker.map(|key| (key, version_marker)),
        limit: max_keys as usize,
    };
    let page = service.list_versions(&input.bucket, query).await.map_err(convert::error)?;
    let (markers, versions): (Vec<_>, Vec<_>) = page.versions.into_iter().partition(|info| info.marker);
    let (next_key, next_version) = page.next.unzip();
    Ok(ListObjectVersionsOutput {
        name: Some(input.bucket),
        prefix: Some(encode(&input.prefix.unwrap_or_default(), url)),
        key_marker: Some(encode(&input.key_marker.unwrap_or_default(), url)),
        version_id_marker: Some(input.version_id_marker.unwrap_or_default()),
        max_keys: Some(max_keys),
        is_truncated: Some(next_key.is_some()),
        next_version_id_marker: next_version.flatten().map(|version| version.to_string()),
        next_key_marker: next_key.map(|next| encode(&next, url)),
        versions: Some(versions.into_iter().map(|info| version(info, url)).collect()),
        delete_markers: Some(markers.into_iter().map(|info| marker(info, url)).collect()),
        common_prefixes: Some(common_prefixes(page.prefixes, url)),
        delimiter: delimiter(input.delimiter, url),
        encoding_type: input.encoding_type,
        ..Default::default()
    })
}

fn delimiter(asked: Option<String>, url: bool) -> Option<String> {
    asked.filter(|delimiter| !delimiter.is_empty()).map(|delimiter| encode(&delimiter, url))
}

/// Whether XML 1.0 can hold the text as it is.
fn is_xml(text: &str) -> bool {
    !text
        .chars()
        .any(|c| (c < ' ' && !matches!(c, '\t' | '\n' | '\r')) || matches!(c, '\u{FFFE}' | '\u{FFFF}'))
}

fn version(info: ObjectInfo, url: bool) -> ObjectVersion {
    ObjectVersion {
        e_tag: Some(convert::etag(&info.etag)),
        is_latest: Some(info.latest),
        key: Some(encode(&info.key, url)),
        last_modified: Some(convert::timestamp(info.last_modified_ms)),
        owner: Some(convert::owner(&info.traits.owner)),
        size: Some(i64::try_from(info.size).unwrap_or(i64::MAX)),
        storage_class: Some(info.traits.class.unwrap_or_else(|| STANDARD.into()).into()),
        version_id: Some(info.version.to_string()),
        ..Default::default()
    }
}

fn marker(info: ObjectInfo, url: bool) -> DeleteMarkerEntry {
    DeleteMarkerEntry {
        is_latest: Some(info.latest),
        key: Some(encode(&info.key, url)),
        last_modified: Some(convert::timestamp(info.last_modified_ms)),
        owner: Some(convert::owner(&info.traits.owner)),
        version_id: Some(info.version.to_string()),
    }
}

fn common_prefixes(prefixes: Vec<String>, url: bool) -> Vec<CommonPrefix> {
    prefixes.iter().map(|prefix| CommonPrefix { prefix: Some(encode(prefix, url)) }).collect()
}

pub fn is_url(encoding: Option<&EncodingType>) -> S3Result<bool> {
    match encoding.map(|encoding| encoding.as_str()) {
        None | Some("") => Ok(false),
        Some("url") => Ok(true),
        Some(_) => Err(refuse(S3ErrorCode::InvalidArgument, "Invalid Encoding Method specified in Request")),
    }
}

pub fn page_size(asked: Option<i32>) -> S3Result<i32> {
    match asked {
        None => Ok(PAGE_MAX),
        Some(asked @ 0..) => Ok(asked.min(PAGE_MAX)),
        Some(_) => Err(refuse(S3ErrorCode::InvalidArgument, "A page holds between 0 and 1,000 entries.")),
    }
}

fn open_token(token: &str) -> S3Result<String> {
    let key = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    key.ok_or_else(|| refuse(S3ErrorCode::InvalidArgument, "The continuation token provided is incorrect"))
}
