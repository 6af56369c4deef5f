//! The messages around inference: which model is meant, whether it is ready, what there is to load.

use super::ModelConfig;
use prost::Message;
use serde::Serialize;
use std::collections::BTreeMap;

/// A request that carries nothing, and an answer that says nothing.
#[derive(Clone, PartialEq, Message, Serialize)]
pub struct Nothing {}

/// `live` or `ready`.
#[derive(Clone, PartialEq, Message)]
pub struct Flag {
    #[prost(bool, tag = "1")]
    pub is: bool,
}

/// A model, and a version of it or none. Five requests are of this form.
#[derive(Clone, PartialEq, Message)]
pub struct ModelName {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub version: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct Config {
    #[prost(message, optional, tag = "1")]
    pub config: Option<ModelConfig>,
}

#[derive(Clone, PartialEq, Message)]
pub struct IndexRequest {
    #[prost(bool, tag = "2")]
    pub ready: bool,
}

#[derive(Clone, PartialEq, Message)]
pub struct Index {
    #[prost(message, repeated, tag = "1")]
    pub models: Vec<ModelIndex>,
}

#[derive(Clone, PartialEq, Message, Serialize)]
pub struct ModelIndex {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub version: String,
    #[prost(string, tag = "3")]
    pub state: String,
    #[prost(string, tag = "4")]
    pub reason: String,
}

/// A model to load or to unload. Triton names a repository before the model, KServe does not.
#[derive(Clone, PartialEq, Message)]
pub struct Load {
    #[prost(string, tag = "1")]
    pub first: String,
    #[prost(string, tag = "2")]
    pub second: String,
    /// Their names are enough to refuse what this server cannot do.
    #[prost(btree_map = "string, message", tag = "3")]
    pub parameters: BTreeMap<String, Nothing>,
}

impl Load {
    pub fn model(&self) -> &str {
        if self.second.is_empty() { &self.first } else { &self.second }
    }
}

/// What KServe answers when a model is loaded or unloaded; Triton answers nothing, and its client reads nothing.
#[derive(Clone, PartialEq, Message)]
pub struct Done {
    #[prost(string, tag = "1")]
    pub model_name: String,
    #[prost(bool, tag = "2")]
    pub is: bool,
}
