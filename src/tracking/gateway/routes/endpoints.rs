//! Endpoints on the wire.

use super::{filled, key};
use crate::{
    auth::{Editor, Viewer},
    kernel::error::{Error, Result},
    tracking::{
        Service,
        gateway::model::{EndpointChange, FALLBACKS, Fallback, LINKAGES, Link, ROUTINGS},
        wire::{Answer, Fields},
    },
};
use axum::{Json, extract::State};
use serde_json::json;

/// The word of an enumeration's number.
fn word(choices: &[(&'static str, i64)], number: Option<i64>) -> Option<&'static str> {
    choices.iter().find(|(_, known)| Some(*known) == number).map(|(word, _)| *word)
}

fn link(fields: &Fields, place: &str) -> Result<Link> {
    let linkage = fields.choice("linkage_type", LINKAGES).ok().flatten();
    Ok(Link {
        model_definition_id: fields.required("model_definition_id")?.to_owned(),
        linkage_type: word(LINKAGES, linkage).ok_or_else(|| {
            Error::invalid(format!(
                "Invalid or missing value for required parameter 'linkage_type' in {place}. \
                 Must be one of: PRIMARY, FALLBACK."
            ))
        })?,
        weight: fields.float("weight")?.unwrap_or(1.0),
        fallback_order: fields.int("fallback_order")?,
    })
}

fn change(fields: &Fields, user: &str) -> Result<EndpointChange> {
    let links = fields.items("model_configs")?;
    let links = links.iter().enumerate().map(|(index, item)| link(item, &format!("model_configs[{index}]")));
    let fallback = match fields.item("fallback_config")? {
        None => None,
        Some(config) => Some(Fallback {
            strategy: word(FALLBACKS, config.choice("strategy", FALLBACKS)?).map(str::to_owned),
            max_attempts: config.int("max_attempts")?,
        }),
    };
    Ok(EndpointChange {
        name: filled(fields, "name")?,
        links: links.collect::<Result<_>>()?,
        routing: word(ROUTINGS, fields.choice("routing_strategy", ROUTINGS)?),
        fallback,
        experiment_id: filled(fields, "experiment_id")?,
        usage_tracking: fields.flag("usage_tracking")?,
        user: filled(fields, user)?,
    })
}

pub async fn create(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    let name = fields.required("name")?.to_owned();
    if !fields.has("model_configs") {
        return Err(fields.missing("model_configs").into());
    }
    let endpoint = tracker.gateway_endpoint_create(name, change(&fields, "created_by")?).await?;
    Ok(Json(json!({ "endpoint": endpoint })))
}

pub async fn get(State(tracker): State<Service>, _: Viewer, fields: Fields) -> Answer {
    let key = key(&fields, "endpoint_id", "name")?;
    Ok(Json(json!({ "endpoint": tracker.gateway_endpoint_get(key).await? })))
}

pub async fn list(State(tracker): State<Service>, _: Viewer, fields: Fields) -> Answer {
    Ok(Json(json!({ "endpoints": tracker.gateway_endpoint_list(filled(&fields, "provider")?).await? })))
}

pub async fn update(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    let (id, change) = (fields.required("endpoint_id")?, change(&fields, "updated_by")?);
    Ok(Json(json!({ "endpoint": tracker.gateway_endpoint_update(id, change).await? })))
}

pub async fn delete(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    tracker.gateway_endpoint_delete(fields.required("endpoint_id")?).await?;
    Ok(Json(json!({})))
}

pub async fn attach(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    let id = fields.required("endpoint_id")?;
    let config = fields.item("model_config")?.ok_or_else(|| fields.missing("model_config"))?;
    let link = link(&config, "model_config")?;
    let mapping = tracker.gateway_endpoint_attach(id, link, filled(&fields, "created_by")?).await?;
    Ok(Json(json!({ "mapping": mapping })))
}

pub async fn detach(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    let (id, model) = (fields.required("endpoint_id")?, fields.required("model_definition_id")?);
    tracker.gateway_endpoint_detach(id, model).await?;
    Ok(Json(json!({})))
}

pub async fn set_tag(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    let (id, key) = (fields.required("endpoint_id")?, fields.required("key")?);
    tracker.gateway_endpoint_tag_set(id, key, fields.text_or_empty("value")?).await?;
    Ok(Json(json!({})))
}

pub async fn delete_tag(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    let (id, key) = (fields.required("endpoint_id")?, fields.required("key")?);
    tracker.gateway_endpoint_tag_delete(id, key).await?;
    Ok(Json(json!({})))
}
