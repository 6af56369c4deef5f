//! Assessments on the wire.

use crate::{
    auth::{Editor, Viewer},
    kernel::error::Result,
    tracking::{
        Service,
        traces::{
            assessment::{metadata_in, read, required, value_in},
            service::AssessmentChange,
        },
        wire::{Answer, Fields},
    },
};
use axum::{
    Json,
    extract::{Path, State},
};
use serde_json::json;

pub async fn create(
    State(tracker): State<Service>,
    _: Editor,
    Path(trace_id): Path<String>,
    fields: Fields,
) -> Answer {
    let new = read(&required(&fields, "assessment")?, &trace_id)?;
    Ok(Json(json!({ "assessment": tracker.assessment_create(new).await?.to_wire() })))
}

pub async fn get(
    State(tracker): State<Service>,
    _: Viewer,
    Path((trace_id, id)): Path<(String, String)>,
) -> Answer {
    Ok(Json(json!({ "assessment": tracker.assessment_get(&trace_id, &id).await?.to_wire() })))
}

pub async fn update(
    State(tracker): State<Service>,
    _: Editor,
    Path((trace_id, id)): Path<(String, String)>,
    fields: Fields,
) -> Answer {
    let change = change_in(&required(&fields, "assessment")?, fields.required("update_mask")?)?;
    Ok(Json(json!({ "assessment": tracker.assessment_update(&trace_id, &id, change).await?.to_wire() })))
}

/// The fields of `assessment` that `mask` names, in either spelling.
fn change_in(assessment: &Fields, mask: &str) -> Result<AssessmentChange> {
    let mut change = AssessmentChange::default();
    for path in mask.split(',') {
        match path.trim() {
            "assessmentName" | "assessment_name" => {
                change.name = Some(assessment.text_or_empty("assessment_name")?.to_owned());
            }
            "expectation" | "feedback" | "issue" => change.value = Some(value_in(assessment)?),
            "rationale" => change.rationale = Some(assessment.text_or_empty("rationale")?.to_owned()),
            "metadata" => change.metadata = metadata_in(assessment)?,
            // Nothing else changes, and MLflow passes over what it does not know.
            _ => {}
        }
    }
    Ok(change)
}

pub async fn delete(
    State(tracker): State<Service>,
    _: Editor,
    Path((trace_id, id)): Path<(String, String)>,
) -> Answer {
    tracker.assessment_delete(&trace_id, &id).await?;
    Ok(Json(json!({})))
}
