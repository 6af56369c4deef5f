//! Task instances: listed over one run or all of them, shown, with their tries. `choose` picks those
//! that people act on, over several runs perhaps; `clear`, `mark`, `remove` and `bulk` act.

mod bulk;
mod choose;
mod clear;
mod mark;
mod remove;
mod why;

pub(super) use clear::{WholeRuns, whole_runs};

use super::{
    Answer, Door,
    asked::{Asked, Body},
    fault::Fault,
    runs::{self, ANY},
    search::{self, Page, Ranges},
    shapes::{instance, run::DagRun},
};
use crate::{
    auth::Viewer,
    kernel::error::Result,
    pipelines::{
        model::{TaskInstance, TaskState},
        service::Service,
        store::{self, Field, Test, Wanted},
    },
    store::Connection,
};
use axum::{
    Json, Router,
    extract::{Path, State},
    routing::get,
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::HashMap;

pub(super) fn routes() -> Router<Door> {
    const ALL: &str = "/dags/{dag_id}/dagRuns/{run_id}/taskInstances";
    let one = |rest: &str| format!("{ALL}/{{task_id}}{rest}");
    Router::new()
        .route(ALL, get(list))
        // A task may be named `list`: what is posted there is a search, all else is about the task.
        .route(&one(""), get(show).post(list_batch))
        .route(&one("/listMapped"), get(list_mapped))
        .route(&one("/tries"), get(tries))
        .route(&one("/tries/{number}"), get(one_try))
        .route(&one("/{map_index}"), get(show))
        .route(&one("/{map_index}/tries"), get(tries))
        .route(&one("/{map_index}/tries/{number}"), get(one_try))
        .merge(clear::routes())
        .merge(mark::routes())
        .merge(remove::routes())
        .merge(bulk::routes())
        .merge(why::routes())
}

/// The task instance a path names, and perhaps one of its tries.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Named {
    #[serde(rename = "dag_id")]
    pub dag: String,
    #[serde(rename = "run_id")]
    pub run: String,
    #[serde(rename = "task_id")]
    pub task: String,
    #[serde(rename = "map_index", default)]
    pub index: Option<i64>,
    #[serde(default)]
    number: Option<i64>,
}

impl Named {
    pub(super) fn new(dag: String, run: String, task: String, index: Option<i64>) -> Self {
        Self { dag, run, task, index, number: None }
    }

    /// The same, with the index that the query names where the path has none.
    pub(super) fn asked(self, asked: &Asked) -> Result<Self, Fault> {
        Ok(Self { index: self.index.or(asked.whole("map_index")?), ..self })
    }

    fn missing(&self) -> Fault {
        let Self { dag, run, task, .. } = self;
        let index = self.index.filter(|index| *index != UNMAPPED);
        let index = index.map(|index| format!(", map_index: `{index}`")).unwrap_or_default();
        Fault::not_found(format!(
            "The Task Instance with dag_id: `{dag}`, run_id: `{run}`{index} and task_id: `{task}` was not found"
        ))
    }
}

/// The index of a task that is not mapped.
pub(super) const UNMAPPED: i64 = -1;

/// The id of the row that holds a task, or one of its instances.
pub(super) fn row_id(task: &str, index: Option<i64>) -> String {
    match index.filter(|index| *index != UNMAPPED) {
        Some(index) => format!("{task}[{index}]"),
        None => task.to_owned(),
    }
}

