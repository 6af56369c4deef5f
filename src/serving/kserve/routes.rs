//! The protocol's routes, under `/v1/models`.

use super::predict;
use crate::{
    auth,
    kernel::error::Error,
    serving::{Service, body::Body, call::Call, oip::Refusal},
};
use axum::{
    Json, Router,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::get,
};
use http::StatusCode;
use serde_json::{Value, json};

pub fn router(service: Service) -> Router {
    Router::new()
        .route("/v1/models", get(models))
        .route("/v1/models/{name}", get(model).post(act))
        .with_state(service)
}

async fn models(_: auth::Viewer, State(serving): State<Service>) -> Json<Value> {
    let names: Vec<_> = serving.endpoints().iter().map(|endpoint| endpoint.name.clone()).collect();
    Json(json!({ "models": names }))
}

/// Whether the model answers. KServe's client takes 503 for "not yet", and anything else for an error.
async fn model(
    _: auth::Viewer,
    State(serving): State<Service>,
    Path(name): Path<String>,
) -> Result<Response, Refusal> {
    let ready = serving.endpoint(&name)?.current().is_ok();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok((status, Json(json!({ "name": name, "ready": ready }))).into_response())
}

/// What is done with a model stands behind its name: `NAME:predict`.
async fn act(
    State(serving): State<Service>,
    Path(target): Path<String>,
    call: Call,
    body: Body,
) -> Result<Response, Refusal> {
    match target.rsplit_once(':') {
        Some((name, "predict")) => predict::predict(&serving, name, call, body).await,
        _ => Err(Error::not_found(format!(
            "Nothing answers POST /v1/models/{target}. POST /v1/models/NAME:predict asks a model."
        ))
        .into()),
    }
}
