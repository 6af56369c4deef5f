//! Experiments on the wire.

use crate::{
    auth::{Editor, Viewer},
    tracking::{
        Service,
        model::{Experiment, Pair, Stage, View},
        search::reach::Reach,
        wire::{Answer, Fields, MlflowError},
    },
};
use axum::{Json, extract::State};
use serde::Serialize;
use serde_json::json;

pub async fn create(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    let name = fields.required("name")?;
    let location = fields.text("artifact_location")?.filter(|location| !location.is_empty());
    let tags = fields.pairs("tags")?.into_iter().map(Pair::from).collect();
    let id = tracker.experiment_create(name, location, tags).await?;
    Ok(Json(json!({ "experiment_id": id.to_string() })))
}

pub async fn get(State(tracker): State<Service>, _: Viewer, fields: Fields) -> Answer {
    let experiment = tracker.experiment_get(fields.required("experiment_id")?).await?;
    Ok(Json(json!({ "experiment": experiment })))
}

pub async fn get_by_name(State(tracker): State<Service>, _: Viewer, fields: Fields) -> Answer {
    let experiment = tracker.experiment_by_name(fields.required("experiment_name")?).await?;
    Ok(Json(json!({ "experiment": experiment })))
}

#[derive(Serialize)]
pub struct Experiments {
    experiments: Vec<Experiment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

pub async fn search(
    State(tracker): State<Service>,
    _: Viewer,
    reach: Reach,
    fields: Fields,
) -> Result<Json<Experiments>, MlflowError> {
    let page = tracker
        .experiment_search(
            reach,
            fields.text_or_empty("filter")?,
            fields.texts("order_by")?,
            View::from_number(fields.choice("view_type", View::CHOICES)?),
            fields.int("max_results")?,
            fields.text_or_empty("page_token")?,
        )
        .await?;
    Ok(Json(Experiments { experiments: page.items, next_page_token: page.next }))
}

pub async fn update(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    let (id, name) = (fields.required("experiment_id")?, fields.required("new_name")?);
    tracker.experiment_rename(id, name).await?;
    Ok(Json(json!({})))
}

pub async fn delete(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    tracker.experiment_set_stage(fields.required("experiment_id")?, Stage::Deleted).await?;
    Ok(Json(json!({})))
}

pub async fn restore(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    tracker.experiment_set_stage(fields.required("experiment_id")?, Stage::Active).await?;
    Ok(Json(json!({})))
}

pub async fn set_tag(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    let id = fields.required("experiment_id")?;
    let tag =
        Pair { key: fields.required("key")?.to_owned(), value: fields.text_or_empty("value")?.to_owned() };
    tracker.experiment_set_tag(id, tag).await?;
    Ok(Json(json!({})))
}

pub async fn delete_tag(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    tracker.experiment_delete_tag(fields.required("experiment_id")?, fields.required("key")?).await?;
    Ok(Json(json!({})))
}

pub async fn search_datasets(State(tracker): State<Service>, _: Viewer, fields: Fields) -> Answer {
    let summaries = tracker.dataset_search(&fields.texts("experiment_ids")?).await?;
    Ok(Json(json!({ "dataset_summaries": summaries })))
}
