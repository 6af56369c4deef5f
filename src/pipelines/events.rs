//! Runs started by events. An event makes one run of each pipeline that asks for it, in a transaction:
//! that of the change itself where both are in one database, else one in which the event's key says
//! whether it was told before.
//!
//! What a run does may be an event again. Every run knows the pipelines whose runs led to it; one that
//! would come back to a pipeline of its own chain is not made, so that no chain is longer than there are
//! pipelines.

use super::{
    definition::{
        Definition,
        trigger::{On, Trigger},
    },
    engine::{self, Origin, RunChange},
    environment,
    model::{Pipeline, Run, Trigger as Because},
    store,
    template::{self, Values},
};
use crate::{
    kernel::{
        clock::rfc3339,
        error::{Error, Kind, Result},
    },
    registry::News,
    store::Connection,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Runs of a pipeline that events may leave waiting: what comes faster than it is worked off for long
/// enough is refused.
const MAX_WAITING: i64 = 1_000;

/// What became of an event for one pipeline.
#[derive(Debug)]
pub enum Started {
    Run(Box<Run>),
    /// It was told before, and this is its run.
    Before(String),
    /// It is paused, or does not ask for it.
    Not,
}

/// Starts the one run of `pipeline` that an event asks for. `key` names the event for good.
pub fn happened(db: &Connection, pipeline: &str, key: &str, event: &Value, now: i64) -> Result<Started> {
    let pipeline = store::pipeline_get(db, pipeline)?
        .ok_or_else(|| Error::not_found(format!("There is no pipeline {pipeline:?}.")))?;
    let Some((definition, trigger)) = asking(&pipeline, event) else { return Ok(Started::Not) };
    if let Some(run) = store::run_of_event(db, &pipeline.name, key)? {
        return Ok(Started::Before(run));
    }
    if store::run_open_count(db, &pipeline.name)? >= MAX_WAITING {
        return Err(Error::busy(format!(
            "{MAX_WAITING} runs of pipeline {:?} are not over yet; no event starts another.",
            pipeline.name
        )));
    }
    let chain = chain(db, event)?;
    if chain.contains(&pipeline.name) {
        return Err(Error::invalid(format!(
            "Pipeline {0:?} was not started: the event is its own doing ({1} -> {0}).",
            pipeline.name,
            chain.join(" -> ")
        )));
    }
    let told = Some(event.clone());
    let origin = Origin { event: told, key: Some(key.to_owned()), chain, ..Origin::default() };
    let given = params(&trigger, event)?;
    match engine::create_run_of(db, &pipeline, &definition, Because::Event, now, given, origin, now)? {
        Some(run) => Ok(Started::Run(Box::new(run))),
        None => Ok(Started::Not),
    }
}

/// The trigger of a pipeline that asks for an event.
fn asking(pipeline: &Pipeline, event: &Value) -> Option<(Definition, Trigger)> {
    if pipeline.paused {
        return None;
    }
    let definition = Definition::parse(&pipeline.definition).ok()?;
    let kind = event["kind"].as_str()?;
    let found = definition.triggers.iter().find(|one| one.on.kind() == kind && one.on.takes(event)).cloned();
    Some((definition, found?))
}

/// The pipelines whose runs led to an event, the first one first.
fn chain(db: &Connection, event: &Value) -> Result<Vec<String>> {
    let by_label = event["cause"].as_str().and_then(environment::run_of_label);
    let run = match event["kind"].as_str() {
        Some("run_finished") => event["run_id"].as_str(),
        _ => by_label,
    };
    let Some(run) = run.map(|id| store::run_get(db, id)).transpose()?.flatten() else {
        return Ok(Vec::new());
    };
    Ok(run.chain.into_iter().chain([run.pipeline]).collect())
}

fn params(trigger: &Trigger, event: &Value) -> Result<BTreeMap<String, String>> {
    let values = Values { event: Some(event.clone()), ..Values::default() };
    let render = |(name, text): (&String, &String)| {
        let value = template::render(text, &values).map_err(|why| {
            Error::invalid(format!("Parameter {name:?} cannot be read from the event: {why}."))
        })?;
        Ok((name.clone(), value))
    };
    trigger.params.iter().map(render).collect()
}

/// Tells every pipeline that asks for an event, inside the transaction of the change. What cannot be
/// started for it is noted with its pipeline and does not stand in the way of the change.
pub fn tell(
    db: &Connection,
    subjects: &[&str],
    key: &str,
    event: &Value,
    now: i64,
) -> Result<Vec<RunChange>> {
    let kind = event["kind"].as_str().unwrap_or_default();
    let mut made = Vec::new();
    for name in store::listeners(db, kind, subjects)? {
        match happened(db, &name, key, event, now) {
            Ok(Started::Run(run)) => {
                made.push(RunChange { pipeline: run.pipeline, run_id: run.id, over: false });
            }
            Ok(Started::Before(_) | Started::Not) => {}
            Err(error) if matches!(error.kind, Kind::Invalid | Kind::Busy | Kind::NotFound) => {
                note(db, &name, &error, now)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(made)
}

/// Notes with a pipeline why an event did not start it.
pub fn note(db: &Connection, pipeline: &str, error: &Error, now: i64) -> Result<()> {
    tracing::warn!(pipeline, why = error.message, "an event did not start a pipeline");
    store::pipeline_note(db, pipeline, &format!("{}: {}", rfc3339(now), error.message))
}

/// News of the registry as an event.
pub fn of_registry(news: &News, cause: Option<&str>, now: i64) -> Value {
    let (time, cause) = (rfc3339(now), cause);
    match news {
        News::VersionCreated { model, version, source, run_id } => json!({
            "kind": "model_version", "model": model, "version": version, "source": source,
            "model_run_id": run_id, "uri": format!("models:/{model}/{version}"), "time": time, "cause": cause,
        }),
        News::AliasMoved { model, alias, version } => json!({
            "kind": "alias_moved", "model": model, "alias": alias, "version": version,
            "uri": format!("models:/{model}/{version}"), "time": time, "cause": cause,
        }),
    }
}

/// The end of a run as an event.
pub fn of_run(run: &Run, state: super::model::RunState, now: i64) -> Value {
    json!({
        "kind": "run_finished", "pipeline": run.pipeline, "run_id": run.id, "state": state.as_str(),
        "logical_date": rfc3339(run.logical_at), "params": run.params, "time": rfc3339(now),
    })
}

/// What a definition asks for, as it is stored for look-up: kind and subject.
pub fn asked_for(definition: &Definition) -> Vec<(&'static str, String, String)> {
    let detail = |on: &On| match on {
        On::ObjectCreated { prefix, suffix, .. } => json!([prefix, suffix]).to_string(),
        _ => String::new(),
    };
    let one = |trigger: &Trigger| (trigger.on.kind(), trigger.on.subject().to_owned(), detail(&trigger.on));
    definition.triggers.iter().map(one).collect()
}
