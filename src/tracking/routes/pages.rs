//! What MLflow's pages ask of features that are not here, answered as MLflow does where they are not set
//! up: a page that asks goes on, and shows that there is nothing.

use crate::{auth::Viewer, tracking::Service};
use axum::{Json, Router, routing::get};
use serde_json::{Value, json};

pub fn routes() -> Router<Service> {
    Router::new()
        .route("/ajax-api/3.0/mlflow/ui-telemetry", get(telemetry).post(telemetry_refused))
        .route("/ajax-api/3.0/mlflow/assistant/config", get(assistant))
        .route("/ajax-api/3.0/mlflow/assistant/providers", get(providers))
}

/// The UI asks whether it may tell its makers what it is used for. It may not.
async fn telemetry(_: Viewer) -> Json<Value> {
    Json(json!({ "disable_ui_telemetry": true, "disable_ui_events": [], "ui_rollout_percentage": 0 }))
}

async fn telemetry_refused(_: Viewer) -> Json<Value> {
    Json(json!({ "status": "disabled" }))
}

/// No assistant, and nobody to provide one.
async fn assistant(_: Viewer) -> Json<Value> {
    Json(json!({ "providers": {}, "projects": {}, "remote_access_allowed": false }))
}

async fn providers(_: Viewer) -> Json<Value> {
    Json(json!({ "providers": [], "resolved": null, "gateway_vendor_options": {} }))
}
