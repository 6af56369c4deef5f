//! Experiments and their tags.

use super::{
    paged::{self, Search},
    pair,
};
use crate::{
    kernel::error::{Error, Result},
    tracking::{
        model::{Experiment, Page, Pair, Stage, View},
        search::{experiments, page::Ask, reach::Reach, sql::Sql},
    },
};
use rusqlite::{Connection, OptionalExtension, Row, params};

const COLUMNS: &str = "e.id, e.name, e.artifact_location, e.stage, e.updated_at, e.created_at";

fn experiment(row: &Row<'_>) -> rusqlite::Result<Experiment> {
    Ok(Experiment {
        experiment_id: row.get::<_, i64>(0)?.to_string(),
        name: row.get(1)?,
        artifact_location: row.get(2)?,
        lifecycle_stage: row.get(3)?,
        last_update_time: row.get(4)?,
        creation_time: row.get(5)?,
        tags: Vec::new(),
    })
}

/// Adds an experiment and answers its id. Without a location it gets a folder of its own.
pub fn experiment_create(db: &Connection, name: &str, location: Option<&str>, now: i64) -> Result<i64> {
    if experiment_by_name(db, name)?.is_some() {
        return Err(Error::exists(format!("Experiment(name={name}) already exists.")));
    }
    db.prepare_cached(
        "INSERT INTO experiments (name, artifact_location, created_at, updated_at) VALUES (?1, ?2, ?3, ?3)",
    )?
    .execute(params![name, location.unwrap_or_default(), now])?;
    let id = db.last_insert_rowid();
    if location.is_none() {
        db.prepare_cached("UPDATE experiments SET artifact_location = ?2 WHERE id = ?1")?
            .execute(params![id, format!("mlflow-artifacts:/{id}")])?;
    }
    Ok(id)
}

pub fn experiment_get(db: &Connection, id: i64) -> Result<Experiment> {
    let mut statement = db.prepare_cached(&format!("SELECT {COLUMNS} FROM experiments e WHERE e.id = ?1"))?;
    let found = statement.query_row([id], experiment).optional()?;
    let mut found = found.ok_or_else(|| missing(id))?;
    found.tags = experiment_tags(db, id)?;
    Ok(found)
}

pub fn missing(id: i64) -> Error {
    Error::not_found(format!("No Experiment with id={id} exists"))
}

/// Any experiment of that name, deleted ones too: a name stays taken until it is gone for good.
pub fn experiment_by_name(db: &Connection, name: &str) -> Result<Option<Experiment>> {
    let mut statement =
        db.prepare_cached(&format!("SELECT {COLUMNS} FROM experiments e WHERE e.name = ?1"))?;
    let Some(mut found) = statement.query_row([name], experiment).optional()? else { return Ok(None) };
    found.tags = experiment_tags(db, found.experiment_id.parse().unwrap_or_default())?;
    Ok(Some(found))
}

fn experiment_tags(db: &Connection, id: i64) -> Result<Vec<Pair>> {
    let mut statement =
        db.prepare_cached("SELECT key, value FROM experiment_tags WHERE experiment_id = ?1 ORDER BY key")?;
    Ok(statement.query_map([id], pair)?.collect::<rusqlite::Result<_>>()?)
}

/// The id of every experiment and where its artifacts are, deleted ones too.
pub fn experiment_places(db: &Connection) -> Result<Vec<(i64, String)>> {
    let mut statement = db.prepare_cached("SELECT id, artifact_location FROM experiments")?;
    let found = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

/// Marks an experiment and all its runs.
pub fn experiment_set_stage(db: &Connection, id: i64, stage: Stage, now: i64) -> Result<()> {
    db.prepare_cached("UPDATE experiments SET stage = ?2, updated_at = ?3 WHERE id = ?1")?
        .execute(params![id, stage.word(), now])?;
    let deleted_at = (stage == Stage::Deleted).then_some(now);
    db.prepare_cached("UPDATE runs SET stage = ?2, deleted_at = ?3 WHERE experiment_id = ?1")?
        .execute(params![id, stage.word(), deleted_at])?;
    Ok(())
}

pub fn experiment_rename(db: &Connection, id: i64, name: &str, now: i64) -> Result<()> {
    db.prepare_cached("UPDATE experiments SET name = ?2, updated_at = ?3 WHERE id = ?1")?
        .execute(params![id, name, now])?;
    Ok(())
}

pub fn experiment_set_tag(db: &Connection, id: i64, tag: &Pair) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO experiment_tags (experiment_id, key, value) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET value = excluded.value",
    )?
    .execute(params![id, tag.key, tag.value])?;
    Ok(())
}

/// Whether there was such a tag.
pub fn experiment_delete_tag(db: &Connection, id: i64, key: &str) -> Result<bool> {
    let gone = db
        .prepare_cached("DELETE FROM experiment_tags WHERE experiment_id = ?1 AND key = ?2")?
        .execute(params![id, key])?;
    Ok(gone > 0)
}

/// What a search over experiments asks for.
#[derive(Clone, Debug)]
pub struct Query {
    pub reach: Reach,
    pub filter: String,
    pub order_by: Vec<String>,
    pub view: View,
}

pub fn experiment_search(db: &Connection, query: &Query, ask: &Ask) -> Result<Page<Experiment>> {
    let mut from = Sql::default();
    from.push(&format!(" FROM experiments e WHERE e.stage IN {}", query.view.stages()));
    experiments::compile_filter(&query.filter, &mut from)?;
    query.reach.narrow("CAST(e.id AS TEXT)", &mut from);
    let order = experiments::compile_order(&query.order_by)?;
    let mut found = paged::page(db, Search { columns: COLUMNS, from: vec![from], order }, ask, experiment)?;
    for experiment in &mut found.items {
        experiment.tags = experiment_tags(db, experiment.experiment_id.parse().unwrap_or_default())?;
    }
    Ok(found)
}
