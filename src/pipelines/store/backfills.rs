//! Rows of backfills: runs for a span of the past that are paused and stopped together.

use super::{collect, word};
use crate::{
    kernel::error::{Error, Result},
    pipelines::model::Reprocess,
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::BTreeMap;

/// What was asked for.
#[derive(Clone, Debug)]
pub struct BackfillPlan {
    pub pipeline: String,
    /// First and last logical time.
    pub span: (i64, i64),
    pub params: BTreeMap<String, String>,
    pub reprocess: Reprocess,
    /// The newest first.
    pub backwards: bool,
    pub max_active_runs: u32,
    /// Whether runs that are made again are of the latest definition; asked at its start alone.
    pub latest: bool,
}

/// A backfill, and where it stands.
#[derive(Clone, Debug)]
pub struct BackfillRow {
    pub id: i64,
    pub plan: BackfillPlan,
    pub paused: bool,
    pub created_at: i64,
    pub updated_at: i64,
    /// When it was stopped, or the last of its runs ended; none while one is not over.
    pub completed_at: Option<i64>,
}

const SELECT: &str = "SELECT b.*, coalesce(b.cancelled_at,
        iif(EXISTS (SELECT 1 FROM pipeline_runs r WHERE r.backfill = b.id AND r.state IN ('queued', 'running')), NULL,
            coalesce((SELECT max(r.ended_at) FROM pipeline_runs r WHERE r.backfill = b.id), b.created_at)))
        AS completed_at
    FROM pipeline_backfills b";

/// Answers the new backfill's id.
pub fn backfill_create(db: &Connection, plan: &BackfillPlan, now: i64) -> Result<i64> {
    db.prepare_cached(
        "INSERT INTO pipeline_backfills
             (pipeline, from_at, until_at, params, reprocess, backwards, max_active_runs, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8)",
    )?
    .execute(params![
        plan.pipeline,
        plan.span.0,
        plan.span.1,
        serde_json::to_string(&plan.params).map_err(Error::internal)?,
        plan.reprocess.as_str(),
        plan.backwards,
        plan.max_active_runs,
        now
    ])?;
    Ok(db.last_insert_rowid())
}

pub fn backfill_get(db: &Connection, id: i64) -> Result<Option<BackfillRow>> {
    let mut query = db.prepare_cached(&format!("{SELECT} WHERE b.id = ?1"))?;
    Ok(collect(query.query([id])?, read)?.pop())
}

/// The backfills of a pipeline, the first one first.
pub fn backfill_list(db: &Connection, pipeline: &str) -> Result<Vec<BackfillRow>> {
    let mut query = db.prepare_cached(&format!("{SELECT} WHERE b.pipeline = ?1 ORDER BY b.id"))?;
    collect(query.query([pipeline])?, read)
}

pub fn backfill_set_paused(db: &Connection, id: i64, paused: bool, now: i64) -> Result<()> {
    db.prepare_cached("UPDATE pipeline_backfills SET paused = ?2, updated_at = ?3 WHERE id = ?1")?
        .execute(params![id, paused, now])?;
    Ok(())
}

/// Notes that a backfill was stopped.
pub fn backfill_cancel(db: &Connection, id: i64, now: i64) -> Result<()> {
    db.prepare_cached(
        "UPDATE pipeline_backfills SET paused = 1, cancelled_at = ?2, updated_at = ?2 WHERE id = ?1",
    )?
    .execute(params![id, now])?;
    Ok(())
}

/// Ids of a backfill's runs that have not begun.
pub fn backfill_queued(db: &Connection, id: i64) -> Result<Vec<String>> {
    let mut query = db.prepare_cached(
        "SELECT id FROM pipeline_runs WHERE backfill = ?1 AND state = 'queued' ORDER BY id",
    )?;
    collect(query.query([id])?, |row| Ok(row.get(0)?))
}

/// Makes a run one of a backfill.
pub fn run_set_backfill(db: &Connection, run_id: &str, backfill: i64) -> Result<()> {
    db.prepare_cached("UPDATE pipeline_runs SET backfill = ?2 WHERE id = ?1")?
        .execute(params![run_id, backfill])?;
    Ok(())
}

/// The backfill a run is of, unless it was stopped, and how many runs of it are under way.
pub fn backfill_of(db: &Connection, run_id: &str) -> Result<Option<(BackfillRow, i64)>> {
    let id: Option<i64> = db
        .prepare_cached("SELECT backfill FROM pipeline_runs WHERE id = ?1")?
        .query_row([run_id], |row| row.get(0))
        .optional()?
        .flatten();
    let Some(found) = id.map(|id| backfill_get(db, id)).transpose()?.flatten() else { return Ok(None) };
    let running = db
        .prepare_cached("SELECT count(*) FROM pipeline_runs WHERE backfill = ?1 AND state = 'running'")?
        .query_row([found.id], |row| row.get(0))?;
    Ok(Some((found, running)))
}

fn read(row: &Row<'_>) -> Result<BackfillRow> {
    let params: String = row.get("params")?;
    let plan = BackfillPlan {
        pipeline: row.get("pipeline")?,
        span: (row.get("from_at")?, row.get("until_at")?),
        params: serde_json::from_str(&params).map_err(Error::internal)?,
        reprocess: word(row, "reprocess")?,
        backwards: row.get("backwards")?,
        max_active_runs: row.get("max_active_runs")?,
        latest: true,
    };
    Ok(BackfillRow {
        id: row.get("id")?,
        plan,
        paused: row.get("paused")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
        completed_at: row.get("completed_at")?,
    })
}
