//! Rows of pools: how many tasks that share something may run at once.

use super::collect;
use crate::{kernel::error::Result, pipelines::model::Pool};
use rusqlite::{Connection, Row, params};
use std::collections::HashMap;

/// Slots in use of pool `p`.
pub(super) const USED: &str = "((SELECT coalesce(sum(u.pool_slots), 0) FROM pipeline_attempts a
        JOIN pipeline_tasks u ON u.run_id = a.run_id AND u.id = a.task_id
        WHERE a.state = 'running' AND u.pool = p.name)
    + iif(p.include_deferred, (SELECT coalesce(sum(d.pool_slots), 0) FROM pipeline_tasks d
        WHERE d.state = 'deferred' AND d.pool = p.name), 0))";

pub fn pool_list(db: &Connection) -> Result<Vec<Pool>> {
    let mut query = db.prepare_cached(&format!(
        "SELECT p.name, p.slots, p.description, p.include_deferred, {USED} AS used,
             (SELECT coalesce(sum(t.pool_slots), 0) FROM pipeline_tasks t
              WHERE t.state = 'deferred' AND t.pool = p.name) AS deferred,
             (SELECT coalesce(sum(t.pool_slots), 0) FROM pipeline_tasks t
              WHERE t.state IN ('queued', 'up_for_retry') AND t.pool = p.name) AS queued,
             (SELECT count(*) FROM pipeline_tasks t
              WHERE t.state IN ('queued', 'up_for_retry') AND t.pool = p.name) AS waiting
         FROM pipeline_pools p ORDER BY p.name"
    ))?;
    collect(query.query([])?, |row| Ok(read(row)?))
}

pub fn pool_put(
    db: &Connection,
    name: &str,
    slots: u32,
    description: &str,
    include_deferred: bool,
) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO pipeline_pools (name, slots, description, include_deferred) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (name) DO UPDATE SET slots = ?2, description = ?3, include_deferred = ?4",
    )?
    .execute(params![name, slots, description, include_deferred])?;
    Ok(())
}

/// False if there is none of that name.
pub fn pool_delete(db: &Connection, name: &str) -> Result<bool> {
    Ok(db.prepare_cached("DELETE FROM pipeline_pools WHERE name = ?1")?.execute([name])? == 1)
}

/// Free slots of the pools in which tasks that wait for something outside take some.
pub fn pool_room_deferred(db: &Connection) -> Result<HashMap<String, i64>> {
    room(db, "WHERE p.include_deferred")
}

/// Free slots of every pool; below zero where a pool was made smaller than what runs in it.
pub fn pool_room(db: &Connection) -> Result<HashMap<String, i64>> {
    room(db, "")
}

fn room(db: &Connection, which: &str) -> Result<HashMap<String, i64>> {
    let mut query =
        db.prepare_cached(&format!("SELECT p.name, p.slots - {USED} FROM pipeline_pools p {which}"))?;
    let rooms = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rooms.collect::<rusqlite::Result<_>>()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Pool> {
    Ok(Pool {
        name: row.get("name")?,
        slots: row.get("slots")?,
        description: row.get("description")?,
        include_deferred: row.get("include_deferred")?,
        deferred: row.get("deferred")?,
        used: row.get("used")?,
        queued: row.get("queued")?,
        waiting: row.get("waiting")?,
    })
}
