//! Task instances and their tries.

use super::{
    dag::operator,
    duration,
    run::{DagRun, run_after},
    time, uuid,
};
use crate::{
    kernel::clock::rfc3339,
    pipelines::{
        condition::plain,
        model::{Attempt, TaskInstance, TaskState, base_id},
    },
};
use serde_json::{Value, json};

/// The states of tasks that Airflow's clients know; `none` is a task without one.
pub(in crate::pipelines::airflow) const STATES: [&str; 16] = [
    "removed",
    "scheduled",
    "queued",
    "running",
    "success",
    "restarting",
    "failed",
    "up_for_retry",
    "up_for_reschedule",
    "upstream_failed",
    "skipped",
    "deferred",
    "awaiting_input",
    "none",
    "null",
    "no_status",
];

pub(in crate::pipelines::airflow) fn state(state: TaskState, attempt: u32) -> Option<&'static str> {
    match state {
        TaskState::Waiting => None,
        TaskState::Cancelled if attempt == 0 => Some(TaskState::Skipped.as_str()),
        TaskState::Cancelled | TaskState::Lost => Some(TaskState::Failed.as_str()),
        other => Some(other.as_str()),
    }
}

pub(in crate::pipelines::airflow) fn instance(of: &DagRun, task: &TaskInstance, note: Option<&str>) -> Value {
    let mut body = common(of, task);
    let logical = rfc3339(of.run.logical_at);
    let more = json!({
        "id": uuid(&format!("{}/{}", of.run.id, task.id)),
        "logical_date": logical,
        "run_after": rfc3339(run_after(&of.run)),
        "start_date": time(task.started_at),
        "end_date": time(task.ended_at),
        "duration": duration(task.started_at, task.ended_at),
        "state": state(task.state, task.attempt),
        "try_number": task.attempt,
        "note": note,
        "rendered_map_index": task.item.as_ref().map(plain),
        "rendered_fields": {},
        "trigger": null,
        "triggerer_job": null,
    });
    extend(&mut body, more);
    body
}

pub(in crate::pipelines::airflow) fn history(of: &DagRun, task: &TaskInstance, one: &Attempt) -> Value {
    let mut body = common(of, task);
    let more = json!({
        "start_date": rfc3339(one.started_at),
        "end_date": time(one.ended_at),
        "duration": duration(Some(one.started_at), one.ended_at),
        "state": state(one.state, one.number),
        "try_number": one.number,
    });
    extend(&mut body, more);
    body
}

fn common(of: &DagRun, task: &TaskInstance) -> Value {
    let (id, index) = base_id(&task.id);
    json!({
        "task_id": id,
        "task_display_name": id,
        "dag_id": of.run.pipeline,
        "dag_display_name": of.run.pipeline,
        "dag_run_id": of.id(),
        "map_index": index.map_or(-1, i64::from),
        "max_tries": task.max_attempts.saturating_sub(1),
        "hostname": null,
        "unixname": null,
        "pool": task.pool,
        "pool_slots": task.pool_slots,
        "queue": null,
        "priority_weight": task.priority,
        "operator": operator(task.kind),
        "operator_name": operator(task.kind),
        "queued_when": rfc3339(of.run.created_at),
        "scheduled_when": rfc3339(of.run.created_at),
        "pid": null,
        "executor": null,
        "executor_config": "{}",
        "dag_version": null,
    })
}

fn extend(body: &mut Value, more: Value) {
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
}

/// All the instances that an action was about, as one page.
pub(in crate::pipelines::airflow) fn page(found: Vec<Value>) -> Value {
    json!({
        "total_entries": found.len(), "task_instances": found, "total_entries_limit": null,
        "next_cursor": null, "previous_cursor": null,
    })
}
