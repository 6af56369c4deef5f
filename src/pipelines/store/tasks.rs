//! Rows of the tasks of runs, and of their attempts.

use super::{collect, word};
use crate::{
    kernel::error::{Error, Result},
    pipelines::model::{AttemptKey, Outcome, TaskInstance, TaskState},
};
use rusqlite::{Connection, OptionalExtension, Row, params};

const COLUMNS: &str = "id, needs, state, attempt, max_attempts, retry_delay_ms, not_before, started_at, \
                       ended_at, exit_code, reason";

/// Inserts the tasks of a new run, in the order of its definition.
pub fn task_create_all(db: &Connection, run_id: &str, tasks: &[TaskInstance]) -> Result<()> {
    let mut insert = db.prepare_cached(
        "INSERT INTO pipeline_tasks (run_id, idx, id, needs, state, max_attempts, retry_delay_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    for (idx, task) in tasks.iter().enumerate() {
        let needs = serde_json::to_string(&task.needs).map_err(Error::internal)?;
        let state = task.state.as_str();
        insert.execute(params![
            run_id,
            idx as i64,
            task.id,
            needs,
            state,
            task.max_attempts,
            task.retry_delay_ms
        ])?;
    }
    Ok(())
}

/// The tasks of a run, in the order of its definition.
pub fn task_list(db: &Connection, run_id: &str) -> Result<Vec<TaskInstance>> {
    let mut query =
        db.prepare_cached(&format!("SELECT {COLUMNS} FROM pipeline_tasks WHERE run_id = ?1 ORDER BY idx"))?;
    collect(query.query([run_id])?, read)
}

/// Writes back what changes in a task's life.
pub fn task_update(db: &Connection, run_id: &str, task: &TaskInstance) -> Result<()> {
    db.prepare_cached(
        "UPDATE pipeline_tasks SET state = ?3, attempt = ?4, not_before = ?5, started_at = ?6, ended_at = ?7,
             exit_code = ?8, reason = ?9
         WHERE run_id = ?1 AND id = ?2",
    )?
    .execute(params![
        run_id,
        task.id,
        task.state.as_str(),
        task.attempt,
        task.not_before,
        task.started_at,
        task.ended_at,
        task.exit_code,
        task.reason
    ])?;
    Ok(())
}

/// Tasks that may start now, of the oldest run first: run id and task.
pub fn task_startable(db: &Connection, now: i64, limit: usize) -> Result<Vec<(String, TaskInstance)>> {
    let mut query = db.prepare_cached(&format!(
        "SELECT run_id, {COLUMNS} FROM pipeline_tasks
         WHERE state IN ('queued', 'up_for_retry') AND (not_before IS NULL OR not_before <= ?1)
         ORDER BY run_id, idx LIMIT ?2"
    ))?;
    collect(query.query(params![now, limit as i64])?, |row| Ok((row.get("run_id")?, read(row)?)))
}

/// When the next task that waits for its retry may start.
pub fn task_next_retry(db: &Connection) -> Result<Option<i64>> {
    Ok(db
        .prepare_cached(
            "SELECT min(not_before) FROM pipeline_tasks WHERE state IN ('queued', 'up_for_retry')",
        )?
        .query_row([], |row| row.get(0))?)
}

pub fn attempt_create(db: &Connection, key: &AttemptKey, now: i64) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO pipeline_attempts (run_id, task_id, attempt, state, started_at)
         VALUES (?1, ?2, ?3, 'running', ?4)",
    )?
    .execute(params![key.run_id, key.task_id, key.attempt, now])?;
    Ok(())
}

/// Records an attempt's end. False if that was known already, or there is no such attempt.
pub fn attempt_finish(
    db: &Connection,
    key: &AttemptKey,
    state: TaskState,
    outcome: &Outcome,
) -> Result<bool> {
    let changed = db
        .prepare_cached(
            "UPDATE pipeline_attempts SET state = ?4, ended_at = ?5, exit_code = ?6, reason = ?7
             WHERE run_id = ?1 AND task_id = ?2 AND attempt = ?3 AND state = 'running'",
        )?
        .execute(params![
            key.run_id,
            key.task_id,
            key.attempt,
            state.as_str(),
            outcome.ended_at,
            outcome.exit_code,
            outcome.reason
        ])?;
    Ok(changed == 1)
}

