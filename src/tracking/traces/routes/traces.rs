//! Traces on the wire.

use crate::{
    auth::{Editor, Viewer},
    kernel::error::Result,
    tracking::{
        Service, check,
        traces::{info, npmi},
        wire::{Answer, Fields, double},
    },
};
use axum::{
    Json,
    extract::{Path, State},
};
use serde_json::{Value, json};

/// The most traces one search or one page may name.
pub(super) const PAGE_MAX: i64 = 500;

pub async fn put(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    let info = tracker.trace_put(info::read(&fields)?).await?;
    Ok(Json(json!({ "trace": { "trace_info": info.to_wire() } })))
}

pub async fn info(State(tracker): State<Service>, _: Viewer, Path(id): Path<String>) -> Answer {
    Ok(Json(json!({ "trace": { "trace_info": tracker.trace_info(&id).await?.to_wire() } })))
}

pub async fn get_whole(State(tracker): State<Service>, _: Viewer, fields: Fields) -> Answer {
    let partial = fields.flag("allow_partial")?.unwrap_or(false);
    let trace = tracker.trace_get(fields.required("trace_id")?, partial).await?;
    Ok(Json(json!({ "trace": trace.to_wire() })))
}

pub async fn batch(State(tracker): State<Service>, _: Viewer, fields: Fields) -> Answer {
    let traces = tracker.trace_batch(ids_in(&fields, "trace_ids")?, scope_in(&fields)?).await?;
    Ok(Json(json!({ "traces": traces.iter().map(|trace| trace.to_wire()).collect::<Value>() })))
}

pub async fn batch_infos(State(tracker): State<Service>, _: Viewer, fields: Fields) -> Answer {
    let infos = tracker.trace_infos(ids_in(&fields, "trace_ids")?, scope_in(&fields)?).await?;
    Ok(Json(json!({ "trace_infos": infos.iter().map(|info| info.to_wire()).collect::<Value>() })))
}

/// A list that must be there and not empty.
fn ids_in(fields: &Fields, name: &str) -> Result<Vec<String>> {
    let ids = fields.texts(name)?;
    if ids.is_empty() { Err(fields.missing(name)) } else { Ok(ids) }
}

/// The experiments a batch is limited to, if it says so.
fn scope_in(fields: &Fields) -> Result<Option<Vec<i64>>> {
    if !fields.has("experiment_ids") {
        return Ok(None);
    }
    experiments_in(fields).map(Some)
}

pub(super) fn experiments_in(fields: &Fields) -> Result<Vec<i64>> {
    fields.texts("experiment_ids")?.iter().map(|id| check::experiment_id(id)).collect()
}

pub async fn search(State(tracker): State<Service>, _: Viewer, fields: Fields) -> Answer {
    let locations = fields.items("locations")?;
    if locations.is_empty() {
        return Err(fields.missing("locations").into());
    }
    let mut experiments = Vec::new();
    for location in &locations {
        // A table of another system is no place this server knows.
        if let Some(experiment) = location.item("mlflow_experiment")? {
            experiments.push(check::experiment_id(experiment.text_or_empty("experiment_id")?)?);
        }
    }
    let page = tracker
        .trace_search(
            experiments,
            fields.text_or_empty("filter")?,
            fields.texts("order_by")?,
            fields.int_at_most("max_results", PAGE_MAX)?,
            fields.text_or_empty("page_token")?,
        )
        .await?;
    let mut answer = json!({ "traces": page.items.iter().map(|info| info.to_wire()).collect::<Value>() });
    if let Some(token) = page.next {
        answer["next_page_token"] = token.into();
    }
    Ok(Json(answer))
}

pub async fn set_tag(
    State(tracker): State<Service>,
    _: Editor,
    Path(id): Path<String>,
    fields: Fields,
) -> Answer {
    tracker.trace_tag_set(&id, fields.required("key")?, fields.text_or_empty("value")?).await?;
    Ok(Json(json!({})))
}

pub async fn delete_tag(
    State(tracker): State<Service>,
    _: Editor,
    Path(id): Path<String>,
    fields: Fields,
) -> Answer {
    tracker.trace_tag_delete(&id, fields.required("key")?).await?;
    Ok(Json(json!({})))
}

pub async fn delete(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    let gone = tracker
        .traces_delete(
            check::experiment_id(fields.required("experiment_id")?)?,
            fields.texts("request_ids")?,
            fields.int("max_timestamp_millis")?,
            fields.int("max_traces")?,
        )
        .await?;
    Ok(Json(json!({ "traces_deleted": gone })))
}

pub async fn link_to_run(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    tracker.traces_link_run(ids_in(&fields, "trace_ids")?, fields.required("run_id")?).await?;
    Ok(Json(json!({})))
}

pub async fn link_prompts(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    let id = fields.required("trace_id")?;
    let prompts = fields.items("prompt_versions")?;
    if prompts.is_empty() {
        return Err(fields.missing("prompt_versions").into());
    }
    let named = |prompt: &Fields| -> Result<String> {
        let version = prompt.int("version")?.ok_or_else(|| prompt.missing("version"))?;
        Ok(format!("{}/{version}", prompt.required("name")?))
    };
    tracker.trace_link_prompts(id, prompts.iter().map(named).collect::<Result<_>>()?).await?;
    Ok(Json(json!({})))
}

pub async fn correlation(State(tracker): State<Service>, _: Viewer, fields: Fields) -> Answer {
    if !fields.has("experiment_ids") {
        return Err(fields.missing("experiment_ids").into());
    }
    let counts = tracker
        .trace_correlation(
            experiments_in(&fields)?,
            fields.required("filter_string1")?,
            fields.required("filter_string2")?,
            fields.text_or_empty("base_filter")?,
        )
        .await?;
    let (npmi, smoothed) = npmi::of(counts);
    Ok(Json(json!({
        "npmi": double(npmi),
        "npmi_smoothed": double(smoothed),
        "filter1_count": counts.first,
        "filter2_count": counts.second,
        "joint_count": counts.joint,
        "total_count": counts.total,
    })))
}
