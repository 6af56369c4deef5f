//! Rows of the tasks of runs, and of their attempts.

use super::{collect, pools::USED};
use crate::{
    kernel::error::{Error, Result},
    pipelines::model::{Rules, TaskInstance, TaskState},
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::Value;
use std::{str::FromStr, sync::LazyLock};

// In the order in which `read` takes them.
const COLUMNS: &str = "id, needs, state, attempt, max_attempts, retry_delay_ms, not_before, started_at, \
                       ended_at, exit_code, reason, rules, retries, pool, pool_slots, priority, \
                       depends_on_past, map_of, map_index, item, mapped, output, kind";

/// Inserts tasks of a run, which stand from `first` on in its list.
pub fn task_create_all(db: &Connection, run_id: &str, first: usize, tasks: &[TaskInstance]) -> Result<()> {
    let mut insert = db.prepare_cached(
        "INSERT INTO pipeline_tasks (run_id, idx, id, needs, state, max_attempts, retry_delay_ms, rules, retries,
             pool, pool_slots, priority, depends_on_past, map_of, map_index, item, mapped, reason,
             kind)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)",
    )?;
    for (idx, task) in tasks.iter().enumerate() {
        let needs = serde_json::to_string(&task.needs).map_err(Error::internal)?;
        let rules = serde_json::to_string(&task.rules).map_err(Error::internal)?;
        insert.execute(params![
            run_id,
            (first + idx) as i64,
            task.id,
            needs,
            task.state.as_str(),
            task.max_attempts,
            task.retry_delay_ms,
            rules,
            task.retries,
            task.pool,
            task.pool_slots,
            task.priority,
            task.depends_on_past,
            task.map_of.map(|at| at as i64),
            task.map_index,
            task.item.as_ref().map(Value::to_string),
            task.mapped,
            task.reason,
            task.kind.as_str()
        ])?;
    }
    Ok(())
}

/// The tasks of a run, in the order of its definition.
pub fn task_list(db: &Connection, run_id: &str) -> Result<Vec<TaskInstance>> {
    let mut query =
        db.prepare_cached(&format!("SELECT {COLUMNS} FROM pipeline_tasks WHERE run_id = ?1 ORDER BY idx"))?;
    collect(query.query([run_id])?, |row| read(row, 0))
}

pub fn task_get(db: &Connection, run_id: &str, task_id: &str) -> Result<Option<TaskInstance>> {
    let query = format!("SELECT {COLUMNS} FROM pipeline_tasks WHERE run_id = ?1 AND id = ?2");
    Ok(collect(db.prepare_cached(&query)?.query([run_id, task_id])?, |row| read(row, 0))?.pop())
}

/// Writes back what changes in a task's life.
pub fn task_update(db: &Connection, run_id: &str, task: &TaskInstance) -> Result<()> {
    db.prepare_cached(
        "UPDATE pipeline_tasks SET state = ?3, attempt = ?4, not_before = ?5, started_at = ?6, ended_at = ?7,
             exit_code = ?8, reason = ?9, max_attempts = ?10, item = ?11, mapped = ?12, output = ?13
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
        task.reason,
        task.max_attempts,
        task.item.as_ref().map(Value::to_string),
        task.mapped,
        task.output.as_ref().map(Value::to_string)
    ])?;
    Ok(())
}

/// Writes back what a definition says of a task, with its state.
pub fn task_redefine(db: &Connection, run_id: &str, task: &TaskInstance) -> Result<()> {
    db.prepare_cached(
        "UPDATE pipeline_tasks SET needs = ?3, rules = ?4, retries = ?5, retry_delay_ms = ?6, max_attempts = ?7,
             pool = ?8, pool_slots = ?9, priority = ?10, depends_on_past = ?11, kind = ?12, state = ?13
         WHERE run_id = ?1 AND id = ?2",
    )?
    .execute(params![
        run_id,
        task.id,
        serde_json::to_string(&task.needs).map_err(Error::internal)?,
        serde_json::to_string(&task.rules).map_err(Error::internal)?,
        task.retries,
        task.retry_delay_ms,
        task.max_attempts,
        task.pool,
        task.pool_slots,
        task.priority,
        task.depends_on_past,
        task.kind.as_str(),
        task.state.as_str()
    ])?;
    Ok(())
}

/// What keeps a queued task `t` of run `r` from starting, besides time and slots: its run is not
/// under way, an earlier attempt is still being ended, or it depends on a past that is not good.
pub(super) const STARTABLE: &str = "t.state IN ('queued', 'up_for_retry') AND r.state = 'running'
    AND NOT EXISTS (SELECT 1 FROM pipeline_attempts a
                    WHERE a.run_id = t.run_id AND a.task_id = t.id AND a.state = 'running')
    AND (t.depends_on_past = 0 OR NOT EXISTS (
        SELECT 1 FROM pipeline_tasks past WHERE past.id = t.id AND past.state NOT IN ('success', 'skipped', 'removed')
            AND past.run_id = (SELECT p.id FROM pipeline_runs p
                WHERE p.pipeline = r.pipeline AND (p.logical_at, p.id) < (r.logical_at, r.id)
                ORDER BY p.logical_at DESC, p.id DESC LIMIT 1)))";

