//! The traces in queues.

use crate::{
    kernel::error::{Error, Result},
    tracking::{
        model::Page,
        review::model::QueueItem,
        search::{
            keyset::Order,
            page::Ask,
            sql::{Bind, Sql},
        },
        store::paged::{self, Search},
    },
};
use rusqlite::{Connection, OptionalExtension, Row, params};

const COLUMNS: &str = "i.queue, t.id, i.status, i.completed_by, i.completed_at, i.created_at, i.updated_at";
const FROM: &str = " FROM review_queue_items i JOIN traces t ON t.tid = i.trace WHERE i.queue = ";

fn item(row: &Row<'_>) -> rusqlite::Result<QueueItem> {
    Ok(QueueItem {
        queue_id: row.get(0)?,
        item_type: "TRACE",
        item_id: row.get(1)?,
        status: row.get(2)?,
        completed_by: row.get(3)?,
        completed_time_ms: row.get(4)?,
        creation_time_ms: row.get(5)?,
        last_update_time_ms: row.get(6)?,
    })
}

/// The number of a trace, where it is one of the experiment's.
pub fn trace_of(db: &Connection, experiment: i64, id: &str) -> Result<Option<i64>> {
    let mut statement = db.prepare_cached("SELECT tid FROM traces WHERE id = ?1 AND experiment_id = ?2")?;
    Ok(statement.query_row(params![id, experiment], |row| row.get(0)).optional()?)
}

/// Puts a trace into a queue; one that is there already stays as it is.
pub fn item_add(db: &Connection, queue: &str, trace: i64, now: i64) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO review_queue_items (queue, trace, status, created_at, updated_at)
         VALUES (?1, ?2, 'PENDING', ?3, ?3) ON CONFLICT DO NOTHING",
    )?
    .execute(params![queue, trace, now])?;
    Ok(())
}

pub fn item_remove(db: &Connection, queue: &str, id: &str) -> Result<()> {
    db.prepare_cached(
        "DELETE FROM review_queue_items WHERE queue = ?1 AND trace = (SELECT tid FROM traces WHERE id = ?2)",
    )?
    .execute([queue, id])?;
    Ok(())
}

pub fn items_wait(db: &Connection, queue: &str) -> Result<bool> {
    Ok(db.prepare_cached("SELECT 1 FROM review_queue_items WHERE queue = ?1")?.exists([queue])?)
}

pub fn item_get(db: &Connection, queue: &str, id: &str) -> Result<QueueItem> {
    let mut statement = db.prepare_cached(&format!("SELECT {COLUMNS}{FROM}?1 AND t.id = ?2"))?;
    statement
        .query_row([queue, id], item)
        .optional()?
        .ok_or_else(|| Error::not_found(format!("Item '{id}' is not attached to review queue '{queue}'.")))
}

/// Says how far a trace is, and by whom; what waits again was completed by nobody.
pub fn item_set_status(
    db: &Connection,
    item: &QueueItem,
    status: &str,
    by: Option<&str>,
    now: i64,
) -> Result<()> {
    db.prepare_cached(
        "UPDATE review_queue_items SET status = ?3, completed_by = ?4, completed_at = ?5, updated_at = ?6
         WHERE queue = ?1 AND trace = (SELECT tid FROM traces WHERE id = ?2)",
    )?
    .execute(params![item.queue_id, item.item_id, status, by, by.map(|_| now), now])?;
    Ok(())
}

/// What came last stands first.
pub fn item_list(db: &Connection, queue: &str, status: Option<&str>, ask: &Ask) -> Result<Page<QueueItem>> {
    let mut from = Sql::from(FROM);
    from.bind(Bind::Text(queue.to_owned()));
    if let Some(status) = status {
        from.push(" AND i.status = ").bind(Bind::Text(status.to_owned()));
    }
    let mut order = Order::default();
    order.descending("i.created_at").ascending("t.id");
    paged::page(db, Search { columns: COLUMNS, from: vec![from], order }, ask, item)
}
