//! The scheduler's transactions: take in what ended, fire schedules, claim what may start. Each
//! runs whole or not at all, inside one write; processes are started only after its commit.

use super::{
    attempt, callbacks,
    definition::Definition,
    events, machine,
    model::{AttemptKey, Outcome, Pipeline, Run, RunState, TaskInstance, TaskKind, TaskState, Trigger},
    store,
    template::Values,
};
use crate::{
    kernel::{
        clock,
        error::{Error, Kind, Result},
        id,
    },
    store::Connection,
};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Waits that one turn begins; the next turn follows at once where more are due.
const MAX_DEFERRED: usize = 500;

/// What a transaction decided.
#[derive(Default)]
pub struct Step {
    pub changed: Vec<RunChange>,
    /// When something is due next without anything happening before.
    pub wake_at: Option<i64>,
    /// Tasks began to wait for something outside.
    pub deferred: bool,
    /// Somebody is to be told of a run that is not over.
    pub told: bool,
    /// What is to be started.
    pub claimed: Vec<AttemptKey>,
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
    for run_id in store::run_late(db, now)? {
        step.changed.extend(note_late(db, &run_id, now)?);
        step.told = true;
    }
    for run_id in store::run_admissible(db, now)? {
        step.changed.extend(admit(db, &run_id, now)?);
    }
    defer(db, now, &mut step)?;
    claim(db, now, slots, &mut step)?;
    step.wake_at = due_next(db, now)?;
    Ok(step)
}

/// Whether `advance` would find something to do without new outcomes, and when it next will.
pub fn outlook(db: &Connection, now: i64, slots: usize) -> Result<(bool, Option<i64>)> {
    let free = slots.saturating_sub(store::attempt_running_count(db)?);
    let startable = free > 0 && !store::task_startable(db, now, 1)?.is_empty()
        || !store::wait_startable(db, now, 1)?.is_empty();
    let admissible = !store::run_admissible(db, now)?.is_empty();
    let next = due_next(db, now)?;
    Ok((startable || admissible || next.is_some_and(|at| at <= now), next))
}

/// When something is due by the clock alone.
fn due_next(db: &Connection, now: i64) -> Result<Option<i64>> {
    // A retry that is due but finds no free slot waits for a task to end, not for a time.
    let times = [
        store::pipeline_next_at(db)?,
        store::task_next_retry(db, now)?,
        store::run_next_deadline(db)?,
        store::run_next_start(db, now)?,
    ];
    Ok(times.into_iter().flatten().min())
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
    let Some((pipeline, cancel_requested)) = store::run_brief(db, run_id)? else { return Ok(None) };
    let change = RunChange { pipeline, run_id: run_id.to_owned(), over: false };
    let mut moved = false;
    for (key, outcome) in ended {
        // The attempt of a task that was marked or cleared meanwhile has ended all the same.
        if !store::attempt_finish(db, key, machine::ended(outcome), outcome)? {
            continue;
        }
        let current = |task: &TaskInstance| task.attempt == key.attempt && task.state.is_under_way();
        if let Some(mut task) = store::task_get(db, run_id, &key.task_id)?.filter(current) {
            machine::finish(&mut task, outcome, cancel_requested);
            keep(db, run_id, &task, now)?;
            moved = true;
        }
    }
    // Where no task waits for another and some still run, nothing follows: of a thousand tasks those that ended are
    // read alone.
    if store::run_is_loose(db, run_id)? {
        return Ok(moved.then_some(change));
    }
    let Some(run) = store::run_get(db, run_id)? else { return Ok(None) };
    let mut tasks = store::task_list(db, run_id)?;
    let settled = write_back(db, &run, &mut tasks, Vec::new(), now)?;
    Ok(settled.or_else(|| moved.then_some(change)))
}

/// Stores a task that moved.
fn keep(db: &Connection, run_id: &str, task: &TaskInstance, now: i64) -> Result<()> {
    store::task_update(db, run_id, task)?;
    // Whatever ended the wait, by hand perhaps: its attempt goes with it.
    if task.kind == TaskKind::WaitFor && task.state != TaskState::Deferred {
        let state = if task.state.is_over() { task.state } else { TaskState::Cancelled };
        store::wait_close(db, run_id, &task.id, state, now)?;
    }
    Ok(())
}

