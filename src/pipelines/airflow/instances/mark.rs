//! Saying how task instances ended, and notes beside them: of one task or of a group, tried out first
//! where wanted.

use super::{
    Named,
    choose::{Choice, Marker, Reach, spread},
};
use crate::{
    auth::Editor,
    kernel::{
        clock::now_ms,
        error::{Error, Result},
    },
    pipelines::{
        airflow::{
            Answer, Door,
            asked::{Asked, Body, given, mask, read},
            fault::Fault,
            runs,
            shapes::instance,
        },
        by_hand,
        definition::Definition,
        model::TaskState,
        service::Service,
    },
    store::Connection,
};
use axum::{
    Json, Router,
    extract::{Path, State},
    routing::patch,
};
use serde::Deserialize;
use serde_json::Value;

pub(super) fn routes() -> Router<Door> {
    const TASK: &str = "/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}";
    const GROUP: &str = "/dags/{dag_id}/dagRuns/{run_id}/taskGroupInstances/{group_id}";
    Router::new()
        .route(TASK, patch(change))
        .route(&format!("{TASK}/dry_run"), patch(try_out))
        .route(&format!("{TASK}/{{map_index}}"), patch(change))
        .route(&format!("{TASK}/{{map_index}}/dry_run"), patch(try_out))
        .route(GROUP, patch(change_group))
        .route(&format!("{GROUP}/dry_run"), patch(try_out_group))
}

/// What is to become of task instances.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
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

impl Change {
    fn state(&self) -> Result<Option<TaskState>, Fault> {
        let word = |text: &String| match text.as_str() {
            "success" => Ok(TaskState::Success),
            "failed" => Ok(TaskState::Failed),
            "skipped" => Ok(TaskState::Skipped),
            other => {
                let message =
                    format!("Value error, '{other}' is not one of ['success', 'failed', 'skipped']");
                Err(Fault::unfit(&["body", "new_state"], "value_error", &message, &other.into()))
            }
        };
        self.new_state.as_ref().map(word).transpose()
    }

    fn reach(&self) -> Reach {
        Reach {
            upstream: self.include_upstream,
            downstream: self.include_downstream,
            future: self.include_future,
            past: self.include_past,
        }
    }
}

/// The task instances a change is about, in one run.
pub(super) struct Target {
    pub dag: String,
    pub run: String,
    pub markers: Vec<Marker>,
    /// How they are called where nothing is left to change.
    pub called: String,
}

impl Target {
    fn of(named: &Named) -> Self {
        let called = format!("Task id {}", named.task);
        Self { dag: named.dag.clone(), run: named.run.clone(), markers: vec![named.into()], called }
    }
}

async fn change(
    _: Editor,
    State(service): State<Service>,
    Path(named): Path<Named>,
    asked: Asked,
    Body(body): Body<Value>,
) -> Answer {
    let change = masked(&asked, body)?;
    answer(act(&service, Target::of(&named), change).await?)
}

async fn try_out(
    _: Editor,
    State(service): State<Service>,
    Path(named): Path<Named>,
    asked: Asked,
    Body(body): Body<Value>,
) -> Answer {
    let change = masked(&asked, body)?;
    answer(look(&service, Target::of(&named), change).await?)
}

async fn change_group(
    _: Editor,
    State(service): State<Service>,
    Path((dag, run, group)): Path<(String, String, String)>,
    asked: Asked,
    Body(body): Body<Value>,
) -> Answer {
    let change = masked(&asked, body)?;
    answer(act(&service, group_of(&service, dag, run, group).await?, change).await?)
}

async fn try_out_group(
    _: Editor,
    State(service): State<Service>,
    Path((dag, run, group)): Path<(String, String, String)>,
    asked: Asked,
    Body(body): Body<Value>,
) -> Answer {
    let change = masked(&asked, body)?;
    answer(look(&service, group_of(&service, dag, run, group).await?, change).await?)
}

fn answer(found: Vec<Value>) -> Answer {
    Ok(Json(instance::page(found)))
}

/// The body, without what the mask leaves out.
fn masked(asked: &Asked, body: Value) -> Result<Change, Fault> {
    let named = mask(asked, &["new_state", "note"])?;
    let mut change: Change = read(body)?;
    let wanted = |name: &str| named.as_ref().is_none_or(|names| names.contains(&name));
    change.new_state = change.new_state.filter(|_| wanted("new_state"));
    change.note = change.note.filter(|_| wanted("note"));
    change.state()?;
    Ok(change)
}

/// The tasks of a group, as the run's own definition has it.
async fn group_of(service: &Service, dag: String, run: String, group: String) -> Result<Target, Fault> {
    let found = runs::one(service, &dag, &run).await?;
    let definition = Definition::parse(&found.run.definition).ok();
    let tasks = definition.into_iter().flat_map(|definition| definition.tasks);
    let markers: Vec<Marker> = tasks
        .filter(|task| task.group.as_ref() == Some(&group))
        .map(|task| Marker { task: task.id, index: None })
        .collect();
    if markers.is_empty() {
        return Err(Fault::not_found(format!("Task group '{group}' not found in DAG '{dag}'")));
    }
    Ok(Target { dag, run, markers, called: format!("Every task instance of group {group}") })
}

async fn choice(service: &Service, target: &Target, reach: Reach) -> Result<Choice, Fault> {
    let run = runs::one(service, &target.dag, &target.run).await?.run.id;
    Ok(Choice {
        dag: target.dag.clone(),
        run: Some(run),
        span: (None, None),
        tasks: Some(target.markers.clone()),
        reach,
        states: None,
    })
}

/// What would change, or with no new state what is named.
async fn look(service: &Service, target: Target, change: Change) -> Result<Vec<Value>, Fault> {
    let state = change.state()?;
    let reach = if state.is_some() { change.reach() } else { Reach::default() };
    let choice = choice(service, &target, reach).await?;
    let show = move |db: &Connection| {
        let mut found = Vec::new();
        for one in choice.choose(db)? {
            let mut places = spread(&one.tasks, &one.places);
            places.retain(|at| state != Some(one.tasks[*at].state));
            found.extend(one.shapes(db, &places)?);
        }
        Ok(found)
    };
    Ok(service.db().read(show).await?)
}

/// Changes what is named and what is reached from it; answers what is named.
pub(super) async fn act(service: &Service, target: Target, change: Change) -> Result<Vec<Value>, Fault> {
    let state = change.state()?;
    let own = choice(service, &target, Reach::default()).await?;
    let reached = choice(service, &target, change.reach()).await?;
    let act = move |db: &Connection| {
        let named = own.choose(db)?;
        if let Some(note) = &change.note {
            for one in &named {
                one.note(db, &spread(&one.tasks, &one.places), note.as_deref())?;
            }
        }
        let mut done = Vec::new();
        let reached = if state.is_some() { reached.choose(db)? } else { Vec::new() };
        for one in reached {
            let mut places = spread(&one.tasks, &one.places);
            places.retain(|at| state != Some(one.tasks[*at].state));
            if let Some(state) = state.filter(|_| !places.is_empty()) {
                done.push(by_hand::mark(db, &one.of.run.id, &one.ids(&places), state, now_ms())?);
            }
        }
        if let Some(state) = state.filter(|_| done.is_empty()) {
            return Err(Error::conflict(format!("{} is already in {state} state", target.called)));
        }
        let shown = named.iter().map(|one| one.shapes(db, &spread(&one.tasks, &one.places)));
        Ok((shown.collect::<Result<Vec<_>>>()?.concat(), done))
    };
    Ok(service.by_hand(act).await?)
}
