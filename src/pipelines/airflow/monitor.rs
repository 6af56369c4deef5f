//! What this server is, and how it is.

use super::{Answer, Door};
use crate::{
    auth::Viewer,
    kernel::{
        VERSION,
        clock::{now_ms, rfc3339},
    },
    pipelines::service::Service,
};
use axum::{Json, Router, extract::State, routing::get};
use serde_json::{Value, json};

/// The release whose API this is.
const MIRRORED: &str = "3.3.2";

pub(super) fn routes() -> Router<Door> {
    Router::new().route("/version", get(version)).route("/monitor/health", get(health))
}

async fn version(_: Viewer) -> Json<Value> {
    Json(json!({ "version": MIRRORED, "git_version": format!("crannog {VERSION}") }))
}

/// One process is all of Airflow's components; it has no triggerer to be ill.
async fn health(_: Viewer, State(service): State<Service>) -> Answer {
    let word = |well: bool| if well { "healthy" } else { "unhealthy" };
    let readable = service.db().read(|_| Ok(())).await.is_ok();
    let scheduling = service.is_scheduling();
    let beat = scheduling.then(|| rfc3339(now_ms()));
    Ok(Json(json!({
        "metadatabase": { "status": word(readable) },
        "scheduler": { "status": word(scheduling), "latest_scheduler_heartbeat": beat },
        "triggerer": { "status": null, "latest_triggerer_heartbeat": null },
        "dag_processor": { "status": word(scheduling), "latest_dag_processor_heartbeat": beat },
    })))
}
