//! XCom entries: what tasks gave to others, each name of a task's output an entry of its own.

use super::{
    Answer, Door,
    asked::{Asked, Body},
    fault::Fault,
    instances::{Named, UNMAPPED, each, one},
    runs::{self, ANY},
    search::{self, Page, Ranges},
    shapes::run::{DagRun, run_after},
};
use crate::{
    auth::{Editor, Viewer},
    kernel::{
        clock::rfc3339,
        error::{Error, Result},
    },
    pipelines::{
        condition::plain,
        model::{TaskInstance, TaskState, base_id},
        output,
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

pub(super) fn routes() -> Router<Door> {
    const ALL: &str = "/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries";
    Router::new()
        .route(ALL, get(list).post(create))
        .route(&format!("{ALL}/{{*key}}"), get(show).patch(change).delete(remove))
}

const ORDERS: Ranges = &[
    ("key", Field::OutputKey),
    ("dag_id", Field::Pipeline),
    ("run_id", Field::RunName),
    ("task_id", Field::TaskId),
    ("map_index", Field::MapIndex),
    ("timestamp", Field::TaskEndedAt),
    ("run_after", Field::RunAfter),
];
const RANGES: Ranges = &[("logical_date", Field::LogicalAt), ("run_after", Field::RunAfter)];

fn shape(of: &DagRun, task: &TaskInstance, key: &str) -> Value {
    let (id, index) = base_id(&task.id);
    let logical = rfc3339(of.run.logical_at);
    json!({
        "key": key,
        "timestamp": rfc3339(task.ended_at.or(task.started_at).unwrap_or(of.run.created_at)),
        "logical_date": logical,
        "run_after": rfc3339(run_after(&of.run)),
        "map_index": index.map_or(UNMAPPED, i64::from),
        "task_id": id,
        "task_display_name": id,
        "dag_id": of.run.pipeline,
        "dag_display_name": of.run.pipeline,
        "run_id": of.id(),
    })
}

fn native(of: &DagRun, task: &TaskInstance, key: &str, value: &Value) -> Value {
    let mut body = shape(of, task, key);
    body["value"] = value.clone();
    body
}

async fn list(
    _: Viewer,
    State(service): State<Service>,
    Path((dag, run, task)): Path<(String, String, String)>,
    asked: Asked,
) -> Answer {
    let page = Page::of(&asked)?;
    let mut wanted = Wanted { limit: page.limit, offset: page.offset, ..Wanted::default() };
    runs::within(&service, &dag, &asked, &mut wanted).await?;
    let is = |field, value: &str| (field, Test::In(vec![value.to_owned()]));
    match (dag.as_str(), run.as_str()) {
        (_, ANY) => {}
        (ANY, _) => wanted.tests.push(is(Field::RunName, &run)),
        _ => wanted.tests.push(is(Field::RunName, runs::one(&service, &dag, &run).await?.id())),
    }
    if task != ANY {
        wanted.tests.push(is(Field::TaskId, &task));
    }
    if let Some(key) = asked.one("xcom_key") {
        wanted.tests.push(is(Field::OutputKey, key));
    }
    for name in ["map_index", "map_index_filter"] {
        if let Some(index) = asked.whole(name)? {
            wanted.tests.push((Field::MapIndex, Test::Like(vec![index.to_string()])));
        }
    }
    search::patterns(&asked, "xcom_key", Field::OutputKey, &mut wanted);
    search::patterns(&asked, "run_id", Field::RunName, &mut wanted);
    search::patterns(&asked, "task_id", Field::TaskId, &mut wanted);
    search::patterns(&asked, "dag_display_name", Field::Pipeline, &mut wanted);
    search::ranges(&asked, RANGES, &mut wanted)?;
    search::order(&asked, ORDERS, &mut wanted)?;
    if wanted.order.is_empty() {
        wanted.order = ORDERS[..5].iter().map(|(_, field)| (*field, false)).collect();
        wanted.order.rotate_left(1);
    }
    let load = move |db: &Connection| {
        let (found, total) = store::output_find(db, &wanted)?;
        Ok((each(db, found, |of, task, key: String| Ok(shape(of, task, &key)))?, total))
    };
    let (entries, total) = service.db().read(load).await?;
    Ok(Json(json!({ "xcom_entries": entries, "total_entries": total })))
}

#[derive(Deserialize)]
struct Entry {
    dag_id: String,
    run_id: String,
    task_id: String,
    key: String,
}

impl Entry {
    fn named(&self, index: Option<i64>) -> Named {
        Named::new(self.dag_id.clone(), self.run_id.clone(), self.task_id.clone(), index)
    }
}

fn no_entry(key: &str) -> Fault {
    Fault::not_found(format!("XCom entry with key: `{key}` not found"))
}

async fn show(_: Viewer, State(service): State<Service>, Path(entry): Path<Entry>, asked: Asked) -> Answer {
    let (of, task) = one(&service, &entry.named(asked.whole("map_index")?)).await?;
    let value = task.output.as_ref().and_then(|output| output.get(&entry.key));
    let value = value.ok_or_else(|| no_entry(&entry.key))?;
    let text = asked.flag("stringify")?.unwrap_or(false);
    let value = if text { Value::String(plain(value)) } else { value.clone() };
    Ok(Json(native(&of, &task, &entry.key, &value)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateBody {
    key: String,
    value: Value,
    map_index: Option<i64>,
}

async fn create(
    _: Editor,
    State(service): State<Service>,
    Path(named): Path<Named>,
    Body(body): Body<CreateBody>,
) -> Result<(StatusCode, Json<Value>), Fault> {
    let named = Named::new(named.dag, named.run, named.task, body.map_index);
    let (of, task) = one(&service, &named).await?;
    let (key, value) = (body.key.clone(), body.value.clone());
    if key.is_empty() || key.len() > 512 {
        let message = "String should have 1 to 512 characters";
        return Err(Fault::unfit(&["body", "key"], "string_too_long", message, &key.into()));
    }
    let put = move |output: &mut Map<String, Value>| match output.contains_key(&key) {
        true => Err(Error::conflict(format!(
            "The XCom with key: `{key}` with mentioned task instance already exists."
        ))),
        false => {
            output.insert(key, value);
            Ok(())
        }
    };
    write(&service, &of, &task, put).await?;
    Ok((StatusCode::CREATED, Json(native(&of, &task, &body.key, &body.value))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UpdateBody {
    value: Value,
    map_index: Option<i64>,
}

async fn change(
    _: Editor,
    State(service): State<Service>,
    Path(entry): Path<Entry>,
    Body(body): Body<UpdateBody>,
) -> Answer {
    let (of, task) = one(&service, &entry.named(body.map_index)).await?;
    let (key, value) = (entry.key.clone(), body.value.clone());
    let put = move |output: &mut Map<String, Value>| match output.get_mut(&key) {
        Some(old) => {
            *old = value;
            Ok(())
        }
        None => Err(Error::not_found(format!(
            "The XCom with key: `{key}` with mentioned task instance doesn't exist."
        ))),
    };
    write(&service, &of, &task, put).await?;
    Ok(Json(native(&of, &task, &entry.key, &body.value)))
}

async fn remove(
    _: Editor,
    State(service): State<Service>,
    Path(entry): Path<Entry>,
    asked: Asked,
) -> Result<StatusCode, Fault> {
    let (of, task) = one(&service, &entry.named(asked.whole("map_index")?)).await?;
    let key = entry.key.clone();
    let take = move |output: &mut Map<String, Value>| match output.remove(&key) {
        Some(_) => Ok(()),
        None => Err(Error::not_found(format!("XCom entry with key: `{key}` not found"))),
    };
    write(&service, &of, &task, take).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Changes what a task gave; while it runs, only the task itself does.
async fn write(
    service: &Service,
    of: &DagRun,
    task: &TaskInstance,
    change: impl FnOnce(&mut Map<String, Value>) -> Result<()> + Send + 'static,
) -> Result<(), Fault> {
    let (run_id, task_id) = (of.run.id.clone(), task.id.clone());
    let write = move |db: &Connection| {
        let found = store::task_list(db, &run_id)?.into_iter().find(|one| one.id == task_id);
        let mut task = found.ok_or_else(|| Error::not_found("The task instance is gone."))?;
        if matches!(task.state, TaskState::Running | TaskState::Deferred) {
            let why = "The task runs: what it gives is known, and can be changed, when it has ended.";
            return Err(Error::conflict(why));
        }
        let mut entries = match task.output.take() {
            Some(Value::Object(entries)) => entries,
            _ => Map::new(),
        };
        change(&mut entries)?;
        let text = serde_json::to_string(&entries).map_err(Error::internal)?;
        if text.len() > output::SMALL {
            let most = output::SMALL >> 10;
            return Err(Error::invalid(format!("A task gives no more than {most} KiB to others.")));
        }
        task.output = Some(Value::Object(entries));
        store::task_update(db, &run_id, &task)
    };
    Ok(service.db().write(write).await?)
}
