//! The JSON shapes of pipelines and runs. Times are RFC 3339 or null.

use crate::{
    kernel::clock::rfc3339,
    pipelines::{
        backfill::Firing,
        definition::{
            Definition, Kind, Param, Schedule, Task,
            trigger::{On, Trigger},
        },
        model::{
            Attempt, ForEach, Pipeline, Pool, Run, TaskInstance, TaskKind, TaskState, TriggerRule, base_id,
        },
        service::{Overview, Source},
        waiting::RunView,
    },
    serving::CanaryBecame,
};
use serde_json::{Value, json};
use std::collections::HashMap;

pub(super) fn pipeline(overview: &Overview) -> Value {
    let (pipeline, definition) = (&overview.pipeline, overview.definition.as_ref());
    let schedules = definition.map_or(&[][..], |definition| &definition.schedules);
    let schedule = schedules.first();
    json!({
        "name": pipeline.name,
        "description": definition.map_or("", |definition| &definition.description),
        "schedule": schedule.map(|schedule| schedule.cron.text()),
        "schedule_text": schedule.map(|_| schedules_text(schedules)),
        "schedules": schedules.iter().map(|one| one.cron.text()).collect::<Vec<_>>(),
        "catchup": definition.map(|definition| definition.catchup.as_str()),
        "max_active_runs": pipeline.max_active_runs,
        "start_at": definition.and_then(|definition| time(definition.start_at)),
        "end_at": definition.and_then(|definition| time(definition.end_at)),
        "deadline_s": definition.and_then(|definition| definition.deadline).map(|span| span.as_secs_f64()),
        "timezone": schedule.map_or("UTC", |schedule| schedule.zone.name()),
        "paused": pipeline.paused,
        "next_run_at": time(pipeline.next_at),
        "source": pipeline.source,
        "commit": pipeline.commit,
        "error": pipeline.error,
        "triggers": definition.map(triggers).unwrap_or_default(),
        "trigger_note": pipeline.trigger_note,
        "params": definition.map(params).unwrap_or_default(),
        "tasks": definition.map(graph).unwrap_or_default(),
        "recent_runs": overview.recent.iter().map(mark).collect::<Vec<_>>(),
    })
}

/// The newest text where it is bad, and every fault of it.
pub(super) fn rejected(pipeline: &Pipeline) -> Value {
    let text = pipeline.rejected.as_ref();
    text.map_or(
        Value::Null,
        |text| json!({ "text": text, "errors": Definition::parse(text).err().unwrap_or_default() }),
    )
}

fn triggers(definition: &Definition) -> Vec<Value> {
    definition.triggers.iter().map(trigger).collect()
}

fn trigger(trigger: &Trigger) -> Value {
    let mut body = json!({
        "kind": trigger.on.kind(), "subject": trigger.on.subject(), "text": trigger.on.in_words(),
    });
    let facts = match &trigger.on {
        On::ObjectCreated { prefix, suffix, .. } => {
            vec![("prefix", Some(prefix.as_str())), ("suffix", Some(suffix.as_str()))]
        }
        On::ModelVersion { .. } => vec![],
        On::AliasMoved { alias, .. } => vec![("alias", alias.as_deref())],
        On::RunFinished { state, .. } => vec![("state", Some(state.as_str()))],
        On::Canary { state, .. } => vec![("state", state.map(CanaryBecame::as_str))],
        On::Webhook { secret } => vec![("secret", secret.as_deref())],
    };
    for (name, fact) in facts.into_iter().filter(|(_, fact)| fact.is_some_and(|fact| !fact.is_empty())) {
        body[name] = fact.into();
    }
    if !trigger.params.is_empty() {
        body["params"] = json!(trigger.params);
    }
    body
}

fn params(definition: &Definition) -> Vec<Value> {
    definition.params.iter().map(param).collect()
}

/// What the param takes is told only as far as the definition says it.
fn param(param: &Param) -> Value {
    let mut body = json!({ "name": param.name, "default": param.default });
    if param.kind != Kind::Any {
        body["type"] = param.kind.as_str().into();
    }
    if !param.description.is_empty() {
        body["description"] = param.description.as_str().into();
    }
    if !param.choices.is_empty() {
        body["enum"] = json!(param.choices);
    }
    for (key, bound) in [("minimum", param.minimum), ("maximum", param.maximum)] {
        if let Some(bound) = bound {
            body[key] = bound.into();
        }
    }
    if let Some(pattern) = &param.pattern {
        body["pattern"] = pattern.as_str().into();
    }
    body
}

