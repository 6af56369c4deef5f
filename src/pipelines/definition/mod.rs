//! What a pipeline is: parsed from YAML and proven sound before anything is stored or run.
//!
//! `yaml` is the file as people write it, `check` turns it into these types or says, with line and
//! column, what is wrong; `param` says what values a parameter takes, `firing` when runs are due,
//! `kinds` what tasks do, `duration` reads `90s`, `5m`, `1h30m`, `schema` is the same for editors,
//! `words` tells what the YAML reader complains of.

pub mod callback;
mod check;
pub(super) mod duration;
mod firing;
mod graph;
pub mod kinds;
mod limits;
mod param;
pub mod schema;
mod task;
#[cfg(test)]
mod tests;
pub mod trigger;
mod unclosed;
pub mod words;
mod yaml;

pub use kinds::Action;
pub use limits::Limits;
pub use param::{Kind, Param};

use super::{cron::Cron, model::Rules};
use chrono_tz::Tz;
use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};

/// Larger files are refused before parsing.
pub const MAX_BYTES: usize = 1024 * 1024;
/// More tasks than this in one pipeline is a mistake, or belongs into several.
pub const MAX_TASKS: usize = 2_000;

/// A sound definition.
#[derive(Clone, Debug)]
pub struct Definition {
    pub name: String,
    pub description: String,
    pub schedules: Vec<Schedule>,
    /// In which times of day are meant.
    pub zone: Tz,
    pub catchup: Catchup,
    /// Of missed firings, at most so many are made up for: the newest.
    pub max_catchup: usize,
    /// No firing before or after these instants, ms since the epoch.
    pub start_at: Option<i64>,
    pub end_at: Option<i64>,
    pub max_active_runs: u32,
    /// In the order of the file.
    pub params: Vec<Param>,
    /// What starts a run besides the schedule and people.
    pub triggers: Vec<trigger::Trigger>,
    /// After its creation a run should be over.
    pub deadline: Option<Duration>,
    pub callbacks: Vec<callback::Callback>,
    pub tasks: Vec<Task>,
}

/// When runs start by themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    pub cron: Cron,
    pub zone: Tz,
}

/// What becomes of firings that were missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Catchup {
    None,
    /// The last one, once.
    Latest,
    All,
}

impl Catchup {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Latest => "latest",
            Self::All => "all",
        }
    }
}

/// One node of the graph.
#[derive(Clone, Debug)]
pub struct Task {
    pub id: String,
    /// Indices into `Definition::tasks`.
    pub needs: Vec<usize>,
    pub group: Option<String>,
    pub action: Action,
    pub env: BTreeMap<String, String>,
    pub retries: u32,
    pub retry_delay: Duration,
    pub timeout: Option<Duration>,
    pub limits: Limits,
    pub rules: Rules,
    pub pool: String,
    pub pool_slots: u32,
    pub priority: i32,
    pub depends_on_past: bool,
}

/// Something wrong with a definition, and where, as far as known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    pub message: String,
    pub line: Option<u64>,
    pub column: Option<u64>,
}

impl Definition {
    /// Reads a definition; the error lists every problem found, the first one first in the file.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        if text.len() > MAX_BYTES {
            return Err(vec![Problem::new(format!("the file is larger than {} KiB", MAX_BYTES / 1024))]);
        }
        check::check(yaml::read(text).map_err(|problem| vec![problem])?)
    }

    /// The ids of the tasks that `task` needs.
    pub fn needs_of<'a>(&'a self, task: &'a Task) -> impl Iterator<Item = &'a str> {
        task.needs.iter().map(|at| self.tasks[*at].id.as_str())
    }
}

impl Problem {
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), line: None, column: None }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.line, self.column) {
            (Some(line), Some(column)) => write!(f, "line {line}, column {column}: {}", self.message),
            _ => f.write_str(&self.message),
        }
    }
}

/// Problems as one message, one a line.
pub fn problems_text(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// `; did you mean "x"?` when a known word is near enough to be meant.
fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    match known.map(|one| (strsim::damerau_levenshtein(word, one), one)).min() {
        Some((distance, one)) if distance <= 2 && distance < word.chars().count() => {
            format!("; did you mean {one:?}?")
        }
        _ => String::new(),
    }
}
