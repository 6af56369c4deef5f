//! Buckets and objects in our own JSON API, for the UI and the command line.

mod care;
mod quota;
mod webhooks;

use super::{
    intake::Promise,
    model::{BucketInfo, ListQuery, NewBucket, ObjectInfo, PutOptions},
    service::Service,
};
use crate::{
    auth::{Editor, Viewer},
    kernel::{
        clock::rfc3339,
        error::Error,
        http::{Json, Problem},
    },
};
use axum::{
    Router,
    body::Body,
    extract::{Path, Query, State},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use futures::TryStreamExt;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use std::io;

type Answer<T> = Result<T, Problem>;

/// Entries in a page of a listing, at most and unless told otherwise.
const PAGE_MAX: usize = 1000;

/// `/api/crannog/v1/buckets` and below.
pub fn router(service: Service) -> Router {
    Router::new()
        .route("/api/crannog/v1/buckets", get(bucket_list).post(bucket_create))
        .route("/api/crannog/v1/buckets/{bucket}", axum::routing::delete(bucket_delete))
        .route("/api/crannog/v1/buckets/{bucket}/objects", get(object_list))
        .route(
            "/api/crannog/v1/buckets/{bucket}/objects/{*key}",
            get(object_get).put(object_put).delete(object_delete),
        )
        .route("/api/crannog/v1/buckets/{bucket}/quota", get(quota::get).put(quota::put))
        .route("/api/crannog/v1/fsck", post(care::fsck))
        .route("/api/crannog/v1/scrub", get(care::scrub))
        .route("/api/crannog/v1/webhooks", get(webhooks::list))
        .route("/api/crannog/v1/webhooks/{name}", put(webhooks::put).delete(webhooks::delete))
        .with_state(service)
}

#[derive(Serialize)]
struct Buckets {
    buckets: Vec<Bucket>,
}

#[derive(Serialize)]
struct Bucket {
    name: String,
    created_at: String,
    objects: u64,
    bytes: u64,
}

impl From<BucketInfo> for Bucket {
    fn from(info: BucketInfo) -> Self {
        let BucketInfo { name, created_ms, objects, bytes, .. } = info;
        Self { name, created_at: rfc3339(created_ms), objects, bytes }
    }
}

async fn bucket_list(_: Viewer, State(service): State<Service>) -> Answer<Json<Buckets>> {
    let buckets = service.bucket_list().await?.into_iter().map(Bucket::from).collect();
    Ok(Json(Buckets { buckets }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BucketName {
    name: String,
}

async fn bucket_create(
    _: Editor,
    State(service): State<Service>,
    Json(new): Json<BucketName>,
) -> Answer<impl IntoResponse> {
    service.bucket_create(NewBucket::named(&new.name)).await?;
    let bucket = Bucket::from(service.bucket_get(&new.name).await?);
    Ok((StatusCode::CREATED, Json(bucket)))
}

async fn bucket_delete(
    _: Editor,
    State(service): State<Service>,
    Path(bucket): Path<String>,
) -> Answer<StatusCode> {
    service.bucket_delete(&bucket).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listing {
    #[serde(default)]
    prefix: String,
    delimiter: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

#[derive(Serialize)]
struct Page {
    prefixes: Vec<String>,
    objects: Vec<Object>,
    next: Option<String>,
}

#[derive(Serialize)]
struct Object {
    key: String,
    size: u64,
    etag: String,
    last_modified: String,
    content_type: Option<String>,
}

impl From<ObjectInfo> for Object {
    fn from(info: ObjectInfo) -> Self {
        let last_modified = rfc3339(info.last_modified_ms);
        Self {
            key: info.key,
            size: info.size,
            etag: info.etag,
            last_modified,
            content_type: info.traits.content_type,
        }
    }
}

async fn object_list(
    _: Viewer,
    State(service): State<Service>,
    Path(bucket): Path<String>,
    query: Result<Query<Listing>, axum::extract::rejection::QueryRejection>,
) -> Answer<Json<Page>> {
    let Query(listing) = query.map_err(|rejection| Error::invalid(rejection.body_text()))?;
    let query = ListQuery {
        prefix: listing.prefix,
        delimiter: listing.delimiter,
        after: listing.after.filter(|after| !after.is_empty()),
        limit: listing.limit.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX),
    };
    let page = service.list(&bucket, query).await?;
    let objects = page.objects.into_iter().map(Object::from).collect();
    Ok(Json(Page { prefixes: page.prefixes, objects, next: page.next }))
}

#[derive(Deserialize)]
struct View {
    inline: Option<String>,
}

async fn object_get(
    _: Viewer,
    State(service): State<Service>,
    Path((bucket, key)): Path<(String, String)>,
    Query(view): Query<View>,
) -> Answer<Response> {
    let (info, stream) = service.get(&bucket, &key).await?;
    let inline = view.inline.as_deref() == Some("1");
    let mut response = Response::new(Body::from_stream(stream));
    *response.headers_mut() = download_headers(&info, inline);
    Ok(response)
}

/// Stored bytes are somebody's upload: shown in a browser, they get no scripts and no origin.
fn download_headers(info: &ObjectInfo, inline: bool) -> HeaderMap {
    let kind = info.traits.content_type.as_deref().unwrap_or("application/octet-stream");
    let inline = inline && is_viewable(kind);
    let name = utf8_percent_encode(info.key.rsplit('/').next().unwrap_or_default(), NON_ALPHANUMERIC);
    let disposition = if inline { "inline" } else { "attachment" };
    let fields = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::CONTENT_LENGTH, info.size.to_string()),
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

async fn object_put(
    _: Editor,
    State(service): State<Service>,
    Path((bucket, key)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Answer<impl IntoResponse> {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let guess = || mime_guess::from_path(&key).first().map(|kind| kind.to_string());
    let options = PutOptions::of_type(text(header::CONTENT_TYPE).map(str::to_owned).or_else(guess));
    let length = text(header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
    let promise = Promise { length, ..Promise::default() };
    let body = body.into_data_stream().map_err(io::Error::other);
    let info = service.put_promised(&bucket, &key, body, options, promise).await?;
    Ok((StatusCode::CREATED, Json(Object::from(info))))
}

async fn object_delete(
    _: Editor,
    State(service): State<Service>,
    Path((bucket, key)): Path<(String, String)>,
) -> Answer<StatusCode> {
    service.delete(&bucket, &key).await?;
    Ok(StatusCode::NO_CONTENT)
}
