//! Rows of stored pipelines.

use super::collect;
use crate::{kernel::error::Result, pipelines::model::Pipeline};
use rusqlite::{Connection, OptionalExtension, Row, params};

const COLUMNS: &str = "name, source, folder, commit_id, definition, error, rejected, paused, next_at, \
                       max_active_runs, trigger_note";

/// Writes a good definition; what is paused stays paused.
pub fn pipeline_put(db: &Connection, pipeline: &Pipeline, now: i64) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO pipelines (name, source, folder, definition, error, paused, next_at, created_at, updated_at,
             max_active_runs, commit_id, rejected)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?9, ?10, ?11)
         ON CONFLICT (name) DO UPDATE SET source = ?2, folder = ?3, definition = ?4, error = ?5, paused = ?6,
             next_at = ?7, updated_at = ?8, max_active_runs = ?9, commit_id = ?10,
             rejected = ?11",
    )?
    .execute(params![
        pipeline.name,
        pipeline.source,
        pipeline.folder,
        pipeline.definition,
        pipeline.error,
        pipeline.paused,
        pipeline.next_at,
        now,
        pipeline.max_active_runs,
        pipeline.commit,
        pipeline.rejected
    ])?;
    Ok(())
}

pub fn pipeline_get(db: &Connection, name: &str) -> Result<Option<Pipeline>> {
    let mut query = db.prepare_cached(&format!("SELECT {COLUMNS} FROM pipelines WHERE name = ?1"))?;
    Ok(query.query_row([name], read).optional()?)
}

pub fn pipeline_list(db: &Connection) -> Result<Vec<Pipeline>> {
    let mut query = db.prepare_cached(&format!("SELECT {COLUMNS} FROM pipelines ORDER BY name"))?;
    collect(query.query([])?, |row| Ok(read(row)?))
}

/// The pipelines that a file gave, by its source.
pub fn pipeline_by_source(db: &Connection, source: &str) -> Result<Option<Pipeline>> {
    let mut query = db.prepare_cached(&format!("SELECT {COLUMNS} FROM pipelines WHERE source = ?1"))?;
    Ok(query.query_row([source], read).optional()?)
}

/// Pipelines whose schedule has fired.
pub fn pipeline_due(db: &Connection, now: i64) -> Result<Vec<Pipeline>> {
    let mut query = db.prepare_cached(&format!("SELECT {COLUMNS} FROM pipelines WHERE next_at <= ?1"))?;
    collect(query.query([now])?, |row| Ok(read(row)?))
}

/// The next firing of any schedule.
pub fn pipeline_next_at(db: &Connection) -> Result<Option<i64>> {
    Ok(db
        .prepare_cached("SELECT min(next_at) FROM pipelines WHERE next_at IS NOT NULL")?
        .query_row([], |row| row.get(0))?)
}

pub fn pipeline_set_schedule(db: &Connection, name: &str, paused: bool, next_at: Option<i64>) -> Result<()> {
    db.prepare_cached("UPDATE pipelines SET paused = ?2, next_at = ?3 WHERE name = ?1")?
        .execute(params![name, paused, next_at])?;
    Ok(())
}

pub fn pipeline_set_error(db: &Connection, name: &str, error: Option<&str>) -> Result<()> {
    db.prepare_cached("UPDATE pipelines SET error = ?2 WHERE name = ?1")?.execute(params![name, error])?;
    Ok(())
}

/// Keeps the newest text, which is bad, beside the good one before it.
pub fn pipeline_set_rejected(db: &Connection, name: &str, error: &str, text: &str) -> Result<()> {
    db.prepare_cached("UPDATE pipelines SET error = ?2, rejected = ?3 WHERE name = ?1")?
        .execute([name, error, text])?;
    Ok(())
}

/// Forgets a pipeline; its runs stay.
pub fn pipeline_delete(db: &Connection, name: &str) -> Result<()> {
    for table in ["pipeline_listeners", "pipeline_hook_tokens"] {
        db.prepare_cached(&format!("DELETE FROM {table} WHERE pipeline = ?1"))?.execute([name])?;
    }
    db.prepare_cached("DELETE FROM pipelines WHERE name = ?1")?.execute([name])?;
    Ok(())
}

/// The folders in which runs and pipelines start their tasks, of those below another.
pub fn folders_in_use(db: &Connection, below: &str) -> Result<Vec<String>> {
    let mut query = db.prepare_cached(
        "SELECT folder FROM pipelines WHERE substr(folder, 1, length(?1)) = ?1
         UNION SELECT folder FROM pipeline_runs WHERE substr(folder, 1, length(?1)) = ?1",
    )?;
    collect(query.query([below])?, |row| Ok(row.get(0)?))
}

fn read(row: &Row<'_>) -> rusqlite::Result<Pipeline> {
    Ok(Pipeline {
        name: row.get("name")?,
        source: row.get("source")?,
        folder: row.get("folder")?,
        commit: row.get("commit_id")?,
        definition: row.get("definition")?,
        error: row.get("error")?,
        rejected: row.get("rejected")?,
        paused: row.get("paused")?,
        next_at: row.get("next_at")?,
        max_active_runs: row.get("max_active_runs")?,
        trigger_note: row.get("trigger_note")?,
    })
}
