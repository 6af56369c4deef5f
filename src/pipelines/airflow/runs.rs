//! Dag runs: listed, triggered, shown; `change` sets their state and deletes them, `clear` runs them
//! again, `wait` waits for them.

use super::{
    Answer, Door,
    asked::{Asked, Body, time_field},
    dags,
    fault::Fault,
    search::{self, Page, Ranges},
    shapes::run::{self, DagRun},
};
use crate::{
    auth::{Editor, Viewer},
    kernel::error::{Error, Result},
    pipelines::{
        model::Run,
        service::{Service, Times},
        store::{self, Field, RunNote, Test, Wanted},
    },
    store::Connection,
};
use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{get, post},
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

mod change;
mod clear;
mod wait;

pub(super) fn routes() -> Router<Door> {
    Router::new()
        .route("/dags/{dag_id}/dagRuns", get(list).post(trigger))
        .route("/dags/{dag_id}/dagRuns/list", post(list_batch))
        .route("/dags/{dag_id}/dagRuns/{run_id}", get(show))
        .route("/dags/{dag_id}/dagRuns/{run_id}/wait", get(wait::wait))
        .merge(change::routes())
        .merge(clear::routes())
}

/// In a path, every dag.
pub(super) const ANY: &str = "~";

const RANGES: Ranges = &[
    ("logical_date", Field::LogicalAt),
    ("run_after", Field::RunAfter),
    ("start_date", Field::RunStartedAt),
    ("end_date", Field::RunEndedAt),
    ("updated_at", Field::RunUpdatedAt),
    ("duration", Field::RunDuration),
];
const ORDERS: Ranges = &[
    ("id", Field::CreatedAt),
    ("queued_at", Field::CreatedAt),
    ("state", Field::RunState),
    ("dag_id", Field::Pipeline),
    ("run_id", Field::RunName),
    ("dag_run_id", Field::RunName),
    ("run_type", Field::RunType),
    ("logical_date", Field::LogicalAt),
    ("run_after", Field::RunAfter),
    ("start_date", Field::RunStartedAt),
    ("end_date", Field::RunEndedAt),
    ("updated_at", Field::RunUpdatedAt),
    ("duration", Field::RunDuration),
    ("conf", Field::Params),
];

/// The run a path names.
pub(super) async fn one(service: &Service, dag: &str, id: &str) -> Result<DagRun, Fault> {
    let (pipeline, name) = (dag.to_owned(), id.to_owned());
    let found = service.db().read(move |db| {
        let Some(run_id) = store::run_named(db, &pipeline, &name)? else { return Ok(None) };
        load(db, &run_id)
    });
    found.await?.ok_or_else(|| no_run(dag, id))
}

pub(super) fn no_run(dag: &str, id: &str) -> Fault {
    Fault::not_found(format!("The DagRun with dag_id: `{dag}` and run_id: `{id}` was not found"))
}

pub(super) fn load(db: &Connection, run_id: &str) -> Result<Option<DagRun>> {
    let Some(run) = store::run_get(db, run_id)? else { return Ok(None) };
    Ok(Some(DagRun { note: store::note_get(db, run_id)?, run }))
}

async fn list(_: Viewer, State(service): State<Service>, Path(dag): Path<String>, asked: Asked) -> Answer {
    find(&service, &dag, &asked).await
}

/// The same search with its filters in the body; only `~` is taken for the dag, as in Airflow.
async fn list_batch(
    _: Viewer,
    State(service): State<Service>,
    Path(dag): Path<String>,
    Body(body): Body<Map<String, Value>>,
) -> Answer {
    const NAMES: &[(&str, &str)] =
        &[("page_limit", "limit"), ("page_offset", "offset"), ("states", "state"), ("dag_ids", "dag_id")];
    if dag != ANY {
        let message = "Input should be '~'";
        return Err(Fault::unfit(&["path", "dag_id"], "literal_error", message, &dag.into()));
    }
    find(&service, &dag, &Asked::of_body(&body, NAMES)?).await
}

async fn find(service: &Service, dag: &str, asked: &Asked) -> Answer {
    let page = Page::of(asked)?;
    partitions(dag, asked)?;
    let mut wanted = Wanted { limit: page.limit, offset: page.offset, ..Wanted::default() };
    within(service, dag, asked, &mut wanted).await?;
    search::among(asked, "state", Field::RunState, Some(&run::STATES), &mut wanted)?;
    search::among(asked, "run_type", Field::RunType, Some(&run::TYPES), &mut wanted)?;
    search::ranges(asked, RANGES, &mut wanted)?;
    search::patterns(asked, "run_id", Field::RunName, &mut wanted);
    search::patterns(asked, "triggering_user_name", Field::User, &mut wanted);
    if ["partition_key_pattern", "partition_key_prefix_pattern"].iter().any(|name| asked.one(name).is_some())
    {
        wanted.tests.push((Field::Pipeline, Test::In(Vec::new())));
    }
    if let Some(text) = asked.one("conf_contains") {
        wanted.tests.push((Field::Params, Test::Like(vec![format!("%{text}%")])));
    }
    search::order(asked, ORDERS, &mut wanted)?;
    let search = move |db: &Connection| {
        let (ids, total) = store::run_find(db, &wanted)?;
        let runs = ids.iter().filter_map(|id| load(db, id).transpose()).collect::<Result<Vec<_>>>()?;
        Ok((runs, total))
    };
    let (runs, total) = service.db().read(search).await?;
    let runs: Vec<Value> = runs.iter().map(run::run).collect();
    Ok(Json(json!({
        "dag_runs": runs, "total_entries": total, "total_entries_limit": null,
        "next_cursor": null, "previous_cursor": null,
    })))
}

