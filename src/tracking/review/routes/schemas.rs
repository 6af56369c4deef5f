//! Questions on the wire.

use super::{chosen, given, page};
use crate::{
    auth::{Editor, Viewer},
    tracking::{
        Service,
        review::{
            input,
            model::{SCHEMA_TYPES, SchemaChange},
            service::NewSchema,
        },
        wire::{Answer, Fields},
    },
};
use axum::{Json, extract::State};
use serde_json::json;

pub async fn create(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    let new = NewSchema {
        experiment_id: fields.required("experiment_id")?.to_owned(),
        name: fields.required("name")?.to_owned(),
        kind: chosen(&fields, "type", SCHEMA_TYPES, |got| {
            format!("Label schema `type` must be one of FEEDBACK or EXPECTATION; got proto enum value {got}.")
        })?,
        input: input::read(&fields)?,
        instruction: given(&fields, "instruction")?,
        enable_comment: fields.flag("enable_comment")?.unwrap_or(false),
    };
    Ok(Json(json!({ "label_schema": tracker.label_schema_create(new).await? })))
}

pub async fn get(State(tracker): State<Service>, _: Viewer, fields: Fields) -> Answer {
    Ok(Json(json!({ "label_schema": tracker.label_schema_get(fields.required("schema_id")?).await? })))
}

pub async fn get_by_name(State(tracker): State<Service>, _: Viewer, fields: Fields) -> Answer {
    let (experiment, name) = (fields.required("experiment_id")?, fields.required("name")?);
    Ok(Json(json!({ "label_schema": tracker.label_schema_named(experiment, name).await? })))
}

pub async fn list(State(tracker): State<Service>, _: Viewer, fields: Fields) -> Answer {
    let experiment = fields.required("experiment_id")?;
    let token = fields.text_or_empty("page_token")?;
    let found = tracker.label_schema_list(experiment, fields.int("max_results")?, token).await?;
    Ok(Json(page("label_schemas", &found)))
}

pub async fn update(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    let id = fields.required("schema_id")?;
    let change = SchemaChange {
        name: given(&fields, "name")?,
        instruction: given(&fields, "instruction")?,
        enable_comment: fields.flag("enable_comment")?,
        input: if fields.has("input") { Some(input::read(&fields)?) } else { None },
    };
    Ok(Json(json!({ "label_schema": tracker.label_schema_update(id, change).await? })))
}

pub async fn remove(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    tracker.label_schema_delete(fields.required("schema_id")?).await?;
    Ok(Json(json!({})))
}
