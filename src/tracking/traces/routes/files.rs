//! A trace as a file, and the files beside it.

use crate::{
    auth::Viewer,
    kernel::error::{Error, Result},
    tracking::{
        Service,
        routes::files,
        service::prefix_of,
        traces::{keys, model::TraceInfo},
        wire::{Fields, MlflowError},
    },
};
use axum::{
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};

const DATA: &str = "traces.json";

/// The spans of a trace, or with `path` one of its attachments.
pub async fn send(
    State(tracker): State<Service>,
    _: Viewer,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, MlflowError> {
    let id = fields.text_or_empty("request_id")?;
    if id.is_empty() {
        return Err(Error::invalid("Request must include the \"request_id\" query parameter.").into());
    }
    let path = fields.text_or_empty("path")?;
    let info = tracker.trace_info(id).await?;
    if !path.is_empty() {
        let named = uuid::Uuid::try_parse(path).is_ok_and(|id| id.hyphenated().to_string() == path);
        if !named {
            return Err(Error::invalid(format!(
                "Invalid attachment path: '{path}'. Attachment path must be a valid UUID."
            ))
            .into());
        }
        return Ok(files::send(&tracker, &beside(&info, &format!("attachments/{path}"))?, &headers).await?);
    }
    if !info.spans_are_here() {
        return Ok(files::send(&tracker, &beside(&info, DATA)?, &headers).await?);
    }
    let trace = tracker.trace_get(id, true).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::CONTENT_DISPOSITION, "attachment; filename=traces.json"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, trace.to_file()).into_response())
}

fn beside(info: &TraceInfo, path: &str) -> Result<String> {
    let location = info.tag(keys::ARTIFACT_LOCATION).unwrap_or_default();
    Ok(format!("{}/{path}", prefix_of(location)?))
}
