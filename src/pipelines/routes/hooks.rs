//! `POST /hooks/pipelines/NAME`: something outside starts a pipeline with the pipeline's own token, or signed with it;
//! `POST /hooks/pipeline-sources/git`: somebody pushed. And the tokens themselves, which are shown once.

use super::Answer;
use crate::{
    auth::{Editor, HOOKS},
    kernel::{
        error::{Error, Kind},
        http::{Json, Problem},
    },
    pipelines::service::{Delivery, Service},
};
use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, Query, State},
    routing::post,
};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

/// The largest body, which is kept with the run.
const MAX_BODY: usize = 256 << 10;
/// By these a sender tells that a delivery is one it made before.
const IDS: [&str; 4] = ["idempotency-key", "webhook-id", "x-github-delivery", "x-gitlab-event-uuid"];
/// What else of the headers a pipeline may read; the others may hold secrets.
const SHOWN: [&str; 5] = ["content-type", "user-agent", "x-github-event", "x-gitlab-event", "ce-type"];

pub fn router(service: Service) -> Router {
    Router::new()
        .route(&format!("{HOOKS}pipelines/{{name}}"), post(hook))
        .route(&push_path(), post(push))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(service)
}

#[derive(Deserialize)]
pub(super) struct HookQuery {
    token: Option<String>,
}

async fn hook(
    State(service): State<Service>,
    Path(name): Path<String>,
    Query(query): Query<HookQuery>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let delivery = Delivery { token: given_token(&headers, &query), headers: &headers, body: &body };
    service.hook_check(&name, &delivery).await?;
    let id = IDS.iter().find_map(|header| text(header)).map(str::to_owned);
    if id.as_ref().is_some_and(|id| id.len() > 200) {
        return Err(Error::invalid("The id of the delivery is longer than 200 characters.").into());
    }
    let shown: serde_json::Map<String, Value> =
        SHOWN.iter().filter_map(|header| Some(((*header).to_owned(), text(header)?.into()))).collect();
    let event = json!({ "kind": "webhook", "body": payload(&body)?, "headers": shown, "delivery": id });
    let (run, new) = service.hook(&name, id, event).await?;
    let status = if new { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok((status, Json(json!({ "run_id": run, "pipeline": name, "new": new }))))
}

/// The token a sender brings, in the header it can set, or in the address.
fn given_token<'a>(headers: &'a HeaderMap, query: &'a HookQuery) -> &'a str {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = text("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let token = text("x-crannog-token").or(text("x-gitlab-token")).or(bearer).or(query.token.as_deref());
    token.unwrap_or_default()
}

fn push_path() -> String {
    format!("{HOOKS}pipeline-sources/git")
}

/// What was pushed is not believed: it is looked at.
async fn push(
    State(service): State<Service>,
    Query(query): Query<HookQuery>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let delivery = Delivery { token: given_token(&headers, &query), headers: &headers, body: &body };
    service.push_hook(&delivery).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Makes a new token for telling of pushes; the one before is worth nothing from now on.
pub(super) async fn push_token(_: Editor, State(service): State<Service>) -> Answer {
    Ok(Json(json!({ "token": service.push_token().await?, "path": push_path() })))
}

/// JSON as such, anything else as text.
fn payload(body: &[u8]) -> Result<Value, Error> {
    let text = std::str::from_utf8(body)
        .map_err(|_| Error::new(Kind::Invalid, "The body of a hook is JSON or other text in UTF-8."))?;
    Ok(serde_json::from_str(text).unwrap_or_else(|_| text.into()))
}

/// Makes a new token; the one before is worth nothing from now on.
pub(super) async fn new_token(_: Editor, State(service): State<Service>, Path(name): Path<String>) -> Answer {
    let token = service.hook_token(&name).await?;
    Ok(Json(json!({ "token": token, "path": format!("{HOOKS}pipelines/{name}") })))
}
