//! Webhooks on the wire. For administrators: a webhook makes the server send requests.

use super::{
    Event, Webhook, Webhooks,
    event::{ACTIONS, ENTITIES},
    service::Wanted,
};
use crate::{
    auth::Admin,
    kernel::error::Result,
    tracking::wire::{Answer, Fields},
};
use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{get, post},
};
use serde_json::{Value, json};

const STATUSES: &[(&str, i64)] = &[("ACTIVE", 1), ("DISABLED", 2)];

pub fn router(webhooks: Webhooks) -> Router {
    let routes = Router::new()
        .route("/webhooks", get(list).post(create))
        .route("/webhooks/{id}", get(read).patch(update).delete(delete))
        .route("/webhooks/{id}/test", post(test))
        .with_state(webhooks);
    Router::new().nest("/api/2.0/mlflow", routes.clone()).nest("/ajax-api/2.0/mlflow", routes)
}

async fn create(_: Admin, State(webhooks): State<Webhooks>, fields: Fields) -> Answer {
    fields.required("name")?;
    fields.required("url")?;
    if !fields.has("events") {
        return Err(fields.missing("events").into());
    }
    let webhook = webhooks.create(wanted(&fields)?).await?;
    Ok(Json(json!({ "webhook": shown(&webhook) })))
}

async fn list(_: Admin, State(webhooks): State<Webhooks>, fields: Fields) -> Answer {
    let (found, next) =
        webhooks.list(fields.int("max_results")?, fields.text_or_empty("page_token")?).await?;
    let mut answer = json!({ "webhooks": found.iter().map(shown).collect::<Vec<_>>() });
    if let Some(token) = next {
        answer["next_page_token"] = token.into();
    }
    Ok(Json(answer))
}

async fn read(_: Admin, State(webhooks): State<Webhooks>, Path(id): Path<String>) -> Answer {
    Ok(Json(json!({ "webhook": shown(&webhooks.get(&id).await?) })))
}

async fn update(
    _: Admin,
    State(webhooks): State<Webhooks>,
    Path(id): Path<String>,
    fields: Fields,
) -> Answer {
    let webhook = webhooks.update(&id, wanted(&fields)?).await?;
    Ok(Json(json!({ "webhook": shown(&webhook) })))
}

async fn delete(_: Admin, State(webhooks): State<Webhooks>, Path(id): Path<String>) -> Answer {
    webhooks.delete(&id).await?;
    Ok(Json(json!({})))
}

async fn test(_: Admin, State(webhooks): State<Webhooks>, Path(id): Path<String>, fields: Fields) -> Answer {
    let event = fields.item("event")?.map(|event| event_in(&event)).transpose()?;
    let result = match webhooks.test(&id, event).await? {
        Ok(answer) => json!({
            "success": answer.status.as_u16() < 400,
            "response_status": answer.status.as_u16(),
            "response_body": answer.text,
        }),
        Err(error) => {
            json!({ "success": false, "error_message": format!("Failed to test webhook: {}", error.message) })
        }
    };
    Ok(Json(json!({ "result": result })))
}

fn wanted(fields: &Fields) -> Result<Wanted> {
    let text = |name| Ok::<_, crate::kernel::error::Error>(fields.text(name)?.map(str::to_owned));
    let status = fields.choice("status", STATUSES)?;
    Ok(Wanted {
        name: text("name")?.filter(|name| !name.is_empty()),
        description: text("description")?,
        url: text("url")?.filter(|url| !url.is_empty()),
        secret: text("secret")?,
        active: status.map(|status| status == 1),
        events: fields.items("events")?.iter().map(event_in).collect::<Result<_>>()?,
    })
}

fn event_in(fields: &Fields) -> Result<Event> {
    let word = |name: &str, choices: &[(&str, i64)]| {
        let number = fields.choice(name, choices)?.ok_or_else(|| fields.missing(name))?;
        let known = choices.iter().find(|(_, known)| *known == number).map(|(word, _)| *word);
        Ok::<_, crate::kernel::error::Error>(known.unwrap_or_default().to_ascii_lowercase())
    };
    Event::parse(&word("entity", ENTITIES)?, &word("action", ACTIONS)?)
}

fn shown(webhook: &Webhook) -> Value {
    let event = |event: &Event| {
        json!({
            "entity": event.entity.to_ascii_uppercase(),
            "action": event.action.to_ascii_uppercase(),
        })
    };
    let mut out = json!({
        "webhook_id": webhook.id,
        "name": webhook.name,
        "url": webhook.url,
        "events": webhook.events.iter().map(event).collect::<Vec<_>>(),
        "status": if webhook.active { "ACTIVE" } else { "DISABLED" },
        "creation_timestamp": webhook.created_ms,
        "last_updated_timestamp": webhook.updated_ms,
    });
    if let Some(text) = &webhook.description {
        out["description"] = text.as_str().into();
    }
    out
}
