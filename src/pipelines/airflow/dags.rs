//! Dags: listed, shown with details and tasks, paused, deleted.

use super::{
    Answer, Door,
    asked::{Asked, Body, mask, unfit},
    fault::Fault,
    search::{Page, fits, no_order},
    shapes::{
        dag::{self, Dag},
        run,
    },
};
use crate::{
    auth::{Editor, Viewer},
    pipelines::{
        definition::Definition,
        model::RunState,
        service::{Overview, Service},
        store,
    },
};
use axum::{
    Json, Router,
    extract::{Path, State},
    routing::get,
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{cmp::Ordering, collections::HashMap};

pub(super) fn routes() -> Router<Door> {
    Router::new()
        .route("/dags", get(list).patch(patch_all))
        .route("/dags/{dag_id}", get(show).patch(patch).delete(delete))
        .route("/dags/{dag_id}/details", get(details))
        .route("/dags/{dag_id}/tasks", get(tasks))
        .route("/dags/{dag_id}/tasks/{task_id}", get(task))
}

/// Every pipeline that ever had a sound definition; a file that never had one is an import error alone.
pub(super) async fn all(service: &Service) -> Result<Vec<Dag>, Fault> {
    let times = service.db().read(store::pipeline_times).await?;
    let updated: HashMap<String, i64> = times.into_iter().map(|(name, _, updated)| (name, updated)).collect();
    let dags = service.list().await?.into_iter().filter_map(|overview| {
        let updated_at = updated.get(&overview.pipeline.name).copied().unwrap_or_default();
        dag_of(overview, updated_at)
    });
    Ok(dags.collect())
}

fn dag_of(mut overview: Overview, updated_at: i64) -> Option<Dag> {
    let definition = overview.definition.take()?;
    Some(Dag { overview, definition, updated_at })
}

pub(super) async fn one(service: &Service, id: &str) -> Result<Dag, Fault> {
    let overview = service.get(id).await.map_err(|_| no_dag(id))?;
    let times = service.db().read(store::pipeline_times).await?;
    let updated_at = times.into_iter().find(|(name, ..)| name == id).map_or(0, |(_, _, updated)| updated);
    dag_of(overview, updated_at).ok_or_else(|| no_dag(id))
}

pub(super) fn no_dag(id: &str) -> Fault {
    Fault::not_found(format!("The Dag with ID: `{id}` was not found"))
}

async fn list(Viewer(who): Viewer, State(service): State<Service>, asked: Asked) -> Answer {
    let found = find(&service, &who.user, &asked, None).await?;
    let total = found.len();
    let page = Page::of(&asked)?.cut(found);
    Ok(Json(json!({ "dags": page.iter().map(dag::dag).collect::<Vec<_>>(), "total_entries": total })))
}

/// The dags that fit every filter, in the order wanted. `paused` overrides none.
async fn find(
    service: &Service,
    user: &str,
    asked: &Asked,
    default_paused: Option<bool>,
) -> Result<Vec<Dag>, Fault> {
    let mut filter = Filter::of(asked, default_paused)?;
    if let Some(wanted) = asked.flag("is_favorite")? {
        let user = user.to_owned();
        filter.favorites = Some((wanted, service.db().read(move |db| store::favorites(db, &user)).await?));
    }
    let mut found: Vec<Dag> =
        all(service).await?.into_iter().filter(|one| filter.takes(asked, one)).collect();
    sort(&mut found, asked.one("order_by").unwrap_or("dag_id"))?;
    Ok(found)
}

struct Filter<'a> {
    paused: Option<bool>,
    broken: Option<bool>,
    last_state: Option<&'a str>,
    any_state: Vec<&'a str>,
    bundle: Option<&'a str>,
    /// The caller's favourites, and whether it is they that are wanted or the others.
    favorites: Option<(bool, Vec<String>)>,
    /// Filters on what no dag of this house has: tags, owners, assets.
    nothing: bool,
}

impl<'a> Filter<'a> {
    fn of(asked: &'a Asked, default_paused: Option<bool>) -> Result<Self, Fault> {
        for name in ["last_dag_run_state", "dag_run_state"] {
            if let Some(word) = asked.all(name).into_iter().find(|word| !run::STATES.contains(word)) {
                return Err(unfit(
                    name,
                    "enum",
                    "Input should be 'queued', 'running', 'success' or 'failed'",
                    word,
                ));
            }
        }
        let wants = |name| -> Result<bool, Fault> { Ok(asked.flag(name)?.unwrap_or(false)) };
        let nothing = wants("has_asset_schedule")?
            || ["tags", "owners", "asset_dependency", "bundle_version"]
                .iter()
                .any(|name| asked.one(name).is_some());
        Ok(Self {
            paused: asked.flag("paused")?.or(default_paused),
            broken: asked.flag("has_import_errors")?,
            last_state: asked.one("last_dag_run_state"),
            any_state: asked.all("dag_run_state"),
            bundle: asked.one("bundle_name"),
            favorites: None,
            nothing,
        })
    }

