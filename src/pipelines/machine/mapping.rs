//! Mapped tasks: from a list to instances, and from their states back to that of the whole.

use super::outputs;
use crate::pipelines::{
    model::{ForEach, TaskInstance, TaskState},
    template::Values,
};
use serde_json::Value;

/// Instances of one task, as many as Airflow allows.
const MAX_INSTANCES: usize = 1024;

/// The instances of the task at a place, without those that are no longer.
pub(super) fn instances(of: usize, tasks: &[TaskInstance]) -> impl Iterator<Item = &TaskInstance> {
    tasks.iter().filter(move |task| task.map_of == Some(of) && task.state != TaskState::Removed)
}

/// An instance moves only once its task has been expanded anew.
pub(super) fn may_move(task: &TaskInstance, tasks: &[TaskInstance]) -> bool {
    task.map_of.and_then(|of| tasks.get(of)).is_none_or(|whole| whole.mapped.is_some())
}

/// Whether an instance's task has come to its end without being expanded anew.
pub(super) fn is_orphan(task: &TaskInstance, tasks: &[TaskInstance]) -> bool {
    task.map_of.and_then(|of| tasks.get(of)).is_some_and(|whole| whole.state.is_over())
}

pub(super) fn remove(at: usize, tasks: &mut [TaskInstance]) -> usize {
    tasks[at].state = TaskState::Removed;
    at
}

/// Makes the instances; returns the places of all that changed.
pub(super) fn expand(at: usize, tasks: &mut Vec<TaskInstance>, values: &Values) -> Vec<usize> {
    let items = match list(&tasks[at], tasks, values) {
        Ok(items) => items,
        Err(why) => {
            (tasks[at].state, tasks[at].reason) = (TaskState::Failed, Some(why));
            return vec![at];
        }
    };
    let mut changed = vec![at];
    for (place, task) in tasks.iter_mut().enumerate().filter(|(_, task)| task.map_of == Some(at)) {
        match items.get(task.map_index.unwrap_or_default() as usize) {
            Some(item) => task.item = Some(item.clone()),
            None => task.state = TaskState::Removed,
        }
        changed.push(place);
    }
    let known = changed.len() - 1;
    for (index, item) in items.iter().enumerate().skip(known) {
        changed.push(tasks.len());
        // An index below MAX_INSTANCES fits.
        let blank = TaskInstance { attempt: 0, ..tasks[at].clone() };
        tasks.push(blank.instance(at, index as u32, item.clone()));
    }
    let whole = &mut tasks[at];
    whole.mapped = Some(items.len() as u32);
    (whole.state, whole.reason) = match items.len() {
        0 => (TaskState::Skipped, Some("its list is empty".to_owned())),
        _ => (TaskState::Running, None),
    };
    changed
}

fn list(task: &TaskInstance, tasks: &[TaskInstance], values: &Values) -> Result<Vec<Value>, String> {
    let items = match &task.rules.for_each {
        Some(ForEach::Items(items)) => items.clone(),
        Some(ForEach::Name(name)) => {
            let values = Values { outputs: outputs(tasks), ..values.clone() };
            let found = values.get(name).ok_or_else(|| format!("for_each: {name} has no value"))?;
            // A parameter, and what a task wrote as text, is the JSON of a list.
            match found {
                Value::Array(items) => items,
                Value::String(text) => serde_json::from_str(&text)
                    .map_err(|_| format!("for_each: {name} is not a list but {text:.100?}"))?,
                other => return Err(format!("for_each: {name} is not a list but {other:.100}")),
            }
        }
        None => Vec::new(),
    };
    match items.len() {
        count if count > MAX_INSTANCES => {
            Err(format!("for_each: the list has {count} items; the most is {MAX_INSTANCES}"))
        }
        _ => Ok(items),
    }
}

/// The state of the whole from those of its instances; false if it stays as it was.
pub(super) fn sum_up(at: usize, count: u32, tasks: &mut [TaskInstance]) -> bool {
    if count == 0 || tasks[at].state == TaskState::Waiting {
        return false;
    }
    let states: Vec<TaskState> = instances(at, tasks).map(|one| one.state).collect();
    let any = |wanted: fn(TaskState) -> bool| states.iter().any(|state| wanted(*state));
    let state = if any(|state| !state.is_over()) {
        TaskState::Running
    } else if any(|state| state.is_bad() && state != TaskState::Cancelled) {
        TaskState::Failed
    } else if any(|state| state == TaskState::Cancelled) {
        TaskState::Cancelled
    } else if any(|state| state == TaskState::Success) {
        TaskState::Success
    } else {
        TaskState::Skipped
    };
    let started = instances(at, tasks).filter_map(|one| one.started_at).min();
    let ended = instances(at, tasks).filter_map(|one| one.ended_at).max().filter(|_| state.is_over());
    let whole = &mut tasks[at];
    let same = (whole.state, whole.started_at, whole.ended_at) == (state, started, ended);
    (whole.state, whole.started_at, whole.ended_at) = (state, started, ended);
    !same
}
