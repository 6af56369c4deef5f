//! Large objects in parts, for clients that speak JSON: begin, put parts in any order, complete.

use super::{
    super::{
        model::PutOptions,
        multipart::{Completion, ListedPart},
    },
    Answer, Ask, Asked, Object, PAGE_MAX, Shelf, Visitor, objects,
};
use crate::kernel::{clock::rfc3339, http::Json};
use axum::{
    body::Body,
    extract::{Path, State},
    response::IntoResponse,
};
use futures::TryStreamExt;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::io;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Prefix {
    #[serde(default)]
    prefix: String,
}

/// Uploads that were begun and not yet completed.
pub(super) async fn list(
    visitor: Visitor,
    State(shelf): State<Shelf>,
    Path(bucket): Path<String>,
    Asked(asked): Asked<Prefix>,
) -> Answer<Json<Value>> {
    let ask = Ask::of("ListMultipartUploads", &bucket).with("prefix", Some(&asked.prefix));
    shelf.admit(&visitor, ask).await?;
    let start = (String::new(), String::new());
    let uploads = shelf.service().upload_list(&bucket, &asked.prefix, start, PAGE_MAX).await?;
    let shown = uploads
        .into_iter()
        .map(|upload| json!({ "id": upload.id, "key": upload.key, "begun_at": rfc3339(upload.created_ms) }));
    Ok(Json(json!({ "uploads": shown.collect::<Vec<_>>() })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    key: String,
    content_type: Option<String>,
}

pub(super) async fn begin(
    visitor: Visitor,
    State(shelf): State<Shelf>,
    Path(bucket): Path<String>,
    Json(wanted): Json<Wanted>,
) -> Answer<impl IntoResponse> {
    let kind = wanted.content_type.or_else(|| objects::content_type(&HeaderMap::new(), &wanted.key));
    let ask = Ask::of("CreateMultipartUpload", &bucket).key(&wanted.key);
    let mut options = PutOptions::of_type(kind);
    shelf.admit(&visitor, ask).await?.mark(&mut options.traits);
    let upload = shelf.service().upload_create(&bucket, &wanted.key, options, None).await?;
    Ok((StatusCode::CREATED, Json(json!({ "id": upload.id }))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Key {
    key: String,
}

pub(super) async fn part(
    visitor: Visitor,
    State(shelf): State<Shelf>,
    Path((bucket, upload, number)): Path<(String, String, u32)>,
    Asked(Key { key }): Asked<Key>,
    headers: HeaderMap,
    body: Body,
) -> Answer<Json<Value>> {
    shelf.admit(&visitor, Ask::of("UploadPart", &bucket).key(&key)).await?;
    let body = body.into_data_stream().map_err(io::Error::other);
    let promise = super::super::intake::Promise { compute: Vec::new(), ..objects::promise(&headers) };
    let at = (bucket.as_str(), key.as_str(), upload.as_str());
    let part = shelf.service().part_put(at, number, body, promise, None).await?.part;
    Ok(Json(json!({ "number": part.number, "size": part.size, "etag": part.etag })))
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Parts {
    key: String,
    parts: Vec<Part>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Part {
    number: u32,
    etag: String,
}

pub(super) async fn complete(
    visitor: Visitor,
    State(shelf): State<Shelf>,
    Path((bucket, upload)): Path<(String, String)>,
    Json(wanted): Json<Parts>,
) -> Answer<impl IntoResponse> {
    shelf.admit(&visitor, Ask::of("CompleteMultipartUpload", &bucket).key(&wanted.key)).await?;
    let listed = |part: Part| ListedPart { number: part.number, etag: part.etag, checksums: Vec::new() };
    let parts = wanted.parts.into_iter().map(listed).collect();
    let completion = Completion { parts, ..Completion::default() };
    let info = shelf.service().upload_complete(&bucket, &wanted.key, &upload, completion).await?;
    Ok((StatusCode::CREATED, Json(Object::from(info))))
}

pub(super) async fn abort(
    visitor: Visitor,
    State(shelf): State<Shelf>,
    Path((bucket, upload)): Path<(String, String)>,
    Asked(Key { key }): Asked<Key>,
) -> Answer<StatusCode> {
    shelf.admit(&visitor, Ask::of("AbortMultipartUpload", &bucket).key(&key)).await?;
    shelf.service().upload_abort(&bucket, &key, &upload).await?;
    Ok(StatusCode::NO_CONTENT)
}