const RANGES: Ranges = &[
    ("logical_date", Field::LogicalAt),
    ("run_after", Field::RunAfter),
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
    ("map_index", Field::MapIndex),
    ("rendered_map_index", Field::MapIndex),
    ("pool", Field::Pool),
    ("priority_weight", Field::Priority),
    ("dag_id", Field::Pipeline),
    ("run_id", Field::RunName),
    ("duration", Field::TaskDuration),
    ("start_date", Field::TaskStartedAt),
    ("end_date", Field::TaskEndedAt),
    ("logical_date", Field::LogicalAt),
    ("run_after", Field::RunAfter),
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
    Path((dag, run, word)): Path<(String, String, String)>,
    Body(body): Body<Map<String, Value>>,
) -> Answer {
    if word != "list" {
        return Err(Fault::new(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed"));
    }
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
    search::among(asked, "pool", Field::Pool, None, wanted)?;
    search::patterns(asked, "pool_name", Field::Pool, wanted);
    search::ranges(asked, RANGES, wanted)?;
    let indices = asked.all("map_index");
    if !indices.is_empty() {
        asked.whole("map_index")?;
        // A number compared as text: digits are no wildcards.
        wanted.tests.push((Field::MapIndex, Test::Like(indices.into_iter().map(str::to_owned).collect())));
    }
    if asked.one("mapped").is_some() {
        wanted.tests.push((Field::MapIndex, Test::Compare(">=", 0.0)));
    }
    let tries = asked.all("try_number");
    if !tries.is_empty() {
        asked.whole("try_number")?;
        wanted.tests.push((Field::Attempt, Test::In(tries.into_iter().map(str::to_owned).collect())));
    }
    search::order(asked, ORDERS, wanted)
}

/// The instances on a page, and how many there are on all pages.
fn load_all(db: &Connection, wanted: &Wanted) -> Result<(Vec<Value>, usize)> {
    let (keys, total) = store::task_find(db, wanted)?;
    let keys = keys.into_iter().map(|(run_id, task_id)| (run_id, task_id, ())).collect();
    let found = each(db, keys, |of, task, ()| {
        let note = store::task_note_get(db, &of.run.id, &task.id)?;
        Ok(instance::instance(of, task, note.as_deref()))
    });
    Ok((found?, total))
}

/// The shapes of what is known by run and task: each run is read once, however many of its tasks are
/// wanted.
pub(super) fn each<K, T>(
    db: &Connection,
    keys: Vec<(String, String, K)>,
    shape: impl Fn(&DagRun, &TaskInstance, K) -> Result<T>,
) -> Result<Vec<T>> {
    let mut known: HashMap<String, (DagRun, HashMap<String, TaskInstance>)> = HashMap::new();
    let mut found = Vec::with_capacity(keys.len());
    for (run_id, task_id, key) in keys {
        if !known.contains_key(&run_id) {
            let Some(of) = runs::load(db, &run_id)? else { continue };
            let tasks = store::task_list(db, &run_id)?.into_iter().map(|task| (task.id.clone(), task));
            known.insert(run_id.clone(), (of, tasks.collect()));
        }
        let Some((of, tasks)) = known.get(&run_id) else { continue };
        let Some(task) = tasks.get(&task_id) else { continue };
        found.push(shape(of, task, key)?);
    }
    Ok(found)
}

/// A run and one of its tasks.
pub(super) async fn one(service: &Service, named: &Named) -> Result<(DagRun, TaskInstance), Fault> {
    let of = runs::one(service, &named.dag, &named.run).await?;
    let run_id = of.run.id.clone();
    let tasks = service.db().read(move |db| store::task_list(db, &run_id)).await?;
    let id = row_id(&named.task, named.index);
    let found = tasks.into_iter().find(|one| one.id == id).ok_or_else(|| named.missing())?;
    if found.map_index.is_none() && found.state == TaskState::Removed {
        return Err(named.missing());
    }
    if found.mapped.is_some_and(|count| count > 0) {
        return Err(Fault::not_found("Task instance is mapped, add the map_index value to the URL"));
    }
    Ok((of, found))
}

async fn show(_: Viewer, State(service): State<Service>, Path(named): Path<Named>) -> Answer {
    let (of, found) = one(&service, &named).await?;
    let (run_id, task_id) = (of.run.id.clone(), found.id.clone());
    let note = service.db().read(move |db| store::task_note_get(db, &run_id, &task_id)).await?;
    Ok(Json(instance::instance(&of, &found, note.as_deref())))
}

/// The instances of a mapped task.
async fn list_mapped(
    _: Viewer,
    State(service): State<Service>,
    Path(named): Path<Named>,
    asked: Asked,
) -> Answer {
    let of = runs::one(&service, &named.dag, &named.run).await?;
    let (run_id, id) = (of.run.id.clone(), named.task.clone());
    let tasks = service.db().read(move |db| store::task_list(db, &run_id)).await?;
    let whole = tasks.iter().find(|task| task.id == id).ok_or_else(|| named.missing())?;
    if whole.rules.for_each.is_none() {
        return Err(Fault::not_found(format!("Task id {id} is not mapped")));
    }
    let mut own = vec![("task_id".to_owned(), id)];
    own.extend(asked.0.iter().filter(|(name, _)| name != "task_id").cloned());
    if asked.one("order_by").is_none() {
        own.push(("order_by".to_owned(), "map_index".to_owned()));
    }
    own.push(("mapped".to_owned(), "true".to_owned()));
    find(&service, &named.dag, &named.run, &Asked(own)).await
}

async fn tries(_: Viewer, State(service): State<Service>, Path(named): Path<Named>, asked: Asked) -> Answer {
    let all = all_tries(&service, &named.asked(&asked)?).await?;
    Ok(Json(json!({ "total_entries": all.len(), "task_instances": all })))
}

async fn one_try(
    _: Viewer,
    State(service): State<Service>,
    Path(named): Path<Named>,
    asked: Asked,
) -> Answer {
    let named = named.asked(&asked)?;
    let (task, number) = (named.task.clone(), named.number.unwrap_or_default());
    let found = all_tries(&service, &named).await?.into_iter().find(|one| one["try_number"] == number);
    let missing = || Fault::not_found(format!("The Task Instance of `{task}` has no try {number}"));
    Ok(Json(found.ok_or_else(missing)?))
}

async fn all_tries(service: &Service, named: &Named) -> Result<Vec<Value>, Fault> {
    let (of, found) = one(service, named).await?;
    let (run_id, task_id) = (of.run.id.clone(), found.id.clone());
    let attempts = service.db().read(move |db| store::attempt_list(db, &run_id, &task_id)).await?;
    let tries = attempts.iter().map(|attempt| instance::history(&of, &found, attempt));
    Ok(tries.collect())
}
