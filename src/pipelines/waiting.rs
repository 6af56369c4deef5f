//! Why a run or a task has not started, in plain words.

use super::{
    engine::no_run,
    model::{Pool, Run, RunState, TaskInstance, TaskState},
    store,
};
use crate::{
    kernel::{clock, error::Result},
    store::Connection,
};

/// A run with its tasks and what each waits for.
pub struct RunView {
    pub run: Run,
    pub waiting_for: Option<String>,
    pub tasks: Vec<TaskInstance>,
    /// In the order of the tasks.
    pub reasons: Vec<Option<String>>,
}

/// What the tasks of a run share in waiting.
struct Facts {
    run_waits: Option<String>,
    slots: usize,
    busy: usize,
    pools: Vec<Pool>,
    /// The run before this one, and its tasks.
    past: Option<(String, Vec<TaskInstance>)>,
    /// Tasks whose earlier attempt is still being ended.
    ending: Vec<String>,
}

pub fn view(db: &Connection, id: &str, slots: usize) -> Result<RunView> {
    let run = store::run_get(db, id)?.ok_or_else(|| no_run(id))?;
    let tasks = store::task_list(db, id)?;
    if run.state.is_over() {
        let reasons = tasks.iter().map(|task| not_run(task, &tasks)).collect();
        return Ok(RunView { run, waiting_for: None, tasks, reasons });
    }
    let facts = facts(db, &run, &tasks, slots)?;
    let reasons = tasks.iter().map(|task| waits_for(task, &tasks, &facts)).collect();
    Ok(RunView { waiting_for: facts.run_waits, run, tasks, reasons })
}

fn facts(db: &Connection, run: &Run, tasks: &[TaskInstance], slots: usize) -> Result<Facts> {
    let past = match tasks.iter().any(|task| task.depends_on_past) {
        true => store::run_before(db, run)?,
        false => None,
    };
    let past = past.map(|id| store::task_list(db, &id).map(|tasks| (id, tasks))).transpose()?;
    Ok(Facts {
        run_waits: run_waits(db, run)?,
        slots,
        busy: store::attempt_running_count(db)?,
        pools: store::pool_list(db)?,
        past,
        ending: store::attempt_running_of(db, &run.id)?.into_iter().map(|key| key.task_id).collect(),
    })
}

fn run_waits(db: &Connection, run: &Run) -> Result<Option<String>> {
    if run.state != RunState::Queued {
        return Ok(None);
    }
    if let Some(at) = run.not_before.filter(|at| *at > clock::now_ms()) {
        return Ok(Some(format!("it is to begin at {}", clock::rfc3339(at))));
    }
    if let Some((of, active)) = store::backfill_of(db, &run.id)? {
        return Ok(backfill_waits(&of, active));
    }
    let limit = store::pipeline_get(db, &run.pipeline)?.map_or(16, |pipeline| pipeline.max_active_runs);
    let active = store::run_running_count(db, &run.pipeline)?;
    Ok((active >= i64::from(limit)).then(|| {
        format!("{active} runs of {} are under way, and its max_active_runs is {limit}", run.pipeline)
    }))
}

/// A backfill that was stopped holds back nothing that is run again by hand.
fn backfill_waits(of: &store::BackfillRow, active: i64) -> Option<String> {
    let (id, limit) = (of.id, of.plan.max_active_runs);
    let stopped = of.completed_at.is_some();
    if of.paused && !stopped {
        return Some(format!("backfill {id}, which it is of, is paused"));
    }
    (active >= i64::from(limit) && !stopped)
        .then(|| format!("{active} runs of backfill {id} are under way, and its max_active_runs is {limit}"))
}

fn waits_for(task: &TaskInstance, all: &[TaskInstance], facts: &Facts) -> Option<String> {
    match task.state {
        TaskState::Waiting => waits_for_needs(task, all).or(facts.run_waits.clone()),
        TaskState::Queued => facts.run_waits.clone().or_else(|| queued(task, facts)),
        TaskState::UpForRetry => {
            let at = task.not_before.map(clock::rfc3339).unwrap_or_default();
            let tries = format!("attempt {} of {}", task.attempt + 1, task.max_attempts);
            Some(match &task.reason {
                Some(reason) => format!("{reason}; waits for {tries} at {at}"),
                None => format!("waits for {tries} at {at}"),
            })
        }
        TaskState::Deferred => Some(match &task.reason {
            Some(reason) => reason.clone(),
            None => "is about to look for what it waits for".to_owned(),
        }),
        _ => not_run(task, all),
    }
}

fn waits_for_needs(task: &TaskInstance, all: &[TaskInstance]) -> Option<String> {
    let open: Vec<&str> =
        needs(task, all).filter(|need| !need.state.is_over()).map(|need| need.id.as_str()).collect();
    (!open.is_empty()).then(|| format!("waits for {}", open.join(", ")))
}

fn queued(task: &TaskInstance, facts: &Facts) -> Option<String> {
    if facts.ending.contains(&task.id) {
        return Some("waits for the end of its attempt before, which was asked to end".into());
    }
    if let Some((run, state)) = bad_past(task, facts) {
        return Some(format!(
            "depends on its past: it is {state} in run {run}, and must be success or skipped"
        ));
    }
    let Some(pool) = facts.pools.iter().find(|pool| pool.name == task.pool) else {
        return Some(format!(
            "there is no pool {:?}; make it with: crannog pipeline pool set {} SLOTS",
            task.pool, task.pool
        ));
    };
    if let Some(never) = pool.never_has(task.pool_slots) {
        return Some(never);
    }
    if pool.used + i64::from(task.pool_slots) > i64::from(pool.slots) {
        return Some(format!(
            "waits for {} of the {} slots of pool {}; in use: {}",
            task.pool_slots, pool.slots, pool.name, pool.used
        ));
    }
    Some(match facts.busy >= facts.slots {
        true => format!(
            "waits for a free slot: {} tasks run, and pipelines.max_tasks is {}",
            facts.busy, facts.slots
        ),
        false => "is about to start".to_owned(),
    })
}

fn bad_past<'a>(task: &TaskInstance, facts: &'a Facts) -> Option<(&'a str, TaskState)> {
    let (run, tasks) = facts.past.as_ref().filter(|_| task.depends_on_past)?;
    let past = tasks.iter().find(|past| past.id == task.id)?;
    let good = matches!(past.state, TaskState::Success | TaskState::Skipped | TaskState::Removed);
    (!good).then_some((run.as_str(), past.state))
}

/// Why a task that is over never ran.
fn not_run(task: &TaskInstance, all: &[TaskInstance]) -> Option<String> {
    let because = |wanted: fn(TaskState) -> bool| {
        let found: Vec<String> = needs(task, all)
            .filter(|need| wanted(need.state))
            .map(|need| format!("{} {}", need.id, need.state))
            .collect();
        Some(format!("not run: {}", found.join(", ")))
    };
    match task.state {
        TaskState::UpstreamFailed => because(TaskState::is_bad),
        TaskState::Skipped if !task.needs.is_empty() => because(TaskState::is_over),
        _ => None,
    }
}

fn needs<'a>(task: &'a TaskInstance, all: &'a [TaskInstance]) -> impl Iterator<Item = &'a TaskInstance> {
    task.needs.iter().filter_map(|at| all.get(*at))
}
