//! Rows of tasks that wait for something outside, and of their attempts. These are `deferred`: they
//! hold neither a slot nor a process.

use super::{
    collect,
    pools::USED,
    tasks::{STARTABLE, columns, read},
};
use crate::{
    kernel::error::Result,
    pipelines::model::{AttemptKey, TaskInstance, TaskState},
};
use rusqlite::{Connection, Row, params};

/// A wait that is under way.
#[derive(Clone, Debug)]
pub struct WaitRow {
    pub key: AttemptKey,
    pub started_at: i64,
    /// What was seen last, as its reason.
    pub reason: Option<String>,
}

/// Waits that may begin: run id and task. Where a pool counts them, one that has room for the first of them may not
/// have it for all.
pub fn wait_startable(db: &Connection, now: i64, limit: usize) -> Result<Vec<(String, TaskInstance)>> {
    let columns = columns();
    let mut query = db.prepare_cached(&format!(
        "SELECT t.run_id, {columns} FROM pipeline_tasks t INDEXED BY pipeline_tasks_waits
         JOIN pipeline_runs r ON r.id = t.run_id LEFT JOIN pipeline_pools p ON p.name = t.pool
         WHERE (coalesce(p.include_deferred, 0) = 0 OR p.slots - {USED} >= t.pool_slots)
             AND t.kind = 'wait_for' AND (t.not_before IS NULL OR t.not_before <= ?1) AND {STARTABLE}
         ORDER BY t.run_id, t.idx LIMIT ?2"
    ))?;
    collect(query.query(params![now, limit as i64])?, |row| Ok((row.get(0)?, read(row, 1)?)))
}

pub fn wait_create(db: &Connection, key: &AttemptKey, now: i64) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO pipeline_attempts (run_id, task_id, attempt, state, started_at)
         VALUES (?1, ?2, ?3, 'deferred', ?4)",
    )?
    .execute(params![key.run_id, key.task_id, key.attempt, now])?;
    Ok(())
}

/// Ends the attempt of a task that waits no longer, where it has one.
pub fn wait_close(db: &Connection, run_id: &str, task_id: &str, state: TaskState, now: i64) -> Result<()> {
    db.prepare_cached(
        "UPDATE pipeline_attempts SET state = ?3, ended_at = ?4
         WHERE run_id = ?1 AND task_id = ?2 AND state = 'deferred'",
    )?
    .execute(params![run_id, task_id, state.as_str(), now])?;
    Ok(())
}

/// Waits to be looked at by now, the most overdue first.
pub fn wait_due(db: &Connection, now: i64, limit: usize) -> Result<Vec<WaitRow>> {
    let mut query = db.prepare_cached(
        "SELECT run_id, id, attempt, started_at, reason FROM pipeline_tasks
         WHERE state = 'deferred' AND not_before <= ?1 ORDER BY not_before LIMIT ?2",
    )?;
    collect(query.query(params![now, limit as i64])?, wait)
}

/// When the next wait is to be looked at.
pub fn wait_next(db: &Connection) -> Result<Option<i64>> {
    Ok(db
        .prepare_cached("SELECT min(not_before) FROM pipeline_tasks WHERE state = 'deferred'")?
        .query_row([], |row| row.get(0))?)
}

/// Notes what was seen, and when to look again. False where the wait has ended meanwhile.
pub fn wait_again(db: &Connection, key: &AttemptKey, at: i64, reason: &str) -> Result<bool> {
    let changed = db
        .prepare_cached(
            "UPDATE pipeline_tasks SET not_before = ?4, reason = ?5
             WHERE run_id = ?1 AND id = ?2 AND attempt = ?3 AND state = 'deferred'",
        )?
        .execute(params![key.run_id, key.task_id, key.attempt, at, reason])?;
    Ok(changed == 1)
}

fn wait(row: &Row<'_>) -> Result<WaitRow> {
    let key = AttemptKey { run_id: row.get(0)?, task_id: row.get(1)?, attempt: row.get(2)? };
    Ok(WaitRow { key, started_at: row.get(3)?, reason: row.get(4)? })
}
