//! Dags, their details and their tasks.

use super::{number, time};
use crate::pipelines::{
    definition::{Catchup, Definition, Param},
    model::TaskKind,
    service::Overview,
};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// A pipeline, and when it was first and last stored.
pub(in crate::pipelines::airflow) struct Dag {
    pub overview: Overview,
    pub definition: Definition,
    pub updated_at: i64,
}

impl Dag {
    pub fn id(&self) -> &str {
        &self.overview.pipeline.name
    }
}

pub(in crate::pipelines::airflow) fn dag(dag: &Dag) -> Value {
    let (pipeline, definition) = (&dag.overview.pipeline, &dag.definition);
    let schedule = definition.schedules.first();
    let next = time(pipeline.next_at);
    json!({
        "dag_id": pipeline.name,
        "dag_display_name": pipeline.name,
        "is_paused": pipeline.paused,
        "is_stale": false,
        "last_parsed_time": time(Some(dag.updated_at)),
        "last_parse_duration": null,
        "last_expired": null,
        "bundle_name": bundle(&pipeline.source),
        "bundle_version": pipeline.commit,
        "relative_fileloc": file(&pipeline.source),
        "fileloc": file(&pipeline.source),
        "description": Some(&definition.description).filter(|text| !text.is_empty()),
        "timetable_summary": schedule.map(|schedule| schedule.cron.text()),
        "timetable_description": schedule.map(|schedule| schedule.cron.describe()),
        "timetable_partitioned": false,
        "timetable_periodic": schedule.is_some(),
        "tags": [],
        "max_active_tasks": 16,
        "max_active_runs": pipeline.max_active_runs,
        "max_consecutive_failed_dag_runs": 0,
        "has_task_concurrency_limits": false,
        "has_import_errors": pipeline.error.is_some(),
        "next_dagrun_logical_date": next,
        "next_dagrun_data_interval_start": next,
        "next_dagrun_data_interval_end": next,
        "next_dagrun_run_after": next,
        "allowed_run_types": null,
        "is_backfillable": schedule.is_some(),
        "owners": [],
        "file_token": file_token(&pipeline.source),
    })
}

pub(in crate::pipelines::airflow) fn details(one: &Dag, active: i64, is_favorite: bool) -> Value {
    let definition = &one.definition;
    let mut body = dag(one);
    let more = json!({
        "catchup": definition.catchup == Catchup::All,
        "dag_run_timeout": null,
        "asset_expression": null,
        "doc_md": null,
        "start_date": time(definition.start_at),
        "end_date": time(definition.end_at),
        "is_paused_upon_creation": null,
        "params": params(definition),
        "render_template_as_native_obj": false,
        "template_search_path": null,
        "timezone": definition.schedules.first().map_or("UTC", |schedule| schedule.zone.name()),
        "last_parsed": time(Some(one.updated_at)),
        "default_args": {},
        "owner_links": {},
        "is_favorite": is_favorite,
        "active_runs_count": active,
        "concurrency": 16,
        "latest_dag_version": null,
        "rerun_with_latest_version": null,
    });
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    body
}

/// Parameters as Airflow dumps them: a value, what it is for, and its JSON schema.
fn params(definition: &Definition) -> Map<String, Value> {
    let one = |param: &Param| {
        let description = Some(&param.description).filter(|text| !text.is_empty());
        let value =
            json!({ "value": param.default, "description": description, "schema": { "type": "string" } });
        (param.name.clone(), value)
    };
    definition.params.iter().map(one).collect()
}

pub(in crate::pipelines::airflow) fn tasks(definition: &Definition) -> Vec<Value> {
    definition.tasks.iter().enumerate().map(|(at, _)| task(definition, at)).collect()
}

pub(in crate::pipelines::airflow) fn task(definition: &Definition, at: usize) -> Value {
    let task = &definition.tasks[at];
    let downstream: Vec<&str> = definition
        .tasks
        .iter()
        .filter(|other| other.needs.contains(&at))
        .map(|other| other.id.as_str())
        .collect();
    json!({
        "task_id": task.id,
        "task_display_name": task.id,
        "owner": null,
        "start_date": time(definition.start_at),
        "end_date": time(definition.end_at),
        "trigger_rule": task.rules.trigger_rule.as_str(),
        "depends_on_past": task.depends_on_past,
        "wait_for_downstream": false,
        "retries": task.retries,
        "queue": null,
        "pool": task.pool,
        "pool_slots": task.pool_slots,
        "execution_timeout": task.timeout.map(delta),
        "retry_delay": delta(task.retry_delay),
        "retry_exponential_backoff": if task.rules.backoff > 1.0 { task.rules.backoff } else { 0.0 },
        "priority_weight": task.priority,
        "weight_rule": "absolute",
        "ui_color": "#f0ede4",
        "ui_fgcolor": "#000",
        "template_fields": ["run", "env"],
        "downstream_task_ids": downstream,
        "doc_md": null,
        "operator_name": operator(task.action.kind()),
        "params": {},
        "class_ref": null,
        "is_mapped": task.rules.for_each.is_some(),
        "extra_links": [],
    })
}

/// What Airflow would call the kind of task; for what Airflow has nothing like, the house's own word.
pub(in crate::pipelines::airflow) fn operator(kind: TaskKind) -> &'static str {
    match kind {
        TaskKind::Run => "BashOperator",
        other => other.as_str(),
    }
}

fn delta(duration: Duration) -> Value {
    let seconds = duration.as_secs();
    json!({
        "__type": "TimeDelta",
        "days": seconds / 86_400,
        "seconds": seconds % 86_400,
        "microseconds": duration.subsec_micros(),
    })
}

/// Names the file to `parseDagFile`.
pub(in crate::pipelines::airflow) fn file_token(source: &str) -> String {
    format!("{:012x}", number(source))
}

/// What Airflow calls a bundle is where definitions come from.
pub(in crate::pipelines::airflow) fn bundle(source: &str) -> &str {
    source.split_once(':').map_or(source, |(kind, _)| kind)
}

/// The file below its bundle; a definition given through the API has none.
pub(in crate::pipelines::airflow) fn file(source: &str) -> &str {
    source.split_once(':').map_or(source, |(_, file)| file)
}
