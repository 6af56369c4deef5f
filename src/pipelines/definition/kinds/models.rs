//! `evaluate` and `promote`: a model version measured on a dataset, and an alias moved if it is good enough.

use super::{super::yaml::Scalar, Complaints};
use crate::pipelines::condition::Condition;
use serde::Deserialize;
use serde_json::{Value, json};
use serde_saphyr::{Location, Spanned};

/// Measures a model on a dataset. Its texts may hold templates.
#[derive(Clone, Debug)]
pub struct Evaluate {
    /// `models:/NAME@ALIAS` or `models:/NAME/VERSION`.
    pub model: String,
    /// `s3://BUCKET/KEY`, or a path from the folder of the definition's file.
    pub data: String,
    /// The column that holds the truth.
    pub target: String,
    /// `classifier`, `regressor`, or found out from the model.
    pub task: Option<String>,
    pub experiment: Option<String>,
}

/// Moves an alias where a condition over metrics holds.
#[derive(Clone, Debug)]
pub struct Promote {
    pub model: String,
    pub alias: String,
    /// A version or an alias.
    pub candidate: String,
    pub when: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::pipelines::definition) struct EvaluateFile {
    model: Spanned<String>,
    data: Spanned<String>,
    target: Spanned<String>,
    #[serde(default)]
    task: Option<Spanned<String>>,
    #[serde(default)]
    experiment: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::pipelines::definition) struct PromoteFile {
    model: Spanned<String>,
    alias: Spanned<String>,
    candidate: Spanned<Scalar>,
    when: Spanned<String>,
}

impl EvaluateFile {
    pub fn texts(&self) -> Vec<(&str, Location)> {
        let texts = [&self.model, &self.data, &self.target].into_iter().chain(&self.experiment);
        texts.map(|text| (text.value.as_str(), text.referenced)).collect()
    }
}

impl PromoteFile {
    pub fn texts(&self) -> Vec<(&str, Location)> {
        let texts = [&self.model, &self.alias].map(|text| (text.value.as_str(), text.referenced));
        let candidate = self.candidate.value.0.as_deref().map(|text| (text, self.candidate.referenced));
        texts.into_iter().chain(candidate).collect()
    }

    /// What its condition names of this run; everything else there is a metric.
    pub fn condition_names(&self) -> Vec<(String, Location)> {
        let Ok(condition) = Condition::parse(&self.when.value) else { return Vec::new() };
        let of_run = |name: &&str| name.starts_with("outputs.") || name.starts_with("params.");
        let names = condition.names().into_iter().filter(of_run).map(str::to_owned).collect::<Vec<_>>();
        names.into_iter().map(|name| (name, self.when.referenced)).collect()
    }
}

pub(super) fn evaluate(file: &EvaluateFile, complain: &mut Complaints<'_>) -> Evaluate {
    if let Some(task) = file.task.as_ref().filter(|task| !TASKS.contains(&task.value.as_str())) {
        complain.at(
            task.referenced,
            format!("evaluate: task {:?} is not one of {}", task.value, TASKS.join(", ")),
        );
    }
    let (model, data, target) =
        (file.model.value.clone(), file.data.value.clone(), file.target.value.clone());
    let text = |given: &Option<Spanned<String>>| given.as_ref().map(|given| given.value.clone());
    Evaluate { model, data, target, task: text(&file.task), experiment: text(&file.experiment) }
}

pub(super) fn promote(file: &PromoteFile, complain: &mut Complaints<'_>) -> Promote {
    if let Err(why) = Condition::parse(&file.when.value) {
        complain.at(file.when.referenced, format!("promote: when: {why}"));
    }
    Promote {
        model: file.model.value.clone(),
        alias: file.alias.value.clone(),
        candidate: file.candidate.value.0.clone().unwrap_or_default(),
        when: file.when.value.clone(),
    }
}

const TASKS: [&str; 2] = ["classifier", "regressor"];

pub(super) fn evaluate_schema() -> Value {
    let text = json!({ "type": "string" });
    json!({
        "type": "object", "additionalProperties": false, "required": ["model", "data", "target"],
        "description": "Measures a model on a dataset and logs the metrics",
        "properties": { "model": text, "data": text, "target": text, "task": { "enum": TASKS }, "experiment": text },
    })
}

pub(super) fn promote_schema() -> Value {
    let text = json!({ "type": "string" });
    json!({
        "type": "object", "additionalProperties": false, "required": ["model", "alias", "candidate", "when"],
        "description": "Moves an alias where a condition over metrics holds",
        "properties": { "model": text, "alias": text, "candidate": { "type": ["string", "integer"] }, "when": text },
    })
}
