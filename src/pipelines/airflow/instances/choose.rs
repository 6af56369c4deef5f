//! Which task instances an action is about: of one run or of several, with what they follow from and
//! what follows from them.

use super::{Named, UNMAPPED, row_id};
use crate::{
    kernel::error::{Error, Result},
    pipelines::{
        airflow::{
            runs,
            shapes::{instance, run::DagRun},
        },
        machine,
        model::{TaskInstance, TaskState},
        store,
    },
    store::Connection,
};
use serde_json::Value;

/// Runs that one action may touch, so that it does not hold the database for long.
const MAX_RUNS: usize = 1_000;

/// A task, or one instance of it; with no index, all there are.
#[derive(Clone, Debug)]
pub(super) struct Marker {
    pub task: String,
    pub index: Option<i64>,
}

impl From<&Named> for Marker {
    fn from(named: &Named) -> Self {
        Self { task: named.task.clone(), index: named.index }
    }
}

/// How far an action reaches beyond what it names.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reach {
    pub upstream: bool,
    pub downstream: bool,
    pub future: bool,
    pub past: bool,
}

/// What is asked for.
pub(super) struct Choice {
    pub dag: String,
    /// The house's id of the run; none: those of the span.
    pub run: Option<String>,
    pub span: (Option<i64>, Option<i64>),
    /// None: all of them.
    pub tasks: Option<Vec<Marker>>,
    pub reach: Reach,
    /// Only those in such a state.
    pub states: Option<fn(TaskState) -> bool>,
}

/// Of one run, the places that are meant.
pub(super) struct Chosen {
    pub of: DagRun,
    pub tasks: Vec<TaskInstance>,
    pub places: Vec<usize>,
}

impl Choice {
    pub(super) fn choose(&self, db: &Connection) -> Result<Vec<Chosen>> {
        let mut chosen = Vec::new();
        let mut unseen: Vec<&Marker> = self.tasks.iter().flatten().collect();
        for run_id in self.runs(db)? {
            let Some(of) = runs::load(db, &run_id)? else { continue };
            let tasks = store::task_list(db, &run_id)?;
            unseen.retain(|marker| place(marker, &tasks).is_none());
            let places = self.places(&tasks);
            chosen.push(Chosen { of, tasks, places });
        }
        match unseen.first() {
            Some(marker) if !chosen.is_empty() => {
                let id = row_id(&marker.task, marker.index);
                Err(Error::not_found(format!("Task '{id}' not found in Dag '{}'", self.dag)))
            }
            _ => Ok(chosen),
        }
    }

    fn runs(&self, db: &Connection) -> Result<Vec<String>> {
        let mut span = self.span;
        if let Some(id) = &self.run {
            if !(self.reach.past || self.reach.future) {
                return Ok(vec![id.clone()]);
            }
            let at = store::run_get(db, id)?.map(|run| run.logical_at);
            span = (at.filter(|_| !self.reach.past), at.filter(|_| !self.reach.future));
        }
        let runs = store::run_span(db, &self.dag, span, MAX_RUNS + 1)?;
        if runs.len() > MAX_RUNS {
            return Err(Error::invalid(format!(
                "This is about more than {MAX_RUNS} runs: name a shorter span, or single runs."
            )));
        }
        Ok(runs)
    }

    fn places(&self, tasks: &[TaskInstance]) -> Vec<usize> {
        let named: Vec<usize> = match &self.tasks {
            Some(markers) => markers.iter().filter_map(|marker| place(marker, tasks)).collect(),
            None => (0..tasks.len()).filter(|at| tasks[*at].map_of.is_none()).collect(),
        };
        let mut places = named.clone();
        if self.reach.upstream {
            places.extend(machine::upstream(tasks, &named));
        }
        if self.reach.downstream {
            places.extend(machine::downstream(tasks, &named));
        }
        places.sort_unstable();
        places.dedup();
        match self.states {
            Some(fits) => spread(tasks, &places).into_iter().filter(|at| fits(tasks[*at].state)).collect(),
            None => places,
        }
    }
}

fn place(marker: &Marker, tasks: &[TaskInstance]) -> Option<usize> {
    let id = row_id(&marker.task, marker.index);
    let found = tasks.iter().position(|task| task.id == id)?;
    // The index of what is not mapped names no task that is.
    let whole = tasks[found].mapped.is_some_and(|count| count > 0);
    (!(whole && marker.index == Some(UNMAPPED))).then_some(found)
}

/// The same places, with the instances of a mapped task in its stead.
pub(super) fn spread(tasks: &[TaskInstance], places: &[usize]) -> Vec<usize> {
    let is_there = |at: &usize| tasks[*at].state != TaskState::Removed;
    let mut found = Vec::new();
    for at in places {
        if tasks[*at].mapped.is_some_and(|count| count > 0) {
            found.extend((0..tasks.len()).filter(|one| tasks[*one].map_of == Some(*at)).filter(is_there));
        } else if is_there(at) {
            found.push(*at);
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

impl Chosen {
    pub(super) fn ids(&self, places: &[usize]) -> Vec<String> {
        places.iter().map(|at| self.tasks[*at].id.clone()).collect()
    }

    /// The instances at these places as they are in the database by now.
    pub(super) fn shapes(&self, db: &Connection, places: &[usize]) -> Result<Vec<Value>> {
        let run_id = &self.of.run.id;
        let Some(of) = runs::load(db, run_id)? else { return Ok(Vec::new()) };
        let now = store::task_list(db, run_id)?;
        let mut shapes = Vec::with_capacity(places.len());
        // Tasks are never taken out of the list: a place stays what it was.
        for task in places.iter().filter_map(|at| now.get(*at)) {
            let note = store::task_note_get(db, run_id, &task.id)?;
            shapes.push(instance::instance(&of, task, note.as_deref()));
        }
        Ok(shapes)
    }

    /// Writes a note beside each, or with an empty one takes it away.
    pub(super) fn note(&self, db: &Connection, places: &[usize], note: Option<&str>) -> Result<()> {
        let note = note.filter(|text| !text.is_empty());
        let ids = self.ids(places);
        ids.iter().try_for_each(|id| store::task_note_put(db, &self.of.run.id, id, note))
    }
}
