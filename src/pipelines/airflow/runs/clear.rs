//! Clearing dag runs as a whole: one of them, or several at once.

use super::{ANY, one};
use crate::{
    auth::Editor,
    pipelines::{
        airflow::{
            Answer, Door,
            asked::{Body, time_field},
            dags,
            fault::Fault,
            instances::{WholeRuns, keeps_version, whole_runs},
            shapes::run,
        },
        service::Service,
    },
};
use axum::{
    Json, Router,
    extract::{Path, State},
    routing::post,
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) fn routes() -> Router<Door> {
    Router::new()
        .route("/dags/{dag_id}/dagRuns/{run_id}/clear", post(clear))
        .route("/dags/{dag_id}/clearDagRuns", post(clear_many))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClearBody {
    #[serde(default = "yes")]
    dry_run: bool,
    #[serde(default)]
    only_failed: bool,
    #[serde(default)]
    only_new: bool,
    run_on_latest_version: Option<bool>,
    note: Option<String>,
}

fn yes() -> bool {
    true
}

/// Refuses what would change the tasks a run consists of.
fn check(only_new: bool, latest: Option<bool>) -> Result<(), Fault> {
    keeps_version(latest)?;
    match only_new {
        true => Err(Fault::new(
            StatusCode::NOT_IMPLEMENTED,
            "A run keeps the tasks it was made with, so it gets no new ones: `only_new` must be false.",
        )),
        false => Ok(()),
    }
}

async fn clear(
    _: Editor,
    State(service): State<Service>,
    Path((dag, id)): Path<(String, String)>,
    Body(body): Body<ClearBody>,
) -> Answer {
    check(body.only_new, body.run_on_latest_version)?;
    let found = one(&service, &dag, &id).await?;
    let (dry_run, only_failed) = (body.dry_run, body.only_failed);
    let what = WholeRuns { dry_run, only_failed, note: body.note };
    let shown = whole_runs(&service, vec![(dag.clone(), found.run.id)], what).await?;
    if dry_run {
        return Ok(Json(json!({ "total_entries": shown.len(), "task_instances": shown })));
    }
    Ok(Json(run::run(&one(&service, &dag, &id).await?)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClearManyBody {
    dag_runs: Option<Vec<RunMarker>>,
    #[serde(default = "yes")]
    dry_run: bool,
    #[serde(default)]
    only_failed: bool,
    #[serde(default)]
    only_new: bool,
    run_on_latest_version: Option<bool>,
    note: Option<String>,
    partition_key: Option<String>,
    #[serde(default, deserialize_with = "time_field")]
    partition_date_start: Option<i64>,
    #[serde(default, deserialize_with = "time_field")]
    partition_date_end: Option<i64>,
}

#[derive(Deserialize)]
struct RunMarker {
    dag_id: Option<String>,
    dag_run_id: String,
}

async fn clear_many(
    _: Editor,
    State(service): State<Service>,
    Path(dag): Path<String>,
    Body(body): Body<ClearManyBody>,
) -> Answer {
    check(body.only_new, body.run_on_latest_version)?;
    let by_partition = body.partition_key.is_some()
        || body.partition_date_start.is_some()
        || body.partition_date_end.is_some();
    if by_partition {
        let why = "Pipelines have no partitions: name the runs in `dag_runs`.";
        return Err(Fault::new(StatusCode::NOT_IMPLEMENTED, why));
    }
    if dag != ANY {
        dags::one(&service, &dag).await?;
    }
    let mut runs = Vec::new();
    for marker in body.dag_runs.unwrap_or_default() {
        let own = dag_of(&dag, &marker)?;
        let found = one(&service, &own, &marker.dag_run_id).await?;
        if !runs.contains(&(own.clone(), found.run.id.clone())) {
            runs.push((own, found.run.id));
        }
    }
    let what = WholeRuns { dry_run: body.dry_run, only_failed: body.only_failed, note: body.note };
    let shown = whole_runs(&service, runs.clone(), what).await?;
    if body.dry_run {
        return Ok(Json(json!({ "total_entries": shown.len(), "task_instances": shown })));
    }
    let mut cleared: Vec<Value> = Vec::with_capacity(runs.len());
    for (dag, id) in &runs {
        cleared.push(run::run(&one(&service, dag, id).await?));
    }
    Ok(Json(json!({
        "total_entries": cleared.len(), "dag_runs": cleared, "total_entries_limit": null,
        "next_cursor": null, "previous_cursor": null,
    })))
}

/// The dag of an entry: that of the path, unless the path leaves it open.
fn dag_of(dag: &str, marker: &RunMarker) -> Result<String, Fault> {
    let wrong = |message: String| Err(Fault::new(StatusCode::BAD_REQUEST, message));
    match marker.dag_id.as_deref() {
        Some(own) if dag == ANY && own != ANY => Ok(own.to_owned()),
        Some(own) if own == dag && dag != ANY => Ok(own.to_owned()),
        None if dag != ANY => Ok(dag.to_owned()),
        Some(own) if dag != ANY => {
            wrong(format!("Entry dag_id {own:?} does not match the URL dag_id {dag:?}."))
        }
        _ => wrong(format!(
            "When the URL dag_id is '~', every entry must provide a concrete dag_id (missing on dag_run_id: {:?}).",
            marker.dag_run_id
        )),
    }
}
