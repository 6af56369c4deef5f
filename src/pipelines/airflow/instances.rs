//! Task instances: listed over one run or all of them, shown, with their tries.

use super::{
    Answer, Door,
    asked::{Asked, Body, given, mask, read},
    fault::Fault,
    runs::{self, ANY},
    search::{self, Page, Ranges},
    shapes::{instance, run::DagRun},
};
use crate::{
    auth::{Editor, Viewer},
    kernel::error::Result,
    pipelines::{
        model::TaskInstance,
        service::Service,
        store::{self, Field, Test, Wanted},
    },
    store::Connection,
};
use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::HashMap;

pub(super) fn routes() -> Router<Door> {
    const ALL: &str = "/dags/{dag_id}/dagRuns/{run_id}/taskInstances";
    let one = |rest: &str| format!("{ALL}/{{task_id}}{rest}");
    Router::new()
        .route(ALL, get(list))
        .route(&format!("{ALL}/list"), post(list_batch))
        .route(&one(""), get(show).patch(patch))
        .route(&one("/listMapped"), get(list_mapped))
        .route(&one("/tries"), get(tries))
        .route(&one("/tries/{number}"), get(one_try))
        .route(&one("/{map_index}"), get(show_mapped).patch(patch_mapped))
        .route(&one("/{map_index}/tries"), get(tries_mapped))
        .route(&one("/{map_index}/tries/{number}"), get(one_try_mapped))
}

const RANGES: Ranges = &[
    ("logical_date", Field::LogicalAt),
    ("run_after", Field::LogicalAt),
    ("start_date", Field::TaskStartedAt),
    ("end_date", Field::TaskEndedAt),
    ("updated_at", Field::TaskUpdatedAt),
    ("duration", Field::TaskDuration),
];
const ORDERS: Ranges = &[
    ("id", Field::CreatedAt),
    ("state", Field::TaskState),
    ("task_id", Field::TaskId),
    ("task_display_name", Field::TaskId),
    ("dag_id", Field::Pipeline),
    ("run_id", Field::RunName),
    ("duration", Field::TaskDuration),
    ("start_date", Field::TaskStartedAt),
    ("end_date", Field::TaskEndedAt),
    ("logical_date", Field::LogicalAt),
    ("run_after", Field::LogicalAt),
    ("try_number", Field::Attempt),
    ("updated_at", Field::TaskUpdatedAt),
];

async fn list(
    _: Viewer,
    State(service): State<Service>,
    Path((dag, run)): Path<(String, String)>,
    asked: Asked,
) -> Answer {
    find(&service, &dag, &run, &asked).await
}

async fn list_batch(
    _: Viewer,
    State(service): State<Service>,
    Path((dag, run)): Path<(String, String)>,
    Body(body): Body<Map<String, Value>>,
) -> Answer {
    const NAMES: &[(&str, &str)] = &[
        ("page_limit", "limit"),
        ("page_offset", "offset"),
        ("dag_ids", "dag_id"),
        ("dag_run_ids", "run_id"),
        ("task_ids", "task_id"),
    ];
    if let Some((place, given)) = [("dag_id", &dag), ("dag_run_id", &run)].iter().find(|(_, id)| *id != ANY) {
        let message = "Input should be '~'";
        return Err(Fault::unfit(&["path", place], "literal_error", message, &given.as_str().into()));
    }
    find(&service, &dag, &run, &Asked::of_body(&body, NAMES)?).await
}

async fn find(service: &Service, dag: &str, run: &str, asked: &Asked) -> Answer {
    let page = Page::of(asked)?;
    let mut wanted = Wanted { limit: page.limit, offset: page.offset, ..Wanted::default() };
    if run == ANY {
        runs::within(service, dag, asked, &mut wanted).await?;
    } else {
        if dag == ANY {
            let message = "Where the dag is `~`, the run must be `~` too.";
            return Err(Fault::new(http::StatusCode::BAD_REQUEST, message));
        }
        let found = runs::one(service, dag, run).await?;
        wanted.tests.push((Field::Pipeline, Test::In(vec![dag.to_owned()])));
        wanted.tests.push((Field::RunName, Test::In(vec![found.id().to_owned()])));
    }
    narrow(asked, &mut wanted)?;
    let (found, total) = service.db().read(move |db| load_all(db, &wanted)).await?;
    Ok(Json(json!({
        "task_instances": found, "total_entries": total, "total_entries_limit": null,
        "next_cursor": null, "previous_cursor": null,
    })))
}

