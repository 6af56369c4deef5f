//! Rows of runs.

use super::{collect, word};
use crate::{
    kernel::error::{Error, Result},
    pipelines::model::{Run, RunState},
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::Value;
use std::collections::BTreeMap;

const COLUMNS: &str = "id, pipeline, state, trigger, logical_at, definition, folder, params, created_at, \
                       started_at, ended_at, cancel_requested, event, chain, \
                       deadline_at, deadline_missed, commit_id, not_before";

/// Inserts a run. False if this firing of the schedule has made its run already.
pub fn run_create(db: &Connection, run: &Run) -> Result<bool> {
    let params_json = serde_json::to_string(&run.params).map_err(Error::internal)?;
    let inserted = db
        .prepare_cached(
            "INSERT INTO pipeline_runs
                 (id, pipeline, state, trigger, logical_at, definition, folder, params, created_at,
                  event, chain, deadline_at, commit_id, not_before)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
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
            run.created_at,
            run.event.as_ref().map(Value::to_string),
            run.chain.join(","),
            run.deadline_at,
            run.commit,
            run.not_before
        ])?;
    Ok(inserted == 1)
}

pub fn run_get(db: &Connection, id: &str) -> Result<Option<Run>> {
    let mut query = db.prepare_cached(&format!("SELECT {COLUMNS} FROM pipeline_runs WHERE id = ?1"))?;
    Ok(collect(query.query([id])?, read)?.pop())
}

