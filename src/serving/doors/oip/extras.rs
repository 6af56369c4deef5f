//! Triton's further routes that its client calls: trace and log settings.

use super::{
    response::Refusal,
    settings::{self, Log},
};
use crate::{
    auth,
    kernel::error::{Error, Result},
    serving::{Service, wire::body::Body},
};
use axum::{Json, Router, routing::get};
use serde_json::{Map, Value, json};

pub fn router(service: Service) -> Router {
    Router::new()
        .route("/v2/trace/setting", get(traces).post(set_traces))
        .route("/v2/models/{name}/trace/setting", get(traces).post(set_traces))
        .route("/v2/logging", get(logs).post(set_logs))
        .with_state(service)
}

async fn traces(_: auth::Viewer) -> Json<Value> {
    Json(trace_settings())
}

async fn set_traces(_: auth::Viewer, body: Body) -> Result<Json<Value>, Refusal> {
    let asked: Map<String, Value> = body.settings()?;
    for (key, value) in &asked {
        let values: Vec<String> = match value {
            Value::Null => Vec::new(),
            Value::Array(values) => values.iter().map(text).collect(),
            other => vec![text(other)],
        };
        settings::check_trace(key, &values.iter().map(String::as_str).collect::<Vec<_>>())?;
    }
    Ok(Json(trace_settings()))
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

/// The level is a list, as there may be several; the others are texts.
fn trace_settings() -> Value {
    let one = |(key, value): (&str, &str)| {
        let value = if key == "trace_level" { json!([value]) } else { json!(value) };
        (key.to_owned(), value)
    };
    Value::Object(settings::TRACE.into_iter().map(one).collect())
}

async fn logs(_: auth::Viewer) -> Json<Value> {
    Json(log_settings())
}

async fn set_logs(_: auth::Viewer, body: Body) -> Result<Json<Value>, Refusal> {
    let asked: Map<String, Value> = body.settings()?;
    for (key, value) in &asked {
        let value = match value {
            Value::Bool(flag) => Log::Flag(*flag),
            Value::String(text) => Log::Text(text),
            other => Log::Number(
                other
                    .as_u64()
                    .ok_or_else(|| Error::invalid(format!("The log setting {key} cannot be {other}.")))?,
            ),
        };
        settings::check_log(key, value)?;
    }
    Ok(Json(log_settings()))
}

fn log_settings() -> Value {
    let one = |(key, value): (&str, Log)| {
        let value = match value {
            Log::Flag(flag) => json!(flag),
            Log::Number(number) => json!(number),
            Log::Text(text) => json!(text),
        };
        (key.to_owned(), value)
    };
    Value::Object(settings::LOG.into_iter().map(one).collect())
}