fn narrow(asked: &Asked, wanted: &mut Wanted) -> Result<(), Fault> {
    search::among(asked, "state", Field::TaskState, Some(&instance::STATES), wanted)?;
    search::among(asked, "task_id", Field::TaskId, None, wanted)?;
    search::among(asked, "run_id", Field::RunName, None, wanted)?;
    search::patterns(asked, "task_display_name", Field::TaskId, wanted);
    search::patterns(asked, "run_id", Field::RunName, wanted);
    search::ranges(asked, RANGES, wanted)?;
    let tries = asked.all("try_number");
    if !tries.is_empty() {
        asked.whole("try_number")?;
        wanted.tests.push((Field::Attempt, Test::In(tries.into_iter().map(str::to_owned).collect())));
    }
    search::order(asked, ORDERS, wanted)
}

/// The instances on a page: each run is read once, however many of its tasks are wanted.
fn load_all(db: &Connection, wanted: &Wanted) -> Result<(Vec<Value>, usize)> {
    let (keys, total) = store::task_find(db, wanted)?;
    let mut known: HashMap<String, (DagRun, HashMap<String, TaskInstance>)> = HashMap::new();
    let mut found = Vec::with_capacity(keys.len());
    for (run_id, task_id) in keys {
        if !known.contains_key(&run_id) {
            let Some(of) = runs::load(db, &run_id)? else { continue };
            let tasks = store::task_list(db, &run_id)?.into_iter().map(|task| (task.id.clone(), task));
            known.insert(run_id.clone(), (of, tasks.collect()));
        }
        let Some((of, tasks)) = known.get(&run_id) else { continue };
        let Some(task) = tasks.get(&task_id) else { continue };
        let note = store::task_note_get(db, &run_id, &task_id)?;
        found.push(instance::instance(of, task, note.as_deref()));
    }
    Ok((found, total))
}

/// A run and one of its tasks.
pub(super) async fn one(
    service: &Service,
    dag: &str,
    run: &str,
    task: &str,
) -> Result<(DagRun, TaskInstance), Fault> {
    let of = runs::one(service, dag, run).await?;
    let tasks = service.run(&of.run.id).await?.tasks;
    let found = tasks.into_iter().find(|one| one.id == task);
    Ok((of, found.ok_or_else(|| no_task(dag, run, task))?))
}

fn no_task(dag: &str, run: &str, task: &str) -> Fault {
    let message = format!(
        "The Task Instance with dag_id: `{dag}`, run_id: `{run}` and task_id: `{task}` was not found"
    );
    Fault::not_found(message)
}

/// The index of a task that is not mapped.
const UNMAPPED: i64 = -1;

fn unmapped(task: &str, index: i64) -> Result<(), Fault> {
    if index == UNMAPPED {
        return Ok(());
    }
    Err(Fault::not_found(format!(
        "The Mapped Task Instance with task_id: `{task}` and map_index: `{index}` was not found"
    )))
}

async fn show(
    _: Viewer,
    State(service): State<Service>,
    Path((dag, run, task)): Path<(String, String, String)>,
) -> Answer {
    shown(&service, &dag, &run, &task).await
}

async fn show_mapped(
    _: Viewer,
    State(service): State<Service>,
    Path((dag, run, task, index)): Path<(String, String, String, i64)>,
) -> Answer {
    unmapped(&task, index)?;
    shown(&service, &dag, &run, &task).await
}

