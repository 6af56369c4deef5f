//! The model repository as Triton's clients work it: an endpoint is a model of it. To load one is to look up its
//! address now; to unload one is to let go of its models until it is loaded or defined again, over
//! restarts too.

use super::{about, messages::ModelIndex, response::Refusal};
use crate::{
    auth,
    kernel::error::{Error, Result},
    serving::{Service, State as Loading, wire::body::Body},
};
use axum::{
    Json, Router,
    extract::{Path, State},
    routing::post,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

pub fn router(service: Service) -> Router {
    Router::new()
        .route("/v2/repository/index", post(index))
        .route("/v2/repository/models/{name}/load", post(load_route))
        .route("/v2/repository/models/{name}/unload", post(unload_route))
        .with_state(service)
}

/// Loads what the endpoint's addresses name; answers when that is done.
pub async fn load<'a>(
    serving: &Service,
    name: &str,
    mut parameters: impl Iterator<Item = &'a String>,
) -> Result<()> {
    let endpoint = serving.endpoint(name)?;
    if let Some(parameter) = parameters.next() {
        return Err(Error::invalid(format!(
            "An endpoint loads what its address names, as it is: {parameter:?} cannot be given here."
        )));
    }
    serving.load(&endpoint).await?;
    serving.refresh(&endpoint).await;
    let seen = endpoint.plan().champion().follower.seen();
    if seen.state == Loading::Ready {
        return Ok(());
    }
    let why = seen.error.unwrap_or_else(|| "it was not loaded".to_owned());
    Err(Error::invalid(format!("Endpoint {name} did not load: {why}")))
}

pub async fn unload(serving: &Service, name: &str) -> Result<()> {
    serving.unload(&*serving.endpoint(name)?).await
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct IndexRequest {
    ready: bool,
}

async fn index(
    _: auth::Viewer,
    State(serving): State<Service>,
    body: Body,
) -> Result<Json<Vec<ModelIndex>>, Refusal> {
    let asked: IndexRequest = body.settings()?;
    Ok(Json(about::index(serving.list(), asked.ready)))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct LoadRequest {
    parameters: Map<String, Value>,
}

async fn load_route(
    _: auth::Editor,
    State(serving): State<Service>,
    Path(name): Path<String>,
    body: Body,
) -> Result<Json<Value>, Refusal> {
    let asked: LoadRequest = body.settings()?;
    load(&serving, &name, asked.parameters.keys()).await?;
    Ok(Json(json!({})))
}

async fn unload_route(
    _: auth::Editor,
    State(serving): State<Service>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Refusal> {
    unload(&serving, &name).await?;
    Ok(Json(json!({})))
}
