//! Backups in our own JSON API, for administrators.

use super::service::{Begun, Service, State, Wish};
use crate::{
    auth::{Admin, Viewer},
    kernel::http::{Json, Problem},
};
use axum::{Router, extract, routing::get};
use http::StatusCode;

/// `/api/crannog/v1/backups`: POST begins one and answers 202, GET tells how it is.
pub fn router(service: Service) -> Router {
    Router::new().route("/api/crannog/v1/backups", get(state).post(begin)).with_state(service)
}

async fn state(_: Viewer, extract::State(service): extract::State<Service>) -> Json<State> {
    Json(service.state())
}

async fn begin(
    _: Admin,
    extract::State(service): extract::State<Service>,
    Json(wish): Json<Wish>,
) -> Result<(StatusCode, Json<Begun>), Problem> {
    Ok((StatusCode::ACCEPTED, Json(service.begin(&wish)?)))
}
