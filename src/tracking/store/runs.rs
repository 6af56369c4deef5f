//! Runs with their params and tags, and the search over them.

use super::{
    datasets, metrics,
    paged::{self, Search},
};
use crate::{
    kernel::error::{Error, Result},
    tracking::{
        model::{Page, Pair, Run, RunData, RunInfo, Stage, View},
        search::{
            page::Ask,
            runs,
            sql::{Bind, Sql},
        },
    },
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::BTreeMap;

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

/// Adds a run and answers it as it would be read. Of tags with the same key the last one counts.
pub fn run_create(db: &Connection, run: NewRun, tags: Vec<Pair>) -> Result<Run> {
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
    let rid = db.last_insert_rowid();
    let tags: BTreeMap<_, _> = tags.into_iter().map(|tag| (tag.key, tag.value)).collect();
    let tags: Vec<_> = tags.into_iter().map(Pair::from).collect();
    tags.iter().try_for_each(|tag| tag_set(db, rid, tag))?;
    let info = RunInfo {
        rid,
        run_uuid: run.id.clone(),
        run_id: run.id,
        run_name: run.name,
        experiment_id: run.experiment_id.to_string(),
        user_id: run.user_id,
        status: "RUNNING".to_owned(),
        start_time: run.started_at,
        end_time: None,
        artifact_uri: run.artifact_uri,
        lifecycle_stage: Stage::Active.word().to_owned(),
    };
    Ok(Run { info, data: RunData { tags, ..RunData::default() }, ..Run::default() })
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
    let info = run_info(db, id)?;
    let data = RunData {
        metrics: metrics::latest(db, info.rid)?,
        params: pairs(db, "params", info.rid)?,
        tags: pairs(db, "tags", info.rid)?,
    };
    let mut links = datasets::links(db, &rid_list(std::slice::from_ref(&info)))?;
    let (inputs, outputs) = links.remove(&0).unwrap_or_default();
    Ok(Run { info, data, inputs, outputs })
}

/// The numbers of runs as JSON: `json_each` has them in this order, with their places in the list.
pub(super) fn rid_list(infos: &[RunInfo]) -> String {
    let numbers: Vec<_> = infos.iter().map(|info| info.rid.to_string()).collect();
    format!("[{}]", numbers.join(","))
}

/// The params or tags of a run, in the order of their names.
fn pairs(db: &Connection, table: &str, rid: i64) -> Result<Vec<Pair>> {
    let mut statement =
        db.prepare_cached(&format!("SELECT key, value FROM {table} WHERE run = ?1 ORDER BY key"))?;
    Ok(statement.query_map([rid], super::pair)?.collect::<rusqlite::Result<_>>()?)
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

/// Experiments that are read side by side at most: each is a SELECT of its own to compile.
const MERGED_MAX: usize = 128;

/// What a search over runs asks for.
#[derive(Clone, Debug)]
pub struct Query {
    pub experiments: Vec<i64>,
    pub filter: String,
    pub order_by: Vec<String>,
    pub view: View,
}

pub fn run_search(db: &Connection, query: &Query, ask: &Ask) -> Result<Page<RunInfo>> {
    let (joins, order) = runs::compile_order(&query.order_by)?;
    let mut experiments = query.experiments.clone();
    experiments.sort_unstable();
    experiments.dedup();
    if experiments.is_empty() {
        runs::compile_filter(&query.filter)?;
        return Ok(Page { items: Vec::new(), next: None });
    }
    // An experiment is read in the order of its index, several side by side, until the page is full.
    let merged = (2..=MERGED_MAX).contains(&experiments.len()) && runs::is_newest_first(&query.order_by);
    let parts: Vec<_> = experiments.chunks(if merged { 1 } else { usize::MAX }).collect();
    let from = parts.iter().map(|part| sources(query, part, joins.clone())).collect::<Result<_>>()?;
    paged::page(db, Search { columns: COLUMNS, from, order }, ask, info)
}

/// How many runs a search finds on all of its pages.
pub fn run_count(db: &Connection, query: &Query) -> Result<i64> {
    let mut sql = Sql::from("SELECT count(*)");
    sql.append(sources(query, &query.experiments, Sql::default())?);
    Ok(super::rows(db, &sql, |row| row.get::<_, i64>(0))?.into_iter().sum())
}

/// ` FROM .. WHERE ..` for the runs of some experiments that a search finds.
fn sources(query: &Query, experiments: &[i64], joins: Sql) -> Result<Sql> {
    let filter = runs::compile_filter(&query.filter)?;
    let mut from = Sql::from(" FROM runs r");
    from.append(filter.joins).append(joins).push(" WHERE r.experiment_id ");
    match experiments {
        // A list would be sorted again, though it has one experiment only.
        [one] => from.push("= ").bind(Bind::Int(*one)),
        many => from.push("IN ").list(many.iter().copied().map(Bind::Int)),
    };
    from.push(&format!(" AND r.stage IN {}", query.view.stages())).append(filter.condition);
    Ok(from)
}
