//! What a pipeline is: parsed from YAML and proven sound before anything is stored or run.
//!
//! `yaml` is the file as people write it, `check` turns it into these types or says, with line and
//! column, what is wrong; `duration` reads `90s`, `5m`, `1h30m`.

mod check;
mod duration;
#[cfg(test)]
mod tests;
mod yaml;

use super::cron::Cron;
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
    pub schedule: Option<Schedule>,
    /// In the order of the file; `None` means that a run must give the value.
    pub params: Vec<(String, Option<String>)>,
    pub tasks: Vec<Task>,
}

/// When runs start by themselves.
#[derive(Clone, Debug)]
pub struct Schedule {
    pub cron: Cron,
    pub zone: Tz,
}

/// One node of the graph.
#[derive(Clone, Debug)]
pub struct Task {
    pub id: String,
    /// Indices into `Definition::tasks`.
    pub needs: Vec<usize>,
    pub run: String,
    pub env: BTreeMap<String, String>,
    pub retries: u32,
    pub retry_delay: Duration,
    pub timeout: Option<Duration>,
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

    /// When the schedule fires next after `now`, both in ms since the epoch.
    pub fn next_at(&self, now: i64) -> Option<i64> {
        let schedule = self.schedule.as_ref()?;
        let now = chrono::DateTime::from_timestamp_millis(now)?;
        Some(schedule.cron.next_after(now, schedule.zone)?.timestamp_millis())
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
