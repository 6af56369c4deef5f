//! Runs with their params and tags, and the search over them.

use super::{datasets, metrics, pair};
use crate::{
    kernel::error::{Error, Result},
    tracking::{
        model::{Pair, Run, RunData, RunInfo, RunInputs, RunOutputs, Stage, View},
        search::{
            runs,
            sql::{Bind, Sql},
        },
    },
};
use rusqlite::{Connection, OptionalExtension, Row, params};

const COLUMNS: &str = "r.rid, r.id, r.name, r.experiment_id, r.user_id, r.status, r.started_at, r.ended_at, \
                       r.artifact_uri, r.stage";

fn info(row: &Row<'_>) -> rusqlite::Result<RunInfo> {
    let id: String = row.get(1)?;
    Ok(RunInfo {
        rid: row.get(0)?,
        run_uuid: id.clone(),
        run_id: id,
        run_name: row.get(2)?,
        experiment_id: row.get::<_, i64>(3)?.to_string(),
        user_id: row.get(4)?,
        status: row.get(5)?,
        start_time: row.get(6)?,
        end_time: row.get(7)?,
        artifact_uri: row.get(8)?,
        lifecycle_stage: row.get(9)?,
    })
}

/// A run about to be made.
pub struct NewRun {
    pub id: String,
    pub experiment_id: i64,
    pub name: String,
    pub user_id: String,
    pub started_at: i64,
    pub artifact_uri: String,
}

/// Adds a run and answers its row's number.
pub fn run_create(db: &Connection, run: &NewRun) -> Result<i64> {
    db.prepare_cached(
        "INSERT INTO runs (id, experiment_id, name, user_id, status, started_at, artifact_uri)
         VALUES (?1, ?2, ?3, ?4, 'RUNNING', ?5, ?6)",
    )?
    .execute(params![
        run.id,
        run.experiment_id,
        run.name,
        run.user_id,
        run.started_at,
        run.artifact_uri
    ])?;
    Ok(db.last_insert_rowid())
}

pub fn run_info(db: &Connection, id: &str) -> Result<RunInfo> {
    let mut statement = db.prepare_cached(&format!("SELECT {COLUMNS} FROM runs r WHERE r.id = ?1"))?;
    let found = statement.query_row([id], info).optional()?;
    found.ok_or_else(|| Error::not_found(format!("Run with id={id} not found")))
}

/// The row's number of a run, if there is such a run.
pub fn run_rid(db: &Connection, id: &str) -> Result<Option<i64>> {
    let mut statement = db.prepare_cached("SELECT rid FROM runs WHERE id = ?1")?;
    Ok(statement.query_row([id], |row| row.get(0)).optional()?)
}

/// The row's number and the experiment of a run that may be written to.
pub fn run_writable(db: &Connection, id: &str) -> Result<(i64, i64)> {
    let mut statement = db.prepare_cached("SELECT rid, experiment_id, stage FROM runs WHERE id = ?1")?;
    let found = statement
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?)))
        .optional()?;
    match found {
        None => Err(Error::not_found(format!("Run with id={id} not found"))),
        Some((rid, experiment_id, stage)) if stage == Stage::Active.word() => Ok((rid, experiment_id)),
        Some((.., stage)) => Err(Error::invalid(format!(
            "The run {id} must be in the 'active' state. Current state is {stage}."
        ))),
    }
}

pub fn run_get(db: &Connection, id: &str) -> Result<Run> {
    run_filled(db, run_info(db, id)?)
}

/// A run's data, inputs and outputs around its info.
pub fn run_filled(db: &Connection, info: RunInfo) -> Result<Run> {
    let rid = info.rid;
    let data = RunData {
        metrics: metrics::latest(db, rid)?,
        params: pairs(db, "SELECT key, value FROM params WHERE run = ?1 ORDER BY key", rid)?,
        tags: pairs(db, "SELECT key, value FROM tags WHERE run = ?1 ORDER BY key", rid)?,
    };
    let inputs = RunInputs {
        dataset_inputs: datasets::run_inputs(db, rid)?,
        model_inputs: datasets::run_model_inputs(db, rid)?,
    };
    let outputs = RunOutputs { model_outputs: datasets::run_model_outputs(db, rid)? };
    Ok(Run { info, data, inputs, outputs })
}

