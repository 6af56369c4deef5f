//! Webhooks: registered, listed with what waits for them, removed. For administrators: a webhook makes
//! the server send requests, and its secret signs them.

use super::{
    super::notify::{SECRET_PREFIX, Webhook},
    Answer, Service,
};
use crate::{
    auth::Admin,
    kernel::{clock::rfc3339, http::Json},
    store::outbox::Waiting,
};
use axum::extract::{Path, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};

#[derive(Serialize)]
pub struct Webhooks {
    webhooks: Vec<Shown>,
}

#[derive(Serialize)]
pub struct Shown {
    name: String,
    /// How a notification configuration names it.
    arn: String,
    url: String,
    created_at: String,
    /// Notices that wait to be delivered.
    waiting: u64,
    oldest_at: Option<String>,
    /// How often the notice in front was tried, and what came of it.
    attempts: u32,
    error: Option<String>,
    /// Shown when it is set, and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    url: String,
    /// Made when left out and there is none yet.
    #[serde(default)]
    secret: Option<String>,
}

pub async fn list(_: Admin, State(service): State<Service>) -> Answer<Json<Webhooks>> {
    let waiting = service.notices_waiting().await?;
    let webhooks = service.webhook_list().await?;
    let webhooks = webhooks.into_iter().map(|webhook| show(webhook, &waiting)).collect();
    Ok(Json(Webhooks { webhooks }))
}

pub async fn put(
    _: Admin,
    State(service): State<Service>,
    Path(name): Path<String>,
    Json(wanted): Json<Wanted>,
) -> Answer<Json<Shown>> {
    let (webhook, secret) = service.webhook_put(&name, &wanted.url, wanted.secret).await?;
    let secret = format!("{SECRET_PREFIX}{secret}");
    let waiting = service.notices_waiting().await?;
    Ok(Json(Shown { secret: Some(secret), ..show(webhook, &waiting) }))
}

pub async fn delete(
    _: Admin,
    State(service): State<Service>,
    Path(name): Path<String>,
) -> Answer<StatusCode> {
    service.webhook_delete(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn show(webhook: Webhook, waiting: &[Waiting]) -> Shown {
    let waits = waiting.iter().find(|waits| waits.kind == "webhook" && waits.name == webhook.name);
    Shown {
        arn: format!("arn:crannog:sqs:::webhook/{}", webhook.name),
        name: webhook.name,
        url: webhook.url,
        created_at: rfc3339(webhook.created_ms),
        waiting: waits.map_or(0, |waits| waits.count),
        oldest_at: waits.map(|waits| rfc3339(waits.oldest_ms)),
        attempts: waits.map_or(0, |waits| waits.attempts),
        error: waits.and_then(|waits| waits.error.clone()),
        secret: None,
    }
}
