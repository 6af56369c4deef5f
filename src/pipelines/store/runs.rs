//! Rows of runs.

use super::{collect, word};
use crate::{
    kernel::error::{Error, Result},
    pipelines::model::{Run, RunState},
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::BTreeMap;

const COLUMNS: &str = "id, pipeline, state, trigger, logical_at, definition, folder, params, created_at, \
                       started_at, ended_at, cancel_requested";

/// Inserts a run. False if this firing of the schedule has made its run already.
pub fn run_create(db: &Connection, run: &Run) -> Result<bool> {
    let params_json = serde_json::to_string(&run.params).map_err(Error::internal)?;
    let inserted = db
        .prepare_cached(
            "INSERT INTO pipeline_runs
                 (id, pipeline, state, trigger, logical_at, definition, folder, params, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (pipeline, logical_at) WHERE trigger = 'schedule' DO NOTHING",
        )?
        .execute(params![
            run.id,
            run.pipeline,
            run.state.as_str(),
            run.trigger.as_str(),
            run.logical_at,
            run.definition,
            run.folder,
            params_json,
            run.created_at
        ])?;
    Ok(inserted == 1)
}

pub fn run_get(db: &Connection, id: &str) -> Result<Option<Run>> {
    let mut query = db.prepare_cached(&format!("SELECT {COLUMNS} FROM pipeline_runs WHERE id = ?1"))?;
    Ok(collect(query.query([id])?, read)?.pop())
}

/// Runs of a pipeline, newest first, older than `before`; without their definitions, which may be large.
pub fn run_list(db: &Connection, pipeline: &str, limit: usize, before: Option<&str>) -> Result<Vec<Run>> {
    let columns = COLUMNS.replace("definition", "'' AS definition");
    let mut query = db.prepare_cached(&format!(
        "SELECT {columns} FROM pipeline_runs WHERE pipeline = ?1 AND (?2 IS NULL OR id < ?2)
         ORDER BY id DESC LIMIT ?3"
    ))?;
    collect(query.query(params![pipeline, before, limit as i64])?, read)
}

/// How many runs of a pipeline are not over.
pub fn run_open_count(db: &Connection, pipeline: &str) -> Result<i64> {
    Ok(db
        .prepare_cached(
            "SELECT count(*) FROM pipeline_runs WHERE pipeline = ?1 AND state IN ('queued', 'running')",
        )?
        .query_row([pipeline], |row| row.get(0))?)
}

/// Ids of the runs that are not over, oldest first.
pub fn run_open(db: &Connection) -> Result<Vec<String>> {
    let mut query =
        db.prepare_cached("SELECT id FROM pipeline_runs WHERE state IN ('queued', 'running') ORDER BY id")?;
    collect(query.query([])?, |row| Ok(row.get(0)?))
}

/// Moves a run on; `at` is when it started or ended.
pub fn run_set_state(db: &Connection, id: &str, state: RunState, at: i64) -> Result<()> {
    let column = if state.is_over() { "ended_at" } else { "started_at" };
    db.prepare_cached(&format!("UPDATE pipeline_runs SET state = ?2, {column} = ?3 WHERE id = ?1"))?
        .execute(params![id, state.as_str(), at])?;
    Ok(())
}

pub fn run_request_cancel(db: &Connection, id: &str) -> Result<()> {
    db.prepare_cached("UPDATE pipeline_runs SET cancel_requested = 1 WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// Notes that tasks of the run hold credentials, which must be revoked when it is over.
pub fn run_set_credentials(db: &Connection, id: &str, held: bool) -> Result<()> {
    db.prepare_cached("UPDATE pipeline_runs SET credentials = ?2 WHERE id = ?1")?
        .execute(params![id, held])?;
    Ok(())
}

/// Runs that are over and whose credentials were not revoked yet.
pub fn run_to_revoke(db: &Connection) -> Result<Vec<String>> {
    let mut query = db.prepare_cached(
        "SELECT id FROM pipeline_runs WHERE credentials = 1 AND state NOT IN ('queued', 'running')",
    )?;
    collect(query.query([])?, |row| Ok(row.get(0)?))
}

/// Whether a run exists, without reading its definition.
pub fn run_exists(db: &Connection, id: &str) -> Result<bool> {
    let found = db
        .prepare_cached("SELECT 1 FROM pipeline_runs WHERE id = ?1")?
        .query_row([id], |_| Ok(()))
        .optional()?;
    Ok(found.is_some())
}

fn read(row: &Row<'_>) -> Result<Run> {
    let params: String = row.get("params")?;
    let params: BTreeMap<String, String> = serde_json::from_str(&params).map_err(Error::internal)?;
    Ok(Run {
        id: row.get("id")?,
        pipeline: row.get("pipeline")?,
        state: word(row, "state")?,
        trigger: word(row, "trigger")?,
        logical_at: row.get("logical_at")?,
        definition: row.get("definition")?,
        folder: row.get("folder")?,
        params,
        created_at: row.get("created_at")?,
        started_at: row.get("started_at")?,
        ended_at: row.get("ended_at")?,
        cancel_requested: row.get("cancel_requested")?,
    })
}
