//! A task of a run: what its definition asks of it, and where it stands.
//!
//! A task mapped over a list (`for_each`) keeps its own row, whose state sums up those of its
//! instances; each instance is a row of its own, `train[0]`, with the same needs.

use super::{TaskKind, TaskState, TriggerRule};
use crate::pipelines::definition::Task;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What moves a task besides the ends of those it needs. Stored with the run, so that a row written
/// by an older version, which knew none of it, reads as the defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rules {
    pub trigger_rule: TriggerRule,
    /// It sets up what others use, and one with `all_done_setup_success` tears down.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub setup: bool,
    /// Not run unless this holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub for_each: Option<ForEach>,
    /// Each retry waits so many times longer than the one before.
    pub backoff: f64,
    /// The most that is added to a delay at random, as a part of it.
    pub jitter: f64,
    pub max_delay_ms: i64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            trigger_rule: TriggerRule::AllSuccess,
            setup: false,
            when: None,
            for_each: None,
            backoff: 1.0,
            jitter: 0.0,
            max_delay_ms: 24 * 3600 * 1000,
        }
    }
}

impl Rules {
    /// Those of an instance of a mapped task: what is decided once, is decided of the whole.
    pub fn of_instance(&self) -> Self {
        Self { when: None, for_each: None, ..self.clone() }
    }
}

/// What a task is mapped over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ForEach {
    Items(Vec<Value>),
    /// `outputs.TASK.NAME` or `params.NAME`.
    Name(String),
}

/// A task of a stored run.
#[derive(Clone, Debug)]
pub struct TaskInstance {
    pub id: String,
    pub kind: TaskKind,
    /// Places in the run's list of tasks.
    pub needs: Vec<usize>,
    pub state: TaskState,
    /// Attempts begun so far.
    pub attempt: u32,
    pub max_attempts: u32,
    /// Retries that the definition grants each time the task is begun anew.
    pub retries: u32,
    pub retry_delay_ms: i64,
    pub started_at: Option<i64>,
    pub ended_at: Option<i64>,
    pub exit_code: Option<i32>,
    pub reason: Option<String>,
    /// While `up_for_retry`: not before this instant; while `deferred`: when it is looked at next.
    pub not_before: Option<i64>,
    pub rules: Rules,
    pub pool: String,
    pub pool_slots: u32,
    pub priority: i32,
    pub depends_on_past: bool,
    /// Of an instance of a mapped task: the place of that task, and which of its items this is.
    pub map_of: Option<usize>,
    pub map_index: Option<u32>,
    pub item: Option<Value>,
    /// Of a mapped task, once its list is known: how many instances it has.
    pub mapped: Option<u32>,
    pub output: Option<Value>,
}

impl TaskInstance {
    /// A task of a run that has just been made.
    pub fn new(task: &Task) -> Self {
        Self {
            id: task.id.clone(),
            kind: task.action.kind(),
            needs: task.needs.clone(),
            state: TaskState::Waiting,
            attempt: 0,
            max_attempts: task.retries + 1,
            retries: task.retries,
            retry_delay_ms: i64::try_from(task.retry_delay.as_millis()).unwrap_or(i64::MAX),
            started_at: None,
            ended_at: None,
            exit_code: None,
            reason: None,
            not_before: None,
            rules: task.rules.clone(),
            pool: task.pool.clone(),
            pool_slots: task.pool_slots,
            priority: task.priority,
            depends_on_past: task.depends_on_past,
            map_of: None,
            map_index: None,
            item: None,
            mapped: None,
            output: None,
        }
    }

    /// An instance of this mapped task, which stands at `place`.
    pub fn instance(&self, place: usize, index: u32, item: Value) -> Self {
        Self {
            id: format!("{}[{index}]", self.id),
            map_of: Some(place),
            map_index: Some(index),
            item: Some(item),
            rules: self.rules.of_instance(),
            mapped: None,
            ..self.begun_anew()
        }
    }

    /// As before its first attempt, keeping count of those it had.
    pub fn begun_anew(&self) -> Self {
        Self {
            state: TaskState::Waiting,
            max_attempts: self.attempt + self.retries + 1,
            started_at: None,
            ended_at: None,
            exit_code: None,
            reason: None,
            not_before: None,
            mapped: None,
            output: None,
            ..self.clone()
        }
    }
}

/// The id in the definition and, of an instance of a mapped task, its number: `train[3]`.
pub fn base_id(id: &str) -> (&str, Option<u32>) {
    let parts = id.strip_suffix(']').and_then(|id| id.rsplit_once('['));
    match parts.and_then(|(base, index)| Some((base, index.parse().ok()?))) {
        Some((base, index)) => (base, Some(index)),
        None => (id, None),
    }
}
