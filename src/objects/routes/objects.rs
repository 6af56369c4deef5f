//! Objects: list, read (whole, a range, a version), write, remove.

use super::{
    super::{
        digest::Algorithm,
        error::Fault,
        intake::Promise,
        model::{Deletion, ListQuery, ObjectInfo, PutOptions},
    },
    Answer, Ask, Asked, Object, PAGE_MAX, Shelf, Visitor, version,
};
use crate::kernel::{error::Error, http::Json};
use axum::{
    body::Body,
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use futures::TryStreamExt;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use std::{io, ops::Range};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listing {
    #[serde(default)]
    prefix: String,
    delimiter: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

#[derive(Serialize)]
pub(super) struct Page {
    prefixes: Vec<String>,
    objects: Vec<Object>,
    next: Option<String>,
}

pub(super) async fn list(
    visitor: Visitor,
    State(shelf): State<Shelf>,
    Path(bucket): Path<String>,
    Asked(listing): Asked<Listing>,
) -> Answer<Json<Page>> {
    let ask = Ask::of("ListObjectsV2", &bucket).with("prefix", Some(&listing.prefix));
    shelf.admit(&visitor, ask.with("delimiter", listing.delimiter.as_deref())).await?;
    let query = ListQuery {
        prefix: listing.prefix,
        delimiter: listing.delimiter.filter(|delimiter| !delimiter.is_empty()),
        after: listing.after.filter(|after| !after.is_empty()),
        limit: listing.limit.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX),
    };
    let page = shelf.service().list(&bucket, query).await?;
    let objects = page.objects.into_iter().map(Object::from).collect();
    Ok(Json(Page { prefixes: page.prefixes, objects, next: page.next }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct View {
    inline: Option<String>,
    version: Option<String>,
}

pub(super) async fn get(
    visitor: Visitor,
    State(shelf): State<Shelf>,
    Path((bucket, key)): Path<(String, String)>,
    Asked(view): Asked<View>,
    headers: HeaderMap,
) -> Answer<Response> {
    let ask = Ask::of("GetObject", &bucket).key(&key).version(view.version.as_deref());
    shelf.admit(&visitor, ask).await?;
    let opened = shelf.service().open(&bucket, &key, version(view.version.as_deref())?).await?;
    let info = opened.info.clone();
    let range = asked_range(&headers, &info).map_err(Error::from)?;
    let wanted = range.clone().unwrap_or(0..info.size);
    let mut response = Response::new(Body::from_stream(opened.into_stream(wanted.clone())));
    let inline = view.inline.as_deref() == Some("1");
    *response.headers_mut() = download_headers(&info, inline, wanted.end - wanted.start);
    if range.is_some() {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let text = format!("bytes {}-{}/{}", wanted.start, wanted.end.saturating_sub(1), info.size);
        if let Ok(value) = HeaderValue::try_from(text) {
            response.headers_mut().insert(header::CONTENT_RANGE, value);
        }
    }
    Ok(response)
}

/// The one range a request asks for. What is not understood is passed over, as RFC 9110 has it.
fn asked_range(headers: &HeaderMap, info: &ObjectInfo) -> Result<Option<Range<u64>>, Fault> {
    let text = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let Some((from, to)) = text.and_then(|text| text.strip_prefix("bytes=")?.split_once('-')) else {
        return Ok(None);
    };
    let range = match (from.trim().parse::<u64>(), to.trim().parse::<u64>()) {
        (Ok(from), Ok(to)) if from <= to => from..to.saturating_add(1).min(info.size),
        (Ok(from), _) if to.trim().is_empty() => from..info.size,
        (_, Ok(last)) if from.trim().is_empty() => info.size.saturating_sub(last)..info.size,
        _ => return Ok(None),
    };
    if range.is_empty() { Err(Fault::InvalidRange(format!("{from}-{to}"))) } else { Ok(Some(range)) }
}

/// Stored bytes are somebody's upload: shown in a browser, they get no scripts and no origin.
fn download_headers(info: &ObjectInfo, inline: bool, length: u64) -> HeaderMap {
    let kind = info.traits.content_type.as_deref().unwrap_or("application/octet-stream");
    let inline = inline && is_viewable(kind);
    let name = utf8_percent_encode(info.key.rsplit('/').next().unwrap_or_default(), NON_ALPHANUMERIC);
    let disposition = if inline { "inline" } else { "attachment" };
    let fields = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::ETAG, format!("\"{}\"", info.etag)),
        (header::CONTENT_DISPOSITION, format!("{disposition}; filename*=UTF-8''{name}")),
        (
            header::CONTENT_SECURITY_POLICY,
            "sandbox; default-src 'none'; style-src 'unsafe-inline'".to_owned(),
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::CACHE_CONTROL, "private, no-cache".to_owned()),
    ];
    // A stored content type that is no header value is left out.
    fields.into_iter().filter_map(|(name, value)| Some((name, HeaderValue::from_str(&value).ok()?))).collect()
}

fn is_viewable(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let text = kind.starts_with("text/") && kind != "text/html";
    text || kind.starts_with("image/") || kind == "application/json"
}

/// The type of a new object: what the sender says, else what its name tells.
pub(super) fn content_type(headers: &HeaderMap, key: &str) -> Option<String> {
    let said = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let guess = || mime_guess::from_path(key).first().map(|kind| kind.to_string());
    said.map(str::to_owned).or_else(guess)
}

/// What the headers promise about the body. The checksum is the one S3 clients compute by themselves.
pub(super) fn promise(headers: &HeaderMap) -> Promise {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    Promise { length, compute: vec![Algorithm::Crc64Nvme], ..Promise::default() }
}

pub(super) async fn put(
    visitor: Visitor,
    State(shelf): State<Shelf>,
    Path((bucket, key)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Answer<impl IntoResponse> {
    let admitted = shelf.admit(&visitor, Ask::of("PutObject", &bucket).key(&key)).await?;
    let mut options = PutOptions::of_type(content_type(&headers, &key));
    admitted.mark(&mut options.traits);
    let body = body.into_data_stream().map_err(io::Error::other);
    let info = shelf.service().put_promised(&bucket, &key, body, options, promise(&headers)).await?;
    Ok((StatusCode::CREATED, Json(Object::from(info))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    version: Option<String>,
}

pub(super) async fn delete(
    visitor: Visitor,
    State(shelf): State<Shelf>,
    Path((bucket, key)): Path<(String, String)>,
    Asked(which): Asked<Which>,
) -> Answer<StatusCode> {
    let ask = Ask::of("DeleteObject", &bucket).key(&key).version(which.version.as_deref());
    let admitted = shelf.admit(&visitor, ask).await?;
    let version = version(which.version.as_deref())?;
    let wanted = Deletion { key, version, ..Deletion::default() };
    shelf.service().delete_one(&bucket, wanted, admitted.owner).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &'static str, size: u64) -> Result<Option<Range<u64>>, Fault> {
        let headers = HeaderMap::from_iter([(header::RANGE, HeaderValue::from_static(text))]);
        asked_range(&headers, &ObjectInfo { size, ..ObjectInfo::default() })
    }

    #[test]
    fn a_range_is_cut_to_the_object() {
        assert_eq!(range("bytes=0-9", 5), Ok(Some(0..5)));
        assert_eq!(range("bytes=2-", 5), Ok(Some(2..5)));
        assert_eq!(range("bytes=-2", 5), Ok(Some(3..5)));
        assert_eq!(range("bytes=-9", 5), Ok(Some(0..5)));
        assert_eq!(range("bytes=0-1,3-4", 5), Ok(None));
        assert_eq!(range("lines=0-1", 5), Ok(None));
        assert_eq!(range("bytes=0-18446744073709551615", 5), Ok(Some(0..5)));
        assert!(range("bytes=5-", 5).is_err() && range("bytes=-0", 5).is_err());
    }
}
