//! Named keys in our own JSON API: made, listed, disabled and enabled by administrators.

use super::KmsKey;
use crate::{
    auth::Admin,
    kernel::{
        clock::rfc3339,
        http::{Json, Problem},
    },
    objects::service::Service,
};
use axum::{
    Router,
    extract::{Path, State},
    response::IntoResponse,
    routing::{get, put},
};
use http::StatusCode;
use serde::{Deserialize, Serialize};

type Answer<T> = Result<T, Problem>;

/// `/api/crannog/v1/encryption/keys` and below.
pub fn router(service: Service) -> Router {
    Router::new()
        .route("/api/crannog/v1/encryption/keys", get(key_list).post(key_create))
        // A name may have slashes.
        .route("/api/crannog/v1/encryption/keys/{*name}", put(key_set))
        .with_state(service)
}

#[derive(Serialize)]
struct Keys {
    keys: Vec<Key>,
}

#[derive(Serialize)]
struct Key {
    name: String,
    created_at: String,
    enabled: bool,
}

impl From<KmsKey> for Key {
    fn from(key: KmsKey) -> Self {
        Self { name: key.name, created_at: rfc3339(key.created_ms), enabled: key.enabled }
    }
}

async fn key_list(_: Admin, State(service): State<Service>) -> Answer<Json<Keys>> {
    let keys = service.vault().key_list().await?.into_iter().map(Key::from).collect();
    Ok(Json(Keys { keys }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewKey {
    name: String,
}

async fn key_create(
    _: Admin,
    State(service): State<Service>,
    Json(new): Json<NewKey>,
) -> Answer<impl IntoResponse> {
    let key = service.vault().key_create(&new.name).await?;
    Ok((StatusCode::CREATED, Json(Key::from(key))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    enabled: bool,
}

async fn key_set(
    _: Admin,
    State(service): State<Service>,
    Path(name): Path<String>,
    Json(change): Json<Change>,
) -> Answer<Json<Key>> {
    Ok(Json(service.vault().key_enable(&name, change.enabled).await?.into()))
}
