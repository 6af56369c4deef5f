//! The protocol's routes, under `/v2`.

use super::{
    HEADER_LENGTH, request,
    response::{self, Refusal},
};
use crate::{
    auth,
    kernel::{VERSION, error::Error},
    serving::{
        Service, body::Body, call::Call, endpoint::Endpoint, engine::NamedTensor, load::Loaded, model::Tensor,
    },
};
use axum::{
    Json, Router,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

pub fn router(service: Service) -> Router {
    let model = Router::new()
        .route("/", get(model))
        .route("/ready", get(model_ready))
        .route("/config", get(model_config))
        .route("/infer", post(infer));
    Router::new()
        .route("/v2", get(server))
        .route("/v2/", get(server))
        .route("/v2/health/live", get(live))
        .route("/v2/health/ready", get(ready))
        .route("/v2/repository/index", post(index))
        .nest("/v2/models/{name}", model.clone())
        .nest("/v2/models/{name}/versions/{version}", model)
        .with_state(service)
}

#[derive(Deserialize)]
struct Which {
    name: String,
    version: Option<String>,
}

impl Which {
    fn endpoint(&self, serving: &Service) -> Result<Arc<Endpoint>, Refusal> {
        Ok(serving.endpoint(&self.name)?)
    }

    fn loaded(&self, endpoint: &Endpoint) -> Result<Arc<Loaded>, Refusal> {
        Ok(match &self.version {
            Some(version) => endpoint.version(version)?,
            None => endpoint.current()?,
        })
    }
}

async fn server(_: auth::Viewer) -> Json<Value> {
    Json(json!({
        "name": "crannog",
        "version": VERSION,
        "extensions": ["binary_tensor_data", "model_configuration", "model_repository"],
    }))
}

async fn live(_: auth::Viewer) -> Json<Value> {
    Json(json!({ "live": true }))
}

/// Ready when every endpoint that has a model to serve can answer.
async fn ready(_: auth::Viewer, State(serving): State<Service>) -> Response {
    let ready = serving.endpoints().iter().all(|endpoint| endpoint.is_settled());
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": ready }))).into_response()
}

async fn index(_: auth::Viewer, State(serving): State<Service>) -> Json<Value> {
    let models = serving.list().into_iter().map(|info| {
        let ready = info.version.is_some();
        json!({
            "name": info.name,
            "version": info.version.unwrap_or_default(),
            "state": if ready { "READY" } else { "UNAVAILABLE" },
            "reason": info.error.unwrap_or_default(),
        })
    });
    Json(models.collect())
}

async fn model(
    _: auth::Viewer,
    State(serving): State<Service>,
    Path(which): Path<Which>,
) -> Result<Json<Value>, Refusal> {
    let loaded = which.loaded(&*which.endpoint(&serving)?)?;
    let tensors =
        |specs: &[crate::serving::engine::TensorSpec]| specs.iter().map(Tensor::from).collect::<Vec<_>>();
    Ok(Json(json!({
        "name": which.name,
        "versions": [loaded.version],
        "platform": "onnx_crannog",
        "inputs": tensors(loaded.model.inputs()),
        "outputs": tensors(loaded.model.outputs()),
    })))
}

async fn model_ready(
    _: auth::Viewer,
    State(serving): State<Service>,
    Path(which): Path<Which>,
) -> Result<Json<Value>, Refusal> {
    which.loaded(&*which.endpoint(&serving)?)?;
    Ok(Json(json!({ "name": which.name, "ready": true })))
}

/// Triton's own extension, which its client's tools ask for.
async fn model_config(
    _: auth::Viewer,
    State(serving): State<Service>,
    Path(which): Path<Which>,
) -> Result<Json<Value>, Refusal> {
    let loaded = which.loaded(&*which.endpoint(&serving)?)?;
    let tensors = |specs: &[crate::serving::engine::TensorSpec]| {
        let one = |spec: &crate::serving::engine::TensorSpec| {
            let kind = if spec.datatype == "BYTES" { "STRING" } else { spec.datatype.as_str() };
            json!({ "name": spec.name, "data_type": format!("TYPE_{kind}"), "dims": spec.shape })
        };
        specs.iter().map(one).collect::<Vec<_>>()
    };
    Ok(Json(json!({
        "name": which.name,
        "platform": "onnx_crannog",
        "backend": "crannog",
        "max_batch_size": 0,
        "input": tensors(loaded.model.inputs()),
        "output": tensors(loaded.model.outputs()),
    })))
}

async fn infer(
    call: Call,
    State(serving): State<Service>,
    Path(which): Path<Which>,
    body: Body,
) -> Result<Response, Refusal> {
    let endpoint = which.endpoint(&serving)?;
    let length = json_length(&call.headers)?;
    let name = which.name;
    let read = move |model: &Loaded| {
        let mut request = request::read(&body.decoded()?, length, model.model.outputs())?;
        let inputs = std::mem::take(&mut request.inputs);
        let write =
            move |model: &Loaded, results: &[NamedTensor]| response::write(&name, model, &request, results);
        Ok((inputs, write))
    };
    let answered = serving.predict(&endpoint, call.of_version(which.version), read).await?;
    Ok((answered.headers(), answered.answer).into_response())
}

pub fn json_length(headers: &HeaderMap) -> Result<Option<usize>, Refusal> {
    let Some(value) = headers.get(HEADER_LENGTH) else { return Ok(None) };
    let length = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    length.map(Some).ok_or_else(|| Error::invalid("Inference-Header-Content-Length is not a number.").into())
}
