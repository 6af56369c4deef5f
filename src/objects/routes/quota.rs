//! What a bucket may hold, and what it holds.

use super::{super::quota::Quota, Answer, Service};
use crate::{
    auth::{Admin, Viewer},
    kernel::http::Json,
};
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};

#[derive(Serialize)]
pub struct Usage {
    objects: u64,
    bytes: u64,
    max_objects: Option<u64>,
    max_bytes: Option<u64>,
}

/// Null, or nothing, is no limit.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    #[serde(default)]
    max_objects: Option<u64>,
    #[serde(default)]
    max_bytes: Option<u64>,
}

pub async fn get(
    _: Viewer,
    State(service): State<Service>,
    Path(bucket): Path<String>,
) -> Answer<Json<Usage>> {
    usage(&service, &bucket).await
}

pub async fn put(
    _: Admin,
    State(service): State<Service>,
    Path(bucket): Path<String>,
    Json(limits): Json<Limits>,
) -> Answer<Json<Usage>> {
    let quota = Quota { objects: limits.max_objects, bytes: limits.max_bytes };
    service.quota_put(&bucket, quota).await?;
    usage(&service, &bucket).await
}

async fn usage(service: &Service, bucket: &str) -> Answer<Json<Usage>> {
    let (info, quota) = (service.bucket_get(bucket).await?, service.quota_get(bucket).await?);
    let (objects, bytes) = (info.objects, info.bytes);
    Ok(Json(Usage { objects, bytes, max_objects: quota.objects, max_bytes: quota.bytes }))
}
