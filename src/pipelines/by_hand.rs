//! Transactions for what people do to runs: clear and run again, say how tasks and runs ended, take
//! tasks away.

use super::{
    engine::{self, RunChange},
    machine,
    model::{AttemptKey, Run, RunState, TaskInstance, TaskState},
    renew, store,
};
use crate::{
    kernel::error::{Error, Result},
    store::Connection,
};

/// What is to be cleared.
#[derive(Clone, Debug, Default)]
pub struct Clearing {
    /// Ids of tasks; none: all of them.
    pub tasks: Vec<String>,
    /// With everything that follows from them.
    pub downstream: bool,
    /// Only those that did not end well.
    pub only_failed: bool,
    /// From the latest definition, which the run is taken over to.
    pub latest: bool,
    pub dry_run: bool,
}

/// What became of a run by hand, and the attempts to be ended for it.
#[derive(Default)]
pub struct Done {
    pub change: Option<RunChange>,
    /// Ids of the tasks that changed, or would.
    pub tasks: Vec<String>,
    pub to_end: Vec<AttemptKey>,
    /// The run that was taken over to another definition.
    pub renewed: Option<String>,
}

impl Done {
    /// A run was made.
    pub fn made(run: &Run) -> Self {
        Self { change: Some(changed(run, false)), ..Self::default() }
    }
}

/// Clears tasks of a run, which then run again; an attempt still under way is ended first.
pub fn clear(db: &Connection, run_id: &str, what: &Clearing, now: i64) -> Result<Done> {
    let renewed = what.latest && !what.dry_run;
    let (mut run, mut tasks) = open(db, run_id)?;
    let mut joined = false;
    if renewed {
        joined = !renew::new_tasks(db, &run)?.is_empty();
        run = renew::renew(db, run)?;
        tasks = store::task_list(db, run_id)?;
    }
    let mut places = places(&run, &tasks, &what.tasks)?;
    if what.downstream {
        places = machine::downstream(&tasks, &places);
    }
    if what.only_failed {
        places.retain(|at| tasks[*at].state.is_bad());
    }
    let changed = machine::clear(&mut tasks, &places);
    let ids: Vec<String> = changed.iter().map(|at| tasks[*at].id.clone()).collect();
    let renewed = renewed.then(|| run_id.to_owned());
    if what.dry_run || (changed.is_empty() && !joined) {
        return Ok(Done { tasks: ids, renewed, ..Done::default() });
    }
    let done = finish(db, &reopen(db, run)?, tasks, changed, now)?;
    Ok(Done { renewed, ..done })
}

/// Takes a run over to the latest definition, where that has tasks the run does not; those run.
pub fn add_new(db: &Connection, run_id: &str, now: i64) -> Result<Done> {
    let run = store::run_get(db, run_id)?.ok_or_else(|| engine::no_run(run_id))?;
    let new = renew::new_tasks(db, &run)?;
    if new.is_empty() {
        return Ok(Done::default());
    }
    renew::renew(db, run)?;
    let (run, tasks) = open(db, run_id)?;
    let done = finish(db, &reopen(db, run)?, tasks, Vec::new(), now)?;
    Ok(Done { tasks: new, renewed: Some(run_id.to_owned()), ..done })
}

fn reopen(db: &Connection, run: Run) -> Result<Run> {
    store::run_reopen(db, &run.id)?;
    Ok(Run { state: RunState::Queued, cancel_requested: false, ended_at: None, ..run })
}

/// Says how tasks of a run ended.
pub fn mark(db: &Connection, run_id: &str, ids: &[String], state: TaskState, now: i64) -> Result<Done> {
    if !matches!(state, TaskState::Success | TaskState::Failed | TaskState::Skipped) {
        return Err(Error::invalid(format!("A task is marked success, failed or skipped, not {state}.")));
    }
    let (run, mut tasks) = open(db, run_id)?;
    let places = places(&run, &tasks, ids)?;
    let changed = machine::mark(&mut tasks, &places, state, now);
    // What could not run because of it may run now.
    let after = machine::downstream(&tasks, &changed);
    let held: Vec<usize> = after
        .into_iter()
        .filter(|at| !changed.contains(at) && tasks[*at].state == TaskState::UpstreamFailed)
        .collect();
    let reopened = machine::clear(&mut tasks, &held);
    let run = if run.state.is_over() && !reopened.is_empty() { reopen(db, run)? } else { run };
    finish(db, &run, tasks, changed.into_iter().chain(reopened).collect(), now)
}

