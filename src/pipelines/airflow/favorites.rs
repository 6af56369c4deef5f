//! Dags that a user marked as favourites.

use super::{Door, dags, fault::Fault};
use crate::{
    auth::Viewer,
    pipelines::{service::Service, store},
};
use axum::{
    Router,
    extract::{Path, State},
    routing::post,
};
use http::StatusCode;

pub(super) fn routes() -> Router<Door> {
    Router::new()
        .route("/dags/{dag_id}/favorite", post(mark))
        .route("/dags/{dag_id}/unfavorite", post(unmark))
}

async fn mark(
    Viewer(who): Viewer,
    State(service): State<Service>,
    Path(dag): Path<String>,
) -> Result<StatusCode, Fault> {
    dags::one(&service, &dag).await?;
    service.db().write(move |db| store::favorite_put(db, &who.user, &dag)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn unmark(
    Viewer(who): Viewer,
    State(service): State<Service>,
    Path(dag): Path<String>,
) -> Result<StatusCode, Fault> {
    dags::one(&service, &dag).await?;
    match service.db().write(move |db| store::favorite_delete(db, &who.user, &dag)).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Fault::new(StatusCode::CONFLICT, "Dag is not marked as favorite")),
    }
}
