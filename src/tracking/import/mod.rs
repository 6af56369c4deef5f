//! Taking in what another tracker wrote down: experiments, runs and logged models with their ids and
//! times kept. For administrators, in batches; a batch is one transaction, and sending it again changes
//! nothing. What the sender says wins; what was added here since stays.

mod routes;
mod service;
mod store;
#[cfg(test)]
mod tests;

pub use routes::router;

use super::model::{Double, Experiment, LoggedModel, Run};
use serde::{Deserialize, Serialize};

/// One batch. Runs and models name experiments by the ids they have here.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Batch {
    pub experiments: Vec<ExperimentRecord>,
    pub runs: Vec<RunRecord>,
    pub logged_models: Vec<ModelRecord>,
    pub metrics: Vec<Series>,
}

/// An experiment, and some of its runs: by them it is recognised under another name.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct ExperimentRecord {
    #[serde(flatten)]
    pub experiment: Experiment,
    pub known_by_runs: Vec<String>,
}

/// A run, and what MLflow's JSON does not say of it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct RunRecord {
    pub run: Run,
    pub deleted_time: Option<i64>,
    /// Its files stay where its `artifact_uri` says.
    pub files_stay: bool,
}

/// A logged model, and what MLflow's JSON does not say of it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct ModelRecord {
    pub model: LoggedModel,
    pub deleted: bool,
    /// Its files stay where its `artifact_uri` says.
    pub files_stay: bool,
}

/// Points of one metric of a run.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Series {
    pub run_id: String,
    pub key: String,
    /// Time, step, value.
    pub points: Vec<(i64, i64, Double)>,
}

/// Where the things of a batch came to be, in the order they were sent.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Placed {
    pub experiments: Vec<Place>,
    pub runs: Vec<Place>,
    pub logged_models: Vec<Place>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Place {
    pub id: String,
    pub artifact_uri: String,
    /// It was not here before.
    pub new: bool,
}
