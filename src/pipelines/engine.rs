//! The scheduler's transactions: take in what ended, fire schedules, claim what may start. Each
//! runs whole or not at all, inside one write; processes are started only after its commit.

use super::{
    definition::Definition,
    machine,
    model::{AttemptKey, Outcome, Pipeline, Run, RunState, TaskInstance, TaskState, Trigger},
    store,
};
use crate::{
    kernel::{
        error::{Error, Kind, Result},
        id,
    },
    store::Connection,
};
use chrono::DateTime;
use std::collections::{BTreeMap, HashSet};

/// What a transaction decided.
#[derive(Default)]
pub struct Step {
    pub changed: Vec<RunChange>,
    /// When something is due next without anything happening before.
    pub wake_at: Option<i64>,
}

#[derive(Clone)]
pub struct RunChange {
    pub pipeline: String,
    pub run_id: String,
    pub over: bool,
}

/// One turn of the scheduler. Taking in an outcome twice is harmless.
pub fn advance(db: &Connection, now: i64, slots: usize, outcomes: &[(AttemptKey, Outcome)]) -> Result<Step> {
    let mut step = Step::default();
    for (run_id, ended) in by_run(outcomes) {
        step.changed.extend(take_in(db, run_id, &ended, now)?);
    }
    for pipeline in store::pipeline_due(db, now)? {
        step.changed.extend(fire(db, &pipeline, now)?);
    }
    claim(db, now, slots, &mut step)?;
    step.wake_at = outlook(db, now, slots)?.1;
    Ok(step)
}

/// Whether `advance` would find something to do without new outcomes, and when it next will.
pub fn outlook(db: &Connection, now: i64, slots: usize) -> Result<(bool, Option<i64>)> {
    let free = slots.saturating_sub(store::attempt_running_count(db)?);
    let startable = !store::task_startable(db, now, free.min(1))?.is_empty();
    let due_at = store::pipeline_next_at(db)?;
    // A retry that is due but finds no free slot waits for a task to end, not for a time.
    let retry_at = store::task_next_retry(db)?.filter(|at| *at > now);
    Ok((startable || due_at.is_some_and(|at| at <= now), [due_at, retry_at].into_iter().flatten().min()))
}

/// Re-examines every run that is not over: after a start, nothing may be stuck on a step that a
/// crash cut short.
pub fn reconcile(db: &Connection, now: i64) -> Result<Vec<RunChange>> {
    let mut changed = Vec::new();
    for run_id in store::run_open(db)? {
        let Some(run) = store::run_get(db, &run_id)? else { continue };
        let mut tasks = store::task_list(db, &run_id)?;
        changed.extend(write_back(db, &run, &mut tasks, Vec::new(), now)?);
    }
    Ok(changed)
}

fn by_run(outcomes: &[(AttemptKey, Outcome)]) -> BTreeMap<&str, Vec<&(AttemptKey, Outcome)>> {
    let mut runs: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for ended in outcomes {
        runs.entry(&ended.0.run_id).or_default().push(ended);
    }
    runs
}

fn take_in(
    db: &Connection,
    run_id: &str,
    ended: &[&(AttemptKey, Outcome)],
    now: i64,
) -> Result<Option<RunChange>> {
    let Some(run) = store::run_get(db, run_id)? else { return Ok(None) };
    let mut tasks = store::task_list(db, run_id)?;
    let mut moved = Vec::new();
    for (key, outcome) in ended {
        let current = |task: &TaskInstance| {
            task.id == key.task_id && task.attempt == key.attempt && task.state == TaskState::Running
        };
        let Some(at) = tasks.iter().position(current) else { continue };
        let state = machine::finish(&mut tasks[at], outcome, run.cancel_requested);
        if store::attempt_finish(db, key, state, outcome)? {
            moved.push(at);
        }
    }
    write_back(db, &run, &mut tasks, moved, now)
}

/// Settles the run's tasks, stores those that moved, and ends the run if it is over.
fn write_back(
    db: &Connection,
    run: &Run,
    tasks: &mut [TaskInstance],
    mut moved: Vec<usize>,
    now: i64,
) -> Result<Option<RunChange>> {
    moved.extend(machine::settle(tasks));
    for at in &moved {
        store::task_update(db, &run.id, &tasks[*at])?;
    }
    let verdict = machine::verdict(tasks, run.cancel_requested);
    if let Some(state) = verdict {
        store::run_set_state(db, &run.id, state, now)?;
    }
    let change =
        RunChange { pipeline: run.pipeline.clone(), run_id: run.id.clone(), over: verdict.is_some() };
    Ok((verdict.is_some() || !moved.is_empty()).then_some(change))
}

