//! The scoring routes: under an endpoint's name, and bare where there is only one endpoint.

use super::{answer, answer::Refusal, csv, feed, payload::Payload};
use crate::{
    auth,
    kernel::{
        VERSION,
        error::{Error, Kind, Result},
    },
    serving::{Service, body::Body, endpoint::Endpoint, json, mlmodel::Column, scoring::payload},
};
use axum::{
    Router,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use std::{sync::Arc, time::Instant};

/// Tells which version of the model answered.
const VERSION_HEADER: HeaderName = HeaderName::from_static("x-crannog-model-version");

pub fn router(service: Service) -> Router {
    Router::new()
        .route("/endpoints/{name}/invocations", post(invocations))
        .route("/endpoints/{name}/ping", get(ping))
        .route("/endpoints/{name}/health", get(ping))
        .route("/endpoints/{name}/version", get(version))
        .route("/invocations", post(only_invocations))
        .route("/ping", get(only_ping))
        .with_state(service)
}

async fn invocations(
    _: auth::Viewer,
    State(serving): State<Service>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    score(&serving, serving.endpoint(&name)?, &headers, body).await
}

async fn only_invocations(
    _: auth::Viewer,
    State(serving): State<Service>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    score(&serving, serving.only()?, &headers, body).await
}

async fn ping(
    _: auth::Viewer,
    State(serving): State<Service>,
    Path(name): Path<String>,
) -> Result<Response, Refusal> {
    ping_of(&*serving.endpoint(&name)?)
}

async fn only_ping(_: auth::Viewer, State(serving): State<Service>) -> Result<Response, Refusal> {
    ping_of(&*serving.only()?)
}

/// MLflow's scoring server answers a bare newline.
fn ping_of(endpoint: &Endpoint) -> Result<Response, Refusal> {
    let loaded = endpoint.current()?;
    Ok(([(VERSION_HEADER, version_value(&loaded.version))], "\n").into_response())
}

async fn version(_: auth::Viewer) -> &'static str {
    VERSION
}

async fn score(
    serving: &Service,
    endpoint: Arc<Endpoint>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let started = Instant::now();
    let outcome = try_score(serving, &endpoint, headers, body).await;
    endpoint.stats.count(started.elapsed(), outcome.is_ok());
    outcome
}

async fn try_score(
    serving: &Service,
    endpoint: &Endpoint,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let loaded = endpoint.current()?;
    let (kind, encoding) = (kind_of(headers)?, headers.clone());
    let version = version_value(&loaded.version);
    let work = move || {
        let body = body.decoded(&encoding)?;
        let columns = loaded.signature.as_ref().and_then(|signature| signature.columns.as_deref());
        let payload = read(kind, &body, columns)?;
        let inputs = feed::tensors(&payload, loaded.model.inputs(), columns)?;
        let results = loaded.model.infer(inputs)?;
        Ok(answer::predictions(&payload, &results).to_string())
    };
    let text = serving.work(work).await.map_err(too_many)?;
    let json = HeaderValue::from_static("application/json");
    Ok(([(VERSION_HEADER, version), (header::CONTENT_TYPE, json)], text).into_response())
}

/// What a body is written in.
#[derive(Clone, Copy)]
enum Written {
    Json,
    Csv,
}

fn kind_of(headers: &HeaderMap) -> Result<Written, Refusal> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.unwrap_or("application/json");
    let (essence, parameters) = kind.split_once(';').unwrap_or((kind, ""));
    let charset = parameters.split(';').find_map(|parameter| parameter.trim().strip_prefix("charset="));
    if charset.is_some_and(|charset| !charset.trim_matches('"').eq_ignore_ascii_case("utf-8")) {
        return Err(unsupported("The scoring server only supports UTF-8"));
    }
    match essence.trim().to_ascii_lowercase().as_str() {
        "application/json" => Ok(Written::Json),
        "text/csv" => Ok(Written::Csv),
        _ => Err(unsupported(&format!(
            "This predictor only supports the following content types: application/json, text/csv. Got '{kind}'."
        ))),
    }
}

fn read(kind: Written, body: &[u8], columns: Option<&[Column]>) -> Result<Payload> {
    match kind {
        Written::Json => payload::read(json::parse(body)?, columns),
        Written::Csv => {
            let text = std::str::from_utf8(body).map_err(|_| Error::invalid("The CSV is not UTF-8."))?;
            Ok(Payload::Frame(csv::read(text, columns)?))
        }
    }
}

fn unsupported(message: &str) -> Refusal {
    Refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, Error::invalid(message))
}

/// A full queue is the caller's to wait for: 429.
fn too_many(error: Error) -> Refusal {
    let status = if error.kind == Kind::Busy { StatusCode::TOO_MANY_REQUESTS } else { error.kind.status() };
    Refusal(status, error)
}

fn version_value(version: &str) -> HeaderValue {
    HeaderValue::from_str(version).unwrap_or(HeaderValue::from_static("unknown"))
}
