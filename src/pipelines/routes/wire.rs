//! The JSON shapes of pipelines and runs. Times are RFC 3339 or null.

use crate::{
    kernel::clock::rfc3339,
    pipelines::{
        definition::Definition,
        model::{Run, TaskInstance, TaskState},
        service::Overview,
    },
};
use serde_json::{Value, json};

pub(super) fn pipeline(overview: &Overview) -> Value {
    let (pipeline, definition) = (&overview.pipeline, overview.definition.as_ref());
    let schedule = definition.and_then(|definition| definition.schedule.as_ref());
    json!({
        "name": pipeline.name,
        "description": definition.map_or("", |definition| &definition.description),
        "schedule": schedule.map(|schedule| schedule.cron.text()),
        "schedule_text": schedule.map(|schedule| schedule.cron.describe()),
        "timezone": schedule.map_or("UTC", |schedule| schedule.zone.name()),
        "paused": pipeline.paused,
        "next_run_at": time(pipeline.next_at),
        "source": pipeline.source,
        "error": pipeline.error,
        "params": definition.map(params).unwrap_or_default(),
        "tasks": definition.map(graph).unwrap_or_default(),
        "recent_runs": overview.recent.iter().map(mark).collect::<Vec<_>>(),
    })
}

fn params(definition: &Definition) -> Vec<Value> {
    definition.params.iter().map(|(name, default)| json!({ "name": name, "default": default })).collect()
}

fn graph(definition: &Definition) -> Vec<Value> {
    let node = |task| json!({ "id": task_id(task), "needs": definition.needs_of(task).collect::<Vec<_>>() });
    definition.tasks.iter().map(node).collect()
}

fn task_id(task: &crate::pipelines::definition::Task) -> &str {
    &task.id
}

fn mark(run: &Run) -> Value {
    json!({
        "id": run.id,
        "state": run.state.as_str(),
        "started_at": time(run.started_at),
        "ended_at": time(run.ended_at),
    })
}

pub(super) fn run(run: &Run) -> Value {
    json!({
        "id": run.id,
        "pipeline": run.pipeline,
        "state": run.state.as_str(),
        "trigger": run.trigger.as_str(),
        "logical_at": rfc3339(run.logical_at),
        "created_at": rfc3339(run.created_at),
        "started_at": time(run.started_at),
        "ended_at": time(run.ended_at),
        "cancel_requested": run.cancel_requested,
        "params": run.params,
    })
}

pub(super) fn run_with_tasks(one: &Run, tasks: &[TaskInstance]) -> Value {
    let mut body = run(one);
    body["tasks"] = tasks.iter().map(|task| self::task(task, tasks)).collect();
    body
}

fn task(task: &TaskInstance, all: &[TaskInstance]) -> Value {
    let needs: Vec<&str> =
        task.needs.iter().filter_map(|at| all.get(*at)).map(|need| need.id.as_str()).collect();
    json!({
        "id": task.id,
        "needs": needs,
        "state": task.state.as_str(),
        "attempt": task.attempt,
        "max_attempts": task.max_attempts,
        "started_at": time(task.started_at),
        "ended_at": time(task.ended_at),
        "exit_code": task.exit_code,
        "reason": task.reason.clone().or_else(|| why_it_waits(task, all)),
    })
}

/// In plain words, what a task that has not started is waiting for.
fn why_it_waits(task: &TaskInstance, all: &[TaskInstance]) -> Option<String> {
    let needs = || task.needs.iter().filter_map(|at| all.get(*at));
    match task.state {
        TaskState::Waiting => {
            let open: Vec<&str> =
                needs().filter(|need| !need.state.is_over()).map(|need| need.id.as_str()).collect();
            Some(format!("waits for {}", open.join(", ")))
        }
        TaskState::Queued => Some("waits for a free slot".into()),
        TaskState::UpstreamFailed => {
            let bad: Vec<String> = needs()
                .filter(|need| need.state.is_bad())
                .map(|need| format!("{} {}", need.id, need.state))
                .collect();
            Some(format!("not run: {}", bad.join(", ")))
        }
        _ => None,
    }
}

fn time(ms: Option<i64>) -> Option<String> {
    ms.map(rfc3339)
}
