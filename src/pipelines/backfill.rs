//! Filling in the past: a run for every firing of a span, made at once or, as a backfill that can be
//! paused and stopped, a few at a time.

use super::{
    by_hand::{self, Clearing, Done},
    definition::Definition,
    engine,
    model::{Pipeline, Reprocess, Run, RunState, Trigger},
    store::{self, BackfillPlan, BackfillRow},
};
use crate::{
    kernel::error::{Error, Result},
    store::Connection,
};
use std::collections::BTreeMap;

/// Runs that one backfill may make.
const MAX_RUNS: usize = 1_000;

/// A firing of the span.
pub struct Firing {
    pub logical_at: i64,
    /// The run made; none in a dry run, and where there is one for that time already.
    pub run: Option<Run>,
    pub exists: bool,
}

/// Makes a run for every firing in the span that has none.
pub fn fill(
    db: &Connection,
    name: &str,
    span: (i64, i64),
    params: &BTreeMap<String, String>,
    dry_run: bool,
    now: i64,
) -> Result<Vec<Firing>> {
    let span = Span::of(db, name, span, now)?;
    let known: Vec<i64> =
        store::run_firings(db, name, span.from, span.until)?.into_iter().map(|one| one.0).collect();
    let mut made = Vec::new();
    for logical_at in &span.times {
        let exists = known.contains(logical_at);
        let run = if exists || dry_run { None } else { span.make(db, *logical_at, params, now)? };
        made.push(Firing { logical_at: *logical_at, run, exists });
    }
    Ok(made)
}

/// The logical times a backfill would make runs for, or run again, in the order it would.
pub fn look(db: &Connection, plan: &BackfillPlan, now: i64) -> Result<Vec<i64>> {
    let span = Span::of(db, &plan.pipeline, plan.span, now)?;
    span.check(plan)?;
    Ok(span.steps(db, plan)?.into_iter().map(|step| step.logical_at).collect())
}

/// Starts a backfill: its runs are queued at once, and begin as it allows.
pub fn start(db: &Connection, plan: &BackfillPlan, now: i64) -> Result<(BackfillRow, Vec<Done>)> {
    let span = Span::of(db, &plan.pipeline, plan.span, now)?;
    span.check(plan)?;
    if store::backfill_list(db, &plan.pipeline)?.iter().any(|one| one.completed_at.is_none()) {
        let name = &plan.pipeline;
        return Err(Error::conflict(format!("There is already a running backfill for dag {name}")));
    }
    let steps = span.steps(db, plan)?;
    if steps.is_empty() {
        return Err(Error::invalid(format!(
            "The span holds no time that pipeline {:?} needs a run for.",
            plan.pipeline
        )));
    }
    let id = store::backfill_create(db, plan, now)?;
    let mut done = Vec::new();
    for step in steps {
        let run_id = match step.again {
            Some(run_id) => {
                let what = Clearing { latest: plan.latest, ..Clearing::default() };
                done.push(by_hand::clear(db, &run_id, &what, now)?);
                run_id
            }
            None => match span.make(db, step.logical_at, &plan.params, now)? {
                Some(run) => {
                    done.push(Done::made(&run));
                    run.id
                }
                None => continue,
            },
        };
        store::run_set_backfill(db, &run_id, id)?;
    }
    Ok((find(db, id)?, done))
}

pub fn find(db: &Connection, id: i64) -> Result<BackfillRow> {
    store::backfill_get(db, id)?.ok_or_else(|| Error::not_found(format!("There is no backfill {id}.")))
}

/// What runs of it goes on; no other begins while it is paused.
pub fn set_paused(db: &Connection, id: i64, paused: bool, now: i64) -> Result<BackfillRow> {
    running(db, id)?;
    store::backfill_set_paused(db, id, paused, now)?;
    find(db, id)
}

/// Stops it: what has not begun never will, what runs goes on to its end.
pub fn cancel(db: &Connection, id: i64, now: i64) -> Result<(BackfillRow, Vec<Done>)> {
    running(db, id)?;
    let mut done = Vec::new();
    for run_id in store::backfill_queued(db, id)? {
        done.push(by_hand::set_run(db, &run_id, RunState::Failed, now)?);
    }
    store::backfill_cancel(db, id, now)?;
    Ok((find(db, id)?, done))
}

fn running(db: &Connection, id: i64) -> Result<()> {
    match find(db, id)?.completed_at {
        Some(_) => Err(Error::conflict("Backfill is already completed.")),
        None => Ok(()),
    }
}

/// A pipeline and its firings between two times that have passed.
struct Span {
    pipeline: Pipeline,
    definition: Definition,
    from: i64,
    until: i64,
    times: Vec<i64>,
}

/// A time to make a run for, or the run for it that is to run again.
struct Step {
    logical_at: i64,
    again: Option<String>,
}

impl Span {
    fn of(db: &Connection, name: &str, (from, until): (i64, i64), now: i64) -> Result<Self> {
        let pipeline = store::pipeline_get(db, name)?
            .ok_or_else(|| Error::not_found(format!("There is no pipeline {name:?}.")))?;
        let definition = Definition::parse(&pipeline.definition)
            .map_err(|_| Error::conflict(format!("Pipeline {name:?} has no sound definition to run.")))?;
        if definition.schedules.is_empty() {
            return Err(Error::invalid(format!(
                "Pipeline {name:?} has no schedule, so there are no times to fill in; start runs by hand."
            )));
        }
        let times = definition.firings(from, until.min(now), MAX_RUNS + 1);
        if times.len() > MAX_RUNS {
            return Err(Error::invalid(format!(
                "The span holds more than {MAX_RUNS} firings; fill it in by shorter spans."
            )));
        }
        Ok(Self { pipeline, definition, from, until, times })
    }

    /// Backwards, the first run would wait for a past that comes after it.
    fn check(&self, plan: &BackfillPlan) -> Result<()> {
        match plan.backwards && self.definition.tasks.iter().any(|task| task.depends_on_past) {
            true => Err(Error::invalid(format!(
                "Tasks of pipeline {:?} depend on their past: its backfill cannot run backwards.",
                self.pipeline.name
            ))),
            false => Ok(()),
        }
    }

    fn steps(&self, db: &Connection, plan: &BackfillPlan) -> Result<Vec<Step>> {
        let known = store::run_firings(db, &self.pipeline.name, self.from, self.until)?;
        let mut steps = Vec::new();
        for logical_at in self.times.iter().copied() {
            // Of several runs for one time, the last one made counts.
            let again = match known.iter().rev().find(|(at, ..)| *at == logical_at) {
                Some((_, id, state)) if plan.reprocess.takes(*state) => Some(id.clone()),
                Some(_) => continue,
                None => None,
            };
            steps.push(Step { logical_at, again });
        }
        if plan.backwards {
            steps.reverse();
        }
        Ok(steps)
    }

    fn make(
        &self,
        db: &Connection,
        at: i64,
        params: &BTreeMap<String, String>,
        now: i64,
    ) -> Result<Option<Run>> {
        engine::create_run(db, &self.pipeline, &self.definition, Trigger::Backfill, at, params.clone(), now)
    }
}

impl Reprocess {
    fn takes(self, state: RunState) -> bool {
        match self {
            Self::None => false,
            Self::Failed => matches!(state, RunState::Failed | RunState::Cancelled),
            Self::Completed => state.is_over(),
        }
    }
}
