//! The rules by which the tasks of one run move, as pure functions: no clock, no database. The
//! database's transactions call them, and the tests drive them through random lives.
//!
//! Invariants: a task runs only when its trigger rule and its condition allow it; a state that is
//! over changes only by hand; a run is over when all its tasks are; while it is not, some task can
//! start, runs, or waits for its retry.

mod by_hand;
mod mapping;
#[cfg(test)]
mod tests;
mod trigger;

pub use by_hand::{clear, downstream, mark, upstream};

use super::{
    condition::Condition,
    model::{Outcome, OutcomeKind, RunState, TaskInstance, TaskState},
    template::Values,
};
use serde_json::Value;
use std::collections::BTreeMap;
use trigger::Verdict;

/// Moves every waiting task that can move; returns the places of those that did. The list grows by
/// the instances of mapped tasks, whose places are among those returned.
pub fn settle(tasks: &mut Vec<TaskInstance>, values: &Values) -> Vec<usize> {
    let mut moved = Vec::new();
    loop {
        let before = moved.len();
        for at in 0..tasks.len() {
            moved.extend(step(at, tasks, values));
        }
        // A task may stand before the ones it needs, so go round until nothing moves.
        if moved.len() == before {
            moved.sort_unstable();
            moved.dedup();
            return moved;
        }
    }
}

fn step(at: usize, tasks: &mut Vec<TaskInstance>, values: &Values) -> Vec<usize> {
    let task = &tasks[at];
    if let Some(count) = task.mapped {
        return mapping::sum_up(at, count, tasks).then_some(at).into_iter().collect();
    }
    if task.state != TaskState::Waiting || !mapping::may_move(task, tasks) {
        // What was to be made anew, and now is not.
        let orphan = task.state == TaskState::Waiting && mapping::is_orphan(task, tasks);
        return orphan.then(|| mapping::remove(at, tasks)).into_iter().collect();
    }
    let (needs, setups) = (needed(task, tasks, false), needed(task, tasks, true));
    let (state, reason) = match trigger::decide_with(task.rules.trigger_rule, &needs, &setups) {
        Verdict::Wait => return Vec::new(),
        Verdict::Skip => (TaskState::Skipped, None),
        Verdict::UpstreamFailed => (TaskState::UpstreamFailed, None),
        Verdict::Run => match &task.rules.when {
            Some(when) if !holds(when, tasks, values) => {
                (TaskState::Skipped, Some(format!("its condition does not hold: {when}")))
            }
            _ if task.rules.for_each.is_some() => return mapping::expand(at, tasks, values),
            _ => (TaskState::Queued, None),
        },
    };
    let task = &mut tasks[at];
    (task.state, task.reason) = (state, reason);
    vec![at]
}

/// The states of what a task needs, or of the setups among it; of a mapped one, those of its instances.
fn needed(task: &TaskInstance, tasks: &[TaskInstance], setups: bool) -> Vec<TaskState> {
    let mut states = Vec::with_capacity(task.needs.len());
    for at in &task.needs {
        match tasks.get(*at).filter(|need| need.rules.setup || !setups) {
            Some(need) if need.mapped.is_some_and(|count| count > 0) => {
                states.extend(mapping::instances(*at, tasks).map(|one| one.state));
            }
            Some(need) => states.push(need.state),
            None => {}
        }
    }
    states
}

fn holds(when: &str, tasks: &[TaskInstance], values: &Values) -> bool {
    let values = Values { outputs: outputs(tasks), ..values.clone() };
    // One that cannot be read was refused before anything was stored.
    Condition::parse(when).is_ok_and(|condition| condition.holds(&|name| values.get(name)))
}

/// What the tasks gave so far, by their ids in the definition.
pub fn outputs(tasks: &[TaskInstance]) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for (at, task) in tasks.iter().enumerate().filter(|(_, task)| task.map_of.is_none()) {
        if task.mapped.is_some() {
            let each = mapping::instances(at, tasks).map(|one| one.output.clone().unwrap_or_default());
            found.insert(task.id.clone(), each.collect());
        } else if let Some(output) = &task.output {
            found.insert(task.id.clone(), output.clone());
        }
    }
    found
}

