//! The queue's SQL, over the table `notice` of the caller's database.

use super::{Notice, To, Waiting};
use crate::kernel::error::Result;
use rusqlite::{Connection, params};

pub fn put(c: &Connection, kind: &str, name: &str, body: &str, now_ms: i64) -> Result<()> {
    c.prepare_cached(
        "INSERT INTO notice (kind, name, body, created_ms, due_ms) VALUES (?1, ?2, ?3, ?4, ?4)",
    )?
    .execute(params![kind, name, body, now_ms])?;
    Ok(())
}

/// Drops what a destination was still to be told.
pub fn forget(c: &Connection, kind: &str, name: &str) -> Result<()> {
    c.prepare_cached("DELETE FROM notice WHERE kind = ?1 AND name = ?2")?.execute([kind, name])?;
    Ok(())
}

/// Who has something due.
pub(super) fn destinations(c: &Connection, only: Option<&str>, now_ms: i64) -> Result<Vec<To>> {
    let mut statement = c.prepare_cached(
        "SELECT DISTINCT kind, name FROM notice WHERE due_ms <= ?1 AND (?2 IS NULL OR kind = ?2)",
    )?;
    let rows =
        statement.query_map(params![now_ms, only], |row| Ok(To { kind: row.get(0)?, name: row.get(1)? }))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// When the next notice becomes due.
pub(super) fn next(c: &Connection, only: Option<&str>) -> Result<Option<i64>> {
    Ok(c.prepare_cached("SELECT min(due_ms) FROM notice WHERE ?1 IS NULL OR kind = ?1")?
        .query_row([only], |row| row.get(0))?)
}

/// What a destination is to be told now, oldest first.
pub(super) fn due(c: &Connection, to: &To, now_ms: i64, limit: u32) -> Result<Vec<Notice>> {
    let mut statement = c.prepare_cached(
        "SELECT id, body, created_ms, attempts FROM notice
         WHERE kind = ?1 AND name = ?2 AND due_ms <= ?3 ORDER BY id LIMIT ?4",
    )?;
    let rows = statement.query_map(params![to.kind, to.name, now_ms, limit], |row| {
        Ok(Notice { id: row.get(0)?, body: row.get(1)?, created_ms: row.get(2)?, attempts: row.get(3)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn done(c: &Connection, id: i64) -> Result<()> {
    c.prepare_cached("DELETE FROM notice WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// Notes a failed attempt. Everything for the destination waits with it: it is not knocked at once for each.
pub(super) fn failed(c: &Connection, to: &To, id: i64, error: &str, due_ms: i64) -> Result<()> {
    c.prepare_cached("UPDATE notice SET attempts = attempts + 1, error = ?2 WHERE id = ?1")?
        .execute(params![id, error])?;
    c.prepare_cached("UPDATE notice SET due_ms = max(due_ms, ?3) WHERE kind = ?1 AND name = ?2")?
        .execute(params![to.kind, to.name, due_ms])?;
    Ok(())
}

/// How many notices wait for each destination, and why the oldest does.
pub fn waiting(c: &Connection) -> Result<Vec<Waiting>> {
    let mut statement = c.prepare_cached(
        "SELECT kind, name, count(*), min(created_ms), max(attempts), max(error) FROM notice
         GROUP BY kind, name ORDER BY kind, name",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(Waiting {
            kind: row.get(0)?,
            name: row.get(1)?,
            count: u64::try_from(row.get::<_, i64>(2)?).unwrap_or(0),
            oldest_ms: row.get(3)?,
            attempts: row.get(4)?,
            error: row.get(5)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
