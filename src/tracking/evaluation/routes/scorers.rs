//! Scorers on the wire.

use crate::{
    auth::{Editor, Viewer},
    kernel::error::Error,
    tracking::{
        Service,
        wire::{Answer, Fields},
    },
};
use axum::{Json, extract::State};
use serde_json::json;

pub async fn register(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    let (experiment, name) = (fields.required("experiment_id")?, fields.required("name")?);
    let version = tracker.scorer_register(experiment, name, fields.required("serialized_scorer")?).await?;
    // This answer alone has its own names, and the experiment's id as a text.
    Ok(Json(json!({
        "version": version.scorer_version,
        "scorer_id": version.scorer_id,
        "experiment_id": version.experiment_id.to_string(),
        "name": version.scorer_name,
        "serialized_scorer": version.serialized_scorer,
        "creation_time": version.creation_time,
    })))
}

pub async fn list(State(tracker): State<Service>, _: Viewer, fields: Fields) -> Answer {
    let one = fields.text("experiment_id")?.filter(|id| !id.is_empty());
    let several = fields.has("experiment_ids").then(|| fields.texts("experiment_ids")).transpose()?;
    if one.is_some() && several.is_some() {
        return Err(Error::invalid(
            "Cannot specify both 'experiment_id' and 'experiment_ids'. Use 'experiment_ids' to scope the \
             query to multiple experiments, or 'experiment_id' to scope it to a single experiment.",
        )
        .into());
    }
    Ok(Json(json!({ "scorers": tracker.scorer_list(one, several.as_deref()).await? })))
}

pub async fn versions(State(tracker): State<Service>, _: Viewer, fields: Fields) -> Answer {
    let versions =
        tracker.scorer_versions(fields.required("experiment_id")?, fields.required("name")?).await?;
    Ok(Json(json!({ "scorers": versions })))
}

pub async fn get(State(tracker): State<Service>, _: Viewer, fields: Fields) -> Answer {
    let (experiment, name) = (fields.required("experiment_id")?, fields.required("name")?);
    Ok(Json(json!({ "scorer": tracker.scorer_get(experiment, name, fields.int("version")?).await? })))
}

pub async fn delete(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    let (experiment, name) = (fields.required("experiment_id")?, fields.required("name")?);
    tracker.scorer_delete(experiment, name, fields.int("version")?).await?;
    Ok(Json(json!({})))
}

pub async fn sample(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    let (experiment, name) = (fields.required("experiment_id")?, fields.required("name")?);
    let rate = fields.float("sample_rate")?.ok_or_else(|| fields.missing("sample_rate"))?;
    let filter = fields.text("filter_string")?.map(str::to_owned);
    Ok(Json(json!({ "config": tracker.scorer_sample(experiment, name, rate, filter).await? })))
}

pub async fn samplings(State(tracker): State<Service>, _: Viewer, fields: Fields) -> Answer {
    let scorers = fields.texts("scorer_ids")?;
    if scorers.is_empty() {
        return Err(fields.missing("scorer_ids").into());
    }
    Ok(Json(json!({ "configs": tracker.scorer_samplings(scorers).await? })))
}
