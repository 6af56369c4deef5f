//! What was deleted and since when, and how its rows go for good. The files go before the rows, so
//! that nothing is forgotten whose files are still there.

use super::history;
use crate::{kernel::error::Result, tracking::model::Stage};
use rusqlite::{Connection, OptionalExtension};

/// Points of a metric that may go in one transaction with everything else of their run.
const AT_ONCE: i64 = 50_000;

/// Something deleted, as the collector sees it.
#[derive(Clone, Debug)]
pub struct Deleted {
    pub id: String,
    pub experiment_id: i64,
    pub artifact_uri: String,
}

/// Runs deleted at `before` or earlier. Those of a deleted experiment were deleted with it.
pub fn runs(db: &Connection, before: i64) -> Result<Vec<Deleted>> {
    deleted(
        db,
        "SELECT id, experiment_id, artifact_uri FROM runs
         WHERE stage = 'deleted' AND coalesce(deleted_at, 0) <= ?1 ORDER BY rid",
        before,
    )
}

/// Logged models deleted at `before` or earlier, by themselves or with their experiment.
pub fn logged_models(db: &Connection, before: i64) -> Result<Vec<Deleted>> {
    deleted(
        db,
        "SELECT l.id, l.experiment_id, l.artifact_uri FROM logged_models l
         JOIN experiments e ON e.id = l.experiment_id
         WHERE l.stage = 'deleted' AND l.updated_at <= ?1 OR e.stage = 'deleted' AND e.updated_at <= ?1
         ORDER BY l.id",
        before,
    )
}

pub fn experiments(db: &Connection, before: i64) -> Result<Vec<Deleted>> {
    deleted(
        db,
        "SELECT CAST(id AS TEXT), id, artifact_location FROM experiments
         WHERE stage = 'deleted' AND updated_at <= ?1 ORDER BY id",
        before,
    )
}

fn deleted(db: &Connection, sql: &str, before: i64) -> Result<Vec<Deleted>> {
    let mut statement = db.prepare_cached(sql)?;
    let found = statement.query_map([before], |row| {
        Ok(Deleted { id: row.get(0)?, experiment_id: row.get(1)?, artifact_uri: row.get(2)? })
    })?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

/// Takes a deleted run a piece further on its way; answers whether there is more of it. A history
/// too long for one transaction goes metric by metric.
pub fn run_remove(db: &Connection, id: &str) -> Result<bool> {
    let mut find = db.prepare_cached("SELECT rid FROM runs WHERE id = ?1 AND stage = ?2")?;
    let found: Option<i64> = find.query_row([id, Stage::Deleted.word()], |row| row.get(0)).optional()?;
    let Some(rid) = found else { return Ok(false) };
    let points: i64 = db
        .prepare_cached("SELECT count(*) FROM (SELECT 1 FROM metrics WHERE run = ?1 LIMIT ?2)")?
        .query_row([rid, AT_ONCE + 1], |row| row.get(0))?;
    if points > AT_ONCE {
        let key: i64 = db
            .prepare_cached("SELECT key FROM metrics WHERE run = ?1 ORDER BY key LIMIT 1")?
            .query_row([rid], |row| row.get(0))?;
        db.prepare_cached("DELETE FROM metrics WHERE run = ?1 AND key = ?2")?.execute([rid, key])?;
        return Ok(true);
    }
    db.prepare_cached("DELETE FROM metrics WHERE run = ?1")?.execute([rid])?;
    history::remove(db, rid)?;
    // Params, tags, latest metrics, inputs and outputs go with the row, by their foreign keys.
    db.prepare_cached("DELETE FROM runs WHERE rid = ?1")?.execute([rid])?;
    Ok(false)
}

/// Removes a logged model that is deleted, or whose experiment is.
pub fn logged_model_remove(db: &Connection, id: &str) -> Result<()> {
    db.prepare_cached(
        "DELETE FROM logged_models WHERE id = ?1 AND (stage = 'deleted' OR experiment_id IN
             (SELECT id FROM experiments WHERE stage = 'deleted'))",
    )?
    .execute([id])?;
    Ok(())
}

/// How many runs and logged models an experiment has, deleted or not.
pub fn experiment_population(db: &Connection, id: i64) -> Result<i64> {
    let mut count = db.prepare_cached(
        "SELECT (SELECT count(*) FROM runs WHERE experiment_id = ?1)
              + (SELECT count(*) FROM logged_models WHERE experiment_id = ?1)",
    )?;
    Ok(count.query_row([id], |row| row.get(0))?)
}

/// Removes a deleted experiment in which nothing is left.
pub fn experiment_remove(db: &Connection, id: i64) -> Result<()> {
    db.prepare_cached(
        "DELETE FROM experiments WHERE id = ?1 AND stage = 'deleted'
         AND NOT EXISTS (SELECT 1 FROM runs WHERE experiment_id = ?1)
         AND NOT EXISTS (SELECT 1 FROM logged_models WHERE experiment_id = ?1)",
    )?
    .execute([id])?;
    Ok(())
}
