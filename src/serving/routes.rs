//! Our own API for endpoints, under `/api/crannog/v1`.

use super::{EndpointInfo, Service};
use crate::{
    auth,
    kernel::http::{Json, Problem},
};
use axum::{
    Router,
    extract::{Path, State},
    routing::get,
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

pub fn router(service: Service) -> Router {
    Router::new()
        .route("/api/crannog/v1/endpoints", get(list))
        .route("/api/crannog/v1/endpoints/{name}", get(show).put(put).delete(remove))
        .with_state(service)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Definition {
    model: String,
}

async fn list(_: auth::Viewer, State(serving): State<Service>) -> Json<Value> {
    Json(json!({ "endpoints": serving.list() }))
}

async fn show(
    _: auth::Viewer,
    State(serving): State<Service>,
    Path(name): Path<String>,
) -> Result<Json<EndpointInfo>, Problem> {
    Ok(Json(serving.get(&name)?))
}

async fn put(
    _: auth::Editor,
    State(serving): State<Service>,
    Path(name): Path<String>,
    Json(definition): Json<Definition>,
) -> Result<Json<EndpointInfo>, Problem> {
    Ok(Json(serving.put(&name, &definition.model).await?))
}

async fn remove(
    _: auth::Editor,
    State(serving): State<Service>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    serving.delete(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}