/// No dag of this house is partitioned: what Airflow answers of such a dag.
fn partitions(dag: &str, asked: &Asked) -> Result<(), Fault> {
    if asked.one("partition_date_gte").or(asked.one("partition_date_lte")).is_none() {
        return Ok(());
    }
    let message = match dag {
        ANY => "partition_date_gte and partition_date_lte require a specific dag_id.".to_owned(),
        _ => format!(
            "Dag with dag_id: '{dag}' is not partitioned; partition_date_gte and partition_date_lte are not supported."
        ),
    };
    Err(Fault::new(StatusCode::BAD_REQUEST, message))
}

/// Narrows a search to the dag of the path, which must exist, and to those the query names.
pub(super) async fn within(
    service: &Service,
    dag: &str,
    asked: &Asked,
    wanted: &mut Wanted,
) -> Result<(), Fault> {
    if dag != ANY {
        dags::one(service, dag).await?;
        wanted.tests.push((Field::Pipeline, Test::In(vec![dag.to_owned()])));
    }
    search::among(asked, "dag_id", Field::Pipeline, None, wanted)?;
    search::patterns(asked, "dag_id", Field::Pipeline, wanted);
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TriggerBody {
    dag_run_id: Option<String>,
    #[serde(default, deserialize_with = "time_field")]
    logical_date: Option<i64>,
    #[serde(default, deserialize_with = "time_field")]
    run_after: Option<i64>,
    // A logical date is an instant in this house: an interval around it is read and not kept.
    #[serde(default, deserialize_with = "time_field")]
    data_interval_start: Option<i64>,
    #[serde(default, deserialize_with = "time_field")]
    data_interval_end: Option<i64>,
    conf: Option<Map<String, Value>>,
    note: Option<String>,
    partition_key: Option<String>,
}

async fn trigger(
    Editor(who): Editor,
    State(service): State<Service>,
    Path(dag): Path<String>,
    Body(body): Body<TriggerBody>,
) -> Answer {
    dags::one(&service, &dag).await?;
    check(&dag, &body)?;
    let note = RunNote { name: body.dag_run_id, note: body.note, user: Some(who.user) };
    let keep = move |db: &Connection, run: &Run| {
        if let Some(name) = &note.name
            && store::run_named(db, &run.pipeline, name)?.is_some()
        {
            let pipeline = &run.pipeline;
            let message = format!("A DAGRun with dag_id: `{pipeline}` and run_id: `{name}` already exists");
            return Err(Error::exists(message));
        }
        store::note_put(db, &run.id, &run.pipeline, &note)
    };
    let params = params(body.conf.unwrap_or_default())?;
    let times = Times { logical_at: body.logical_date, not_before: body.run_after };
    let run = service.trigger_with(&dag, params, times, keep).await?.run;
    Ok(Json(run::run(&one(&service, &dag, &run.id).await?)))
}

/// Refuses what a run of this house cannot be: of a partition, named like a path.
fn check(dag: &str, body: &TriggerBody) -> Result<(), Fault> {
    if body.partition_key.is_some() {
        let message = format!("Dag '{dag}' is not a partitioned Dag and does not accept a partition_key.");
        return Err(Fault::new(StatusCode::BAD_REQUEST, message));
    }
    if body.data_interval_start.is_some() != body.data_interval_end.is_some() {
        let message = "Value error, Either both data_interval_start and data_interval_end must be provided or both must be None";
        return Err(Fault::unfit(&["body"], "value_error", message, &Value::Null));
    }
    let plain = |id: &String| !id.is_empty() && id.len() <= 250 && id != "list" && !id.contains(['/', '\0']);
    match body.dag_run_id.as_ref().filter(|id| !plain(id)) {
        Some(id) => {
            let message =
                "Value error, The id must have 1 to 250 characters, no `/` among them, and not be `list`";
            Err(Fault::unfit(&["body", "dag_run_id"], "value_error", message, &id.as_str().into()))
        }
        None => Ok(()),
    }
}

/// Parameters are text to a task; what is written as JSON is passed on as JSON.
pub(super) fn params(conf: Map<String, Value>) -> Result<BTreeMap<String, String>, Fault> {
    let text = |value: Value| match value {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    };
    Ok(conf.into_iter().map(|(name, value)| (name, text(value))).collect())
}

async fn show(_: Viewer, State(service): State<Service>, Path((dag, id)): Path<(String, String)>) -> Answer {
    Ok(Json(run::run(&one(&service, &dag, &id).await?)))
}
