//! Datasets, records, scorers and issues as they are stored and as MLflow's JSON names them.

use serde::Serialize;
use serde_json::{Map, Value};

/// The tag by which a client says who it acts for.
pub const USER_TAG: &str = "mlflow.user";

/// JSON inside JSON: MLflow's messages carry tags, schemas and records as text.
pub fn as_text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// An evaluation dataset without its records.
#[derive(Clone, Debug, Serialize)]
pub struct EvaluationDataset {
    /// The row's number: what records and tags refer to.
    #[serde(skip)]
    pub row: i64,
    pub dataset_id: String,
    pub name: String,
    /// A JSON object.
    pub tags: String,
    /// The type of each field seen so far, a JSON object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// The number of records, a JSON object; an empty dataset has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    pub digest: String,
    pub created_time: i64,
    pub last_update_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_updated_by: Option<String>,
    pub experiment_ids: Vec<String>,
}

/// A record of a dataset.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    /// The row's number, which is its place in the dataset.
    #[serde(skip)]
    pub row: i64,
    pub dataset_record_id: String,
    pub dataset_id: String,
    pub inputs: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expectations: Option<Value>,
    pub tags: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_type: Option<String>,
    pub created_time: i64,
    pub last_update_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_updated_by: Option<String>,
}

/// How many records an upsert added and how many it changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Upserted {
    pub inserted_count: i64,
    pub updated_count: i64,
}

/// One version of a scorer. MLflow writes the experiment's id as a number here.
#[derive(Clone, Debug, Serialize)]
pub struct ScorerVersion {
    pub experiment_id: i64,
    pub scorer_name: String,
    pub scorer_version: i64,
    pub serialized_scorer: String,
    pub creation_time: i64,
    pub scorer_id: String,
}

/// Which share of new traces a scorer is meant to look at.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sampling {
    pub online_scoring_config_id: String,
    pub scorer_id: String,
    pub sample_rate: f64,
    pub experiment_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter_string: Option<String>,
}

/// The states of an issue, and how grave one can be, the least first.
pub const ISSUE_STATUSES: &[&str] = &["pending", "rejected", "resolved"];
pub const SEVERITIES: &[&str] = &["not_an_issue", "low", "medium", "high"];

/// A problem found in traces.
#[derive(Clone, Debug, Serialize)]
pub struct Issue {
    pub issue_id: String,
    pub experiment_id: String,
    pub name: String,
    pub description: String,
    pub status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub root_causes: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_run_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    pub created_timestamp: i64,
    pub last_updated_timestamp: i64,
    /// In how many traces it was found, when that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_count: Option<i64>,
}

/// What a caller changes of an issue; what is absent stays.
#[derive(Clone, Debug, Default)]
pub struct IssueChange {
    pub name: Option<String>,
    pub description: Option<String>,
    pub status: Option<String>,
    pub severity: Option<String>,
}

/// Tags as a caller sends them: an object whose values are texts. A null is no tag; other values are
/// kept as the JSON they are.
pub fn tags_of(object: Map<String, Value>) -> Vec<(String, String)> {
    let text = |value| match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    };
    object.into_iter().filter_map(|(key, value)| Some((key, text(value)?))).collect()
}
