//! Bindings on the wire.

use super::filled;
use crate::{
    auth::{Editor, Viewer},
    tracking::{
        Service,
        wire::{Answer, Fields},
    },
};
use axum::{Json, extract::State};
use serde_json::json;

pub async fn create(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    let (endpoint, kind) = (fields.required("endpoint_id")?, fields.required("resource_type")?);
    let (resource, user) = (fields.required("resource_id")?, filled(&fields, "created_by")?);
    Ok(Json(json!({ "binding": tracker.gateway_binding_create(endpoint, kind, resource, user).await? })))
}

pub async fn list(State(tracker): State<Service>, _: Viewer, fields: Fields) -> Answer {
    let bindings = tracker
        .gateway_binding_list(
            filled(&fields, "endpoint_id")?,
            filled(&fields, "resource_type")?,
            filled(&fields, "resource_id")?,
        )
        .await?;
    Ok(Json(json!({ "bindings": bindings })))
}

pub async fn delete(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    let (endpoint, kind) = (fields.required("endpoint_id")?, fields.required("resource_type")?);
    tracker.gateway_binding_delete(endpoint, kind, fields.required("resource_id")?).await?;
    Ok(Json(json!({})))
}
