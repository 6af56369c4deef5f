//! Dag runs.

use super::{duration, time};
use crate::{
    kernel::clock::rfc3339,
    pipelines::{
        model::{Run, RunState, Trigger},
        store::RunNote,
    },
};
use serde_json::{Value, json};

/// The states of runs that Airflow's clients know.
pub(in crate::pipelines::airflow) const STATES: [&str; 4] = ["queued", "running", "success", "failed"];
pub(in crate::pipelines::airflow) const TYPES: [&str; 6] =
    ["backfill", "scheduled", "manual", "operator_triggered", "asset_triggered", "asset_materialization"];

/// A run, and what its caller keeps with it.
pub(in crate::pipelines::airflow) struct DagRun {
    pub run: Run,
    pub note: RunNote,
}

impl DagRun {
    /// The id Airflow's clients know it by.
    pub fn id(&self) -> &str {
        self.note.name.as_deref().unwrap_or(&self.run.id)
    }
}

pub(in crate::pipelines::airflow) fn state(state: RunState) -> &'static str {
    match state {
        RunState::Cancelled => RunState::Failed.as_str(),
        other => other.as_str(),
    }
}

fn run_type(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Manual => "manual",
        Trigger::Schedule => "scheduled",
        Trigger::Backfill => "backfill",
        Trigger::Event => "asset_triggered",
    }
}

fn triggered_by(one: &DagRun) -> Option<&'static str> {
    match one.run.trigger {
        Trigger::Schedule => Some("timetable"),
        Trigger::Backfill => Some("backfill"),
        Trigger::Event => Some("asset"),
        // Who came through this door left a name; others came by the house's own API, or an event.
        Trigger::Manual => one.note.user.as_ref().map(|_| "rest_api"),
    }
}

/// When it could begin at the earliest; as `Field::RunAfter` has it.
pub(in crate::pipelines::airflow) fn run_after(run: &Run) -> i64 {
    run.not_before.unwrap_or(match run.trigger {
        Trigger::Manual | Trigger::Event => run.created_at,
        Trigger::Schedule | Trigger::Backfill => run.logical_at,
    })
}

pub(in crate::pipelines::airflow) fn run(one: &DagRun) -> Value {
    let run = &one.run;
    let logical = rfc3339(run.logical_at);
    json!({
        "dag_run_id": one.id(),
        "dag_id": run.pipeline,
        "dag_display_name": run.pipeline,
        "logical_date": logical,
        "queued_at": rfc3339(run.created_at),
        "start_date": time(run.started_at),
        "end_date": time(run.ended_at),
        "duration": duration(run.started_at, run.ended_at),
        "data_interval_start": logical,
        "data_interval_end": logical,
        "run_after": rfc3339(run_after(run)),
        "last_scheduling_decision": time(run.ended_at.or(run.started_at)),
        "run_type": run_type(run.trigger),
        "state": state(run.state),
        "triggered_by": triggered_by(one),
        "triggering_user_name": one.note.user,
        "conf": run.params,
        "note": one.note.note,
        "dag_versions": [],
        "bundle_version": run.commit,
        "partition_key": null,
        "partition_date": null,
    })
}