/// Tasks that may start now in pools with room, the most urgent first, then of the oldest run:
/// run id and task.
pub fn task_startable(db: &Connection, now: i64, limit: usize) -> Result<Vec<(String, TaskInstance)>> {
    let columns = columns();
    let mut query = db.prepare_cached(&format!(
        "WITH room AS (SELECT p.name, p.slots - {USED} AS free FROM pipeline_pools p)
         SELECT t.run_id, {columns} FROM pipeline_tasks t
         JOIN pipeline_runs r ON r.id = t.run_id JOIN room ON room.name = t.pool AND room.free >= t.pool_slots
         WHERE (t.not_before IS NULL OR t.not_before <= ?1) AND t.kind <> 'wait_for' AND {STARTABLE}
         ORDER BY t.priority DESC, t.run_id, t.idx LIMIT ?2"
    ))?;
    collect(query.query(params![now, limit as i64])?, |row| Ok((row.get(0)?, read(row, 1)?)))
}

/// The columns, of the table as `t`.
pub(super) fn columns() -> String {
    COLUMNS.split(", ").map(|column| format!("t.{}", column.trim())).collect::<Vec<_>>().join(", ")
}

/// When the next task that waits for its retry may start.
pub fn task_next_retry(db: &Connection, now: i64) -> Result<Option<i64>> {
    Ok(db
        .prepare_cached(
            "SELECT min(not_before) FROM pipeline_tasks WHERE state = 'up_for_retry' AND not_before > ?1",
        )?
        .query_row([now], |row| row.get(0))?)
}

/// Brings the retries that wait forward by so much.
pub fn task_retry_sooner(db: &Connection, by: i64) -> Result<()> {
    db.prepare_cached("UPDATE pipeline_tasks SET not_before = not_before - ?1 WHERE state = 'up_for_retry'")?
        .execute([by])?;
    Ok(())
}

pub fn task_state(db: &Connection, run_id: &str, task_id: &str) -> Result<Option<TaskState>> {
    let mut query = db.prepare_cached("SELECT state FROM pipeline_tasks WHERE run_id = ?1 AND id = ?2")?;
    Ok(collect(query.query([run_id, task_id])?, |row| word(row, 0))?.pop())
}

/// The number of a task's last attempt; none if the run has no such task.
pub fn task_attempts(db: &Connection, run_id: &str, task_id: &str) -> Result<Option<u32>> {
    Ok(db
        .prepare_cached("SELECT attempt FROM pipeline_tasks WHERE run_id = ?1 AND id = ?2")?
        .query_row([run_id, task_id], |row| row.get(0))
        .optional()?)
}

/// Whether nothing follows from the end of a task of this run: none waits for others or sums up others, and some
/// still run.
pub fn run_is_loose(db: &Connection, run_id: &str) -> Result<bool> {
    let bound = "SELECT 1 FROM pipeline_tasks INDEXED BY pipeline_tasks_bound
        WHERE run_id = ?1 AND (state = 'waiting' OR mapped IS NOT NULL)";
    let runs = "SELECT 1 FROM pipeline_attempts a INDEXED BY pipeline_attempts_running
        JOIN pipeline_tasks t ON t.run_id = a.run_id AND t.id = a.task_id
        WHERE a.run_id = ?1 AND a.state = 'running' AND t.state = 'running'";
    Ok(!db.prepare_cached(bound)?.exists([run_id])? && db.prepare_cached(runs)?.exists([run_id])?)
}

/// Reads a task whose columns begin at a place of the row. By place and not by name: a run may have thousands.
pub(super) fn read(row: &Row<'_>, first: usize) -> Result<TaskInstance> {
    let at = |column: usize| first + column;
    let max_attempts: u32 = row.get(at(4))?;
    let retries: Option<u32> = row.get(at(12))?;
    let map_of: Option<i64> = row.get(at(17))?;
    Ok(TaskInstance {
        id: row.get(at(0))?,
        needs: needs(text(row, at(1))?)?,
        state: word(row, at(2))?,
        attempt: row.get(at(3))?,
        max_attempts,
        retry_delay_ms: row.get(at(5))?,
        not_before: row.get(at(6))?,
        started_at: row.get(at(7))?,
        ended_at: row.get(at(8))?,
        exit_code: row.get(at(9))?,
        reason: row.get(at(10))?,
        rules: rules(text(row, at(11))?)?,
        retries: retries.unwrap_or(max_attempts.saturating_sub(1)),
        pool: row.get(at(13))?,
        pool_slots: row.get(at(14))?,
        priority: row.get(at(15))?,
        depends_on_past: row.get(at(16))?,
        map_of: map_of.and_then(|at| usize::try_from(at).ok()),
        map_index: row.get(at(18))?,
        item: json(row, at(19))?,
        mapped: row.get(at(20))?,
        output: json(row, at(21))?,
        kind: word(row, at(22))?,
    })
}

fn text<'a>(row: &'a Row<'_>, column: usize) -> Result<&'a str> {
    row.get_ref(column)?.as_str().map_err(Error::internal)
}

fn word<T: FromStr<Err = String>>(row: &Row<'_>, column: usize) -> Result<T> {
    text(row, column)?.parse().map_err(Error::internal)
}

fn needs(text: &str) -> Result<Vec<usize>> {
    match text {
        "[]" => Ok(Vec::new()),
        _ => serde_json::from_str(text).map_err(Error::internal),
    }
}

/// Nearly all have the usual ones.
fn rules(text: &str) -> Result<Rules> {
    static USUAL: LazyLock<String> =
        LazyLock::new(|| serde_json::to_string(&Rules::default()).unwrap_or_default());
    match text == *USUAL {
        true => Ok(Rules::default()),
        false => serde_json::from_str(text).map_err(Error::internal),
    }
}

fn json(row: &Row<'_>, column: usize) -> Result<Option<Value>> {
    let text = row.get_ref(column)?.as_str_or_null().map_err(Error::internal)?;
    text.map(|text| serde_json::from_str(text).map_err(Error::internal)).transpose()
}