fn pairs(db: &Connection, sql: &str, rid: i64) -> Result<Vec<Pair>> {
    Ok(db.prepare_cached(sql)?.query_map([rid], pair)?.collect::<rusqlite::Result<_>>()?)
}

pub fn run_update(
    db: &Connection,
    rid: i64,
    status: Option<&str>,
    ended_at: Option<i64>,
    name: Option<&str>,
) -> Result<()> {
    db.prepare_cached(
        "UPDATE runs SET status = coalesce(?2, status), ended_at = coalesce(?3, ended_at),
                         name = coalesce(?4, name) WHERE rid = ?1",
    )?
    .execute(params![rid, status, ended_at, name])?;
    Ok(())
}

pub fn run_set_stage(db: &Connection, id: &str, stage: Stage, now: i64) -> Result<()> {
    let deleted_at = (stage == Stage::Deleted).then_some(now);
    let changed = db
        .prepare_cached("UPDATE runs SET stage = ?2, deleted_at = ?3 WHERE id = ?1")?
        .execute(params![id, stage.word(), deleted_at])?;
    if changed == 0 {
        return Err(Error::not_found(format!("Run with id={id} not found")));
    }
    Ok(())
}

pub fn param_get(db: &Connection, rid: i64, key: &str) -> Result<Option<String>> {
    let mut statement = db.prepare_cached("SELECT value FROM params WHERE run = ?1 AND key = ?2")?;
    Ok(statement.query_row(params![rid, key], |row| row.get(0)).optional()?)
}

pub fn param_create(db: &Connection, rid: i64, param: &Pair) -> Result<()> {
    db.prepare_cached("INSERT INTO params (run, key, value) VALUES (?1, ?2, ?3)")?.execute(params![
        rid,
        param.key,
        param.value
    ])?;
    Ok(())
}

pub fn tag_get(db: &Connection, rid: i64, key: &str) -> Result<Option<String>> {
    let mut statement = db.prepare_cached("SELECT value FROM tags WHERE run = ?1 AND key = ?2")?;
    Ok(statement.query_row(params![rid, key], |row| row.get(0)).optional()?)
}

pub fn tag_set(db: &Connection, rid: i64, tag: &Pair) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO tags (run, key, value) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET value = excluded.value",
    )?
    .execute(params![rid, tag.key, tag.value])?;
    Ok(())
}

/// Whether there was such a tag.
pub fn tag_delete(db: &Connection, rid: i64, key: &str) -> Result<bool> {
    let gone =
        db.prepare_cached("DELETE FROM tags WHERE run = ?1 AND key = ?2")?.execute(params![rid, key])?;
    Ok(gone > 0)
}

/// What a search over runs asks for.
#[derive(Clone, Debug, Default)]
pub struct Query {
    pub experiments: Vec<i64>,
    pub filter: String,
    pub order_by: Vec<String>,
    pub view: View,
    pub limit: usize,
    pub offset: usize,
}

/// One more than the limit, so that the caller sees whether another page follows.
pub fn run_search(db: &Connection, query: &Query) -> Result<Vec<RunInfo>> {
    let (joins, order) = runs::compile_order(&query.order_by)?;
    let mut sql = Sql::default();
    sql.push(&format!("SELECT {COLUMNS} FROM runs r"));
    sql.append(joins).push(" WHERE r.experiment_id ");
    match query.experiments.as_slice() {
        // One experiment is read in the order of its index, and reading stops with the page.
        [one] => sql.push("= ").bind(Bind::Int(*one)),
        many => sql.push("IN ").list(many.iter().copied().map(Bind::Int)),
    };
    sql.push(&format!(" AND r.stage IN {}", query.view.stages()));
    runs::compile_filter(&query.filter, &mut sql)?;
    sql.push(" ORDER BY ").append(order).push(" LIMIT ").bind(Bind::Int(query.limit as i64 + 1));
    sql.push(" OFFSET ").bind(Bind::Int(query.offset as i64));
    super::rows(db, &sql, info)
}