/// Several schedules are one sentence.
fn schedules_text(schedules: &[Schedule]) -> String {
    schedules.iter().map(|one| one.cron.describe()).collect::<Vec<_>>().join("; ")
}

fn graph(definition: &Definition) -> Vec<Value> {
    definition.tasks.iter().map(|task| node(definition, task)).collect()
}

/// What is not the default is told beside the id and the needs.
fn node(definition: &Definition, task: &Task) -> Value {
    let mut body = json!({ "id": task.id, "needs": definition.needs_of(task).collect::<Vec<_>>() });
    let kind = task.action.kind();
    if kind != TaskKind::Run {
        body["kind"] = kind.as_str().into();
    }
    if let Some(group) = &task.group {
        body["group"] = group.as_str().into();
    }
    if task.rules.trigger_rule != TriggerRule::AllSuccess {
        body["trigger_rule"] = task.rules.trigger_rule.as_str().into();
    }
    if let Some(when) = &task.rules.when {
        body["when"] = when.as_str().into();
    }
    if let Some(list) = &task.rules.for_each {
        body["for_each"] = match list {
            ForEach::Items(items) => json!(items),
            ForEach::Name(name) => name.as_str().into(),
        };
    }
    body
}

fn mark(run: &Run) -> Value {
    json!({
        "id": run.id,
        "state": run.state.as_str(),
        "trigger": run.trigger.as_str(),
        "logical_at": rfc3339(run.logical_at),
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
        "not_before": time(run.not_before),
        "started_at": time(run.started_at),
        "ended_at": time(run.ended_at),
        "cancel_requested": run.cancel_requested,
        "params": run.params,
        "commit": run.commit,
        "event": run.event,
        "deadline_at": time(run.deadline_at),
        "deadline_missed": run.deadline_missed,
    })
}

pub(super) fn view(view: &RunView) -> Value {
    let mut body = run(&view.run);
    body["waiting_for"] = json!(view.waiting_for);
    let tasks = view.tasks.iter().zip(&view.reasons).map(|(task, why)| self::task(task, why, &view.tasks));
    let mut tasks: Vec<Value> = tasks.collect();
    if let Ok(definition) = Definition::parse(&view.run.definition) {
        body["timezone"] = definition.zone.name().into();
        let groups = groups(&definition);
        for (body, task) in tasks.iter_mut().zip(&view.tasks) {
            if let Some(group) = groups.get(base_id(&task.id).0) {
                body["group"] = (*group).into();
            }
        }
    }
    body["tasks"] = tasks.into();
    body
}

/// The group of each task that is in one.
fn groups(definition: &Definition) -> HashMap<&str, &str> {
    let grouped = definition.tasks.iter().filter_map(|task| Some((task.id.as_str(), task.group.as_deref()?)));
    grouped.collect()
}

fn task(task: &TaskInstance, why: &Option<String>, all: &[TaskInstance]) -> Value {
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
        "map_index": task.map_index,
        "mapped": task.mapped,
        "output": task.output,
        "pool": task.pool,
        "priority": task.priority,
        "reason": task.reason.as_ref().or(why.as_ref()),
        "kind": task.kind.as_str(),
        "waiting_for": if task.state.is_idle() || task.state == TaskState::Deferred { why.as_ref() } else { None },
    })
}

pub(super) fn attempt(attempt: &Attempt) -> Value {
    json!({
        "attempt": attempt.number,
        "state": attempt.state.as_str(),
        "started_at": rfc3339(attempt.started_at),
        "ended_at": time(attempt.ended_at),
        "exit_code": attempt.exit_code,
        "reason": attempt.reason,
    })
}

pub(super) fn backfill(one: &Firing) -> Value {
    json!({
        "logical_at": rfc3339(one.logical_at),
        "run_id": one.run.as_ref().map(|run| &run.id),
        "exists": one.exists,
    })
}

pub(super) fn source(source: &Source) -> Value {
    let look = source.look.as_ref();
    json!({
        "kind": source.kind,
        "place": source.place,
        "folder": source.folder,
        "ref": source.reference,
        "commit": look.and_then(|look| look.commit.as_ref()),
        "looked_at": look.map(|look| rfc3339(look.at)),
        "error": look.and_then(|look| look.error.as_ref()),
    })
}

pub(super) fn pool(pool: &Pool) -> Value {
    json!({
        "name": pool.name,
        "slots": pool.slots,
        "description": pool.description,
        "include_deferred": pool.include_deferred,
        "used": pool.used,
        "queued": pool.queued,
        "deferred": pool.deferred,
        "waiting_tasks": pool.waiting,
    })
}

fn time(ms: Option<i64>) -> Option<String> {
    ms.map(rfc3339)
}
