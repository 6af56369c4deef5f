//! What callers keep: with runs and tasks the id they chose, a note, and who started it; with pipelines, which are
//! their favourites.

use super::collect;
use crate::kernel::error::Result;
use rusqlite::{Connection, OptionalExtension, params};

/// Beside a run.
#[derive(Clone, Debug, Default)]
pub struct RunNote {
    /// The id its caller chose; `None`: the house's own.
    pub name: Option<String>,
    pub note: Option<String>,
    pub user: Option<String>,
}

pub fn note_put(db: &Connection, run_id: &str, pipeline: &str, note: &RunNote) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO pipeline_run_notes (run_id, pipeline, name, note, user) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (run_id) DO UPDATE SET name = ?3, note = ?4, user = ?5",
    )?
    .execute(params![run_id, pipeline, note.name, note.note, note.user])?;
    Ok(())
}

pub fn note_get(db: &Connection, run_id: &str) -> Result<RunNote> {
    let found = db
        .prepare_cached("SELECT name, note, user FROM pipeline_run_notes WHERE run_id = ?1")?
        .query_row([run_id], |row| Ok(RunNote { name: row.get(0)?, note: row.get(1)?, user: row.get(2)? }))
        .optional()?;
    Ok(found.unwrap_or_default())
}

/// The run a caller means: by the id they chose for it, or by the house's own.
pub fn run_named(db: &Connection, pipeline: &str, name: &str) -> Result<Option<String>> {
    let mut query = db.prepare_cached(
        "SELECT run_id FROM pipeline_run_notes WHERE pipeline = ?1 AND name = ?2
         UNION ALL SELECT id FROM pipeline_runs WHERE pipeline = ?1 AND id = ?2 LIMIT 1",
    )?;
    Ok(query.query_row([pipeline, name], |row| row.get(0)).optional()?)
}

pub fn task_note_get(db: &Connection, run_id: &str, task_id: &str) -> Result<Option<String>> {
    let mut query =
        db.prepare_cached("SELECT note FROM pipeline_task_notes WHERE run_id = ?1 AND task_id = ?2")?;
    Ok(query.query_row([run_id, task_id], |row| row.get(0)).optional()?)
}

/// When each pipeline was first and last stored, ms since the epoch.
pub fn pipeline_times(db: &Connection) -> Result<Vec<(String, i64, i64)>> {
    let mut query = db.prepare_cached("SELECT name, created_at, updated_at FROM pipelines ORDER BY name")?;
    collect(query.query([])?, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
}

/// How many runs of each pipeline are in each state.
pub fn run_counts(db: &Connection) -> Result<Vec<(String, String, i64)>> {
    let mut query =
        db.prepare_cached("SELECT pipeline, state, count(*) FROM pipeline_runs GROUP BY pipeline, state")?;
    collect(query.query([])?, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
}

/// The texts a pipeline's runs were made from, with when each was first used, the oldest first.
pub fn definition_list(db: &Connection, pipeline: &str) -> Result<Vec<(String, i64)>> {
    let mut query = db.prepare_cached(
        "SELECT definition, min(created_at) AS first FROM pipeline_runs WHERE pipeline = ?1
         GROUP BY definition ORDER BY first, min(id)",
    )?;
    collect(query.query([pipeline])?, |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Writes a task's note, or takes it away.
pub fn task_note_put(db: &Connection, run_id: &str, task_id: &str, note: Option<&str>) -> Result<()> {
    let Some(note) = note else {
        db.prepare_cached("DELETE FROM pipeline_task_notes WHERE run_id = ?1 AND task_id = ?2")?
            .execute([run_id, task_id])?;
        return Ok(());
    };
    db.prepare_cached(
        "INSERT INTO pipeline_task_notes (run_id, task_id, note) VALUES (?1, ?2, ?3)
         ON CONFLICT (run_id, task_id) DO UPDATE SET note = ?3",
    )?
    .execute([run_id, task_id, note])?;
    Ok(())
}

/// The pipelines a user marked as favourites.
pub fn favorites(db: &Connection, user: &str) -> Result<Vec<String>> {
    let mut query = db.prepare_cached("SELECT pipeline FROM pipeline_favorites WHERE user = ?1")?;
    collect(query.query([user])?, |row| Ok(row.get(0)?))
}

pub fn favorite_put(db: &Connection, user: &str, pipeline: &str) -> Result<()> {
    db.prepare_cached("INSERT OR IGNORE INTO pipeline_favorites (user, pipeline) VALUES (?1, ?2)")?
        .execute(params![user, pipeline])?;
    Ok(())
}

/// False if it was none.
pub fn favorite_delete(db: &Connection, user: &str, pipeline: &str) -> Result<bool> {
    let gone = db
        .prepare_cached("DELETE FROM pipeline_favorites WHERE user = ?1 AND pipeline = ?2")?
        .execute(params![user, pipeline])?;
    Ok(gone == 1)
}
