//! What a webhook is told: MLflow's payload of each event, in the envelope it travels in.

use super::Event;
use crate::kernel::{
    clock::{now_ms, rfc3339},
    error::Result,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A notice as it waits in the outbox: the body exactly as it will be sent, and the id it is sent under,
/// by which a receiver knows one that comes again.
#[derive(Debug, Serialize, Deserialize)]
pub struct Letter {
    pub id: String,
    pub body: String,
}

/// The notice of an event.
pub fn notice(event: Event, data: &Value) -> Result<String> {
    let body = json!({
        "entity": event.entity,
        "action": event.action,
        "timestamp": rfc3339(now_ms()),
        "data": data,
    });
    let letter = Letter { id: uuid::Uuid::new_v4().to_string(), body: body.to_string() };
    serde_json::to_string(&letter).map_err(crate::kernel::error::Error::internal)
}

/// An example of an event, as a test sends it: MLflow's own, word by word, since receivers look for it.
pub fn example(event: Event) -> Result<String> {
    let of_prompt = event.entity.starts_with("prompt");
    let (name, about) = if of_prompt {
        ("example_prompt", "An example prompt")
    } else {
        ("example_model", "An example model")
    };
    let tags = json!({ "example_key": "example_value" });
    let data = match (event.entity, event.action) {
        ("registered_model", _) => {
            json!({ "name": name, "tags": tags, "description": "An example registered model" })
        }
        ("prompt", _) => json!({ "name": name, "tags": tags, "description": about }),
        ("model_version", _) => json!({
            "name": name, "version": "1", "source": "models:/123", "run_id": "abcd1234abcd5678",
            "tags": tags, "description": format!("{about} version"),
        }),
        ("prompt_version", _) => json!({
            "name": name, "version": "1", "template": "Hello {{name}}!",
            "tags": tags, "description": format!("{about} version"),
        }),
        ("prompt_tag", "set") => json!({ "name": name, "key": "example_key", "value": "example_value" }),
        ("prompt_tag", _) => json!({ "name": name, "key": "example_key" }),
        ("model_version_tag" | "prompt_version_tag", "set") => {
            json!({ "name": name, "version": "1", "key": "example_key", "value": "example_value" })
        }
        ("model_version_tag" | "prompt_version_tag", _) => {
            json!({ "name": name, "version": "1", "key": "example_key" })
        }
        ("model_version_alias" | "prompt_alias", "created") => {
            json!({ "name": name, "alias": "example_alias", "version": "1" })
        }
        ("model_version_alias" | "prompt_alias", _) => json!({ "name": name, "alias": "example_alias" }),
        _ => json!({
            "budget_policy_id": "bp-abc123", "budget_unit": "USD", "budget_amount": 100.0,
            "current_spend": 105.5, "duration_unit": "MONTHS", "duration_value": 1,
            "target_scope": "ENDPOINT", "workspace": "default", "target_value": "ep-abc123",
            "window_start": 1_704_067_200_000_i64,
        }),
    };
    notice(event, &data)
}
