//! Endpoints as the API shows them, and the rules for their names.

use super::{
    engine::TensorSpec,
    rollout::{
        canary::Canary,
        definition::{Limits, LogSpec, Match, Sticky},
    },
};
use crate::{
    kernel::error::{Error, Result},
    registry::ModelUri,
};
use serde::Serialize;
use serde_json::Value;

/// Whether an endpoint has the model it should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The model it should serve is being read; the one before it, if any, still answers.
    Loading,
    Ready,
    /// The last load failed; the model before it, if any, still answers.
    Failed,
    /// The address means no model, so there is nothing to serve.
    NoModel,
    /// Of an endpoint's health only: the champion is ready, and another route is not.
    Degraded,
}

#[derive(Clone, Debug, Serialize)]
pub struct EndpointInfo {
    pub name: String,
    /// The champion's address.
    pub model: String,
    pub state: State,
    /// The champion's state, and whether all other routes are well.
    pub health: State,
    /// The champion's model that answers now.
    pub model_name: Option<String>,
    pub version: Option<String>,
    pub error: Option<String>,
    pub loaded_at: Option<String>,
    pub requests: u64,
    pub errors: u64,
    /// Over the last minute.
    pub requests_per_s: f64,
    /// Since the server started.
    pub latency_ms: Latency,
    pub minute_latency_ms: Latency,
    /// The files of all models it holds, those before included.
    pub model_bytes: u64,
    pub inputs: Vec<Tensor>,
    pub outputs: Vec<Tensor>,
    pub url_path: String,
    pub signature: Option<Value>,
    pub input_example: Option<Value>,
    pub routes: Vec<RouteInfo>,
    pub sticky: Option<Sticky>,
    pub limits: Limits,
    pub log: Option<LogSpec>,
    /// Webhooks that hear of its canaries.
    pub notify: Vec<String>,
    /// The newest, running or over.
    pub canary: Option<Canary>,
}

/// One of the models an endpoint asks.
#[derive(Clone, Debug, Serialize)]
pub struct RouteInfo {
    pub name: String,
    pub model: String,
    pub weight: u32,
    /// Of a hundred requests that no header sends elsewhere.
    pub share: f64,
    #[serde(rename = "match")]
    pub matches: Option<Match>,
    pub shadow: bool,
    pub limits: Option<Limits>,
    pub state: State,
    pub model_name: Option<String>,
    pub version: Option<String>,
    pub error: Option<String>,
    /// Versions before it that are still in memory.
    pub warm: Vec<String>,
    /// Requests in its queue.
    pub waiting: usize,
}

/// Quantiles of what was answered; null before the first.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Latency {
    pub p50: Option<f64>,
    pub p95: Option<f64>,
    pub p99: Option<f64>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Tensor {
    pub name: String,
    pub datatype: String,
    pub shape: Vec<i64>,
}

impl From<&TensorSpec> for Tensor {
    fn from(spec: &TensorSpec) -> Self {
        Self { name: spec.name.clone(), datatype: spec.datatype.clone(), shape: spec.shape.clone() }
    }
}

/// An endpoint's name is part of addresses and of metric labels.
pub fn check_name(name: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if starts_well && name.len() <= 63 && name.chars().all(plain) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "{name:?} cannot name an endpoint: use 1 to 63 letters, digits, '-', '_' and '.', a letter or digit first."
    )))
}

pub fn check_uri(uri: &str) -> Result<ModelUri> {
    ModelUri::parse(uri).map_err(|_| {
        Error::invalid(format!(
            "{uri:?} is not a model's address. Use models:/NAME@ALIAS to follow an alias, models:/NAME/VERSION \
             for a fixed version."
        ))
    })
}
