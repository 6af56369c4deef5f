//! The scoring routes: under an endpoint's name, and bare where there is only one endpoint.

use super::{
    answer::{self, Cause, Refusal},
    csv, feed,
    payload::{self, Payload},
};
use crate::{
    auth,
    kernel::{
        VERSION,
        error::{Error, Result},
    },
    serving::{
        Service,
        endpoint::Endpoint,
        engine::NamedTensor,
        loading::{load::Loaded, mlmodel::Column},
        predict::call::{Call, Params, Question, VERSION_HEADER, value},
        wire::{
            body::{self, Body, MOST_VALUES},
            parquet,
        },
    },
};
use axum::{
    Router,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{HeaderMap, HeaderValue, header};
use serde_json::Value;
use std::sync::Arc;

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
    call: Call,
    State(serving): State<Service>,
    Path(name): Path<String>,
    body: Body,
) -> Result<Response, Refusal> {
    score(&serving, &serving.endpoint(&name)?, call, body).await
}

async fn only_invocations(
    call: Call,
    State(serving): State<Service>,
    body: Body,
) -> Result<Response, Refusal> {
    score(&serving, &serving.only()?, call, body).await
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
    Ok(([(VERSION_HEADER, value(&loaded.version))], "\n").into_response())
}

async fn version(_: auth::Viewer) -> &'static str {
    VERSION
}

async fn score(
    serving: &Service,
    endpoint: &Arc<Endpoint>,
    call: Call,
    body: Body,
) -> Result<Response, Refusal> {
    let kind = kind_of(&call.headers)?;
    let read = move |model: &Loaded| {
        let columns = model.signature.as_ref().and_then(|signature| signature.columns.as_deref());
        let (payload, params) = read(kind, &body.decoded()?, columns)?;
        let params = params_of(model, params)?;
        let inputs = feed::tensors(&payload, model.model.inputs(), columns)?;
        let write = move |model: &Loaded, results: &[NamedTensor]| {
            let bare = model.model.is_bare(results);
            Ok(answer::predictions(&payload, results, bare).to_string())
        };
        Ok((Question { inputs, params }, write))
    };
    let answered = serving.predict(endpoint, call, read).await?;
    let json = HeaderValue::from_static("application/json");
    Ok((answered.headers(), [(header::CONTENT_TYPE, json)], answered.answer).into_response())
}

/// What a body is written in.
#[derive(Clone, Copy)]
enum Written {
    Json,
    Csv,
    Parquet,
}

fn kind_of(headers: &HeaderMap) -> Result<Written, Refusal> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.unwrap_or("application/json");
    let mut parts = kind.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    for parameter in parts.filter(|part| !part.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        if !name.eq_ignore_ascii_case("charset") {
            return Err(unsupported(format!("Unrecognized content type parameters: {name}.")));
        }
        if !value.trim_matches('"').eq_ignore_ascii_case("utf-8") {
            return Err(unsupported("The scoring server only supports UTF-8".to_owned()));
        }
    }
    match essence.as_str() {
        "application/json" => Ok(Written::Json),
        "text/csv" => Ok(Written::Csv),
        "application/vnd.apache.parquet" => Ok(Written::Parquet),
        _ => Err(unsupported(format!(
            "This predictor only supports the following content types: Types: ['text/csv', 'application/json', \
             'application/vnd.apache.parquet']. Got '{kind}'."
        ))),
    }
}

/// The table or tensors of a body, and its `params`, which JSON alone has.
fn read(kind: Written, bytes: &[u8], columns: Option<&[Column]>) -> Result<(Payload, Value)> {
    let payload = match kind {
        Written::Json => {
            let mut body = body::json(bytes)?;
            let params = body.as_object_mut().and_then(|body| body.remove("params")).unwrap_or_default();
            return Ok((payload::read(body, columns)?, params));
        }
        Written::Csv => {
            let text = std::str::from_utf8(bytes).map_err(|_| Error::invalid("The CSV is not UTF-8."))?;
            body::few_values(bytes, b",\n")?;
            Payload::Frame(csv::read(text, columns)?)
        }
        Written::Parquet => Payload::Frame(parquet::read(bytes, MOST_VALUES)?),
    };
    Ok((payload, Value::Null))
}

/// Parameters for a model whose signature has some; to others they are nothing, as to MLflow.
fn params_of(model: &Loaded, given: Value) -> Result<Option<Params>> {
    let takes_some = model.signature.as_ref().is_some_and(|signature| signature.params().next().is_some());
    match given {
        _ if !takes_some => Ok(None),
        Value::Null => Ok(None),
        Value::Object(params) => Ok(Some(Arc::new(params))),
        _ => Err(Cause::Unfit.refusal("Parameters must be a dictionary: `params` is something else.")),
    }
}

fn unsupported(message: String) -> Refusal {
    Cause::Unread.refusal(message).into()
}