/// The pipeline of a run, and whether the run is to be cancelled; without the definition, which may be large.
pub fn run_brief(db: &Connection, id: &str) -> Result<Option<(String, bool)>> {
    let mut query =
        db.prepare_cached("SELECT pipeline, cancel_requested FROM pipeline_runs WHERE id = ?1")?;
    Ok(query.query_row([id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
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

/// Queued runs that there is room for: of each pipeline, and apart from these of each backfill, the
/// earliest, up to its limit; of a backfill that is paused none.
pub fn run_admissible(db: &Connection, now: i64) -> Result<Vec<String>> {
    // Asked at every turn, and mostly there is none.
    let any = db.prepare_cached("SELECT 1 FROM pipeline_runs WHERE state = 'queued' LIMIT 1")?.exists([])?;
    if !any {
        return Ok(Vec::new());
    }
    let mut query = db.prepare_cached(
        "WITH open AS (SELECT id, pipeline, state, logical_at, not_before, coalesce(backfill, 0) AS fill FROM pipeline_runs
                 WHERE state IN ('queued', 'running')),
             busy AS (SELECT pipeline, fill, count(*) AS runs FROM open WHERE state = 'running' GROUP BY pipeline, fill),
             waiting AS (SELECT o.id, o.pipeline, o.fill, f.max_active_runs AS own,
                 row_number() OVER (PARTITION BY o.pipeline, o.fill
                     ORDER BY iif(f.backwards, -o.logical_at, o.logical_at), o.id) AS place
                 FROM open o LEFT JOIN pipeline_backfills f ON f.id = o.fill AND f.cancelled_at IS NULL
                 WHERE o.state = 'queued' AND coalesce(f.paused, 0) = 0 AND coalesce(o.not_before, 0) <= ?1)
         SELECT w.id FROM waiting w LEFT JOIN busy b ON b.pipeline = w.pipeline AND b.fill = w.fill
             LEFT JOIN pipelines p ON p.name = w.pipeline
         WHERE w.place <= coalesce(w.own, p.max_active_runs, 16) - coalesce(b.runs, 0) ORDER BY w.id",
    )?;
    collect(query.query([now])?, |row| Ok(row.get(0)?))
}

/// When the next of the runs begins that are to begin at a time of their own.
pub fn run_next_start(db: &Connection, now: i64) -> Result<Option<i64>> {
    Ok(db
        .prepare_cached(
            "SELECT min(not_before) FROM pipeline_runs WHERE state = 'queued' AND not_before > ?1",
        )?
        .query_row([now], |row| row.get(0))?)
}

/// The logical time of the newest run that a pipeline's schedule made.
pub fn run_last_firing(db: &Connection, pipeline: &str) -> Result<Option<i64>> {
    Ok(db
        .prepare_cached(
            "SELECT max(logical_at) FROM pipeline_runs WHERE pipeline = ?1 AND trigger = 'schedule'",
        )?
        .query_row([pipeline], |row| row.get(0))?)
}

/// The run before another, in the time they stand for.
pub fn run_before(db: &Connection, run: &Run) -> Result<Option<String>> {
    let mut query = db.prepare_cached(
        "SELECT id FROM pipeline_runs WHERE pipeline = ?1 AND (logical_at, id) < (?2, ?3)
         ORDER BY logical_at DESC, id DESC LIMIT 1",
    )?;
    Ok(query.query_row(params![run.pipeline, run.logical_at, run.id], |row| row.get(0)).optional()?)
}

/// How many runs of a pipeline are under way, besides those of backfills.
pub fn run_running_count(db: &Connection, pipeline: &str) -> Result<i64> {
    Ok(db
        .prepare_cached(
            "SELECT count(*) FROM pipeline_runs WHERE pipeline = ?1 AND state = 'running' AND backfill IS NULL",
        )?
        .query_row([pipeline], |row| row.get(0))?)
}

/// Writes back what a run is made from.
pub fn run_redefine(db: &Connection, run: &Run) -> Result<()> {
    let params = serde_json::to_string(&run.params).map_err(Error::internal)?;
    db.prepare_cached(
        "UPDATE pipeline_runs SET definition = ?2, folder = ?3, commit_id = ?4, params = ?5 WHERE id = ?1",
    )?
    .execute(params![run.id, run.definition, run.folder, run.commit, params])?;
    Ok(())
}

/// Takes a run that is over back into the queue.
pub fn run_reopen(db: &Connection, id: &str) -> Result<()> {
    db.prepare_cached(
        "UPDATE pipeline_runs SET state = 'queued', ended_at = NULL, cancel_requested = 0 WHERE id = ?1",
    )?
    .execute([id])?;
    Ok(())
}

/// The newest runs for times in a span, the earliest first: id, state, time.
pub fn run_marks(
    db: &Connection,
    pipeline: &str,
    from: i64,
    until: i64,
    limit: usize,
) -> Result<Vec<(String, RunState, i64)>> {
    let mut query = db.prepare_cached(
        "SELECT id, state, logical_at FROM pipeline_runs WHERE pipeline = ?1 AND logical_at BETWEEN ?2 AND ?3
         ORDER BY logical_at DESC, id DESC LIMIT ?4",
    )?;
    let found = query.query(params![pipeline, from, until, limit as i64])?;
    let mut marks = collect(found, |row| Ok((row.get("id")?, word(row, "state")?, row.get("logical_at")?)))?;
    marks.reverse();
    Ok(marks)
}

/// The runs of a pipeline's schedule and backfills in a span: logical time, id and state, the earliest
/// first.
pub fn run_firings(
    db: &Connection,
    pipeline: &str,
    from: i64,
    until: i64,
) -> Result<Vec<(i64, String, RunState)>> {
    let mut query = db.prepare_cached(
        "SELECT logical_at, id, state FROM pipeline_runs WHERE pipeline = ?1 AND logical_at BETWEEN ?2 AND ?3
         AND trigger IN ('schedule', 'backfill') ORDER BY logical_at, id",
    )?;
    collect(query.query(params![pipeline, from, until])?, |row| {
        Ok((row.get("logical_at")?, row.get("id")?, word(row, "state")?))
    })
}

/// Ids of a pipeline's runs whose logical time lies in a span, the earliest first.
pub fn run_span(
    db: &Connection,
    pipeline: &str,
    (from, until): (Option<i64>, Option<i64>),
    limit: usize,
) -> Result<Vec<String>> {
    let mut query = db.prepare_cached(
        "SELECT id FROM pipeline_runs WHERE pipeline = ?1 AND logical_at BETWEEN ?2 AND ?3
         ORDER BY logical_at, id LIMIT ?4",
    )?;
    let span = params![pipeline, from.unwrap_or(i64::MIN), until.unwrap_or(i64::MAX), limit as i64];
    collect(query.query(span)?, |row| Ok(row.get(0)?))
}

/// Runs that are over, ended before an instant, hold no credentials, and have `keep` newer ones.
pub fn run_prunable(db: &Connection, keep: usize, before: i64, limit: usize) -> Result<Vec<String>> {
    let mut query = db.prepare_cached(
        "SELECT id FROM (
             SELECT id, state, ended_at, credentials,
                 row_number() OVER (PARTITION BY pipeline ORDER BY id DESC) AS place FROM pipeline_runs)
         WHERE place > ?1 AND ended_at < ?2 AND state NOT IN ('queued', 'running') AND credentials = 0
             AND NOT EXISTS (SELECT 1 FROM pipeline_attempts a WHERE a.run_id = id AND a.state = 'running')
         ORDER BY id LIMIT ?3",
    )?;
    collect(query.query(params![keep as i64, before, limit as i64])?, |row| Ok(row.get(0)?))
}

/// Runs that are over and whose logs were not archived since: id, pipeline, when they ended.
pub fn run_to_archive(db: &Connection, limit: usize) -> Result<Vec<(String, String, i64)>> {
    let mut query = db.prepare_cached(
        "SELECT id, pipeline, ended_at FROM pipeline_runs
         WHERE archived_at IS NOT ended_at AND ended_at IS NOT NULL AND state NOT IN ('queued', 'running')
             AND NOT EXISTS (SELECT 1 FROM pipeline_attempts a WHERE a.run_id = id AND a.state = 'running')
         ORDER BY id LIMIT ?1",
    )?;
    collect(query.query([limit as i64])?, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
}

/// Notes which end of a run its archived logs are of.
pub fn run_set_archived(db: &Connection, id: &str, ended_at: i64) -> Result<()> {
    db.prepare_cached("UPDATE pipeline_runs SET archived_at = ?2 WHERE id = ?1")?
        .execute(params![id, ended_at])?;
    Ok(())
}

/// Removes a run with its tasks and attempts.
pub fn run_delete(db: &Connection, id: &str) -> Result<()> {
    for table in ["pipeline_attempts", "pipeline_tasks"] {
        db.prepare_cached(&format!("DELETE FROM {table} WHERE run_id = ?1"))?.execute([id])?;
    }
    db.prepare_cached("DELETE FROM pipeline_runs WHERE id = ?1")?.execute([id])?;
    Ok(())
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
    let (event, chain): (Option<String>, String) = (row.get("event")?, row.get("chain")?);
    Ok(Run {
        id: row.get("id")?,
        pipeline: row.get("pipeline")?,
        state: word(row, "state")?,
        trigger: word(row, "trigger")?,
        logical_at: row.get("logical_at")?,
        definition: row.get("definition")?,
        folder: row.get("folder")?,
        commit: row.get("commit_id")?,
        params,
        event: event.map(|text| serde_json::from_str(&text)).transpose().map_err(Error::internal)?,
        chain: chain.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
        deadline_at: row.get("deadline_at")?,
        deadline_missed: row.get("deadline_missed")?,
        created_at: row.get("created_at")?,
        not_before: row.get("not_before")?,
        started_at: row.get("started_at")?,
        ended_at: row.get("ended_at")?,
        cancel_requested: row.get("cancel_requested")?,
    })
}

/// Runs of a pipeline for one logical time, the oldest first: id and state.
pub fn run_at(db: &Connection, pipeline: &str, logical_at: i64) -> Result<Vec<(String, RunState)>> {
    let mut query = db.prepare_cached(
        "SELECT id, state FROM pipeline_runs WHERE pipeline = ?1 AND logical_at = ?2 ORDER BY id",
    )?;
    collect(query.query(params![pipeline, logical_at])?, |row| Ok((row.get("id")?, word(row, "state")?)))
}

const LATE: &str = "deadline_at IS NOT NULL AND deadline_missed = 0 AND state IN ('queued', 'running')";

/// Runs past their deadline that nobody was told of.
pub fn run_late(db: &Connection, now: i64) -> Result<Vec<String>> {
    let mut query =
        db.prepare_cached(&format!("SELECT id FROM pipeline_runs WHERE {LATE} AND deadline_at <= ?1"))?;
    collect(query.query([now])?, |row| Ok(row.get(0)?))
}

/// The next deadline of a run.
pub fn run_next_deadline(db: &Connection) -> Result<Option<i64>> {
    Ok(db
        .prepare_cached(&format!("SELECT min(deadline_at) FROM pipeline_runs WHERE {LATE}"))?
        .query_row([], |row| row.get(0))?)
}

pub fn run_set_late(db: &Connection, id: &str) -> Result<()> {
    db.prepare_cached("UPDATE pipeline_runs SET deadline_missed = 1 WHERE id = ?1")?.execute([id])?;
    Ok(())
}
