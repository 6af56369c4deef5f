//! Prompt optimization, which MLflow's server does in Python jobs of its own. There is no Python here, so
//! there are no jobs: none is found, and a new one is declined.

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
    response::Response,
    routing::{get, post},
};
use serde_json::json;

pub fn routes() -> Router<Service> {
    let routes = [
        ("", post(create)),
        ("/search", get(search).post(search)),
        ("/{job_id}", get(no_job).delete(no_job)),
        ("/{job_id}/cancel", post(no_job)),
    ];
    routes.into_iter().fold(Router::new(), |router, (path, method)| {
        super::both(router, 3, &format!("/mlflow/prompt-optimization/jobs{path}"), method)
    })
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
