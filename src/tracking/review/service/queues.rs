//! Queues: made, changed, filled, worked through.

use super::{active, ask};
use crate::{
    kernel::{
        clock::now_ms,
        error::{Error, Result},
        id,
    },
    store::Connection,
    tracking::{
        Service,
        model::Page,
        review::{
            model::{NewQueue, QueueChange, QueueItem, ReviewQueue},
            names,
            store::{
                items,
                queues::{self as store, Query},
                schemas,
            },
        },
        search::page::Asked,
    },
};

fn taken(name: &str) -> Error {
    Error::exists(format!("Review queue with name '{name}' already exists (names are case-insensitive)."))
}

/// Refuses questions that are not the experiment's.
fn known(db: &Connection, experiment: &str, ids: &[String]) -> Result<()> {
    let mut missing = Vec::new();
    for id in ids {
        if schemas::schema_find(db, id)?.is_none_or(|schema| schema.experiment_id != experiment) {
            missing.push(id.as_str());
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let missing = names::shown(&missing);
    Err(Error::invalid(format!("Label schema id(s) {missing} not found for experiment '{experiment}'.")))
}

fn made(db: &Connection, experiment: i64, new: &NewQueue) -> Result<Option<ReviewQueue>> {
    known(db, &experiment.to_string(), &new.schemas)?;
    let id = format!("rq-{}", id::hex32());
    if !store::queue_create(db, &id, experiment, new, now_ms())? {
        return Ok(None);
    }
    store::queue_get(db, &id).map(Some)
}

/// The one queue of a user, which asks all questions of the experiment.
fn own(user: String) -> NewQueue {
    NewQueue {
        name: user.clone(),
        kind: "USER",
        users: vec![user.clone()],
        schemas: Vec::new(),
        created_by: Some(user),
    }
}

fn changed(db: &Connection, queue: &ReviewQueue, change: QueueChange) -> Result<()> {
    let id = &queue.queue_id;
    if let Some(owner) = change.owner {
        store::queue_set_owner(db, id, &owner)?;
    }
    if let Some(name) = change.name.filter(|name| *name != queue.name)
        && !store::queue_rename(db, id, &name)?
    {
        return Err(taken(&name));
    }
    if let Some(users) = change.users {
        store::queue_set_users(db, id, &users)?;
    }
    if let Some(schemas) = change.schemas {
        if items::items_wait(db, id)? {
            return Err(Error::invalid(
                "A review queue's questions are locked once items are assigned to it. Remove the items before \
                 changing its questions.",
            ));
        }
        known(db, &queue.experiment_id, &schemas)?;
        store::queue_set_schemas(db, id, &schemas)?;
    }
    store::queue_touch(db, id, now_ms())
}

/// The numbers of the traces, each of which must be of the queue's experiment.
fn traces(db: &Connection, queue: &ReviewQueue, ids: &[String]) -> Result<Vec<i64>> {
    let experiment = queue.experiment_id.parse().unwrap_or_default();
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for id in ids {
        match items::trace_of(db, experiment, id)? {
            Some(trace) => found.push(trace),
            None => missing.push(id.as_str()),
        }
    }
    if missing.is_empty() {
        return Ok(found);
    }
    Err(Error::not_found(format!(
        "Cannot attach trace(s) {} to review queue '{}': they do not exist in experiment '{}'.",
        names::shown(&missing),
        queue.queue_id,
        queue.experiment_id
    )))
}

impl Service {
    pub async fn review_queue_create(&self, experiment: &str, new: NewQueue) -> Result<ReviewQueue> {
        let experiment = experiment.to_owned();
        self.db()
            .write(move |c| made(c, active(c, &experiment)?, &new)?.ok_or_else(|| taken(&new.name)))
            .await
    }

    pub async fn review_queue_of_user(&self, experiment: &str, user: &str) -> Result<ReviewQueue> {
        let (experiment, user) = (experiment.to_owned(), names::user("name", user)?);
        self.db()
            .write(move |c| {
                let experiment = active(c, &experiment)?;
                match store::queue_named(c, experiment, &user)? {
                    Some(queue) if queue.kind == "USER" => Ok(queue),
                    Some(_) => Err(Error::exists(format!(
                        "A non-user queue named '{user}' already exists; cannot get-or-create a user queue with \
                         that name."
                    ))),
                    None => made(c, experiment, &own(user.clone()))?.ok_or_else(|| taken(&user)),
                }
            })
            .await
    }

    pub async fn review_queue_get(&self, id: &str) -> Result<ReviewQueue> {
        let id = id.to_owned();
        self.db().read(move |c| store::queue_get(c, &id)).await
    }

    pub async fn review_queue_named(&self, experiment: &str, name: &str) -> Result<ReviewQueue> {
        let (experiment, name) = (experiment.to_owned(), name.to_owned());
        self.db()
            .read(move |c| {
                store::queue_named(c, active(c, &experiment)?, &name)?.ok_or_else(|| {
                    Error::not_found(format!(
                        "Review queue with name '{name}' not found for experiment '{experiment}'."
                    ))
                })
            })
            .await
    }

    pub async fn review_queue_list(
        &self,
        experiment: &str,
        user: Option<&str>,
        item: Option<&str>,
        limit: Option<i64>,
        token: &str,
    ) -> Result<Page<ReviewQueue>> {
        let asked =
            Asked::of("review queues").by("Experiment ID", &experiment).by("User", &user).by("Item", &item);
        let ask = ask(asked, limit, token)?;
        let (experiment, item) = (experiment.to_owned(), item.map(str::to_owned));
        let user = user.map(|user| user.trim().to_lowercase());
        self.db()
            .read(move |c| {
                let query = Query { experiment: active(c, &experiment)?, user, item };
                store::queue_list(c, &query, &ask)
            })
            .await
    }

    pub async fn review_queue_update(&self, id: &str, change: QueueChange) -> Result<ReviewQueue> {
        let id = id.to_owned();
        self.db()
            .write(move |c| {
                let queue = store::queue_get(c, &id)?;
                if queue.kind == "USER" {
                    return Err(Error::invalid(
                        "A user queue's name, assigned user, schemas, and owner are fixed and cannot be updated.",
                    ));
                }
                changed(c, &queue, change)?;
                store::queue_get(c, &id)
            })
            .await
    }

    /// Answers given so far stay. One that is not there is gone already.
    pub async fn review_queue_delete(&self, id: &str) -> Result<()> {
        let id = id.to_owned();
        self.db().write(move |c| store::queue_delete(c, &id)).await
    }

    pub async fn review_items_add(&self, id: &str, ids: Vec<String>) -> Result<Vec<QueueItem>> {
        let id = id.to_owned();
        self.db()
            .write(move |c| {
                let queue = store::queue_get(c, &id)?;
                let now = now_ms();
                for trace in traces(c, &queue, &ids)? {
                    items::item_add(c, &id, trace, now)?;
                }
                ids.iter().map(|item| items::item_get(c, &id, item)).collect()
            })
            .await
    }

    pub async fn review_items_remove(&self, id: &str, ids: Vec<String>) -> Result<()> {
        let id = id.to_owned();
        self.db()
            .write(move |c| {
                store::queue_get(c, &id)?;
                ids.iter().try_for_each(|item| items::item_remove(c, &id, item))
            })
            .await
    }

    pub async fn review_items_list(
        &self,
        id: &str,
        status: Option<&'static str>,
        limit: Option<i64>,
        token: &str,
    ) -> Result<Page<QueueItem>> {
        let ask = ask(Asked::of("review items").by("Queue", &id).by("Status", &status), limit, token)?;
        let id = id.to_owned();
        self.db()
            .read(move |c| {
                store::queue_get(c, &id)?;
                items::item_list(c, &id, status, &ask)
            })
            .await
    }

    /// Marks a trace as `user` says; the same once more changes nothing, so whoever was first stays named.
    pub async fn review_item_mark(
        &self,
        id: &str,
        item: &str,
        status: &'static str,
        user: &str,
    ) -> Result<QueueItem> {
        let (id, item, user) = (id.to_owned(), item.trim().to_owned(), user.to_lowercase());
        self.db()
            .write(move |c| {
                store::queue_get(c, &id)?;
                let found = items::item_get(c, &id, &item)?;
                if found.status == status {
                    return Ok(found);
                }
                let by = (status != "PENDING").then_some(user.as_str());
                items::item_set_status(c, &found, status, by, now_ms())?;
                items::item_get(c, &id, &item)
            })
            .await
    }
}
