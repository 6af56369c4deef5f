//! The protocol's routes, under `/v1/models`.

use super::predict;
use crate::{
    auth,
    kernel::error::Error,
    serving::{Service, doors::oip::Refusal, explain::Explainer, predict::call::Call, wire::body::Body},
};
use axum::{
    Json, Router,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::StatusCode;
use serde_json::{Value, json};

pub fn router(serving: Service, explainer: Explainer) -> Router {
    Router::new()
        .route("/v1/models", get(models))
        .route("/v1/models/{name}", get(model).post(act))
        .route("/v1/models/{name}/versions/{version}", post(act_on_version))
        .with_state(Rooms { serving, explainer })
}

/// Who predicts, and who explains.
#[derive(Clone)]
struct Rooms {
    serving: Service,
    explainer: Explainer,
}

async fn models(_: auth::Viewer, State(rooms): State<Rooms>) -> Json<Value> {
    let names: Vec<_> = rooms.serving.endpoints().iter().map(|endpoint| endpoint.name.clone()).collect();
    Json(json!({ "models": names }))
}

/// Whether the model answers. KServe's client takes 503 for "not yet", and anything else for an error.
async fn model(
    _: auth::Viewer,
    State(rooms): State<Rooms>,
    Path(name): Path<String>,
) -> Result<Response, Refusal> {
    let ready = rooms.serving.endpoint(&name)?.current().is_ok();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok((status, Json(json!({ "name": name, "ready": ready }))).into_response())
}

/// What is done with a model stands behind its name: `NAME:predict`, `NAME:explain`.
async fn act(
    State(rooms): State<Rooms>,
    Path(target): Path<String>,
    call: Call,
    body: Body,
) -> Result<Response, Refusal> {
    match target.rsplit_once(':') {
        Some((name, verb)) => rooms.act(name, verb, call, body).await,
        None => Err(unknown(&target)),
    }
}

/// The same of one version, as TensorFlow's server has it: `NAME/versions/3:predict`.
async fn act_on_version(
    State(rooms): State<Rooms>,
    Path((name, target)): Path<(String, String)>,
    call: Call,
    body: Body,
) -> Result<Response, Refusal> {
    match target.rsplit_once(':') {
        Some((version, verb)) => {
            rooms.act(&name, verb, call.of_version(Some(version.to_owned())), body).await
        }
        None => Err(unknown(&format!("{name}/versions/{target}"))),
    }
}

impl Rooms {
    async fn act(&self, name: &str, verb: &str, call: Call, body: Body) -> Result<Response, Refusal> {
        match verb {
            "predict" => predict::predict(&self.serving, name, call, body).await,
            "explain" => self.explainer.kserve(name, call, body).await,
            _ => Err(unknown(&format!("{name}:{verb}"))),
        }
    }
}

fn unknown(target: &str) -> Refusal {
    let message = format!(
        "Nothing answers POST /v1/models/{target}: a model is asked by NAME:predict and explained by NAME:explain."
    );
    Error::not_found(message).into()
}