    fn takes(&self, asked: &Asked, one: &Dag) -> bool {
        let (pipeline, recent) = (&one.overview.pipeline, &one.overview.recent);
        let last = recent.first().map(|last| run::state(last.state));
        let ran = |word: &&str| recent.iter().any(|one| run::state(one.state) == *word);
        !self.nothing
            && self
                .favorites
                .as_ref()
                .is_none_or(|(wanted, names)| names.iter().any(|name| name == one.id()) == *wanted)
            && fits(asked, "dag_id", one.id())
            && fits(asked, "dag_display_name", one.id())
            && self.paused.is_none_or(|paused| paused == pipeline.paused)
            && self.broken.is_none_or(|broken| broken == pipeline.error.is_some())
            && self.last_state.is_none_or(|state| last == Some(state))
            && (self.any_state.is_empty() || self.any_state.iter().any(ran))
            && self.bundle.is_none_or(|bundle| dag::bundle(&pipeline.source) == bundle)
    }
}

fn sort(found: &mut [Dag], order: &str) -> Result<(), Fault> {
    let compare: fn(&Dag, &Dag) -> Ordering = match order.trim_start_matches('-') {
        "dag_id" | "dag_display_name" => |a, b| a.id().cmp(b.id()),
        "is_paused" => |a, b| a.overview.pipeline.paused.cmp(&b.overview.pipeline.paused),
        "next_dagrun" => |a, b| a.overview.pipeline.next_at.cmp(&b.overview.pipeline.next_at),
        "last_run_start_date" => |a, b| last(a, |run| run.started_at).cmp(&last(b, |run| run.started_at)),
        "last_run_run_after" => {
            |a, b| last(a, |run| Some(run.logical_at)).cmp(&last(b, |run| Some(run.logical_at)))
        }
        "last_run_state" => {
            |a, b| last(a, |run| Some(run.state.as_str())).cmp(&last(b, |run| Some(run.state.as_str())))
        }
        other => return Err(no_order(other)),
    };
    found.sort_by(compare);
    if order.starts_with('-') {
        found.reverse();
    }
    Ok(())
}

fn last<T>(of: &Dag, what: impl Fn(&crate::pipelines::model::Run) -> Option<T>) -> Option<T> {
    of.overview.recent.first().and_then(what)
}

async fn show(_: Viewer, State(service): State<Service>, Path(id): Path<String>) -> Answer {
    Ok(Json(dag::dag(&one(&service, &id).await?)))
}

async fn details(Viewer(who): Viewer, State(service): State<Service>, Path(id): Path<String>) -> Answer {
    let found = one(&service, &id).await?;
    let counts = service.db().read(store::run_counts).await?;
    let running = RunState::Running.as_str();
    let active =
        counts.iter().find(|(name, state, _)| *name == id && state == running).map_or(0, |(.., n)| *n);
    let favorites = service.db().read(move |db| store::favorites(db, &who.user)).await?;
    Ok(Json(dag::details(&found, active, favorites.contains(&id))))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Patch {
    is_paused: bool,
}

async fn patch(
    _: Editor,
    State(service): State<Service>,
    Path(id): Path<String>,
    asked: Asked,
    Body(body): Body<Patch>,
) -> Answer {
    mask(&asked, &["is_paused"])?;
    one(&service, &id).await?;
    service.set_paused(&id, body.is_paused).await?;
    Ok(Json(dag::dag(&one(&service, &id).await?)))
}

async fn patch_all(
    Editor(who): Editor,
    State(service): State<Service>,
    asked: Asked,
    Body(body): Body<Patch>,
) -> Answer {
    mask(&asked, &["is_paused"])?;
    let found = find(&service, &who.user, &asked, None).await?;
    let total = found.len();
    let mut changed = Vec::new();
    for one in Page::of(&asked)?.cut(found) {
        service.set_paused(one.id(), body.is_paused).await?;
        changed.push(dag::dag(&self::one(&service, one.id()).await?));
    }
    Ok(Json(json!({ "dags": changed, "total_entries": total })))
}

async fn delete(
    _: Editor,
    State(service): State<Service>,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<Value>), Fault> {
    one(&service, &id).await?;
    service.delete(&id).await?;
    Ok((StatusCode::OK, Json(Value::Null)))
}

async fn tasks(_: Viewer, State(service): State<Service>, Path(id): Path<String>, asked: Asked) -> Answer {
    let found = one(&service, &id).await?;
    let mut tasks = dag::tasks(&found.definition);
    let order = asked.one("order_by").unwrap_or("task_id");
    let key = order.trim_start_matches('-');
    if !tasks.iter().all(|task| task.get(key).is_some()) {
        return Err(Fault::new(
            StatusCode::BAD_REQUEST,
            format!("A task has no attribute {key:?} to order by."),
        ));
    }
    tasks.sort_by_cached_key(|task| task[key].to_string());
    if order.starts_with('-') {
        tasks.reverse();
    }
    let total = tasks.len();
    Ok(Json(json!({ "tasks": tasks, "total_entries": total })))
}

async fn task(_: Viewer, State(service): State<Service>, Path((id, task)): Path<(String, String)>) -> Answer {
    let found = one(&service, &id).await?;
    let at = place(&found.definition, &task)?;
    Ok(Json(dag::task(&found.definition, at)))
}

fn place(definition: &Definition, task: &str) -> Result<usize, Fault> {
    let at = definition.tasks.iter().position(|one| one.id == task);
    at.ok_or_else(|| Fault::not_found(format!("Task with id {task} was not found")))
}
