//! Spans that come by OpenTelemetry: stored whole, and what they show is taken into their traces.

use super::traces::artifact_location;
use crate::{
    kernel::error::{Error, Result},
    store::Connection,
    tracking::{
        Service,
        model::Experiment,
        search::reach::Reach,
        store::experiments,
        traces::{
            keys,
            model::{Batch, TraceInfo},
            store::{infos as rows, spans},
            usage,
        },
    },
};

impl Service {
    /// Stores the spans of one request; those of a trace nobody has heard of make it.
    /// `reach` is the experiments that the sender may write to: a trace there is may be in another one.
    pub async fn spans_put(&self, reach: Reach, experiment_id: i64, batches: Vec<Batch>) -> Result<()> {
        self.db()
            .write(move |c| {
                let mut experiment = None;
                batches.iter().try_for_each(|batch| {
                    check_reach(c, &reach, &batch.trace_id)?;
                    put(c, experiment_id, &mut experiment, batch)
                })
            })
            .await
    }
}

fn check_reach(db: &Connection, reach: &Reach, id: &str) -> Result<()> {
    if *reach == Reach::All {
        return Ok(());
    }
    match rows::trace_find(db, id)? {
        Some(trace) if !reach.has(&trace.experiment_id.to_string()) => Err(Error::forbidden(format!(
            "Permission denied: trace '{id}' is in an experiment you cannot edit."
        ))),
        _ => Ok(()),
    }
}

fn put(
    db: &Connection,
    experiment_id: i64,
    experiment: &mut Option<Experiment>,
    batch: &Batch,
) -> Result<()> {
    let (tid, settled) = match rows::trace_tid(db, &batch.trace_id)? {
        Some(tid) => (tid, rows::is_settled(db, tid)?),
        None => (create(db, experiment_id, experiment, batch)?, false),
    };
    batch.spans.iter().try_for_each(|span| spans::span_put(db, tid, span))?;
    rows::trace_widen(db, tid, batch, settled)?;
    add_up(db, tid, batch, settled)?;
    for (key, value) in [(keys::SESSION, &batch.session), (keys::USER, &batch.user)] {
        if let Some(value) = value {
            rows::metadata_fill(db, tid, key, value)?;
        }
    }
    for (key, value) in &batch.tags {
        rows::tag_set(db, tid, key, value)?;
    }
    rows::tag_set(db, tid, keys::SPANS_LOCATION, keys::TRACKING_STORE)
}

fn create(
    db: &Connection,
    experiment_id: i64,
    experiment: &mut Option<Experiment>,
    batch: &Batch,
) -> Result<i64> {
    if experiment.is_none() {
        *experiment = Some(experiments::experiment_get(db, experiment_id)?);
    }
    let info = TraceInfo {
        id: batch.trace_id.clone(),
        experiment_id,
        started_at: batch.started_at,
        duration: batch.ended_at.map(|ended_at| ended_at - batch.started_at),
        state: batch.state.unwrap_or("IN_PROGRESS").to_owned(),
        ..TraceInfo::default()
    };
    let tid = rows::trace_put(db, &info)?;
    if let Some(experiment) = experiment {
        rows::tag_set(db, tid, keys::ARTIFACT_LOCATION, &artifact_location(experiment, &info.id))?;
    }
    Ok(tid)
}

/// Adds up tokens and costs over all spans of the trace, unless its maker has told them.
fn add_up(db: &Connection, tid: i64, batch: &Batch, settled: bool) -> Result<()> {
    let told = |key| -> Result<bool> { Ok(settled && rows::metadata_has(db, tid, key)?) };
    if batch.spans.iter().any(|span| span.usage.is_some())
        && !told(keys::TOKEN_USAGE)?
        && let Some(sum) = usage::total_tokens(&spans::tree(db, tid, false)?)
    {
        rows::metadata_set(db, tid, keys::TOKEN_USAGE, &sum)?;
    }
    if batch.spans.iter().any(|span| span.cost.is_some())
        && !told(keys::COST)?
        && let Some(sum) = usage::total_costs(&spans::tree(db, tid, true)?)
    {
        rows::metadata_set(db, tid, keys::COST, &sum)?;
    }
    Ok(())
}
