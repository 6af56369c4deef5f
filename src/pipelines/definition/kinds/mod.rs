//! What a task does: exactly one of `run`, `wait_for`, `python`, `http`, `evaluate`,
//! `promote`; each kind's file reads its part of the YAML,
//! checks it, and names the texts in it that may hold templates.

pub mod http;
pub mod models;
pub mod python;
pub mod wait;

pub use models::{Evaluate, Promote};
pub use python::Python;
pub use wait::Wait;

use super::{Problem, duration, yaml};
pub(super) use crate::kernel::web::check_url;
use crate::pipelines::{model::TaskKind, template};
use serde_saphyr::{Location, Spanned};
use std::time::Duration;

/// What a task does.
#[derive(Clone, Debug)]
pub enum Action {
    /// Given to `/bin/sh -c`.
    Run(String),
    Wait(Wait),
    Python(Python),
    Http(http::Request),
    Evaluate(Evaluate),
    Promote(Promote),
}

impl Action {
    /// Its texts as the definition has them.
    pub fn texts(&self) -> Vec<&str> {
        match self {
            Self::Run(run) => vec![run],
            Self::Wait(wait) => wait.what.texts(),
            Self::Python(python) => python.texts(),
            Self::Http(request) => request.texts(),
            Self::Evaluate(of) => {
                let texts = [&of.model, &of.data, &of.target].into_iter().chain(&of.experiment);
                texts.map(String::as_str).collect()
            }
            Self::Promote(of) => vec![&of.model, &of.alias, &of.candidate],
        }
    }

    pub const fn kind(&self) -> TaskKind {
        match self {
            Self::Run(_) => TaskKind::Run,
            Self::Wait(_) => TaskKind::WaitFor,
            Self::Python(_) => TaskKind::Python,
            Self::Http(_) => TaskKind::Http,
            Self::Evaluate(_) => TaskKind::Evaluate,
            Self::Promote(_) => TaskKind::Promote,
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
            && let Err(why) = check_url(&given.value)
        {
            self.at(given.referenced, format!("{key} {why}"));
        }
    }
}

/// Reads what a task does; says what is wrong where there is not exactly one thing.
pub(super) fn check(task: &yaml::FileTask, complain: &mut Complaints<'_>) -> Action {
    let given: Vec<(&str, Location)> = [
        ("run", task.run.as_ref().map(|given| given.referenced)),
        ("wait_for", task.wait_for.as_ref().map(|given| given.referenced)),
        ("python", task.python.as_ref().map(|given| given.referenced)),
        ("http", task.http.as_ref().map(|given| given.referenced)),
        ("evaluate", task.evaluate.as_ref().map(|given| given.referenced)),
        ("promote", task.promote.as_ref().map(|given| given.referenced)),
    ]
    .into_iter()
    .filter_map(|(key, place)| Some((key, place?)))
    .collect();
    match given[..] {
        [(first, _), (second, place), ..] => {
            complain.at(place, format!("it has both {first} and {second}; a task does one thing"));
        }
        [] => {
            let keys: Vec<&str> = schemas().into_iter().map(|(key, _)| key).collect();
            complain.at(task.id.referenced, format!("it does nothing: give it one of {}", keys.join(", ")));
        }
        _ => {}
    }
    // With several, or none, the problem told above keeps what is read here from ever being used.
    action(task, complain).unwrap_or(Action::Run(String::new()))
}

fn action(task: &yaml::FileTask, complain: &mut Complaints<'_>) -> Option<Action> {
    if let Some(run) = &task.run {
        if run.value.trim().is_empty() {
            complain.at(run.referenced, "it has an empty run");
        }
        return Some(Action::Run(run.value.clone()));
    }
    if let Some(wait) = &task.wait_for {
        return wait::check(&wait.value, wait.referenced, complain).map(Action::Wait);
    }
    if let Some(python) = &task.python {
        return Some(Action::Python(python::check(&python.value, python.referenced, complain)));
    }
    if let Some(http) = &task.http {
        return Some(Action::Http(http::check(&http.value, complain)));
    }
    if let Some(evaluate) = &task.evaluate {
        return Some(Action::Evaluate(models::evaluate(&evaluate.value, complain)));
    }
    task.promote.as_ref().map(|promote| Action::Promote(models::promote(&promote.value, complain)))
}

/// The texts of what a task does that may hold templates, with their places.
pub(super) fn texts(task: &yaml::FileTask) -> Vec<(&str, Location)> {
    let mut found = Vec::new();
    found.extend(task.run.as_ref().map(|run| (run.value.as_str(), run.referenced)));
    found.extend(task.wait_for.iter().flat_map(|wait| wait.value.texts()));
    found.extend(task.python.iter().flat_map(|python| python.value.texts()));
    found.extend(task.evaluate.iter().flat_map(|evaluate| evaluate.value.texts()));
    found.extend(task.promote.iter().flat_map(|promote| promote.value.texts()));
    found
}

/// Those that may hold secrets too: they are shown nowhere.
pub(super) fn secret_texts(task: &yaml::FileTask) -> Vec<(&str, Location)> {
    task.http.iter().flat_map(|http| http.value.texts()).collect()
}

/// The JSON Schema of each kind, by its key.
pub(super) fn schemas() -> Vec<(&'static str, serde_json::Value)> {
    vec![
        ("run", serde_json::json!({ "type": "string", "description": "A command, given to /bin/sh" })),
        ("wait_for", wait::schema()),
        ("python", python::schema()),
        ("http", http::schema()),
        ("evaluate", models::evaluate_schema()),
        ("promote", models::promote_schema()),
    ]
}