/// Makes the run of a due schedule. Of several firings missed, the latest alone is made up for.
fn fire(db: &Connection, pipeline: &Pipeline, now: i64) -> Result<Option<RunChange>> {
    let Some((definition, due)) = Definition::parse(&pipeline.definition).ok().zip(pipeline.next_at) else {
        store::pipeline_set_schedule(db, &pipeline.name, pipeline.paused, None)?;
        return Ok(None);
    };
    store::pipeline_set_schedule(db, &pipeline.name, pipeline.paused, definition.next_at(now))?;
    let instant = |ms| DateTime::from_timestamp_millis(ms).unwrap_or_default();
    let latest = definition
        .schedule
        .as_ref()
        .and_then(|schedule| schedule.cron.latest_between(instant(due), instant(now), schedule.zone));
    let logical_at = latest.map_or(due, |at| at.timestamp_millis());
    match create_run(db, pipeline, &definition, Trigger::Schedule, logical_at, BTreeMap::new(), now) {
        Ok(run) => Ok(run.map(|run| RunChange { pipeline: run.pipeline, run_id: run.id, over: false })),
        // One pipeline that cannot start must not hold up the others.
        Err(error) if error.kind == Kind::Invalid => {
            store::pipeline_set_error(db, &pipeline.name, Some(&error.message))?;
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Inserts a run with its tasks. None if this firing of the schedule has its run already.
pub fn create_run(
    db: &Connection,
    pipeline: &Pipeline,
    definition: &Definition,
    trigger: Trigger,
    logical_at: i64,
    given: BTreeMap<String, String>,
    now: i64,
) -> Result<Option<Run>> {
    let run = Run {
        id: id::ordered(),
        pipeline: pipeline.name.clone(),
        state: RunState::Queued,
        trigger,
        logical_at,
        definition: pipeline.definition.clone(),
        folder: pipeline.folder.clone(),
        params: merge_params(definition, given)?,
        created_at: now,
        started_at: None,
        ended_at: None,
        cancel_requested: false,
    };
    if !store::run_create(db, &run)? {
        return Ok(None);
    }
    let mut tasks: Vec<TaskInstance> = definition.tasks.iter().map(TaskInstance::new).collect();
    machine::settle(&mut tasks);
    store::task_create_all(db, &run.id, &tasks)?;
    Ok(Some(run))
}

/// Defaults overlaid by what was given; a name the definition does not know is refused.
fn merge_params(
    definition: &Definition,
    mut given: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>> {
    let mut params = BTreeMap::new();
    for (name, default) in &definition.params {
        let value = given.remove(name).or_else(|| default.clone()).ok_or_else(|| {
            Error::invalid(format!(
                "Parameter {name:?} of pipeline {:?} has no default: give a value.",
                definition.name
            ))
        })?;
        if value.contains('\0') || value.len() > 64 << 10 {
            return Err(Error::invalid(format!(
                "Parameter {name:?} holds a zero byte or is longer than 64 KiB."
            )));
        }
        params.insert(name.clone(), value);
    }
    match given.into_keys().next() {
        None => Ok(params),
        Some(name) => {
            let known: Vec<&str> = definition.params.iter().map(|(name, _)| name.as_str()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            Err(Error::invalid(format!(
                "Pipeline {:?} has no parameter {name:?}. It has: {known}.",
                definition.name
            )))
        }
    }
}

/// Starts what may start while slots are free.
fn claim(db: &Connection, now: i64, slots: usize, step: &mut Step) -> Result<()> {
    let free = slots.saturating_sub(store::attempt_running_count(db)?);
    if free == 0 {
        return Ok(());
    }
    let mut marked = HashSet::new();
    for (run_id, mut task) in store::task_startable(db, now, free)? {
        machine::start(&mut task, now);
        store::task_update(db, &run_id, &task)?;
        let key = AttemptKey { run_id, task_id: task.id, attempt: task.attempt };
        store::attempt_create(db, &key, now)?;
        // One mark for each run is enough, however many of its tasks start.
        if marked.insert(key.run_id.clone()) {
            step.changed.extend(mark_running(db, &key.run_id, now)?);
        }
    }
    Ok(())
}

/// A run whose first task starts is running, and from here on holds credentials.
fn mark_running(db: &Connection, run_id: &str, now: i64) -> Result<Option<RunChange>> {
    let Some(run) = store::run_get(db, run_id)? else { return Ok(None) };
    if run.state == RunState::Queued {
        store::run_set_state(db, run_id, RunState::Running, now)?;
        store::run_set_credentials(db, run_id, true)?;
    }
    Ok(Some(RunChange { pipeline: run.pipeline, run_id: run.id, over: false }))
}

/// Cancels what has not started and returns the attempts that must be asked to end.
pub fn cancel(db: &Connection, run_id: &str, now: i64) -> Result<(Option<RunChange>, Vec<AttemptKey>)> {
    let run = store::run_get(db, run_id)?.ok_or_else(|| no_run(run_id))?;
    if run.state.is_over() {
        return Err(Error::conflict(format!("Run {run_id} is over already: {}.", run.state)));
    }
    store::run_request_cancel(db, run_id)?;
    let run = Run { cancel_requested: true, ..run };
    let mut tasks = store::task_list(db, run_id)?;
    let moved = machine::cancel(&mut tasks, now);
    let running = tasks.iter().filter(|task| task.state == TaskState::Running).map(|task| AttemptKey {
        run_id: run_id.to_owned(),
        task_id: task.id.clone(),
        attempt: task.attempt,
    });
    let running = running.collect();
    Ok((write_back(db, &run, &mut tasks, moved, now)?, running))
}

pub fn no_run(run_id: &str) -> Error {
    Error::not_found(format!("There is no pipeline run {run_id:?}."))
}