/// Begins a new attempt of a startable task.
pub fn start(task: &mut TaskInstance, now: i64) {
    task.state = TaskState::Running;
    task.attempt += 1;
    task.not_before = None;
    task.started_at = Some(now);
    (task.ended_at, task.exit_code, task.reason, task.output) = (None, None, None, None);
}

/// Begins an attempt that waits for something outside.
pub fn defer(task: &mut TaskInstance, now: i64) {
    start(task, now);
    (task.state, task.not_before) = (TaskState::Deferred, Some(now));
}

/// How the attempt itself ended, whatever becomes of its task.
pub fn ended(outcome: &Outcome) -> TaskState {
    match outcome.kind {
        OutcomeKind::Success => TaskState::Success,
        OutcomeKind::Failed | OutcomeKind::FailedForGood => TaskState::Failed,
        OutcomeKind::Skipped => TaskState::Skipped,
        OutcomeKind::Cancelled => TaskState::Cancelled,
        OutcomeKind::Lost { .. } => TaskState::Lost,
    }
}

/// Takes in how the running attempt ended.
pub fn finish(task: &mut TaskInstance, outcome: &Outcome, cancel_requested: bool) {
    let may_retry = matches!(outcome.kind, OutcomeKind::Failed | OutcomeKind::Lost { proven_dead: true });
    let again = may_retry && !cancel_requested && task.attempt < task.max_attempts;
    task.state = if again { TaskState::UpForRetry } else { ended(outcome) };
    task.not_before = again.then(|| outcome.ended_at.saturating_add(retry_delay(task)));
    task.started_at = outcome.started_at.or(task.started_at);
    task.ended_at = Some(outcome.ended_at);
    task.exit_code = outcome.exit_code;
    task.reason.clone_from(&outcome.reason);
    task.output.clone_from(&outcome.output);
}

/// The delay before the next attempt: it grows with every failure up to its bound, and is spread so
/// that tasks which failed together do not all come back together.
fn retry_delay(task: &TaskInstance) -> i64 {
    let begun = task.attempt + task.retries + 1;
    let failures = begun.saturating_sub(task.max_attempts).max(1);
    let grown =
        task.retry_delay_ms as f64 * task.rules.backoff.powi(i32::try_from(failures - 1).unwrap_or(i32::MAX));
    let bound = task.rules.max_delay_ms.max(task.retry_delay_ms) as f64;
    // A float beyond i64 becomes its greatest value.
    (grown.min(bound) * (1.0 + task.rules.jitter * spread(&task.id, task.attempt, task.ended_at))) as i64
}

/// A number in 0..1 that is the same for the same attempt.
fn spread(id: &str, attempt: u32, at: Option<i64>) -> f64 {
    let seed = id.bytes().chain(attempt.to_le_bytes()).chain(at.unwrap_or_default().to_le_bytes());
    let mut hash = seed.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash ^= hash >> 32;
    (hash as u32) as f64 / f64::from(u32::MAX)
}

/// Cancels every task that has no process; those that run are asked through their supervisors.
pub fn cancel(tasks: &mut [TaskInstance], now: i64) -> Vec<usize> {
    let no_process = |state: TaskState| state.is_idle() || state == TaskState::Deferred;
    let places: Vec<usize> = (0..tasks.len()).filter(|at| no_process(tasks[*at].state)).collect();
    for at in &places {
        let task = &mut tasks[*at];
        task.state = TaskState::Cancelled;
        task.not_before = None;
        task.ended_at = Some(now);
        task.reason = Some("the run was cancelled".into());
    }
    places
}

/// How the run ended, once all its tasks have: as the tasks ended that no other needs.
pub fn verdict(tasks: &[TaskInstance], cancel_requested: bool) -> Option<RunState> {
    if !tasks.iter().all(|task| task.state.is_over()) {
        return None;
    }
    let mut last = vec![true; tasks.len()];
    for need in tasks.iter().flat_map(|task| &task.needs) {
        if let Some(one) = last.get_mut(*need) {
            *one = false;
        }
    }
    let any = |wanted: fn(TaskState) -> bool| tasks.iter().any(|task| wanted(task.state));
    let bad_end =
        tasks.iter().zip(last).any(|(task, last)| last && task.map_of.is_none() && task.state.is_bad());
    Some(if cancel_requested && any(|state| state == TaskState::Cancelled) {
        RunState::Cancelled
    } else if bad_end {
        RunState::Failed
    } else {
        RunState::Success
    })
}