/// Settles the run's tasks, stores those that moved, and ends the run if it is over.
pub(super) fn write_back(
    db: &Connection,
    run: &Run,
    tasks: &mut Vec<TaskInstance>,
    mut moved: Vec<usize>,
    now: i64,
) -> Result<Option<RunChange>> {
    let known = tasks.len();
    moved.extend(machine::settle(tasks, &values(run)));
    for at in moved.iter().filter(|at| **at < known) {
        keep(db, &run.id, &tasks[*at], now)?;
    }
    store::task_create_all(db, &run.id, known, &tasks[known..])?;
    let verdict = machine::verdict(tasks, run.cancel_requested).filter(|_| !run.state.is_over());
    if let Some(state) = verdict {
        store::run_set_state(db, &run.id, state, now)?;
        over(db, run, tasks, state, now)?;
    }
    let change =
        RunChange { pipeline: run.pipeline.clone(), run_id: run.id.clone(), over: verdict.is_some() };
    Ok((verdict.is_some() || !moved.is_empty()).then_some(change))
}

/// What follows from the end of a run, in the transaction that ends it.
fn over(db: &Connection, run: &Run, tasks: &[TaskInstance], state: RunState, now: i64) -> Result<()> {
    callbacks::over(db, run, tasks, state, now)?;
    let event = events::of_run(run, state, now);
    // A run that is cleared may end several times, each of them an event.
    events::tell(db, &[&run.pipeline], &format!("run {} {}", run.id, id::ordered()), &event, now)?;
    Ok(())
}

/// What the texts of a run's tasks may name, without the outputs.
pub fn values(run: &Run) -> Values {
    Values {
        params: run.params.clone(),
        event: run.event.clone(),
        logical_date: clock::rfc3339(run.logical_at),
        run_id: run.id.clone(),
        pipeline: run.pipeline.clone(),
        ..Values::default()
    }
}

/// Makes the runs of due schedules.
fn fire(db: &Connection, pipeline: &Pipeline, now: i64) -> Result<Vec<RunChange>> {
    let Some((definition, due)) = Definition::parse(&pipeline.definition).ok().zip(pipeline.next_at) else {
        store::pipeline_set_schedule(db, &pipeline.name, pipeline.paused, None)?;
        return Ok(Vec::new());
    };
    store::pipeline_set_schedule(db, &pipeline.name, pipeline.paused, definition.next_at(now))?;
    let mut made = Vec::new();
    for logical_at in definition.due(due, now) {
        let outcome =
            create_run(db, pipeline, &definition, Trigger::Schedule, logical_at, BTreeMap::new(), now);
        match outcome {
            Ok(run) => {
                made.extend(run.map(|run| RunChange { pipeline: run.pipeline, run_id: run.id, over: false }));
            }
            // One pipeline that cannot start must not hold up the others.
            Err(error) if error.kind == Kind::Invalid => {
                store::pipeline_set_error(db, &pipeline.name, Some(&error.message))?;
                break;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(made)
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
    create_run_of(db, pipeline, definition, trigger, logical_at, given, Origin::default(), now)
}

/// What made a run, where it was an event, and when it may begin.
#[derive(Default)]
pub struct Origin {
    pub not_before: Option<i64>,
    pub event: Option<Value>,
    /// Names the event for good.
    pub key: Option<String>,
    pub chain: Vec<String>,
}

#[expect(clippy::too_many_arguments, reason = "each is a fact of the new run, and none goes with another")]
pub fn create_run_of(
    db: &Connection,
    pipeline: &Pipeline,
    definition: &Definition,
    trigger: Trigger,
    logical_at: i64,
    given: BTreeMap<String, String>,
    origin: Origin,
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
        commit: pipeline.commit.clone(),
        params: merge_params(definition, given)?,
        event: origin.event,
        chain: origin.chain,
        deadline_at: definition
            .deadline
            .map(|span| now.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX))),
        deadline_missed: false,
        created_at: now,
        not_before: origin.not_before,
        started_at: None,
        ended_at: None,
        cancel_requested: false,
    };
    if !store::run_create(db, &run)? {
        return Ok(None);
    }
    if let Some(key) = origin.key {
        store::event_put(db, &run.pipeline, &key, &run.id)?;
    }
    let mut tasks: Vec<TaskInstance> = definition.tasks.iter().map(TaskInstance::new).collect();
    machine::settle(&mut tasks, &values(&run));
    store::task_create_all(db, &run.id, 0, &tasks)?;
    Ok(Some(run))
}

