//! The endpoints as `mlflow.deployments.get_deploy_client("http://...")` lists them.

use super::answer::Refusal;
use crate::{
    auth,
    serving::{EndpointInfo, Service},
};
use axum::{
    Json, Router,
    extract::{Path, State},
    routing::get,
};
use serde_json::{Value, json};

pub fn router(service: Service) -> Router {
    Router::new()
        .route("/api/2.0/endpoints", get(list))
        .route("/api/2.0/endpoints/", get(list))
        .route("/api/2.0/endpoints/{name}", get(show))
        .with_state(service)
}

async fn list(_: auth::Viewer, State(serving): State<Service>) -> Json<Value> {
    let endpoints: Vec<_> = serving.list().into_iter().map(described).collect();
    Json(json!({ "endpoints": endpoints }))
}

async fn show(
    _: auth::Viewer,
    State(serving): State<Service>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Refusal> {
    Ok(Json(described(serving.get(&name)?)))
}

/// The client wants every one of these fields, the empty one too.
fn described(info: EndpointInfo) -> Value {
    json!({
        "name": info.name,
        "endpoint_type": "custom",
        "model": { "name": info.model, "provider": "crannog" },
        "endpoint_url": info.url_path,
        "limit": null,
    })
}
