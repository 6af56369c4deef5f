//! Clearing dag runs as a whole: one of them, or several at once.

use super::{ANY, one};
use crate::{
    auth::Editor,
    kernel::{clock::now_ms, error},
    pipelines::{
        airflow::{
            Answer, Door,
            asked::{Body, time_field},
            dags,
            fault::Fault,
            instances::{WholeRuns, whole_runs},
            shapes::run,
        },
        by_hand, renew,
        service::Service,
        store,
    },
    store::Connection,
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
        .route("/dags/{dag_id}/clearPartitions", post(clear_partitions))
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

fn unfit(message: &str) -> Fault {
    Fault::unfit(&["body"], "value_error", &format!("Value error, {message}"), &Value::Null)
}

fn check(only_new: bool, only_failed: bool) -> Result<(), Fault> {
    match only_new && only_failed {
        true => Err(unfit("only_new and only_failed are mutually exclusive")),
        false => Ok(()),
    }
}

/// Takes runs over to the latest definition where that has tasks they lack, and runs those; in a dry run, and
/// otherwise too, answers them.
async fn add_new(
    service: &Service,
    runs: Vec<(String, String)>,
    dry_run: bool,
    note: Option<String>,
) -> Result<Vec<Value>, Fault> {
    let shape = |task: &String| json!({ "task_id": task, "task_display_name": task });
    if dry_run {
        let look = move |db: &Connection| -> error::Result<Vec<String>> {
            let mut found = Vec::new();
            for (_, id) in &runs {
                if let Some(run) = store::run_get(db, id)? {
                    let mut new = renew::new_tasks(db, &run)?;
                    new.sort_unstable();
                    found.extend(new);
                }
            }
            Ok(found)
        };
        return Ok(service.db().read(look).await?.iter().map(shape).collect());
    }
    let act = move |db: &Connection| {
        let mut done = Vec::new();
        for (pipeline, id) in &runs {
            done.push(by_hand::add_new(db, id, now_ms())?);
            if let Some(note) = &note {
                let kept = Some(note.clone()).filter(|text| !text.is_empty());
                let note = store::RunNote { note: kept, ..store::note_get(db, id)? };
                store::note_put(db, id, pipeline, &note)?;
            }
        }
        let tasks: Vec<String> = done.iter().flat_map(|one| one.tasks.clone()).collect();
        Ok((tasks, done))
    };
    Ok(service.by_hand(act).await?.iter().map(shape).collect())
}

/// Clears runs as the body says; answers the instances it is about.
async fn clear_runs(
    service: &Service,
    runs: Vec<(String, String)>,
    only_new: bool,
    what: WholeRuns,
) -> Result<Vec<Value>, Fault> {
    match only_new {
        true => add_new(service, runs, what.dry_run, what.note).await,
        false => whole_runs(service, runs, what).await,
    }
}

async fn clear(
    _: Editor,
    State(service): State<Service>,
    Path((dag, id)): Path<(String, String)>,
    Body(body): Body<ClearBody>,
) -> Answer {
    check(body.only_new, body.only_failed)?;
    let found = one(&service, &dag, &id).await?;
    let (dry_run, only_failed) = (body.dry_run, body.only_failed);
    let latest = body.run_on_latest_version.unwrap_or_default();
    let what = WholeRuns { dry_run, only_failed, latest, note: body.note };
    let shown = clear_runs(&service, vec![(dag.clone(), found.run.id)], body.only_new, what).await?;
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

/// Exactly one way of selecting runs, as Airflow wants it.
fn one_selector(
    (named, is_named): (&str, bool),
    key: Option<&String>,
    (start, end): (Option<i64>, Option<i64>),
) -> Result<(), Fault> {
    let window = start.is_some() || end.is_some();
    if usize::from(is_named) + usize::from(key.is_some()) + usize::from(window) != 1 {
        return Err(unfit(&format!(
            "Exactly one of {named}, partition_key, or a partition date window (partition_date_start / partition_date_end) must be provided."
        )));
    }
    match start.zip(end).is_some_and(|(start, end)| start > end) {
        true => Err(unfit("partition_date_start must be on or before partition_date_end.")),
        false => Ok(()),
    }
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
    check(body.only_new, body.only_failed)?;
    let markers = body.dag_runs.unwrap_or_default();
    let window = (body.partition_date_start, body.partition_date_end);
    one_selector(("dag_runs (non-empty)", !markers.is_empty()), body.partition_key.as_ref(), window)?;
    if dag != ANY {
        dags::one(&service, &dag).await?;
    } else if markers.is_empty() {
        let why = "Partition selectors require a concrete dag_id; '~' is not supported.";
        return Err(Fault::new(StatusCode::BAD_REQUEST, why));
    }
    // No run of this house is of a partition, so that selecting by one finds none.
    let mut runs = Vec::new();
    for marker in markers {
        let own = dag_of(&dag, &marker)?;
        let found = one(&service, &own, &marker.dag_run_id).await?;
        if !runs.contains(&(own.clone(), found.run.id.clone())) {
            runs.push((own, found.run.id));
        }
    }
    let latest = body.run_on_latest_version.unwrap_or_default();
    let what = WholeRuns { dry_run: body.dry_run, only_failed: body.only_failed, latest, note: body.note };
    let shown = clear_runs(&service, runs.clone(), body.only_new, what).await?;
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PartitionsBody {
    run_id: Option<String>,
    #[serde(default)]
    clear_task_instances: bool,
    #[serde(default = "yes")]
    dry_run: bool,
    partition_key: Option<String>,
    #[serde(default, deserialize_with = "time_field")]
    partition_date_start: Option<i64>,
    #[serde(default, deserialize_with = "time_field")]
    partition_date_end: Option<i64>,
}

/// Takes partitions off runs. None has one, so that only the tasks of a run that is named are cleared, where that is
/// asked for.
async fn clear_partitions(
    _: Editor,
    State(service): State<Service>,
    Path(dag): Path<String>,
    Body(body): Body<PartitionsBody>,
) -> Answer {
    let window = (body.partition_date_start, body.partition_date_end);
    one_selector(("run_id", body.run_id.is_some()), body.partition_key.as_ref(), window)?;
    dags::one(&service, &dag).await?;
    let mut cleared = 0;
    if let Some(id) = body.run_id.filter(|_| body.clear_task_instances)
        && let Ok(found) = one(&service, &dag, &id).await
    {
        let what = WholeRuns { dry_run: body.dry_run, only_failed: false, latest: false, note: None };
        cleared = whole_runs(&service, vec![(dag, found.run.id)], what).await?.len();
    }
    let answer = json!({ "dag_runs_cleared": 0, "task_instances_cleared": cleared, "dry_run": body.dry_run });
    Ok(Json(answer))
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
