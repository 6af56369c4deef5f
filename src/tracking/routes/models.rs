//! Logged models on the wire.

use crate::{
    auth::{Editor, Viewer},
    kernel::error::{Error, Result},
    tracking::{
        Service,
        model::{LoggedModel, MODEL_STATUSES, Pair},
        search::models::{OnDataset, OrderBy},
        service::NewLoggedModel,
        wire::{Answer, Fields, MlflowError},
    },
};
use axum::{
    Json,
    extract::{Path, State},
};
use serde::Serialize;
use serde_json::json;

fn pairs(fields: &Fields, name: &str) -> Result<Vec<Pair>> {
    Ok(fields.pairs(name)?.into_iter().map(Pair::from).collect())
}

pub async fn create(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    let new = NewLoggedModel {
        experiment_id: fields.required("experiment_id")?.to_owned(),
        name: fields.text("name")?.filter(|name| !name.is_empty()).map(str::to_owned),
        model_type: fields.text_or_empty("model_type")?.to_owned(),
        source_run_id: fields.text_or_empty("source_run_id")?.to_owned(),
        params: pairs(&fields, "params")?,
        tags: pairs(&fields, "tags")?,
    };
    Ok(Json(json!({ "model": tracker.logged_model_create(new).await? })))
}

pub async fn get(
    State(tracker): State<Service>,
    _: Viewer,
    Path(id): Path<String>,
    fields: Fields,
) -> Answer {
    let deleted_too = fields.flag("allow_deleted")?.unwrap_or(false);
    Ok(Json(json!({ "model": tracker.logged_model_get(&id, deleted_too).await? })))
}

pub async fn finalize(
    State(tracker): State<Service>,
    _: Editor,
    Path(id): Path<String>,
    fields: Fields,
) -> Answer {
    let status = fields.choice("status", MODEL_STATUSES)?.ok_or_else(|| fields.missing("status"))?;
    Ok(Json(json!({ "model": tracker.logged_model_finalize(&id, status).await? })))
}

pub async fn delete(State(tracker): State<Service>, _: Editor, Path(id): Path<String>) -> Answer {
    tracker.logged_model_delete(&id).await?;
    Ok(Json(json!({})))
}

pub async fn log_params(
    State(tracker): State<Service>,
    _: Editor,
    Path(id): Path<String>,
    fields: Fields,
) -> Answer {
    tracker.logged_model_params_log(&id, pairs(&fields, "params")?).await?;
    Ok(Json(json!({})))
}

pub async fn set_tags(
    State(tracker): State<Service>,
    _: Editor,
    Path(id): Path<String>,
    fields: Fields,
) -> Answer {
    tracker.logged_model_tags_set(&id, pairs(&fields, "tags")?).await?;
    Ok(Json(json!({})))
}

pub async fn delete_tag(
    State(tracker): State<Service>,
    _: Editor,
    Path((id, key)): Path<(String, String)>,
) -> Answer {
    tracker.logged_model_tag_delete(&id, &key).await?;
    Ok(Json(json!({})))
}

#[derive(Serialize)]
pub struct Models {
    models: Vec<LoggedModel>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

pub async fn search(
    State(tracker): State<Service>,
    _: Viewer,
    fields: Fields,
) -> Result<Json<Models>, MlflowError> {
    let experiments = fields.texts("experiment_ids")?;
    if !fields.has("experiment_ids") {
        return Err(fields.missing("experiment_ids").into());
    }
    let datasets = fields.items("datasets")?.iter().map(dataset_in).collect::<Result<_>>()?;
    let order_by = fields.items("order_by")?.iter().map(order_in).collect::<Result<_>>()?;
    let page = tracker
        .logged_model_search(
            &experiments,
            fields.text_or_empty("filter")?,
            datasets,
            order_by,
            fields.int("max_results")?,
            fields.text_or_empty("page_token")?,
        )
        .await?;
    Ok(Json(Models { models: page.items, next_page_token: page.next }))
}

fn dataset_in(fields: &Fields) -> Result<OnDataset> {
    let name = fields.text_or_empty("dataset_name")?;
    if name.is_empty() {
        return Err(Error::invalid("`dataset_name` in the `datasets` clause must be specified."));
    }
    let digest = fields.text("dataset_digest")?.filter(|digest| !digest.is_empty());
    Ok(OnDataset { name: name.to_owned(), digest: digest.map(str::to_owned) })
}

fn order_in(fields: &Fields) -> Result<OrderBy> {
    let dataset = fields.text("dataset_name")?.is_some_and(|name| !name.is_empty());
    Ok(OrderBy {
        field: fields.required("field_name")?.to_owned(),
        ascending: fields.flag("ascending")?.unwrap_or(true),
        dataset: if dataset { Some(dataset_in(fields)?) } else { None },
    })
}
