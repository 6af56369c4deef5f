//! Rows of the attempts of tasks.

use super::{collect, word};
use crate::{
    kernel::error::Result,
    pipelines::model::{Attempt, AttemptKey, Outcome, TaskState},
};
use rusqlite::{Connection, Row, params};

/// Claims an attempt; `boot` names the time since the machine started.
pub fn attempt_create(db: &Connection, key: &AttemptKey, boot: &str, now: i64) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO pipeline_attempts (run_id, task_id, attempt, state, started_at, boot)
         VALUES (?1, ?2, ?3, 'running', ?4, nullif(?5, ''))",
    )?
    .execute(params![key.run_id, key.task_id, key.attempt, now, boot])?;
    Ok(())
}

/// Running attempts that were claimed before the machine started.
pub fn attempt_before_boot(db: &Connection, boot: &str) -> Result<Vec<AttemptKey>> {
    let mut query = db.prepare_cached(
        "SELECT run_id, task_id, attempt FROM pipeline_attempts WHERE state = 'running' AND boot <> ?1 AND ?1 <> ''",
    )?;
    collect(query.query([boot])?, key)
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
             WHERE run_id = ?1 AND task_id = ?2 AND attempt = ?3 AND state IN ('running', 'deferred')",
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

/// Forgets all attempts of a task.
pub fn attempt_delete(db: &Connection, run_id: &str, task_id: &str) -> Result<()> {
    db.prepare_cached("DELETE FROM pipeline_attempts WHERE run_id = ?1 AND task_id = ?2")?
        .execute([run_id, task_id])?;
    Ok(())
}

/// Attempts whose end is not known.
pub fn attempt_running(db: &Connection) -> Result<Vec<AttemptKey>> {
    let mut query = db.prepare_cached(
        "SELECT run_id, task_id, attempt FROM pipeline_attempts WHERE state = 'running' ORDER BY run_id",
    )?;
    collect(query.query([])?, key)
}

/// All attempts of a task, the first one first.
pub fn attempt_list(db: &Connection, run_id: &str, task_id: &str) -> Result<Vec<Attempt>> {
    let mut query = db.prepare_cached(
        "SELECT attempt, state, started_at, ended_at, exit_code, reason FROM pipeline_attempts
         WHERE run_id = ?1 AND task_id = ?2 ORDER BY attempt",
    )?;
    collect(query.query([run_id, task_id])?, |row| {
        Ok(Attempt {
            number: row.get("attempt")?,
            state: word(row, "state")?,
            started_at: row.get("started_at")?,
            ended_at: row.get("ended_at")?,
            exit_code: row.get("exit_code")?,
            reason: row.get("reason")?,
        })
    })
}

/// Attempts of a run whose end is not known.
pub fn attempt_running_of(db: &Connection, run_id: &str) -> Result<Vec<AttemptKey>> {
    let mut query = db.prepare_cached(
        "SELECT run_id, task_id, attempt FROM pipeline_attempts WHERE run_id = ?1 AND state = 'running'",
    )?;
    collect(query.query([run_id])?, key)
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

fn key(row: &Row<'_>) -> Result<AttemptKey> {
    Ok(AttemptKey { run_id: row.get(0)?, task_id: row.get(1)?, attempt: row.get(2)? })
}
