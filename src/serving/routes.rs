//! Our own API for endpoints, under `/api/crannog/v1`.

use super::{
    EndpointInfo, Service,
    rollout::{
        canary::{Canary, Wanted},
        definition::Definition,
    },
    stats::view,
};
use crate::{
    auth,
    kernel::http::{Json, Problem},
};
use axum::{
    Router,
    extract::{Path, State},
    routing::{get, post, put},
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const BASE: &str = "/api/crannog/v1/endpoints";

pub fn router(service: Service) -> Router {
    let one = Router::new()
        .route("/", get(show).put(define).patch(amend).delete(remove))
        .route("/split", put(split))
        .route("/rollback", post(roll_back))
        .route("/canary", get(canary).post(canary_begin).delete(canary_stop))
        .route("/canary/promote", post(canary_promote))
        .route("/history", get(history))
        .route("/stats", get(stats));
    Router::new()
        .route(BASE, get(list))
        .route("/api/crannog/v1/models/{name}/versions/{version}/serving", get(inspect))
        .nest("/api/crannog/v1/endpoints/{name}", one)
        .with_state(service)
}

async fn list(_: auth::Viewer, State(serving): State<Service>) -> Json<Value> {
    Json(json!({ "endpoints": serving.list() }))
}

async fn show(
    _: auth::Viewer,
    State(serving): State<Service>,
    Path(name): Path<String>,
) -> Result<Json<EndpointInfo>, Problem> {
    Ok(Json(serving.get(&name)?))
}

async fn define(
    auth::Editor(who): auth::Editor,
    State(serving): State<Service>,
    Path(name): Path<String>,
    Json(definition): Json<Definition>,
) -> Result<Json<EndpointInfo>, Problem> {
    Ok(Json(serving.define(&name, definition, Some(&who.user)).await?))
}

async fn amend(
    auth::Editor(who): auth::Editor,
    State(serving): State<Service>,
    Path(name): Path<String>,
    Json(changes): Json<Map<String, Value>>,
) -> Result<Json<EndpointInfo>, Problem> {
    Ok(Json(serving.amend(&name, changes, Some(&who.user)).await?))
}

async fn remove(
    _: auth::Editor,
    State(serving): State<Service>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    serving.delete(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Split {
    /// Weights by route.
    weights: BTreeMap<String, u32>,
}

async fn split(
    auth::Editor(who): auth::Editor,
    State(serving): State<Service>,
    Path(name): Path<String>,
    Json(split): Json<Split>,
) -> Result<Json<EndpointInfo>, Problem> {
    Ok(Json(serving.split(&name, &split.weights, Some(&who.user)).await?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RollBack {
    /// The one served before, unless it is said.
    version: Option<String>,
}

async fn roll_back(
    auth::Editor(who): auth::Editor,
    State(serving): State<Service>,
    Path(name): Path<String>,
    Json(wanted): Json<RollBack>,
) -> Result<Json<EndpointInfo>, Problem> {
    Ok(Json(serving.roll_back(&name, wanted.version.as_deref(), &who.user).await?))
}

async fn history(
    _: auth::Viewer,
    State(serving): State<Service>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(json!({ "history": serving.history(&name).await? })))
}

async fn stats(
    _: auth::Viewer,
    State(serving): State<Service>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(view::stats(&*serving.endpoint(&name)?)))
}

async fn inspect(
    _: auth::Viewer,
    State(serving): State<Service>,
    Path((name, version)): Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(serving.inspect(&name, &version).await?))
}

async fn canary(
    _: auth::Viewer,
    State(serving): State<Service>,
    Path(name): Path<String>,
) -> Result<Json<Canary>, Problem> {
    Ok(Json(serving.canary(&name)?))
}

async fn canary_begin(
    auth::Editor(who): auth::Editor,
    State(serving): State<Service>,
    Path(name): Path<String>,
    Json(wanted): Json<Wanted>,
) -> Result<Json<Canary>, Problem> {
    Ok(Json(serving.canary_begin(&name, wanted, &who.user).await?))
}

async fn canary_stop(
    auth::Editor(who): auth::Editor,
    State(serving): State<Service>,
    Path(name): Path<String>,
) -> Result<Json<Canary>, Problem> {
    Ok(Json(serving.canary_stop(&name, &who.user).await?))
}

async fn canary_promote(
    auth::Editor(who): auth::Editor,
    State(serving): State<Service>,
    Path(name): Path<String>,
) -> Result<Json<Canary>, Problem> {
    Ok(Json(serving.canary_promote(&name, &who.user).await?))
}
