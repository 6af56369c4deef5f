//! Pipelines over `/api/crannog/v1`: definitions and runs here, what is done to runs in
//! `operate`, logs in `logs`, what is looked for in `find`, shapes in `wire`.

mod find;
mod hooks;
pub(super) mod logs;
mod operate;
mod wire;

use super::{
    definition::{Definition, MAX_BYTES},
    service::{Service, Times},
};
use crate::{
    auth::{Editor, Viewer},
    kernel::{
        error::Error,
        http::{Json, Problem},
    },
};
use axum::{
    Router,
    extract::{DefaultBodyLimit, Path, Query, State},
    routing::{get, post, put},
};
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub use hooks::router as hooks_router;

const V1: &str = "/api/crannog/v1";

pub fn router(service: Service) -> Router {
    let routes = Router::new()
        .route("/pipelines", get(list))
        .route("/pipelines/validate", post(validate))
        .route("/pipelines/{name}", get(show).put(store).delete(delete))
        .route("/pipelines/{name}/pause", post(pause))
        .route("/pipelines/{name}/unpause", post(unpause))
        .route("/pipelines/{name}/token", post(hooks::new_token))
        .route("/pipelines/{name}/runs", get(runs).post(trigger))
        .route("/pipeline-runs/{id}", get(run))
        .route("/pipeline-runs/{id}/cancel", post(operate::cancel))
        .route("/pipeline-runs/{id}/clear", post(operate::clear))
        .route("/pipeline-runs/{id}/mark", post(operate::mark))
        .route("/pipeline-runs/{id}/tasks/{task}/attempts", get(operate::attempts))
        .route("/pipelines/{name}/backfill", post(operate::backfill))
        .route("/pipelines/{name}/calendar", get(find::month))
        .route("/pipeline-pools", get(operate::pools))
        .route("/pipeline-pools/{name}", put(operate::set_pool).delete(operate::delete_pool))
        .route("/pipeline-sources", get(sources))
        .route("/pipeline-sources/git/look", post(look))
        .route("/pipeline-sources/git/token", post(hooks::push_token))
        .route("/pipeline-schema", get(operate::schema))
        .route("/pipeline-runs/{id}/tasks/{task}/log", get(logs::page))
        .route("/pipeline-runs/{id}/tasks/{task}/log/search", get(find::lines))
        .route("/pipeline-runs/{id}/tasks/{task}/log/stream", get(logs::stream))
        // A definition is refused by its own limit, which names it; this one only bounds memory.
        .layer(DefaultBodyLimit::max(2 * MAX_BYTES))
        .with_state(service);
    Router::new().nest(V1, routes)
}

type Answer = Result<Json<Value>, Problem>;

async fn list(_: Viewer, State(service): State<Service>) -> Answer {
    let pipelines: Vec<Value> = service.list().await?.iter().map(wire::pipeline).collect();
    Ok(Json(json!({ "pipelines": pipelines })))
}

async fn show(_: Viewer, State(service): State<Service>, Path(name): Path<String>) -> Answer {
    let overview = service.get(&name).await?;
    let mut body = wire::pipeline(&overview);
    body["followed"] = service.is_followed(&overview.pipeline).into();
    body["rejected"] = wire::rejected(&overview.pipeline);
    body["definition"] = overview.pipeline.definition.into();
    Ok(Json(body))
}

async fn store(_: Editor, State(service): State<Service>, Path(name): Path<String>, text: String) -> Answer {
    let stored = service.put(&name, text).await?;
    let mut body = wire::pipeline(&stored);
    if let Some(definition) = &stored.definition {
        body["warnings"] = service.warnings(definition).await?.into();
    }
    Ok(Json(body))
}

async fn delete(
    _: Editor,
    State(service): State<Service>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    service.delete(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn pause(_: Editor, State(service): State<Service>, Path(name): Path<String>) -> Answer {
    Ok(Json(wire::pipeline(&service.set_paused(&name, true).await?)))
}

async fn unpause(_: Editor, State(service): State<Service>, Path(name): Path<String>) -> Answer {
    Ok(Json(wire::pipeline(&service.set_paused(&name, false).await?)))
}

async fn sources(_: Viewer, State(service): State<Service>) -> Json<Value> {
    Json(json!({ "sources": service.sources().iter().map(wire::source).collect::<Vec<_>>() }))
}

async fn look(_: Editor, State(service): State<Service>) -> Result<StatusCode, Problem> {
    service.source_pushed()?;
    Ok(StatusCode::ACCEPTED)
}

async fn validate(_: Viewer, State(service): State<Service>, text: String) -> Answer {
    let (errors, warnings) = match Definition::parse(&text) {
        Ok(definition) => (Vec::new(), service.warnings(&definition).await?),
        Err(problems) => (problems, Vec::new()),
    };
    Ok(Json(json!({ "ok": errors.is_empty(), "errors": errors, "warnings": warnings })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TriggerBody {
    #[serde(default)]
    params: BTreeMap<String, Value>,
    /// Queued until then.
    not_before: Option<DateTime<Utc>>,
    logical_date: Option<DateTime<Utc>>,
}

async fn trigger(
    _: Editor,
    State(service): State<Service>,
    Path(name): Path<String>,
    Json(body): Json<TriggerBody>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let ms = |at: Option<DateTime<Utc>>| at.map(|at| at.timestamp_millis());
    let times = Times { logical_at: ms(body.logical_date), not_before: ms(body.not_before) };
    let made = service.trigger_with(&name, parameters(body.params)?, times, |_, _| Ok(())).await?;
    Ok((StatusCode::CREATED, Json(wire::view(&made))))
}

fn parameters(given: BTreeMap<String, Value>) -> Result<BTreeMap<String, String>, Error> {
    given.into_iter().map(|(name, value)| Ok((name.clone(), scalar(&name, value)?))).collect()
}

/// Parameters are text to a task; numbers and booleans are taken as they are written, lists as JSON.
fn scalar(name: &str, value: Value) -> Result<String, Error> {
    match value {
        Value::String(text) => Ok(text),
        Value::Number(_) | Value::Bool(_) | Value::Array(_) => Ok(value.to_string()),
        Value::Null => Ok(String::new()),
        Value::Object(_) => Err(Error::invalid(format!(
            "Parameter {name:?} must be a string, a number, a boolean or a list."
        ))),
    }
}

#[derive(Deserialize)]
struct RunsQuery {
    limit: Option<usize>,
    before: Option<String>,
}

async fn runs(
    _: Viewer,
    State(service): State<Service>,
    Path(name): Path<String>,
    Query(query): Query<RunsQuery>,
) -> Answer {
    let limit = query.limit.unwrap_or(50).clamp(1, 500);
    let runs = service.runs(&name, limit, query.before).await?;
    Ok(Json(json!({ "runs": runs.iter().map(wire::run).collect::<Vec<_>>() })))
}

async fn run(_: Viewer, State(service): State<Service>, Path(id): Path<String>) -> Answer {
    Ok(Json(wire::view(&service.run(&id).await?)))
}