/// Defaults overlaid by what was given, each value checked; a name the definition does not know is
/// refused.
pub(super) fn merge_params(
    definition: &Definition,
    mut given: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>> {
    let mut params = BTreeMap::new();
    for param in &definition.params {
        let value = given.remove(&param.name).or_else(|| param.default.clone()).ok_or_else(|| {
            Error::invalid(format!(
                "Parameter {:?} of pipeline {:?} has no default: give a value.",
                param.name, definition.name
            ))
        })?;
        param
            .check(&value)
            .map_err(|why| Error::invalid(format!("Pipeline {:?}: {why}.", definition.name)))?;
        params.insert(param.name.clone(), value);
    }
    match given.into_keys().next() {
        None => Ok(params),
        Some(name) => {
            let known: Vec<&str> = definition.params.iter().map(|param| param.name.as_str()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            Err(Error::invalid(format!(
                "Pipeline {:?} has no parameter {name:?}. It has: {known}.",
                definition.name
            )))
        }
    }
}

/// A run that should be over by now is late, once.
fn note_late(db: &Connection, run_id: &str, now: i64) -> Result<Option<RunChange>> {
    let Some(run) = store::run_get(db, run_id)? else { return Ok(None) };
    store::run_set_late(db, run_id)?;
    callbacks::late(db, &run, &store::task_list(db, run_id)?, now)?;
    Ok(Some(RunChange { pipeline: run.pipeline, run_id: run.id, over: false }))
}

/// Lets a queued run begin; from here on it holds credentials. A run none of whose tasks is to run
/// is over at once.
fn admit(db: &Connection, run_id: &str, now: i64) -> Result<Option<RunChange>> {
    let Some(mut run) = store::run_get(db, run_id)? else { return Ok(None) };
    run.state = RunState::Running;
    store::run_set_state(db, run_id, RunState::Running, run.started_at.unwrap_or(now))?;
    store::run_set_credentials(db, run_id, true)?;
    let mut tasks = store::task_list(db, run_id)?;
    let change = write_back(db, &run, &mut tasks, Vec::new(), now)?;
    Ok(change.or(Some(RunChange { pipeline: run.pipeline, run_id: run.id, over: false })))
}

/// Begins the waits that may begin. They take no slot, as nothing of theirs runs, but where their pool says so.
fn defer(db: &Connection, now: i64, step: &mut Step) -> Result<()> {
    let startable = store::wait_startable(db, now, MAX_DEFERRED)?;
    let mut counted = if startable.is_empty() { HashMap::new() } else { store::pool_room_deferred(db)? };
    for (run_id, mut task) in startable {
        if let Some(left) = counted.get_mut(&task.pool) {
            *left -= i64::from(task.pool_slots);
            if *left < 0 {
                continue;
            }
        }
        machine::defer(&mut task, now);
        store::task_update(db, &run_id, &task)?;
        let key = AttemptKey { run_id, task_id: task.id, attempt: task.attempt };
        store::wait_create(db, &key, now)?;
        step.deferred = true;
        if let Some((pipeline, _)) = store::run_brief(db, &key.run_id)? {
            step.changed.push(RunChange { pipeline, run_id: key.run_id, over: false });
        }
    }
    Ok(())
}

/// Starts what may start while slots are free, here and in the pools. Each round fills pools that
/// the one before found free, so rounds follow until one starts nothing.
fn claim(db: &Connection, now: i64, slots: usize, step: &mut Step) -> Result<()> {
    let (boot, mut marked) = (attempt::boot_id(), HashSet::new());
    loop {
        let free = slots.saturating_sub(store::attempt_running_count(db)?);
        let candidates = if free == 0 { Vec::new() } else { store::task_startable(db, now, free)? };
        if candidates.is_empty() {
            return Ok(());
        }
        let mut room = store::pool_room(db)?;
        for (run_id, mut task) in candidates {
            let Some(left) = room.get_mut(&task.pool).filter(|left| **left >= i64::from(task.pool_slots))
            else {
                continue;
            };
            *left -= i64::from(task.pool_slots);
            machine::start(&mut task, now);
            store::task_update(db, &run_id, &task)?;
            let key = AttemptKey { run_id, task_id: task.id, attempt: task.attempt };
            store::attempt_create(db, &key, &boot, now)?;
            // One mark for each run is enough, however many of its tasks start.
            if marked.insert(key.run_id.clone())
                && let Some((pipeline, _)) = store::run_brief(db, &key.run_id)?
            {
                step.changed.push(RunChange { pipeline, run_id: key.run_id.clone(), over: false });
            }
            step.claimed.push(key);
        }
    }
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
    let running = store::attempt_running_of(db, run_id)?;
    Ok((write_back(db, &run, &mut tasks, moved, now)?, running))
}

pub fn no_run(run_id: &str) -> Error {
    Error::not_found(format!("There is no pipeline run {run_id:?}."))
}
