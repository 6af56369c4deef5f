//! Credentials, models and endpoints of the gateway, as MLflow's JSON names them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The one kind of thing that can be bound to an endpoint.
pub const SCORER: &str = "scorer";

/// The protocol's enumerations, with their numbers.
pub const ROUTINGS: &[(&str, i64)] = &[("REQUEST_BASED_TRAFFIC_SPLIT", 1)];
pub const FALLBACKS: &[(&str, i64)] = &[("SEQUENTIAL", 1)];
pub const LINKAGES: &[(&str, i64)] = &[("PRIMARY", 1), ("FALLBACK", 2)];

/// What is told of a credential.
#[derive(Clone, Debug, Serialize)]
pub struct Secret {
    pub secret_id: String,
    pub secret_name: String,
    pub masked_values: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub auth_config: Map<String, Value>,
    pub created_at: i64,
    pub last_updated_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_updated_by: Option<String>,
}

/// A model of a provider, with the credential it is asked with.
#[derive(Clone, Debug, Serialize)]
pub struct Definition {
    pub model_definition_id: String,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_name: Option<String>,
    pub provider: String,
    pub model_name: String,
    pub created_at: i64,
    pub last_updated_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_updated_by: Option<String>,
}

/// What a caller changes of a definition; what is absent stays.
#[derive(Clone, Debug, Default)]
pub struct DefinitionChange {
    pub name: Option<String>,
    pub secret_id: Option<String>,
    pub provider: Option<String>,
    pub model_name: Option<String>,
    pub user: Option<String>,
}

/// A model's place in an endpoint, as a caller asks for it.
#[derive(Clone, Debug)]
pub struct Link {
    pub model_definition_id: String,
    pub linkage_type: &'static str,
    pub weight: f64,
    pub fallback_order: Option<i64>,
}

/// A model's place in an endpoint.
#[derive(Clone, Debug, Serialize)]
pub struct Mapping {
    pub mapping_id: String,
    pub endpoint_id: String,
    pub model_definition_id: String,
    pub model_definition: Definition,
    pub weight: f64,
    pub linkage_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback_order: Option<i64>,
    pub created_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
}

/// How an endpoint turns to its other models when one fails.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fallback {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<i64>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Tag {
    pub key: String,
    pub value: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct Endpoint {
    pub endpoint_id: String,
    pub name: String,
    pub model_mappings: Vec<Mapping>,
    pub tags: Vec<Tag>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub routing_strategy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback_config: Option<Fallback>,
    /// Where the traces of its calls would go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub experiment_id: Option<String>,
    pub usage_tracking: bool,
    pub created_at: i64,
    pub last_updated_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_updated_by: Option<String>,
}

/// What a caller gives of an endpoint, new or changed; what is absent is left as it is.
#[derive(Clone, Debug, Default)]
pub struct EndpointChange {
    pub name: Option<String>,
    pub links: Vec<Link>,
    pub routing: Option<&'static str>,
    pub fallback: Option<Fallback>,
    pub experiment_id: Option<String>,
    pub usage_tracking: Option<bool>,
    pub user: Option<String>,
}

/// A resource that asks a model through an endpoint.
#[derive(Clone, Debug, Serialize)]
pub struct Binding {
    pub endpoint_id: String,
    pub resource_type: String,
    pub resource_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    pub created_at: i64,
    pub last_updated_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_updated_by: Option<String>,
}
