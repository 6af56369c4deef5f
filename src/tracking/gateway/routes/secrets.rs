//! Credentials on the wire. No message carries a value of one.

use super::filled;
use crate::{
    auth::{Editor, Viewer},
    kernel::error::{Error, Result},
    tracking::{
        Service,
        gateway::{service::NewSecret, store::Key},
        wire::{Answer, Fields},
    },
};
use axum::{Json, extract::State};
use serde_json::{Map, Value, json};

/// A map of texts; nothing if it is absent.
fn texts(fields: &Fields, name: &str) -> Result<Option<Map<String, Value>>> {
    match fields.raw(name) {
        None => Ok(None),
        Some(Value::Object(map)) if map.values().all(Value::is_string) => Ok(Some(map.clone())),
        Some(_) => Err(Error::invalid(format!(
            "Invalid value for parameter '{name}' supplied: It must map names to strings."
        ))),
    }
}

/// What is not secret; a blank base URL is none.
fn auth_config(fields: &Fields) -> Result<Option<Map<String, Value>>> {
    let given = texts(fields, "auth_config")?.filter(|map| !map.is_empty());
    Ok(given.map(|mut map| {
        map.retain(|key, value| {
            key != "api_base" || value.as_str().is_some_and(|url| !url.trim().is_empty())
        });
        map
    }))
}

pub async fn create(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    let missing = || Error::invalid("Missing value for required parameter 'secret_value'.");
    let new = NewSecret {
        name: fields.required("secret_name")?.to_owned(),
        values: texts(&fields, "secret_value")?.ok_or_else(missing)?,
        provider: filled(&fields, "provider")?,
        auth_config: auth_config(&fields)?.unwrap_or_default(),
        user: filled(&fields, "created_by")?,
    };
    Ok(Json(json!({ "secret": tracker.gateway_secret_create(new).await? })))
}

pub async fn get(State(tracker): State<Service>, _: Viewer, fields: Fields) -> Answer {
    let key = match filled(&fields, "secret_name")? {
        Some(name) if !fields.has("secret_id") => Key::Name(name),
        _ => Key::Id(fields.required("secret_id")?.to_owned()),
    };
    Ok(Json(json!({ "secret": tracker.gateway_secret_get(key).await? })))
}

pub async fn list(State(tracker): State<Service>, _: Viewer, fields: Fields) -> Answer {
    Ok(Json(json!({ "secrets": tracker.gateway_secret_list(filled(&fields, "provider")?).await? })))
}

pub async fn update(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    let id = fields.required("secret_id")?;
    // An empty map is protobuf's for nothing new.
    let values = texts(&fields, "secret_value")?.filter(|values| !values.is_empty());
    let user = filled(&fields, "updated_by")?;
    let secret = tracker.gateway_secret_update(id, values, auth_config(&fields)?, user).await?;
    Ok(Json(json!({ "secret": secret })))
}

pub async fn delete(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    tracker.gateway_secret_delete(fields.required("secret_id")?).await?;
    Ok(Json(json!({})))
}
