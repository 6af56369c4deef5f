//! What MLflow's client and UI ask of the server itself.

use super::both;
use crate::{auth::Viewer, tracking::Service};
use axum::{Json, Router, routing::get};
use serde_json::{Value, json};

/// The release of MLflow whose REST API this is.
const MLFLOW_VERSION: &str = "3.17.2";

pub fn routes() -> Router<Service> {
    both(Router::new(), 3, "/mlflow/server-info", get(server_info))
        .route("/health", get(async || "OK"))
        .route("/version", get(async |_: Viewer| MLFLOW_VERSION))
}

async fn server_info(_: Viewer) -> Json<Value> {
    Json(json!({
        "store_type": "SqlStore",
        "workspaces_enabled": false,
        "trace_archival_enabled": false,
        // Large files go up in parts by themselves. Down they come in one stream: the client would ask for
        // a link before each file, however small. Whoever wants that says so to the client.
        "multipart_uploads_enabled": true,
        "multipart_downloads_enabled": false,
        "presigned_upload_run_id_supported": true,
        "presigned_upload_model_id_supported": true,
        "features_enabled": { "gateway": false },
    }))
}
