//! Buckets: list, make, look at, change, remove.

use super::{
    super::model::{Bucket as Setup, BucketInfo, NewBucket, Versioning},
    Answer, Ask, Service, Shelf, Visitor,
};
use crate::{
    auth::Viewer,
    kernel::{
        clock::rfc3339,
        error::{Error, Result},
        http::Json,
    },
};
use axum::{
    extract::{Path, State},
    response::IntoResponse,
};
use http::StatusCode;
use serde::{Deserialize, Serialize};

#[derive(Serialize)]
pub(super) struct Buckets {
    buckets: Vec<Bucket>,
}

#[derive(Serialize)]
pub(super) struct Bucket {
    name: String,
    created_at: String,
    owner: String,
    objects: u64,
    bytes: u64,
    versioning: &'static str,
    object_lock: bool,
}

impl Bucket {
    fn new(info: BucketInfo, setup: &Setup) -> Self {
        let BucketInfo { name, created_ms, objects, bytes, owner } = info;
        let (versioning, object_lock) = (setup.versioning.as_str(), setup.object_lock);
        Self { name, created_at: rfc3339(created_ms), owner, objects, bytes, versioning, object_lock }
    }
}

pub(super) async fn list(_: Viewer, State(service): State<Service>) -> Answer<Json<Buckets>> {
    let mut buckets = Vec::new();
    for info in service.bucket_list().await? {
        // One that was deleted in between is passed over.
        if let Ok(setup) = service.bucket(&info.name).await {
            buckets.push(Bucket::new(info, &setup));
        }
    }
    Ok(Json(Buckets { buckets }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    name: String,
    #[serde(default)]
    object_lock: bool,
    #[serde(default)]
    versioning: Option<String>,
}

pub(super) async fn create(
    visitor: Visitor,
    State(shelf): State<Shelf>,
    Json(wanted): Json<Wanted>,
) -> Answer<impl IntoResponse> {
    let versioning = wanted.versioning.as_deref().map(parse).transpose()?;
    shelf.admit(&visitor, Ask::of("CreateBucket", "")).await?;
    let service = shelf.service();
    let new = NewBucket { object_lock: wanted.object_lock, ..NewBucket::named(&wanted.name) };
    service.bucket_create(new).await?;
    if let Some(versioning) = versioning.filter(|_| !wanted.object_lock) {
        set_versioning(service, &wanted.name, versioning).await?;
    }
    Ok((StatusCode::CREATED, Json(find(service, &wanted.name).await?)))
}

pub(super) async fn show(
    visitor: Visitor,
    State(shelf): State<Shelf>,
    Path(bucket): Path<String>,
) -> Answer<Json<Bucket>> {
    shelf.admit(&visitor, Ask::of("HeadBucket", &bucket)).await?;
    Ok(Json(find(shelf.service(), &bucket).await?))
}

async fn find(service: &Service, bucket: &str) -> Result<Bucket> {
    let info = service.bucket_get(bucket).await?;
    Ok(Bucket::new(info, &*service.bucket(bucket).await?))
}

/// What can be changed of a bucket beside its settings.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    versioning: Option<String>,
    object_lock: Option<bool>,
}

pub(super) async fn change(
    visitor: Visitor,
    State(shelf): State<Shelf>,
    Path(bucket): Path<String>,
    Json(change): Json<Change>,
) -> Answer<Json<Bucket>> {
    let versioning = change.versioning.as_deref().map(parse).transpose()?;
    if versioning.is_some() {
        shelf.admit(&visitor, Ask::of("PutBucketVersioning", &bucket)).await?;
    }
    if change.object_lock.is_some() {
        shelf.admit(&visitor, Ask::of("PutObjectLockConfiguration", &bucket)).await?;
    }
    let service = shelf.service();
    if change.object_lock == Some(false) && service.bucket(&bucket).await?.object_lock {
        return Err(Error::conflict("Object lock cannot be turned off again.").into());
    }
    if let Some(versioning) = versioning {
        set_versioning(service, &bucket, versioning).await?;
    }
    if change.object_lock == Some(true) {
        service.bucket_enable_lock(&bucket).await?;
    }
    Ok(Json(find(service, &bucket).await?))
}

fn parse(text: &str) -> Result<Versioning> {
    Versioning::parse(text).ok_or_else(|| {
        Error::invalid(format!("{text:?} is no state of versioning. Use enabled or suspended."))
    })
}

async fn set_versioning(service: &Service, bucket: &str, versioning: Versioning) -> Result<()> {
    let now = service.bucket(bucket).await?.versioning;
    match (now, versioning) {
        (now, wanted) if now == wanted => Ok(()),
        (_, Versioning::Off) => Err(Error::conflict(
            "A bucket that has kept versions cannot forget about them: suspend versioning instead.",
        )),
        (_, wanted) => service.bucket_set_versioning(bucket, wanted).await,
    }
}

pub(super) async fn delete(
    visitor: Visitor,
    State(shelf): State<Shelf>,
    Path(bucket): Path<String>,
) -> Answer<StatusCode> {
    shelf.admit(&visitor, Ask::of("DeleteBucket", &bucket)).await?;
    shelf.service().bucket_delete(&bucket).await?;
    Ok(StatusCode::NO_CONTENT)
}
