//! The settings of a bucket over HTTP: each a JSON document under its name.

use super::{
    super::s3::ops,
    Answer, Ask, Shelf, Visitor,
    documents::{self, Document},
};
use crate::kernel::{
    error::{Error, Kind, Result},
    http::Json,
};
use axum::extract::{Path, State};
use http::StatusCode;
use s3s::{S3Error, S3ErrorCode};
use serde_json::{Map, Value, json};

/// Every setting this server has: its document, or null where the bucket has none.
pub(super) async fn all(
    visitor: Visitor,
    State(shelf): State<Shelf>,
    Path(bucket): Path<String>,
) -> Answer<Json<Value>> {
    let ops = ops(&shelf.gatekeeper);
    let mut found = Map::new();
    for document in documents::ALL {
        let [get, ..] = document.operations();
        // What the visitor may not see is left out, as what this server does not have.
        let admitted = match shelf.admit(&visitor, Ask::of(get, &bucket)).await {
            Err(error) if error.kind == Kind::Forbidden => continue,
            admitted => admitted?,
        };
        match document.get(&ops, &admitted, &bucket).await {
            Ok(value) => found.insert(document.name().to_owned(), value.unwrap_or_default()),
            Err(error) if is_missing(&error) => found.insert(document.name().to_owned(), Value::Null),
            Err(error) if *error.code() == S3ErrorCode::NotImplemented => None,
            Err(error) => return Err(refusal(error).into()),
        };
    }
    Ok(Json(json!({ "settings": found })))
}

/// Whether the bucket is fine and only lacks the setting.
fn is_missing(error: &S3Error) -> bool {
    status(error) == StatusCode::NOT_FOUND && *error.code() != S3ErrorCode::NoSuchBucket
}

pub(super) async fn show(
    visitor: Visitor,
    State(shelf): State<Shelf>,
    Path((bucket, name)): Path<(String, String)>,
) -> Answer<Json<Value>> {
    let kind = named(&name)?;
    let found = current(kind, &shelf, &visitor, &bucket).await?;
    let missing = || Error::not_found(format!("The bucket {bucket:?} has no {name} document."));
    Ok(Json(found.ok_or_else(missing)?))
}

pub(super) async fn put(
    visitor: Visitor,
    State(shelf): State<Shelf>,
    Path((bucket, name)): Path<(String, String)>,
    Json(document): Json<Value>,
) -> Answer<Json<Value>> {
    let kind = named(&name)?;
    let [_, put, _] = kind.operations();
    let admitted = shelf.admit(&visitor, Ask::of(put, &bucket)).await?;
    kind.put(&ops(&shelf.gatekeeper), &admitted, &bucket, &document).await.map_err(refusal)?;
    Ok(Json(current(kind, &shelf, &visitor, &bucket).await?.unwrap_or_default()))
}

async fn current(
    kind: &dyn Document,
    shelf: &Shelf,
    visitor: &Visitor,
    bucket: &str,
) -> Result<Option<Value>> {
    let [get, ..] = kind.operations();
    let admitted = shelf.admit(visitor, Ask::of(get, bucket)).await?;
    match kind.get(&ops(&shelf.gatekeeper), &admitted, bucket).await {
        Err(error) if is_missing(&error) => Ok(None),
        found => found.map_err(refusal),
    }
}

pub(super) async fn delete(
    visitor: Visitor,
    State(shelf): State<Shelf>,
    Path((bucket, name)): Path<(String, String)>,
) -> Answer<StatusCode> {
    let kind = named(&name)?;
    let [_, _, delete] = kind.operations();
    let admitted = shelf.admit(&visitor, Ask::of(delete, &bucket)).await?;
    kind.delete(&ops(&shelf.gatekeeper), &admitted, &bucket).await.map_err(refusal)?;
    Ok(StatusCode::NO_CONTENT)
}

fn named(name: &str) -> Result<&'static dyn Document> {
    let unknown = || {
        let names: Vec<_> = documents::ALL.iter().map(|kind| kind.name()).collect();
        Error::not_found(format!("There is no setting {name:?}. There are: {}.", names.join(", ")))
    };
    documents::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(unknown)
}

fn status(error: &S3Error) -> StatusCode {
    error.status_code().or_else(|| error.code().status_code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// A refusal of the S3 door in our own terms.
pub(super) fn refusal(error: S3Error) -> Error {
    let message = error.message().map_or_else(|| error.code().as_str().to_owned(), str::to_owned);
    let kind = match status(&error) {
        _ if *error.code() == S3ErrorCode::NotImplemented => Kind::Invalid,
        StatusCode::NOT_FOUND => Kind::NotFound,
        StatusCode::FORBIDDEN => Kind::Forbidden,
        StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED => Kind::Conflict,
        StatusCode::SERVICE_UNAVAILABLE => Kind::Busy,
        status if status.is_client_error() => Kind::Invalid,
        _ => return Error::internal(error),
    };
    Error::new(kind, message)
}
