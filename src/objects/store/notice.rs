//! Webhooks, and the queue of notices to them and to pipelines.

use super::super::{
    error::Fault,
    notify::{Destination, Notice, Waiting, Webhook},
};
use super::{signed, unsigned};
use crate::kernel::error::Result;
use rusqlite::{Connection, OptionalExtension, Row, params};

/// Registers a webhook, or changes where it is and what it signs with.
pub fn webhook_put(c: &Connection, webhook: &Webhook) -> Result<()> {
    c.prepare_cached(
        "INSERT INTO webhook (name, url, secret, created_ms) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (name) DO UPDATE SET url = excluded.url, secret = excluded.secret",
    )?
    .execute(params![webhook.name, webhook.url, webhook.sealed, webhook.created_ms])?;
    Ok(())
}

pub fn webhook_find(c: &Connection, name: &str) -> Result<Option<Webhook>> {
    Ok(c.prepare_cached("SELECT name, url, secret, created_ms FROM webhook WHERE name = ?1")?
        .query_row([name], webhook)
        .optional()?)
}

pub fn webhook_list(c: &Connection) -> Result<Vec<Webhook>> {
    let mut statement =
        c.prepare_cached("SELECT name, url, secret, created_ms FROM webhook ORDER BY name")?;
    Ok(statement.query_map([], webhook)?.collect::<Result<_, _>>()?)
}

/// Removes a webhook and what it was still to be told.
pub fn webhook_delete(c: &Connection, name: &str) -> Result<()> {
    let gone = c.prepare_cached("DELETE FROM webhook WHERE name = ?1")?.execute([name])?;
    if gone == 0 {
        return Err(Fault::NoSuchWebhook(name.to_owned()).into());
    }
    c.prepare_cached("DELETE FROM notice WHERE kind = 'webhook' AND name = ?1")?.execute([name])?;
    Ok(())
}

fn webhook(row: &Row<'_>) -> rusqlite::Result<Webhook> {
    Ok(Webhook { name: row.get(0)?, url: row.get(1)?, sealed: row.get(2)?, created_ms: row.get(3)? })
}

pub fn notice_put(c: &Connection, to: &Destination, body: &str, now_ms: i64) -> Result<()> {
    c.prepare_cached(
        "INSERT INTO notice (kind, name, body, created_ms, due_ms) VALUES (?1, ?2, ?3, ?4, ?4)",
    )?
    .execute(params![to.kind(), to.name(), body, now_ms])?;
    Ok(())
}

/// Who has something due.
pub fn notice_destinations(c: &Connection, now_ms: i64) -> Result<Vec<Destination>> {
    let mut statement = c.prepare_cached("SELECT DISTINCT kind, name FROM notice WHERE due_ms <= ?1")?;
    let rows = statement.query_map([now_ms], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
    let mut destinations = Vec::new();
    for row in rows {
        let (kind, name) = row?;
        destinations.extend(Destination::of(&kind, name));
    }
    Ok(destinations)
}

/// When the next notice becomes due.
pub fn notice_next(c: &Connection) -> Result<Option<i64>> {
    Ok(c.prepare_cached("SELECT min(due_ms) FROM notice")?.query_row([], |row| row.get(0))?)
}

/// What a destination is to be told now, oldest first.
pub fn notice_due(c: &Connection, to: &Destination, now_ms: i64, limit: usize) -> Result<Vec<Notice>> {
    let mut statement = c.prepare_cached(
        "SELECT id, body, created_ms, attempts FROM notice
         WHERE kind = ?1 AND name = ?2 AND due_ms <= ?3 ORDER BY id LIMIT ?4",
    )?;
    let rows = statement.query_map(params![to.kind(), to.name(), now_ms, signed(limit as u64)], |row| {
        Ok(Notice { id: row.get(0)?, body: row.get(1)?, created_ms: row.get(2)?, attempts: row.get(3)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub fn notice_done(c: &Connection, id: i64) -> Result<()> {
    c.prepare_cached("DELETE FROM notice WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// Notes a failed attempt. Everything for the destination waits with it: it is not knocked at once for each.
pub fn notice_failed(c: &Connection, to: &Destination, id: i64, error: &str, due_ms: i64) -> Result<()> {
    c.prepare_cached("UPDATE notice SET attempts = attempts + 1, error = ?2 WHERE id = ?1")?
        .execute(params![id, error])?;
    c.prepare_cached("UPDATE notice SET due_ms = max(due_ms, ?3) WHERE kind = ?1 AND name = ?2")?
        .execute(params![to.kind(), to.name(), due_ms])?;
    Ok(())
}

/// How many notices wait for each destination, and why the oldest does.
pub fn notice_waiting(c: &Connection) -> Result<Vec<Waiting>> {
    let mut statement = c.prepare_cached(
        "SELECT kind, name, count(*), min(created_ms), max(attempts), max(error) FROM notice
         GROUP BY kind, name ORDER BY kind, name",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(Waiting {
            kind: row.get(0)?,
            name: row.get(1)?,
            count: unsigned(row.get(2)?),
            oldest_ms: row.get(3)?,
            attempts: row.get(4)?,
            error: row.get(5)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
