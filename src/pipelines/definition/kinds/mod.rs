//! What a task does: exactly one of `run`, `wait_for`; each kind's file reads its part of the YAML,
//! checks it, and names the texts in it that may hold templates.

pub mod wait;

pub use wait::Wait;

use super::{Problem, duration, yaml};
use crate::pipelines::{model::TaskKind, template};
use serde_saphyr::{Location, Spanned};
use std::time::Duration;

/// What a task does.
#[derive(Clone, Debug)]
pub enum Action {
    /// Given to `/bin/sh -c`.
    Run(String),
    Wait(Wait),
}

impl Action {
    pub const fn kind(&self) -> TaskKind {
        match self {
            Self::Run(_) => TaskKind::Run,
            Self::Wait(_) => TaskKind::WaitFor,
        }
    }
}

/// Where problems of one task go, each with the task's name before it.
pub(super) struct Complaints<'a> {
    pub id: &'a str,
    pub problems: &'a mut Vec<Problem>,
}

impl Complaints<'_> {
    pub fn at(&mut self, place: Location, message: impl std::fmt::Display) {
        self.problems.push(yaml::problem(format!("task {:?}: {message}", self.id), place));
    }

    /// A duration, if one is given that can be read.
    pub fn duration(&mut self, key: &str, given: Option<&Spanned<yaml::Scalar>>) -> Option<Duration> {
        let given = given?;
        let read = duration::parse(given.value.0.as_deref()?);
        read.map_err(|why| self.at(given.referenced, format!("{key} {why}"))).ok()
    }

    /// An address this server can ask; one that holds a template is looked at when it is known.
    pub fn url(&mut self, key: &str, given: &Spanned<String>) {
        if template::names(&given.value).is_empty()
            && let Err(why) = crate::pipelines::web::check_url(&given.value)
        {
            self.at(given.referenced, format!("{key} {why}"));
        }
    }
}

/// Reads what a task does; says what is wrong where there is not exactly one thing.
pub(super) fn check(task: &yaml::FileTask, complain: &mut Complaints<'_>) -> Action {
    let nothing = || Action::Run(String::new());
    let given: Vec<(&str, Location)> = [
        ("run", task.run.as_ref().map(|given| given.referenced)),
        ("wait_for", task.wait_for.as_ref().map(|given| given.referenced)),
    ]
    .into_iter()
    .filter_map(|(key, place)| Some((key, place?)))
    .collect();
    if let [(first, _), (second, place), ..] = given[..] {
        complain.at(place, format!("it has both {first} and {second}; a task does one thing"));
    }
    match (&task.run, &task.wait_for) {
        (Some(run), _) => {
            if run.value.trim().is_empty() {
                complain.at(run.referenced, "it has an empty run");
            }
            Action::Run(run.value.clone())
        }
        (None, Some(wait)) => {
            wait::check(&wait.value, wait.referenced, complain).map_or_else(nothing, Action::Wait)
        }
        (None, None) => {
            complain.at(task.id.referenced, "it does nothing: give it run or wait_for");
            nothing()
        }
    }
}

/// The texts of what a task does that may hold templates, with their places.
pub(super) fn texts(task: &yaml::FileTask) -> Vec<(&str, Location)> {
    let mut found = Vec::new();
    found.extend(task.run.as_ref().map(|run| (run.value.as_str(), run.referenced)));
    found.extend(task.wait_for.iter().flat_map(|wait| wait.value.texts()));
    found
}

/// The JSON Schema of each kind, by its key.
pub(super) fn schemas() -> Vec<(&'static str, serde_json::Value)> {
    vec![
        ("run", serde_json::json!({ "type": "string", "description": "A command, given to /bin/sh" })),
        ("wait_for", wait::schema()),
    ]
}
