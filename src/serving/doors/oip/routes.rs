//! The protocol's routes, under `/v2`.

use super::{
    HEADER_LENGTH, about,
    messages::{ModelConfig, ModelMetadata, ServerMetadata},
    packing::Packing,
    request,
    response::{self, Refusal},
};
use crate::{
    auth,
    kernel::error::{Error, Result},
    serving::{
        Service,
        endpoint::Endpoint,
        engine::NamedTensor,
        loading::load::Loaded,
        predict::{
            call::{Call, Params, Question},
            gate::too_late,
        },
        wire::body::Body,
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
use serde_json::{Map, Value, json};
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
        .route("/v2/models", get(models))
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

async fn server(_: auth::Viewer, State(serving): State<Service>) -> Json<ServerMetadata> {
    Json(about::server(serving.regions().are_allowed()))
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

async fn models(_: auth::Viewer, State(serving): State<Service>) -> Json<Value> {
    let names: Vec<_> = serving.endpoints().iter().map(|endpoint| endpoint.name.clone()).collect();
    Json(json!({ "models": names }))
}

async fn model(
    _: auth::Viewer,
    State(serving): State<Service>,
    Path(which): Path<Which>,
) -> Result<Json<ModelMetadata>, Refusal> {
    let endpoint = which.endpoint(&serving)?;
    Ok(Json(about::metadata(&which.name, endpoint.versions(), &*which.loaded(&endpoint)?)))
}

async fn model_ready(
    _: auth::Viewer,
    State(serving): State<Service>,
    Path(which): Path<Which>,
) -> Result<Json<Value>, Refusal> {
    which.loaded(&*which.endpoint(&serving)?)?;
    Ok(Json(json!({ "name": which.name, "ready": true })))
}

async fn model_config(
    _: auth::Viewer,
    State(serving): State<Service>,
    Path(which): Path<Which>,
) -> Result<Json<ModelConfig>, Refusal> {
    let loaded = which.loaded(&*which.endpoint(&serving)?)?;
    Ok(Json(about::config(&which.name, &loaded)))
}

async fn infer(
    call: Call,
    State(serving): State<Service>,
    Path(which): Path<Which>,
    body: Body,
) -> Result<Response, Refusal> {
    let endpoint = which.endpoint(&serving)?;
    let length = json_length(&call.headers)?;
    let (name, packing, began) = (which.name, Packing::asked(&call.headers), call.began);
    let (regions, user) = (serving.regions().clone(), call.user.clone());
    let call = Call { is_small: call.is_small && !regions.lend_to(&user), ..call };
    let read = move |model: &Loaded| {
        let lent = regions.lent_to(&user);
        let mut request = request::read(&body.decoded()?, length, model.model.outputs(), Some(&lent))?;
        if request.timeout.is_some_and(|timeout| began.elapsed() >= timeout) {
            return Err(too_late());
        }
        let inputs = std::mem::take(&mut request.inputs);
        let params = params(model, std::mem::take(&mut request.parameters));
        let write = move |model: &Loaded, results: &[NamedTensor]| {
            response::write(&name, model, &request, results)?.packed(packing)
        };
        Ok((Question { inputs, params }, write))
    };
    let answered = serving.predict(&endpoint, call.of_version(which.version), read).await?;
    Ok((answered.headers(), answered.answer).into_response())
}

/// The request's parameters that the model's signature names.
fn params(model: &Loaded, mut given: Map<String, Value>) -> Option<Params> {
    let signature = model.signature.as_ref()?;
    let found: Map<_, _> = signature.params().filter_map(|name| given.remove_entry(name)).collect();
    (!found.is_empty()).then(|| Arc::new(found))
}

pub fn json_length(headers: &HeaderMap) -> Result<Option<usize>> {
    let Some(value) = headers.get(HEADER_LENGTH) else { return Ok(None) };
    let length = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    length.map(Some).ok_or_else(|| Error::invalid("Inference-Header-Content-Length is not a number."))
}
