//! `POST /api/crannog/v1/import/tracking`: one batch in, the places of its things out.

use super::{Batch, Placed};
use crate::{
    auth::Admin,
    kernel::http::{Json, Problem},
    tracking::Service,
};
use axum::{Router, extract::State, routing::post};

pub fn router() -> Router<Service> {
    Router::new().route("/api/crannog/v1/import/tracking", post(load))
}

async fn load(
    _: Admin,
    State(tracker): State<Service>,
    Json(batch): Json<Batch>,
) -> Result<Json<Placed>, Problem> {
    Ok(Json(tracker.import(batch).await?))
}
