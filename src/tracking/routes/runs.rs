//! Runs on the wire.

use crate::{
    auth::{Editor, Viewer},
    tracking::{
        Service,
        model::{Pair, RUN_STATUSES, Run, Stage, View},
        search::PAGE_MAX,
        service::{CreateRun, FoundRuns, UpdateRun},
        wire::{Answer, Fields, MlflowError},
    },
};
use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::json;

#[derive(Serialize)]
pub struct OneRun {
    run: Run,
}

pub async fn create(
    State(tracker): State<Service>,
    _: Editor,
    fields: Fields,
) -> Result<Json<OneRun>, MlflowError> {
    let new = CreateRun {
        experiment_id: fields.required("experiment_id")?.to_owned(),
        user_id: fields.text_or_empty("user_id")?.to_owned(),
        name: fields.text_or_empty("run_name")?.to_owned(),
        started_at: fields.int("start_time")?,
        tags: fields.pairs("tags")?.into_iter().map(Pair::from).collect(),
    };
    Ok(Json(OneRun { run: tracker.run_create(new).await? }))
}

pub async fn get(
    State(tracker): State<Service>,
    _: Viewer,
    fields: Fields,
) -> Result<Json<OneRun>, MlflowError> {
    Ok(Json(OneRun { run: tracker.run_get(fields.run_id()?).await? }))
}

pub async fn update(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    let status = fields.choice("status", RUN_STATUSES)?;
    let change = UpdateRun {
        status: RUN_STATUSES.iter().find(|(_, number)| Some(*number) == status).map(|(word, _)| *word),
        ended_at: fields.int("end_time")?,
        name: fields.text("run_name")?.map(str::to_owned),
    };
    Ok(Json(json!({ "run_info": tracker.run_update(fields.run_id()?, change).await? })))
}

pub async fn delete(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    tracker.run_set_stage(fields.run_id()?, Stage::Deleted).await?;
    Ok(Json(json!({})))
}

pub async fn restore(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    tracker.run_set_stage(fields.run_id()?, Stage::Active).await?;
    Ok(Json(json!({})))
}

pub async fn search(
    State(tracker): State<Service>,
    _: Viewer,
    fields: Fields,
) -> Result<Response, MlflowError> {
    let text = found(&tracker, &fields).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], text).into_response())
}

/// What a search answers, as JSON.
pub(super) async fn found(tracker: &Service, fields: &Fields) -> Result<String, MlflowError> {
    let FoundRuns { runs: mut text, next } = tracker
        .run_search(
            &fields.texts("experiment_ids")?,
            fields.text_or_empty("filter")?,
            fields.texts("order_by")?,
            View::from_number(fields.choice("run_view_type", View::CHOICES)?),
            fields.int_at_most("max_results", PAGE_MAX)?,
            fields.text_or_empty("page_token")?,
        )
        .await?;
    text.insert_str(0, "{\"runs\":");
    if let Some(token) = next {
        text.push_str(&format!(",\"next_page_token\":{}", json!(token)));
    }
    text.push('}');
    Ok(text)
}

/// How many runs a search finds on all of its pages.
pub async fn count(State(tracker): State<Service>, _: Viewer, fields: Fields) -> Answer {
    let view = View::from_number(fields.choice("run_view_type", View::CHOICES)?);
    let (experiments, filter) = (fields.texts("experiment_ids")?, fields.text_or_empty("filter")?);
    Ok(Json(json!({ "count": tracker.run_count(&experiments, filter, view).await? })))
}