/// Attempts whose end is not known.
pub fn attempt_running(db: &Connection) -> Result<Vec<AttemptKey>> {
    let mut query = db.prepare_cached(
        "SELECT run_id, task_id, attempt FROM pipeline_attempts WHERE state = 'running' ORDER BY run_id",
    )?;
    collect(query.query([])?, key)
}

/// Running attempts of runs that were cancelled.
pub fn attempt_to_cancel(db: &Connection) -> Result<Vec<AttemptKey>> {
    let mut query = db.prepare_cached(
        "SELECT a.run_id, a.task_id, a.attempt FROM pipeline_attempts a JOIN pipeline_runs r ON r.id = a.run_id
         WHERE a.state = 'running' AND r.cancel_requested = 1",
    )?;
    collect(query.query([])?, key)
}

pub fn attempt_running_count(db: &Connection) -> Result<usize> {
    let count: i64 = db
        .prepare_cached("SELECT count(*) FROM pipeline_attempts WHERE state = 'running'")?
        .query_row([], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or_default())
}

/// An attempt's state, `running` while it is not over; none if there is no such attempt.
pub fn attempt_state(db: &Connection, key: &AttemptKey) -> Result<Option<TaskState>> {
    let mut query = db.prepare_cached(
        "SELECT state FROM pipeline_attempts WHERE run_id = ?1 AND task_id = ?2 AND attempt = ?3",
    )?;
    let found = query.query(params![key.run_id, key.task_id, key.attempt])?;
    Ok(collect(found, |row| word(row, "state"))?.pop())
}

pub fn task_state(db: &Connection, run_id: &str, task_id: &str) -> Result<Option<TaskState>> {
    let mut query = db.prepare_cached("SELECT state FROM pipeline_tasks WHERE run_id = ?1 AND id = ?2")?;
    Ok(collect(query.query([run_id, task_id])?, |row| word(row, "state"))?.pop())
}

/// The number of a task's last attempt; none if the run has no such task.
pub fn task_attempts(db: &Connection, run_id: &str, task_id: &str) -> Result<Option<u32>> {
    Ok(db
        .prepare_cached("SELECT attempt FROM pipeline_tasks WHERE run_id = ?1 AND id = ?2")?
        .query_row([run_id, task_id], |row| row.get(0))
        .optional()?)
}

fn key(row: &Row<'_>) -> Result<AttemptKey> {
    Ok(AttemptKey { run_id: row.get(0)?, task_id: row.get(1)?, attempt: row.get(2)? })
}

fn read(row: &Row<'_>) -> Result<TaskInstance> {
    let needs: String = row.get("needs")?;
    Ok(TaskInstance {
        id: row.get("id")?,
        needs: serde_json::from_str(&needs).map_err(Error::internal)?,
        state: word(row, "state")?,
        attempt: row.get("attempt")?,
        max_attempts: row.get("max_attempts")?,
        retry_delay_ms: row.get("retry_delay_ms")?,
        not_before: row.get("not_before")?,
        started_at: row.get("started_at")?,
        ended_at: row.get("ended_at")?,
        exit_code: row.get("exit_code")?,
        reason: row.get("reason")?,
    })
}

/// An attempt's number, how it ended, when it began and ended.
pub type AttemptRow = (u32, TaskState, i64, Option<i64>);

/// Every attempt of a task.
pub fn attempt_list(db: &Connection, run_id: &str, task_id: &str) -> Result<Vec<AttemptRow>> {
    let mut query = db.prepare_cached(
        "SELECT attempt, state, started_at, ended_at FROM pipeline_attempts
         WHERE run_id = ?1 AND task_id = ?2 ORDER BY attempt",
    )?;
    collect(query.query([run_id, task_id])?, |row| {
        Ok((row.get(0)?, word(row, "state")?, row.get(2)?, row.get(3)?))
    })
}
