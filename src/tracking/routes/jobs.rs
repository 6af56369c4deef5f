//! What MLflow's server does in Python jobs of its own: prompt optimization, scorers asked from its UI. There is
//! no Python here, so there are no jobs: none is found, and a new one is declined. Workspaces are off, as they
//! are in a server of MLflow's that was not started with them.

use crate::{
    auth::{Editor, Viewer},
    kernel::error::Error,
    tracking::{
        Service,
        wire::{self, Answer, Fields, MlflowError},
    },
};
use axum::{
    Json, Router,
    extract::Path,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{any, get, patch, post},
};
use serde_json::{Value, json};

pub fn routes() -> Router<Service> {
    let routes = [
        ("", post(create)),
        ("/search", get(search).post(search)),
        ("/{job_id}", get(no_job).delete(no_job)),
        ("/{job_id}/cancel", post(no_job)),
    ];
    let router = routes.into_iter().fold(Router::new(), |router, (path, method)| {
        super::both(router, 3, &format!("/mlflow/prompt-optimization/jobs{path}"), method)
    });
    let router = router
        .route("/ajax-api/3.0/jobs/", post(declined))
        .route("/ajax-api/3.0/jobs/search", post(none))
        .route("/ajax-api/3.0/jobs/{job_id}", get(unknown))
        .route("/ajax-api/3.0/jobs/cancel/{job_id}", patch(unknown))
        .route("/ajax-api/3.0/mlflow/jobs/{job_id}", get(no_job))
        .route("/ajax-api/3.0/mlflow/jobs/cancel/{job_id}", patch(no_job));
    let off = any(no_workspaces);
    let router = super::both(router, 3, "/mlflow/workspaces", off.clone());
    super::both(router, 3, "/mlflow/workspaces/{workspace_name}", off)
}

async fn declined(_: Editor) -> Response {
    wire::failure(StatusCode::NOT_IMPLEMENTED, "NOT_IMPLEMENTED", "Crannog runs no Python in the server.")
}

async fn none(_: Viewer) -> Json<Value> {
    Json(json!({ "jobs": [] }))
}

/// A route of another framework in MLflow's server, which tells its failures in another shape.
async fn unknown(_: Viewer, Path(job_id): Path<String>) -> Response {
    (StatusCode::NOT_FOUND, Json(json!({ "detail": format!("Job with ID {job_id} not found") })))
        .into_response()
}

async fn no_workspaces(_: Viewer) -> Response {
    let why = "Workspaces are not supported by this server: there is one, called default.";
    wire::failure(StatusCode::SERVICE_UNAVAILABLE, "FEATURE_DISABLED", why)
}

async fn create(_: Editor, fields: Fields) -> Result<Response, MlflowError> {
    fields.required("source_prompt_uri")?;
    Ok(wire::failure(
        StatusCode::NOT_IMPLEMENTED,
        "NOT_IMPLEMENTED",
        "Crannog runs no Python in the server: optimize the prompt with mlflow.genai.optimize_prompts where your \
         code runs, and register what comes of it.",
    ))
}

async fn search(_: Viewer, fields: Fields) -> Answer {
    fields.required("experiment_id")?;
    Ok(Json(json!({ "jobs": [] })))
}

async fn no_job(_: Viewer, Path(job_id): Path<String>) -> MlflowError {
    Error::not_found(format!("Job with ID {job_id} not found")).into()
}
