//! Questions, queues and what waits in them, as MLflow's JSON names them.

use serde::Serialize;
use serde_json::Value;

/// The question that every experiment has.
pub const DEFAULT_NAME: &str = "Feedback";
pub const DEFAULT_INSTRUCTION: &str = "Share any feedback on this trace.";

pub const SCHEMA_TYPES: &[(&str, i64)] =
    &[("LABEL_SCHEMA_TYPE_UNSPECIFIED", 0), ("FEEDBACK", 1), ("EXPECTATION", 2)];
pub const QUEUE_TYPES: &[(&str, i64)] = &[("REVIEW_QUEUE_TYPE_UNSPECIFIED", 0), ("USER", 1), ("CUSTOM", 2)];
pub const ITEM_TYPES: &[(&str, i64)] = &[("REVIEW_ITEM_TYPE_UNSPECIFIED", 0), ("TRACE", 1)];
pub const STATUSES: &[(&str, i64)] =
    &[("REVIEW_STATUS_UNSPECIFIED", 0), ("PENDING", 1), ("COMPLETE", 2), ("DECLINED", 3)];

/// The word for a number of one of the lists above; `None` for the one that says nothing.
pub fn word(words: &[(&'static str, i64)], number: Option<i64>) -> Option<&'static str> {
    let number = number.filter(|number| *number != 0)?;
    words.iter().find(|(_, known)| *known == number).map(|(word, _)| *word)
}

/// A question about the traces of an experiment.
#[derive(Clone, Debug, Serialize)]
pub struct LabelSchema {
    pub schema_id: String,
    pub experiment_id: String,
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instruction: Option<String>,
    pub enable_comment: bool,
    /// One of `pass_fail`, `categorical`, `numeric` and `text`, with what an answer may be.
    pub input: Value,
    pub created_at: i64,
    pub last_updated_at: i64,
    pub is_default: bool,
}

/// What changes about a question; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct SchemaChange {
    pub name: Option<String>,
    pub instruction: Option<String>,
    pub enable_comment: Option<bool>,
    pub input: Option<Value>,
}

/// A queue of traces, for one user or for several.
#[derive(Clone, Debug, Serialize)]
pub struct ReviewQueue {
    pub queue_id: String,
    pub experiment_id: String,
    pub name: String,
    #[serde(rename = "queue_type")]
    pub kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    pub creation_time_ms: i64,
    pub last_update_time_ms: i64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub schema_ids: Vec<String>,
}

/// A queue about to be made, its fields checked.
#[derive(Clone, Debug)]
pub struct NewQueue {
    pub name: String,
    pub kind: &'static str,
    pub users: Vec<String>,
    pub schemas: Vec<String>,
    pub created_by: Option<String>,
}

/// What changes about a queue; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct QueueChange {
    pub name: Option<String>,
    pub owner: Option<String>,
    pub users: Option<Vec<String>>,
    pub schemas: Option<Vec<String>>,
}

/// A trace that waits in a queue, or waited.
#[derive(Clone, Debug, Serialize)]
pub struct QueueItem {
    pub queue_id: String,
    pub item_type: &'static str,
    pub item_id: String,
    pub status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_time_ms: Option<i64>,
    pub creation_time_ms: i64,
    pub last_update_time_ms: i64,
}