/// Says how a run ended, or sends it back to the queue. A run that is failed by hand leaves what has
/// not begun undone; one that succeeded takes its tasks with it.
pub fn set_run(db: &Connection, run_id: &str, state: RunState, now: i64) -> Result<Done> {
    let (run, tasks) = open(db, run_id)?;
    let unchanged = Done::default();
    let over = run.state.is_over();
    match state {
        RunState::Success => {
            let open = |task: &&TaskInstance| {
                task.map_of.is_none() && !matches!(task.state, TaskState::Success | TaskState::Removed)
            };
            let ids: Vec<String> = tasks.iter().filter(open).map(|task| task.id.clone()).collect();
            if ids.is_empty() { Ok(unchanged) } else { mark(db, run_id, &ids, TaskState::Success, now) }
        }
        RunState::Failed | RunState::Cancelled if !over => {
            let (change, to_end) = engine::cancel(db, run_id, now)?;
            Ok(Done { change, to_end, ..unchanged })
        }
        RunState::Failed | RunState::Cancelled => {
            store::run_set_state(db, run_id, RunState::Failed, run.ended_at.unwrap_or(now))?;
            Ok(Done { change: Some(changed(&run, true)), ..unchanged })
        }
        RunState::Queued if over => {
            store::run_reopen(db, run_id)?;
            Ok(Done { change: Some(changed(&run, false)), ..unchanged })
        }
        RunState::Queued | RunState::Running => Ok(unchanged),
    }
}

fn changed(run: &Run, over: bool) -> RunChange {
    RunChange { pipeline: run.pipeline.clone(), run_id: run.id.clone(), over }
}

/// The task of a run that may be taken away: the run is over, and nothing of the task runs any more.
pub fn removable(db: &Connection, run_id: &str, task_id: &str) -> Result<TaskInstance> {
    let (run, mut tasks) = open(db, run_id)?;
    let at = places(&run, &tasks, &[task_id.to_owned()])?[0];
    let busy = store::attempt_running_of(db, run_id)?.iter().any(|key| key.task_id == task_id);
    if busy || !run.state.is_over() {
        return Err(Error::conflict(format!(
            "Run {run_id} is {}: a task of it can be deleted once it is over.",
            run.state
        )));
    }
    Ok(tasks.swap_remove(at))
}

/// Takes a task of a run away: it counts no more, and its attempts are forgotten.
pub fn remove(db: &Connection, run_id: &str, task_id: &str) -> Result<()> {
    let task = removable(db, run_id, task_id)?;
    store::attempt_delete(db, run_id, task_id)?;
    store::task_note_put(db, run_id, task_id, None)?;
    store::task_update(db, run_id, &TaskInstance { state: TaskState::Removed, output: None, ..task })
}

/// Stores what changed and finds the attempts whose task no longer runs.
fn finish(
    db: &Connection,
    run: &Run,
    mut tasks: Vec<TaskInstance>,
    changed: Vec<usize>,
    now: i64,
) -> Result<Done> {
    let ids: Vec<String> = changed.iter().map(|at| tasks[*at].id.clone()).collect();
    let over = run.state.is_over();
    let change = engine::write_back(db, run, &mut tasks, changed, now)?;
    if let Some(state) =
        machine::verdict(&tasks, run.cancel_requested).filter(|state| over && *state != run.state)
    {
        store::run_set_state(db, &run.id, state, run.ended_at.unwrap_or(now))?;
    }
    let mut to_end = store::attempt_running_of(db, &run.id)?;
    to_end.retain(|key| ids.contains(&key.task_id));
    Ok(Done { change, tasks: ids, to_end, renewed: None })
}

fn open(db: &Connection, run_id: &str) -> Result<(Run, Vec<TaskInstance>)> {
    let run = store::run_get(db, run_id)?.ok_or_else(|| engine::no_run(run_id))?;
    Ok((run, store::task_list(db, run_id)?))
}

fn places(run: &Run, tasks: &[TaskInstance], ids: &[String]) -> Result<Vec<usize>> {
    if ids.is_empty() {
        return Ok((0..tasks.len()).filter(|at| tasks[*at].map_of.is_none()).collect());
    }
    let place = |id: &String| {
        let found = tasks.iter().position(|task| task.id == *id);
        found.ok_or_else(|| Error::not_found(format!("Run {} has no task {id:?}.", run.id)))
    };
    ids.iter().map(place).collect()
}
