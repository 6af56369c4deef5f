//! Queues with their users and questions.

use crate::{
    kernel::error::{Error, Result},
    tracking::{
        model::Page,
        review::model::{NewQueue, ReviewQueue},
        search::{
            keyset::Order,
            page::Ask,
            sql::{Bind, Sql},
        },
        store::paged::{self, Search},
    },
};
use rusqlite::{Connection, OptionalExtension, Row, params};

const COLUMNS: &str = "q.id, q.experiment_id, q.name, q.kind, q.created_by, q.created_at, q.updated_at";

fn queue(row: &Row<'_>) -> rusqlite::Result<ReviewQueue> {
    Ok(ReviewQueue {
        queue_id: row.get(0)?,
        experiment_id: row.get::<_, i64>(1)?.to_string(),
        name: row.get(2)?,
        kind: row.get(3)?,
        created_by: row.get(4)?,
        creation_time_ms: row.get(5)?,
        last_update_time_ms: row.get(6)?,
        users: Vec::new(),
        schema_ids: Vec::new(),
    })
}

fn filled(db: &Connection, mut queue: ReviewQueue) -> Result<ReviewQueue> {
    let texts = |sql| -> Result<Vec<String>> {
        let mut statement = db.prepare_cached(sql)?;
        let found = statement.query_map([&queue.queue_id], |row| row.get(0))?;
        Ok(found.collect::<rusqlite::Result<_>>()?)
    };
    let users = texts("SELECT user FROM review_queue_users WHERE queue = ?1 ORDER BY user")?;
    let schemas = texts("SELECT schema FROM review_queue_schemas WHERE queue = ?1 ORDER BY schema")?;
    (queue.users, queue.schema_ids) = (users, schemas);
    Ok(queue)
}

/// Adds a queue with its users and questions; whether its name was free.
pub fn queue_create(db: &Connection, id: &str, experiment: i64, new: &NewQueue, now: i64) -> Result<bool> {
    let added = db
        .prepare_cached(
            "INSERT INTO review_queues (id, experiment_id, name, folded, kind, created_by, created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7) ON CONFLICT DO NOTHING",
        )?
        .execute(params![id, experiment, new.name, new.name.to_lowercase(), new.kind, new.created_by, now])?;
    if added == 0 {
        return Ok(false);
    }
    queue_set_users(db, id, &new.users)?;
    queue_set_schemas(db, id, &new.schemas)?;
    Ok(true)
}

pub fn queue_find(db: &Connection, id: &str) -> Result<Option<ReviewQueue>> {
    let mut statement =
        db.prepare_cached(&format!("SELECT {COLUMNS} FROM review_queues q WHERE q.id = ?1"))?;
    statement.query_row([id], queue).optional()?.map(|found| filled(db, found)).transpose()
}

pub fn queue_get(db: &Connection, id: &str) -> Result<ReviewQueue> {
    queue_find(db, id)?.ok_or_else(|| Error::not_found(format!("Review queue with id '{id}' not found.")))
}

pub fn queue_named(db: &Connection, experiment: i64, name: &str) -> Result<Option<ReviewQueue>> {
    let mut statement = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM review_queues q WHERE q.experiment_id = ?1 AND q.folded = ?2"
    ))?;
    let found = statement.query_row(params![experiment, name.to_lowercase()], queue).optional()?;
    found.map(|found| filled(db, found)).transpose()
}

pub fn queue_set_users(db: &Connection, id: &str, users: &[String]) -> Result<()> {
    db.prepare_cached("DELETE FROM review_queue_users WHERE queue = ?1")?.execute([id])?;
    for user in users {
        db.prepare_cached("INSERT INTO review_queue_users (queue, user) VALUES (?1, ?2)")?
            .execute([id, user])?;
    }
    Ok(())
}

pub fn queue_set_schemas(db: &Connection, id: &str, schemas: &[String]) -> Result<()> {
    db.prepare_cached("DELETE FROM review_queue_schemas WHERE queue = ?1")?.execute([id])?;
    for schema in schemas {
        db.prepare_cached("INSERT INTO review_queue_schemas (queue, schema) VALUES (?1, ?2)")?
            .execute([id, schema])?;
    }
    Ok(())
}

pub fn queue_set_owner(db: &Connection, id: &str, owner: &str) -> Result<()> {
    db.prepare_cached("UPDATE review_queues SET created_by = ?2 WHERE id = ?1")?.execute([id, owner])?;
    Ok(())
}

/// Whether the name was free.
pub fn queue_rename(db: &Connection, id: &str, name: &str) -> Result<bool> {
    let changed = db
        .prepare_cached("UPDATE OR IGNORE review_queues SET name = ?2, folded = ?3 WHERE id = ?1")?
        .execute(params![id, name, name.to_lowercase()])?;
    Ok(changed > 0)
}

pub fn queue_touch(db: &Connection, id: &str, now: i64) -> Result<()> {
    db.prepare_cached("UPDATE review_queues SET updated_at = ?2 WHERE id = ?1")?.execute(params![id, now])?;
    Ok(())
}

pub fn queue_delete(db: &Connection, id: &str) -> Result<()> {
    db.prepare_cached("DELETE FROM review_queues WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// Which queues of an experiment are asked for: those of a user, those in which a trace waits.
#[derive(Clone, Debug)]
pub struct Query {
    pub experiment: i64,
    pub user: Option<String>,
    pub item: Option<String>,
}

/// The newest queue first.
pub fn queue_list(db: &Connection, query: &Query, ask: &Ask) -> Result<Page<ReviewQueue>> {
    let mut from = Sql::from(" FROM review_queues q WHERE q.experiment_id = ");
    from.bind(Bind::Int(query.experiment));
    if let Some(user) = &query.user {
        from.push(" AND q.id IN (SELECT queue FROM review_queue_users WHERE user = ")
            .bind(Bind::Text(user.clone()))
            .push(")");
    }
    if let Some(item) = &query.item {
        from.push(" AND q.id IN (SELECT i.queue FROM review_queue_items i JOIN traces t ON t.tid = i.trace WHERE t.id = ")
            .bind(Bind::Text(item.clone()))
            .push(")");
    }
    let mut order = Order::default();
    order.descending("q.created_at").ascending("q.id");
    let page = paged::page(db, Search { columns: COLUMNS, from: vec![from], order }, ask, queue)?;
    let items = page.items.into_iter().map(|found| filled(db, found)).collect::<Result<_>>()?;
    Ok(Page { items, next: page.next })
}
