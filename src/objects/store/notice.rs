//! Webhooks, and the notices to them and to pipelines that wait in the outbox.

use super::super::{
    error::Fault,
    notify::{Destination, Webhook},
};
use crate::{kernel::error::Result, store::outbox};
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
    outbox::forget(c, "webhook", name)
}

fn webhook(row: &Row<'_>) -> rusqlite::Result<Webhook> {
    Ok(Webhook { name: row.get(0)?, url: row.get(1)?, sealed: row.get(2)?, created_ms: row.get(3)? })
}

pub fn notice_put(c: &Connection, to: &Destination, body: &str, now_ms: i64) -> Result<()> {
    outbox::put(c, to.kind(), to.name(), body, now_ms)
}
