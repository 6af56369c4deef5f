//! Queues and what waits in them, on the wire.

use super::{chosen, given, page};
use crate::{
    auth::{Editor, Viewer},
    kernel::error::{Error, Result},
    tracking::{
        Service,
        review::{
            model::{ITEM_TYPES, NewQueue, QUEUE_TYPES, QueueChange, STATUSES, word},
            names,
        },
        wire::{Answer, Fields},
    },
};
use axum::{Json, extract::State};
use serde_json::json;

/// A queue as the request wants it, for whoever is signed in.
fn wanted(fields: &Fields, who: &str) -> Result<NewQueue> {
    let name = fields.required("name")?;
    let kind = chosen(fields, "queue_type", QUEUE_TYPES, |got| {
        format!("`queue_type` must be one of USER or CUSTOM; got proto enum value {got}.")
    })?;
    let (users, schemas) =
        (names::users(&fields.texts("users")?)?, names::schemas(&fields.texts("schema_ids")?)?);
    let created_by = Some(who.to_owned());
    if kind == "CUSTOM" {
        return Ok(NewQueue { name: names::queue(name)?, kind, users, schemas, created_by });
    }
    let name = names::user("name", name)?;
    if !users.is_empty() && users != [name.as_str()] {
        let users: Vec<_> = users.iter().map(String::as_str).collect();
        return Err(Error::invalid(format!(
            "A user queue must have exactly one assigned user equal to its name; got name='{name}' and users={}.",
            names::shown(&users)
        )));
    }
    if !schemas.is_empty() {
        return Err(Error::invalid(
            "A user queue cannot have explicitly-attached schemas; it resolves to all of the experiment's label \
             schemas.",
        ));
    }
    Ok(NewQueue { users: vec![name.clone()], name, kind, schemas, created_by })
}

pub async fn create(State(tracker): State<Service>, Editor(who): Editor, fields: Fields) -> Answer {
    let experiment = fields.required("experiment_id")?;
    let queue = tracker.review_queue_create(experiment, wanted(&fields, &who.user)?).await?;
    Ok(Json(json!({ "review_queue": queue })))
}

pub async fn of_user(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    let (experiment, user) = (fields.required("experiment_id")?, fields.required("user")?);
    Ok(Json(json!({ "review_queue": tracker.review_queue_of_user(experiment, user).await? })))
}

pub async fn get(State(tracker): State<Service>, _: Viewer, fields: Fields) -> Answer {
    Ok(Json(json!({ "review_queue": tracker.review_queue_get(fields.required("queue_id")?).await? })))
}

pub async fn get_by_name(State(tracker): State<Service>, _: Viewer, fields: Fields) -> Answer {
    let (experiment, name) = (fields.required("experiment_id")?, fields.required("name")?);
    Ok(Json(json!({ "review_queue": tracker.review_queue_named(experiment, name).await? })))
}

pub async fn list(State(tracker): State<Service>, _: Viewer, fields: Fields) -> Answer {
    let found = tracker
        .review_queue_list(
            fields.required("experiment_id")?,
            fields.text("user")?,
            fields.text("item_id")?,
            fields.int("max_results")?,
            fields.text_or_empty("page_token")?,
        )
        .await?;
    Ok(Json(page("review_queues", &found)))
}

pub async fn update(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    let id = fields.required("queue_id")?;
    let said = |flag| Ok::<_, Error>(fields.flag(flag)?.unwrap_or(false));
    let change = QueueChange {
        name: given(&fields, "name")?.map(|name| names::queue(&name)).transpose()?,
        owner: given(&fields, "new_owner")?.map(|owner| names::owner(&owner)).transpose()?,
        users: if said("update_users")? { Some(names::users(&fields.texts("users")?)?) } else { None },
        schemas: if said("update_schema_ids")? {
            Some(names::schemas(&fields.texts("schema_ids")?)?)
        } else {
            None
        },
    };
    Ok(Json(json!({ "review_queue": tracker.review_queue_update(id, change).await? })))
}

pub async fn remove(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    tracker.review_queue_delete(fields.required("queue_id")?).await?;
    Ok(Json(json!({})))
}

pub async fn add_items(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    let id = fields.required("queue_id")?;
    fields.choice("item_type", ITEM_TYPES)?;
    let items = tracker.review_items_add(id, names::items(&fields.texts("item_ids")?)?).await?;
    Ok(Json(json!({ "items": items })))
}

pub async fn remove_items(State(tracker): State<Service>, _: Editor, fields: Fields) -> Answer {
    let id = fields.required("queue_id")?;
    tracker.review_items_remove(id, names::items(&fields.texts("item_ids")?)?).await?;
    Ok(Json(json!({})))
}

pub async fn list_items(State(tracker): State<Service>, _: Viewer, fields: Fields) -> Answer {
    let id = fields.required("queue_id")?;
    let status = word(STATUSES, fields.choice("status", STATUSES)?);
    let token = fields.text_or_empty("page_token")?;
    let found = tracker.review_items_list(id, status, fields.int("max_results")?, token).await?;
    Ok(Json(page("items", &found)))
}

pub async fn mark_item(State(tracker): State<Service>, Editor(who): Editor, fields: Fields) -> Answer {
    let (id, item) = (fields.required("queue_id")?, fields.required("item_id")?);
    let status = chosen(&fields, "status", STATUSES, |got| {
        format!("`status` must be one of PENDING, COMPLETE, or DECLINED; got proto enum value {got}.")
    })?;
    Ok(Json(json!({ "item": tracker.review_item_mark(id, item, status, &who.user).await? })))
}
