//! Clearing: tasks of one run or of several run again.

use super::choose::{Choice, Chosen, Marker, Reach, spread};
use crate::{
    auth::Editor,
    kernel::{
        clock::now_ms,
        error::{Error, Result},
    },
    pipelines::{
        airflow::{
            Answer, Door,
            asked::{Body, time_field},
            dags,
            fault::Fault,
            runs,
            shapes::instance,
        },
        by_hand::{self, Clearing, Done},
        model::TaskState,
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
use serde::Deserialize;
use serde_json::Value;

pub(super) fn routes() -> Router<Door> {
    Router::new().route("/dags/{dag_id}/clearTaskInstances", post(clear))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClearBody {
    dag_run_id: Option<String>,
    #[serde(default = "yes")]
    dry_run: bool,
    #[serde(default, deserialize_with = "time_field")]
    start_date: Option<i64>,
    #[serde(default, deserialize_with = "time_field")]
    end_date: Option<i64>,
    #[serde(default = "yes")]
    only_failed: bool,
    #[serde(default)]
    only_running: bool,
    #[serde(default = "yes")]
    reset_dag_runs: bool,
    task_ids: Option<Vec<TaskMarker>>,
    #[serde(default)]
    include_upstream: bool,
    #[serde(default)]
    include_downstream: bool,
    #[serde(default)]
    include_future: bool,
    #[serde(default)]
    include_past: bool,
    #[serde(default)]
    prevent_running_task: bool,
    run_on_latest_version: Option<bool>,
    note: Option<String>,
}

fn yes() -> bool {
    true
}

/// The id of a task, or its id and the index of one instance.
#[derive(Deserialize)]
#[serde(untagged)]
enum TaskMarker {
    Task(String),
    Instance(String, i64),
}

impl From<TaskMarker> for Marker {
    fn from(marker: TaskMarker) -> Self {
        match marker {
            TaskMarker::Task(task) => Self { task, index: None },
            TaskMarker::Instance(task, index) => Self { task, index: Some(index) },
        }
    }
}

async fn clear(
    _: Editor,
    State(service): State<Service>,
    Path(dag): Path<String>,
    Body(body): Body<ClearBody>,
) -> Answer {
    dags::one(&service, &dag).await?;
    let run = match &body.dag_run_id {
        Some(id) => Some(runs::one(&service, &dag, id).await?.run.id),
        None => None,
    };
    let choice = Choice {
        dag,
        run,
        span: (body.start_date, body.end_date),
        tasks: body.task_ids.map(|markers| markers.into_iter().map(Marker::from).collect()),
        reach: Reach {
            upstream: body.include_upstream,
            downstream: body.include_downstream,
            future: body.include_future,
            past: body.include_past,
        },
        states: states(body.only_failed, body.only_running),
    };
    let how = How {
        dry_run: body.dry_run,
        spare_running: body.prevent_running_task,
        reopen: body.reset_dag_runs,
        latest: body.run_on_latest_version.unwrap_or_default(),
        note: body.note,
    };
    let found = act(&service, choice, how).await?;
    Ok(Json(instance::page(found)))
}

/// Both together are either of them, as in Airflow.
pub(in crate::pipelines::airflow) fn states(failed: bool, running: bool) -> Option<fn(TaskState) -> bool> {
    match (failed, running) {
        (true, true) => Some(|state| state.is_bad() || state == TaskState::Running),
        (true, false) => Some(TaskState::is_bad),
        (false, true) => Some(|state| state == TaskState::Running),
        (false, false) => None,
    }
}

struct How {
    dry_run: bool,
    /// Refuse, where a task runs.
    spare_running: bool,
    /// Take runs that are over back into the queue.
    reopen: bool,
    /// From the latest definition.
    latest: bool,
    note: Option<String>,
}

async fn act(service: &Service, choice: Choice, how: How) -> Result<Vec<Value>, Fault> {
    let show = |db: &Connection, chosen: &[Chosen]| -> Result<Vec<Value>> {
        let each = chosen.iter().map(|one| one.shapes(db, &spread(&one.tasks, &one.places)));
        Ok(each.collect::<Result<Vec<_>>>()?.concat())
    };
    if how.dry_run {
        return Ok(service.db().read(move |db| show(db, &choice.choose(db)?)).await?);
    }
    let act = move |db: &Connection| {
        let chosen = choice.choose(db)?;
        let done = chosen.iter().map(|one| clear_one(db, one, &how)).collect::<Result<Vec<_>>>()?;
        Ok((show(db, &chosen)?, done.into_iter().flatten().collect()))
    };
    Ok(service.by_hand(act).await?)
}

fn clear_one(db: &Connection, one: &Chosen, how: &How) -> Result<Option<Done>> {
    let shown = spread(&one.tasks, &one.places);
    if one.places.is_empty() {
        return Ok(None);
    }
    if let Some(at) = shown.iter().find(|at| how.spare_running && one.tasks[**at].state == TaskState::Running)
    {
        return Err(Error::conflict(format!(
            "Task {} runs: it is not cleared while `prevent_running_task` is set.",
            one.tasks[*at].id
        )));
    }
    if !how.reopen && one.of.run.state.is_over() {
        return Err(Error::conflict(format!(
            "Run {} is over, and cannot hold tasks that are not: `reset_dag_runs` must be true.",
            one.of.id()
        )));
    }
    let what = Clearing { tasks: one.ids(&one.places), latest: how.latest, ..Clearing::default() };
    let done = by_hand::clear(db, &one.of.run.id, &what, now_ms())?;
    if how.note.is_some() {
        one.note(db, &shown, how.note.as_deref())?;
    }
    Ok(Some(done))
}

/// What clearing runs as a whole asks for, besides the runs.
pub(in crate::pipelines::airflow) struct WholeRuns {
    pub dry_run: bool,
    pub only_failed: bool,
    pub latest: bool,
    pub note: Option<String>,
}

/// Clears runs, each as a whole; answers the task instances it is about.
pub(in crate::pipelines::airflow) async fn whole_runs(
    service: &Service,
    runs: Vec<(String, String)>,
    what: WholeRuns,
) -> Result<Vec<Value>, Fault> {
    let WholeRuns { dry_run, only_failed, latest, note } = what;
    let choices: Vec<Choice> = runs
        .into_iter()
        .map(|(dag, run)| Choice {
            dag,
            run: Some(run),
            span: (None, None),
            tasks: None,
            reach: Reach::default(),
            states: states(only_failed, false),
        })
        .collect();
    let how = How { dry_run, spare_running: false, reopen: true, latest, note: None };
    let act = move |db: &Connection| {
        let (mut shown, mut done) = (Vec::new(), Vec::new());
        for choice in &choices {
            for one in choice.choose(db)? {
                if !how.dry_run {
                    done.extend(clear_one(db, &one, &how)?);
                    run_note(db, &one, note.as_deref())?;
                }
                shown.extend(one.shapes(db, &spread(&one.tasks, &one.places))?);
            }
        }
        Ok((shown, done))
    };
    match dry_run {
        true => Ok(service.db().read(move |db| act(db).map(|(shown, _)| shown)).await?),
        false => Ok(service.by_hand(act).await?),
    }
}

fn run_note(db: &Connection, one: &Chosen, note: Option<&str>) -> Result<()> {
    let Some(note) = note else { return Ok(()) };
    let kept = Some(note).filter(|text| !text.is_empty()).map(str::to_owned);
    let note = store::RunNote { note: kept, ..one.of.note.clone() };
    store::note_put(db, &one.of.run.id, &one.of.run.pipeline, &note)
}
