//! The SQL of webhooks and what they listen to.

use super::{Event, Webhook};
use crate::{
    kernel::error::{Error, Result},
    tracking::{
        model::Page,
        search::{keyset::Order, page::Ask},
        store::paged::{self, Search},
    },
};
use rusqlite::{Connection, OptionalExtension, Row, params};

const COLUMNS: &str = "id, name, description, url, secret, active, created_ms, updated_ms";

pub fn webhook_put(c: &Connection, webhook: &Webhook) -> Result<()> {
    c.prepare_cached(
        "INSERT INTO registry_webhooks (id, name, description, url, secret, active, created_ms, updated_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, description = excluded.description,
             url = excluded.url, secret = excluded.secret, active = excluded.active,
             updated_ms = excluded.updated_ms",
    )?
    .execute(params![
        webhook.id,
        webhook.name,
        webhook.description,
        webhook.url,
        webhook.secret,
        webhook.active,
        webhook.created_ms,
        webhook.updated_ms
    ])?;
    c.prepare_cached("DELETE FROM registry_webhook_events WHERE webhook = ?1")?.execute([&webhook.id])?;
    let mut add = c.prepare_cached(
        "INSERT OR IGNORE INTO registry_webhook_events (webhook, entity, action) VALUES (?1, ?2, ?3)",
    )?;
    for event in &webhook.events {
        add.execute(params![webhook.id, event.entity, event.action])?;
    }
    Ok(())
}

pub fn webhook_get(c: &Connection, id: &str) -> Result<Webhook> {
    let sql = format!("SELECT {COLUMNS} FROM registry_webhooks WHERE id = ?1");
    let found = c.prepare_cached(&sql)?.query_row([id], webhook).optional()?;
    let mut found = found.ok_or_else(|| Error::not_found(format!("Webhook with ID {id} not found.")))?;
    found.events = events(c, id)?;
    Ok(found)
}

/// Newest first.
pub fn webhook_list(c: &Connection, ask: &Ask) -> Result<Page<Webhook>> {
    let mut order = Order::default();
    order.descending("created_ms").ascending("id");
    let search = Search { columns: COLUMNS, from: vec![" FROM registry_webhooks WHERE TRUE".into()], order };
    let mut found = paged::page(c, search, ask, webhook)?;
    for webhook in &mut found.items {
        webhook.events = events(c, &webhook.id)?;
    }
    Ok(found)
}

/// Whether there was such a webhook.
pub fn webhook_delete(c: &Connection, id: &str) -> Result<bool> {
    Ok(c.prepare_cached("DELETE FROM registry_webhooks WHERE id = ?1")?.execute([id])? > 0)
}

/// Who is to hear of an event.
pub fn webhooks_hearing(c: &Connection, event: Event) -> Result<Vec<String>> {
    let mut statement = c.prepare_cached(
        "SELECT w.id FROM registry_webhook_events e JOIN registry_webhooks w ON w.id = e.webhook
         WHERE e.entity = ?1 AND e.action = ?2 AND w.active",
    )?;
    let found = statement.query_map([event.entity, event.action], |row| row.get(0))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

fn events(c: &Connection, id: &str) -> Result<Vec<Event>> {
    let mut statement = c.prepare_cached(
        "SELECT entity, action FROM registry_webhook_events WHERE webhook = ?1 ORDER BY entity, action",
    )?;
    let rows = statement.query_map([id], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    let rows: Vec<_> = rows.collect::<rusqlite::Result<_>>()?;
    Ok(rows.iter().filter_map(|(entity, action)| Event::of(entity, action)).collect())
}

fn webhook(row: &Row<'_>) -> rusqlite::Result<Webhook> {
    Ok(Webhook {
        id: row.get(0)?,
        name: row.get(1)?,
        description: row.get(2)?,
        url: row.get(3)?,
        secret: row.get(4)?,
        active: row.get(5)?,
        created_ms: row.get(6)?,
        updated_ms: row.get(7)?,
        events: Vec::new(),
    })
}
