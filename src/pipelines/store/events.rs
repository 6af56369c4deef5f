//! Rows of what pipelines ask to hear of, of their webhook tokens, and of events that made runs.

use super::collect;
use crate::kernel::error::Result;
use rusqlite::{Connection, OptionalExtension, params};

/// Replaces what a pipeline asks for: kind, subject and detail.
pub fn listeners_put(db: &Connection, pipeline: &str, asked: &[(&str, String, String)]) -> Result<()> {
    listeners_delete(db, pipeline)?;
    let mut insert = db.prepare_cached(
        "INSERT OR IGNORE INTO pipeline_listeners (kind, subject, pipeline, detail) VALUES (?1, ?2, ?3, ?4)",
    )?;
    for (kind, subject, detail) in asked {
        insert.execute(params![kind, subject, pipeline, detail])?;
    }
    Ok(())
}

pub fn listeners_delete(db: &Connection, pipeline: &str) -> Result<()> {
    db.prepare_cached("DELETE FROM pipeline_listeners WHERE pipeline = ?1")?.execute([pipeline])?;
    Ok(())
}

/// The pipelines that ask for events of a kind about any of the subjects.
pub fn listeners(db: &Connection, kind: &str, subjects: &[&str]) -> Result<Vec<String>> {
    let mut query = db.prepare_cached(
        "SELECT DISTINCT pipeline FROM pipeline_listeners WHERE kind = ?1 AND subject = ?2 ORDER BY pipeline",
    )?;
    let mut found = Vec::new();
    for subject in subjects {
        found.extend(collect(query.query([kind, subject])?, |row| Ok(row.get::<_, String>(0)?))?);
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// Subject, pipeline and detail of all that ask for events of a kind.
pub fn listeners_of(db: &Connection, kind: &str) -> Result<Vec<(String, String, String)>> {
    let mut query =
        db.prepare_cached("SELECT subject, pipeline, detail FROM pipeline_listeners WHERE kind = ?1")?;
    collect(query.query([kind])?, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
}

/// The run that an event made of a pipeline, if it was told before.
pub fn run_of_event(db: &Connection, pipeline: &str, key: &str) -> Result<Option<String>> {
    let mut query =
        db.prepare_cached("SELECT run_id FROM pipeline_events WHERE pipeline = ?1 AND event_key = ?2")?;
    Ok(query.query_row([pipeline, key], |row| row.get(0)).optional()?)
}

/// Remembers which event made a run, and of what.
pub fn event_put(db: &Connection, pipeline: &str, key: &str, run_id: &str) -> Result<()> {
    db.prepare_cached("INSERT INTO pipeline_events (pipeline, event_key, run_id) VALUES (?1, ?2, ?3)")?
        .execute([pipeline, key, run_id])?;
    Ok(())
}

/// Why an event did not start a pipeline, the last time.
pub fn pipeline_note(db: &Connection, pipeline: &str, note: &str) -> Result<()> {
    db.prepare_cached("UPDATE pipelines SET trigger_note = ?2 WHERE name = ?1")?.execute([pipeline, note])?;
    Ok(())
}

/// What is kept of the token of a webhook.
pub struct HookToken {
    pub digest: Vec<u8>,
    /// The token itself; one that was made before signatures were checked has none.
    pub sealed: Option<Vec<u8>>,
}

/// Keeps a pipeline's webhook token, in place of the one before.
pub fn hook_token_put(db: &Connection, pipeline: &str, token: &HookToken, now: i64) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO pipeline_hook_tokens (pipeline, digest, sealed, created_at) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (pipeline) DO UPDATE SET digest = ?2, sealed = ?3, created_at = ?4",
    )?
    .execute(params![pipeline, token.digest, token.sealed, now])?;
    Ok(())
}

pub fn hook_token_get(db: &Connection, pipeline: &str) -> Result<Option<HookToken>> {
    let mut query =
        db.prepare_cached("SELECT digest, sealed FROM pipeline_hook_tokens WHERE pipeline = ?1")?;
    let read = |row: &rusqlite::Row<'_>| Ok(HookToken { digest: row.get(0)?, sealed: row.get(1)? });
    Ok(query.query_row([pipeline], read).optional()?)
}
