//! Large objects in parts, for clients that speak JSON: begin, put parts in any order, complete.

use super::{
    super::{
        model::PutOptions,
        multipart::{Completion, ListedPart},
    },
    Answer, Asked, Object, PAGE_MAX, Service, objects,
};
use crate::{
    auth::{Editor, Viewer},
    kernel::{clock::rfc3339, http::Json},
};
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
    _: Viewer,
    State(service): State<Service>,
    Path(bucket): Path<String>,
    Asked(asked): Asked<Prefix>,
) -> Answer<Json<Value>> {
    let start = (String::new(), String::new());
    let uploads = service.upload_list(&bucket, &asked.prefix, start, PAGE_MAX).await?;
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
    _: Editor,
    State(service): State<Service>,
    Path(bucket): Path<String>,
    Json(wanted): Json<Wanted>,
) -> Answer<impl IntoResponse> {
    let kind = wanted.content_type.or_else(|| objects::content_type(&HeaderMap::new(), &wanted.key));
    let upload = service.upload_create(&bucket, &wanted.key, PutOptions::of_type(kind), None).await?;
    Ok((StatusCode::CREATED, Json(json!({ "id": upload.id }))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Key {
    key: String,
}

pub(super) async fn part(
    _: Editor,
    State(service): State<Service>,
    Path((bucket, upload, number)): Path<(String, String, u32)>,
    Asked(Key { key }): Asked<Key>,
    headers: HeaderMap,
    body: Body,
) -> Answer<Json<Value>> {
    let body = body.into_data_stream().map_err(io::Error::other);
    let promise = super::super::intake::Promise { compute: Vec::new(), ..objects::promise(&headers) };
    let (part, _) = service.part_put((&bucket, &key, &upload), number, body, promise).await?;
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
    _: Editor,
    State(service): State<Service>,
    Path((bucket, upload)): Path<(String, String)>,
    Json(wanted): Json<Parts>,
) -> Answer<impl IntoResponse> {
    let listed = |part: Part| ListedPart { number: part.number, etag: part.etag, checksums: Vec::new() };
    let parts = wanted.parts.into_iter().map(listed).collect();
    let completion = Completion { parts, ..Completion::default() };
    let info = service.upload_complete(&bucket, &wanted.key, &upload, completion).await?;
    Ok((StatusCode::CREATED, Json(Object::from(info))))
}

pub(super) async fn abort(
    _: Editor,
    State(service): State<Service>,
    Path((bucket, upload)): Path<(String, String)>,
    Asked(Key { key }): Asked<Key>,
) -> Answer<StatusCode> {
    service.upload_abort(&bucket, &key, &upload).await?;
    Ok(StatusCode::NO_CONTENT)
}
