//! Evaluation datasets on the wire. Tags and records travel as JSON inside a text.

use crate::{
    auth::{Editor, Viewer},
    kernel::error::{Error, Result},
    tracking::{
        Service,
        evaluation::{
            model::{EvaluationDataset, as_text},
            record,
            service::DatasetSearch,
        },
        wire::{Answer, Fields, MlflowError},
    },
};
use axum::{
    Json,
    extract::{Path, State},
};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// The tags of a request, an object in a text; no text is no tags.
fn tags(fields: &Fields) -> Result<Map<String, Value>> {
    let text = fields.text_or_empty("tags")?;
    if text.is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_str(text)
        .map_err(|_| Error::invalid("Invalid value for parameter 'tags' supplied: It must be a JSON object."))
}

pub async fn create(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    let name = fields.required("name")?;
    let dataset =
        tracker.evaluation_dataset_create(name, tags(&fields)?, &fields.texts("experiment_ids")?).await?;
    Ok(Json(json!({ "dataset": dataset })))
}

pub async fn get(State(tracker): State<Service>, _: Viewer, Path(id): Path<String>) -> Answer {
    Ok(Json(json!({ "dataset": tracker.evaluation_dataset_get(&id).await? })))
}

pub async fn delete(State(tracker): State<Service>, _: Editor, Path(id): Path<String>) -> Answer {
    tracker.evaluation_dataset_delete(&id).await?;
    Ok(Json(json!({})))
}

#[derive(Serialize)]
pub struct Datasets {
    datasets: Vec<EvaluationDataset>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

pub async fn search(
    State(tracker): State<Service>,
    _: Viewer,
    fields: Fields,
) -> Result<Json<Datasets>, MlflowError> {
    let asked = DatasetSearch {
        experiments: fields.texts("experiment_ids")?,
        filter: fields.text_or_empty("filter_string")?.to_owned(),
        order_by: fields.texts("order_by")?,
        // Protobuf cannot tell a zero from nothing.
        limit: fields.int("max_results")?.filter(|limit| *limit != 0),
        token: fields.text_or_empty("page_token")?.to_owned(),
    };
    let page = tracker.evaluation_dataset_search(asked).await?;
    Ok(Json(Datasets { datasets: page.items, next_page_token: page.next }))
}

pub async fn set_tags(
    State(tracker): State<Service>,
    _: Editor,
    Path(id): Path<String>,
    fields: Fields,
) -> Answer {
    fields.required("tags")?;
    tracker.evaluation_dataset_tags_set(&id, tags(&fields)?).await?;
    Ok(Json(json!({})))
}

pub async fn delete_tag(
    State(tracker): State<Service>,
    _: Editor,
    Path((id, key)): Path<(String, String)>,
) -> Answer {
    tracker.evaluation_dataset_tag_delete(&id, &key).await?;
    Ok(Json(json!({})))
}

pub async fn records(
    State(tracker): State<Service>,
    _: Viewer,
    Path(id): Path<String>,
    fields: Fields,
) -> Answer {
    let limit = fields.int("max_results")?.filter(|limit| *limit != 0);
    let page = tracker.evaluation_records(&id, limit, fields.text_or_empty("page_token")?).await?;
    let mut answer = json!({ "records": as_text(&page.items) });
    if let Some(token) = page.next {
        answer["next_page_token"] = token.into();
    }
    Ok(Json(answer))
}

pub async fn upsert_records(
    State(tracker): State<Service>,
    _: Editor,
    Path(id): Path<String>,
    fields: Fields,
) -> Answer {
    let records = record::read_all(fields.required("records")?)?;
    let count = tracker.evaluation_records_upsert(&id, records).await?;
    Ok(Json(json!(count)))
}

pub async fn delete_records(
    State(tracker): State<Service>,
    _: Editor,
    Path(id): Path<String>,
    fields: Fields,
) -> Answer {
    let deleted = tracker.evaluation_records_delete(&id, fields.texts("dataset_record_ids")?).await?;
    Ok(Json(json!({ "deleted_count": deleted })))
}

pub async fn experiments(State(tracker): State<Service>, _: Viewer, Path(id): Path<String>) -> Answer {
    Ok(Json(json!({ "experiment_ids": tracker.evaluation_dataset_experiments(&id).await? })))
}

pub async fn join(
    State(tracker): State<Service>,
    _: Editor,
    Path(id): Path<String>,
    fields: Fields,
) -> Answer {
    let dataset = tracker.evaluation_dataset_join(&id, &fields.texts("experiment_ids")?).await?;
    Ok(Json(json!({ "dataset": dataset })))
}

pub async fn leave(
    State(tracker): State<Service>,
    _: Editor,
    Path(id): Path<String>,
    fields: Fields,
) -> Answer {
    let dataset = tracker.evaluation_dataset_leave(&id, &fields.texts("experiment_ids")?).await?;
    Ok(Json(json!({ "dataset": dataset })))
}
