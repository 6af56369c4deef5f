//! Model definitions on the wire.

use super::{filled, key};
use crate::{
    auth::{Editor, Viewer},
    tracking::{
        Service,
        gateway::{model::DefinitionChange, service::NewDefinition},
        wire::{Answer, Fields},
    },
};
use axum::{Json, extract::State};
use serde_json::json;

pub async fn create(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    let new = NewDefinition {
        name: fields.required("name")?.to_owned(),
        secret_id: fields.required("secret_id")?.to_owned(),
        provider: fields.required("provider")?.to_owned(),
        model_name: fields.required("model_name")?.to_owned(),
        user: filled(&fields, "created_by")?,
    };
    Ok(Json(json!({ "model_definition": tracker.gateway_definition_create(new).await? })))
}

pub async fn get(State(tracker): State<Service>, _: Viewer, fields: Fields) -> Answer {
    let key = key(&fields, "model_definition_id", "name")?;
    Ok(Json(json!({ "model_definition": tracker.gateway_definition_get(key).await? })))
}

pub async fn list(State(tracker): State<Service>, _: Viewer, fields: Fields) -> Answer {
    let (provider, secret) = (filled(&fields, "provider")?, filled(&fields, "secret_id")?);
    Ok(Json(json!({ "model_definitions": tracker.gateway_definition_list(provider, secret).await? })))
}

pub async fn update(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    let change = DefinitionChange {
        name: filled(&fields, "name")?,
        secret_id: filled(&fields, "secret_id")?,
        provider: filled(&fields, "provider")?,
        model_name: filled(&fields, "model_name")?,
        user: filled(&fields, "updated_by")?,
    };
    let id = fields.required("model_definition_id")?;
    Ok(Json(json!({ "model_definition": tracker.gateway_definition_update(id, change).await? })))
}

pub async fn delete(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    tracker.gateway_definition_delete(fields.required("model_definition_id")?).await?;
    Ok(Json(json!({})))
}
