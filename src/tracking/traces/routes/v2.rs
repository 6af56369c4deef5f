//! The second version of the trace API, which clients before MLflow 3 speak.

use super::traces::{PAGE_MAX, experiments_in};
use crate::{
    auth::{Editor, Viewer},
    tracking::{
        Service, check,
        traces::{
            info::state_word,
            service::{Ended, Started},
        },
        wire::{Answer, Fields},
    },
};
use axum::{
    Json,
    extract::{Path, State},
};
use serde_json::{Value, json};

const STATUSES: &[(&str, i64)] =
    &[("TRACE_STATUS_UNSPECIFIED", 0), ("OK", 1), ("ERROR", 2), ("IN_PROGRESS", 3)];

pub async fn start(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    let started = Started {
        experiment_id: check::experiment_id(fields.text_or_empty("experiment_id")?)?,
        at: fields.int("timestamp_ms")?.unwrap_or(0),
        metadata: fields.pairs("request_metadata")?,
        tags: fields.pairs("tags")?,
    };
    Ok(Json(json!({ "trace_info": tracker.trace_start(started).await?.to_wire_v2() })))
}

pub async fn end(
    State(tracker): State<Service>,
    _: Editor,
    Path(id): Path<String>,
    fields: Fields,
) -> Answer {
    let ended = Ended {
        at: fields.int("timestamp_ms")?.unwrap_or(0),
        state: state_word(fields.choice("status", STATUSES)?),
        metadata: fields.pairs("request_metadata")?,
        tags: fields.pairs("tags")?,
    };
    Ok(Json(json!({ "trace_info": tracker.trace_end(&id, ended).await?.to_wire_v2() })))
}

pub async fn info(State(tracker): State<Service>, _: Viewer, Path(id): Path<String>) -> Answer {
    Ok(Json(json!({ "trace_info": tracker.trace_info(&id).await?.to_wire_v2() })))
}

pub async fn search(State(tracker): State<Service>, _: Viewer, fields: Fields) -> Answer {
    if !fields.has("experiment_ids") {
        return Err(fields.missing("experiment_ids").into());
    }
    let page = tracker
        .trace_search(
            experiments_in(&fields)?,
            fields.text_or_empty("filter")?,
            fields.texts("order_by")?,
            fields.int_at_most("max_results", PAGE_MAX)?,
            fields.text_or_empty("page_token")?,
        )
        .await?;
    let mut answer = json!({ "traces": page.items.iter().map(|info| info.to_wire_v2()).collect::<Value>() });
    if let Some(token) = page.next {
        answer["next_page_token"] = token.into();
    }
    Ok(Json(answer))
}
