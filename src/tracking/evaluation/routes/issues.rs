//! Issues on the wire.

use crate::{
    auth::{Editor, Viewer},
    kernel::error::Result,
    tracking::{
        Service,
        evaluation::{
            model::{ISSUE_STATUSES, IssueChange, SEVERITIES},
            service::NewIssue,
        },
        wire::{Answer, Fields},
    },
};
use axum::{
    Json,
    extract::{Path, State},
};
use serde_json::json;

/// A text that is absent when empty, as protobuf has it.
fn filled(fields: &Fields, name: &str) -> Result<Option<String>> {
    Ok(fields.text(name)?.filter(|text| !text.is_empty()).map(str::to_owned))
}

/// A text that is one of `words`.
fn word(fields: &Fields, name: &str, words: &[&str]) -> Result<Option<String>> {
    let Some(text) = fields.text(name)? else { return Ok(None) };
    if words.contains(&text) {
        return Ok(Some(text.to_owned()));
    }
    Err(fields.invalid(name, &text.into(), &format!("It must be one of {}.", words.join(", "))))
}

pub async fn create(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    let new = NewIssue {
        name: fields.required("name")?.to_owned(),
        description: fields.required("description")?.to_owned(),
        experiment_id: fields.required("experiment_id")?.to_owned(),
        status: word(&fields, "status", ISSUE_STATUSES)?,
        severity: word(&fields, "severity", SEVERITIES)?,
        root_causes: fields.texts("root_causes")?,
        categories: fields.texts("categories")?,
        source_run_id: filled(&fields, "source_run_id")?,
        created_by: filled(&fields, "created_by")?,
    };
    Ok(Json(json!({ "issue": tracker.issue_create(new).await? })))
}

pub async fn get(State(tracker): State<Service>, _: Viewer, Path(id): Path<String>) -> Answer {
    Ok(Json(json!({ "issue": tracker.issue_get(&id).await? })))
}

pub async fn update(
    State(tracker): State<Service>,
    _: Editor,
    Path(id): Path<String>,
    fields: Fields,
) -> Answer {
    let change = IssueChange {
        name: filled(&fields, "name")?,
        description: filled(&fields, "description")?,
        status: word(&fields, "status", ISSUE_STATUSES)?,
        severity: word(&fields, "severity", SEVERITIES)?,
    };
    Ok(Json(json!({ "issue": tracker.issue_update(&id, change).await? })))
}

pub async fn search(State(tracker): State<Service>, _: Viewer, fields: Fields) -> Answer {
    let page = tracker
        .issue_search(
            fields.text("experiment_id")?.filter(|id| !id.is_empty()),
            fields.text_or_empty("filter_string")?,
            fields.flag("include_trace_count")?.unwrap_or(false),
            fields.int("max_results")?,
            fields.text_or_empty("page_token")?,
        )
        .await?;
    // The last page says so with an empty token.
    Ok(Json(json!({ "issues": page.items, "next_page_token": page.next.unwrap_or_default() })))
}