pub(super) async fn shown(service: &Service, dag: &str, run: &str, task: &str) -> Answer {
    let (of, found) = one(service, dag, run, task).await?;
    let (run_id, task_id) = (of.run.id.clone(), found.id.clone());
    let note = service.db().read(move |db| store::task_note_get(db, &run_id, &task_id)).await?;
    Ok(Json(instance::instance(&of, &found, note.as_deref())))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PatchBody {
    new_state: Option<String>,
    #[serde(default, deserialize_with = "given")]
    note: Option<Option<String>>,
    #[serde(default)]
    include_upstream: bool,
    #[serde(default)]
    include_downstream: bool,
    #[serde(default)]
    include_future: bool,
    #[serde(default)]
    include_past: bool,
}

async fn patch(
    _: Editor,
    State(service): State<Service>,
    Path((dag, run, task)): Path<(String, String, String)>,
    asked: Asked,
    Body(body): Body<Value>,
) -> Answer {
    patched(&service, &dag, &run, &task, &asked, body).await
}

async fn patch_mapped(
    _: Editor,
    State(service): State<Service>,
    Path((dag, run, task, index)): Path<(String, String, String, i64)>,
    asked: Asked,
    Body(body): Body<Value>,
) -> Answer {
    unmapped(&task, index)?;
    patched(&service, &dag, &run, &task, &asked, body).await
}

async fn patched(service: &Service, dag: &str, run: &str, task: &str, asked: &Asked, body: Value) -> Answer {
    let named = mask(asked, &["new_state", "note"])?;
    let body: PatchBody = read(body)?;
    let wanted = |name: &str| named.as_ref().is_none_or(|names| names.contains(&name));
    let (of, found) = one(service, dag, run, task).await?;
    if body.include_upstream || body.include_downstream || body.include_future || body.include_past {
        return Err(not_yet("One task instance is changed at a time: `include_...` must be false."));
    }
    if body.new_state.is_some() && wanted("new_state") {
        return Err(not_yet("The state of a task cannot be set by this release."));
    }
    if let Some(note) = body.note.filter(|_| wanted("note")) {
        let (run_id, task_id) = (of.run.id.clone(), found.id.clone());
        let put = move |db: &Connection| store::task_note_put(db, &run_id, &task_id, note.as_deref());
        service.db().write(put).await?;
    }
    let Json(shown) = shown(service, dag, run, task).await?;
    Ok(Json(json!({ "task_instances": [shown], "total_entries": 1 })))
}

fn not_yet(why: &str) -> Fault {
    Fault::new(http::StatusCode::NOT_IMPLEMENTED, why)
}

/// A task that is not mapped has no mapped instances.
async fn list_mapped(
    _: Viewer,
    State(service): State<Service>,
    Path((dag, run, task)): Path<(String, String, String)>,
) -> Answer {
    one(&service, &dag, &run, &task).await?;
    Ok(Json(json!({
        "task_instances": [], "total_entries": 0, "total_entries_limit": null,
        "next_cursor": null, "previous_cursor": null,
    })))
}

async fn tries(
    _: Viewer,
    State(service): State<Service>,
    Path((dag, run, task)): Path<(String, String, String)>,
) -> Answer {
    let all = all_tries(&service, &dag, &run, &task).await?;
    Ok(Json(json!({ "total_entries": all.len(), "task_instances": all })))
}

async fn tries_mapped(
    _: Viewer,
    State(service): State<Service>,
    Path((dag, run, task, index)): Path<(String, String, String, i64)>,
) -> Answer {
    unmapped(&task, index)?;
    let all = all_tries(&service, &dag, &run, &task).await?;
    Ok(Json(json!({ "total_entries": all.len(), "task_instances": all })))
}

async fn one_try(
    _: Viewer,
    State(service): State<Service>,
    Path((dag, run, task, number)): Path<(String, String, String, i64)>,
) -> Answer {
    a_try(&service, &dag, &run, &task, number).await
}

async fn one_try_mapped(
    _: Viewer,
    State(service): State<Service>,
    Path((dag, run, task, index, number)): Path<(String, String, String, i64, i64)>,
) -> Answer {
    unmapped(&task, index)?;
    a_try(&service, &dag, &run, &task, number).await
}

async fn a_try(service: &Service, dag: &str, run: &str, task: &str, number: i64) -> Answer {
    let all = all_tries(service, dag, run, task).await?;
    let found = all.into_iter().find(|one| one["try_number"] == number);
    let missing = || Fault::not_found(format!("The Task Instance of `{task}` has no try {number}"));
    Ok(Json(found.ok_or_else(missing)?))
}

async fn all_tries(service: &Service, dag: &str, run: &str, task: &str) -> Result<Vec<Value>, Fault> {
    let (of, found) = one(service, dag, run, task).await?;
    let (run_id, task_id) = (of.run.id.clone(), found.id.clone());
    let attempts = service.db().read(move |db| store::attempt_list(db, &run_id, &task_id)).await?;
    let tries = attempts.iter().map(|attempt| instance::history(&of, &found, attempt));
    Ok(tries.collect())
}
