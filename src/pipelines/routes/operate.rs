//! What is done to runs and pools: cancel, clear, mark, backfill, slots.

use super::{Answer, parameters, wire};
use crate::{
    auth::{Editor, Viewer},
    kernel::{
        error::Error,
        http::{Json, Problem},
    },
    pipelines::{by_hand::Clearing, definition::schema, model::TaskState, service::Service},
};
use axum::extract::{Path, State};
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) async fn cancel(_: Editor, State(service): State<Service>, Path(id): Path<String>) -> Answer {
    Ok(Json(wire::view(&service.cancel(&id).await?)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClearBody {
    /// None or empty: all tasks of the run.
    #[serde(default)]
    tasks: Vec<String>,
    #[serde(default = "yes")]
    downstream: bool,
    #[serde(default)]
    only_failed: bool,
    #[serde(default)]
    latest: bool,
    #[serde(default)]
    dry_run: bool,
}

fn yes() -> bool {
    true
}

pub(super) async fn clear(
    _: Editor,
    State(service): State<Service>,
    Path(id): Path<String>,
    Json(body): Json<ClearBody>,
) -> Answer {
    let ClearBody { tasks, downstream, only_failed, latest, dry_run } = body;
    let what = Clearing { tasks, downstream, only_failed, latest, dry_run };
    let (view, cleared) = service.clear(&id, what).await?;
    let mut answer = wire::view(&view);
    answer["cleared"] = json!(cleared);
    answer["dry_run"] = dry_run.into();
    Ok(Json(answer))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MarkBody {
    /// None or empty: the run as a whole.
    #[serde(default)]
    tasks: Vec<String>,
    state: String,
}

pub(super) async fn mark(
    _: Editor,
    State(service): State<Service>,
    Path(id): Path<String>,
    Json(body): Json<MarkBody>,
) -> Answer {
    if body.tasks.is_empty() {
        return Ok(Json(wire::view(&service.mark_run(&id, &body.state).await?)));
    }
    let state: TaskState = body.state.parse().map_err(Error::invalid)?;
    Ok(Json(wire::view(&service.mark(&id, body.tasks, state).await?)))
}

pub(super) async fn attempts(
    _: Viewer,
    State(service): State<Service>,
    Path((run, task)): Path<(String, String)>,
) -> Answer {
    let attempts = service.attempts(&run, &task).await?;
    Ok(Json(json!({ "attempts": attempts.iter().map(wire::attempt).collect::<Vec<_>>() })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BackfillBody {
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    #[serde(default)]
    params: BTreeMap<String, Value>,
    #[serde(default)]
    dry_run: bool,
}

pub(super) async fn backfill(
    _: Editor,
    State(service): State<Service>,
    Path(name): Path<String>,
    Json(body): Json<BackfillBody>,
) -> Answer {
    let span = (body.from.timestamp_millis(), body.until.timestamp_millis());
    let made = service.backfill(&name, span, parameters(body.params)?, body.dry_run).await?;
    Ok(Json(json!({ "runs": made.iter().map(wire::backfill).collect::<Vec<_>>(), "dry_run": body.dry_run })))
}

pub(super) async fn pools(_: Viewer, State(service): State<Service>) -> Answer {
    Ok(Json(json!({ "pools": service.pools().await?.iter().map(wire::pool).collect::<Vec<_>>() })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PoolBody {
    slots: u32,
    #[serde(default)]
    description: String,
    #[serde(default)]
    include_deferred: bool,
}

pub(super) async fn set_pool(
    _: Editor,
    State(service): State<Service>,
    Path(name): Path<String>,
    Json(body): Json<PoolBody>,
) -> Answer {
    let PoolBody { slots, description, include_deferred } = body;
    let pools = service.set_pool(&name, slots, description, include_deferred).await?;
    Ok(Json(json!({ "pools": pools.iter().map(wire::pool).collect::<Vec<_>>() })))
}

pub(super) async fn delete_pool(
    _: Editor,
    State(service): State<Service>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    service.delete_pool(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn schema(_: Viewer) -> Json<Value> {
    Json(schema::json())
}
