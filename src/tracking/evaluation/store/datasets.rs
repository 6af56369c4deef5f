//! Evaluation datasets with their tags and experiments.

use crate::{
    kernel::error::{Error, Result},
    tracking::{
        evaluation::{
            model::{EvaluationDataset, as_text},
            search,
        },
        model::Page,
        search::{
            page::Ask,
            sql::{Bind, Sql},
        },
        store::paged::{self, Search},
    },
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::{Map, Value, json};

const COLUMNS: &str = "d.id, d.dataset_id, d.name, d.schema, d.records, d.digest, d.created_at, d.updated_at, \
                       d.created_by, d.updated_by";

fn dataset(row: &Row<'_>) -> rusqlite::Result<EvaluationDataset> {
    let records: i64 = row.get(4)?;
    Ok(EvaluationDataset {
        row: row.get(0)?,
        dataset_id: row.get(1)?,
        name: row.get(2)?,
        tags: String::new(),
        schema: row.get(3)?,
        profile: (records > 0).then(|| as_text(&json!({ "num_records": records }))),
        digest: row.get(5)?,
        created_time: row.get(6)?,
        last_update_time: row.get(7)?,
        created_by: row.get(8)?,
        last_updated_by: row.get(9)?,
        experiment_ids: Vec::new(),
    })
}

/// A dataset about to be made.
pub struct NewDataset {
    pub dataset_id: String,
    pub name: String,
    pub digest: String,
    pub user: Option<String>,
    pub now: i64,
}

/// Adds a dataset and answers its row's number.
pub fn dataset_create(db: &Connection, new: &NewDataset) -> Result<i64> {
    db.prepare_cached(
        "INSERT INTO evaluation_datasets (dataset_id, name, digest, created_at, updated_at, created_by, updated_by)
         VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?5)",
    )?
    .execute(params![new.dataset_id, new.name, new.digest, new.now, new.user])?;
    Ok(db.last_insert_rowid())
}

/// The dataset with its tags and experiments, if it is there.
pub fn dataset_find(db: &Connection, id: &str) -> Result<Option<EvaluationDataset>> {
    let mut statement =
        db.prepare_cached(&format!("SELECT {COLUMNS} FROM evaluation_datasets d WHERE d.dataset_id = ?1"))?;
    statement.query_row([id], dataset).optional()?.map(|found| filled(db, found)).transpose()
}

pub fn dataset_get(db: &Connection, id: &str) -> Result<EvaluationDataset> {
    dataset_find(db, id)?
        .ok_or_else(|| Error::not_found(format!("Evaluation dataset with id '{id}' not found")))
}

fn filled(db: &Connection, mut dataset: EvaluationDataset) -> Result<EvaluationDataset> {
    let mut statement =
        db.prepare_cached("SELECT key, value FROM evaluation_dataset_tags WHERE dataset = ?1 ORDER BY key")?;
    let tag = |row: &Row<'_>| Ok((row.get(0)?, Value::String(row.get(1)?)));
    let tags = statement.query_map([dataset.row], tag)?.collect::<rusqlite::Result<Map<_, _>>>()?;
    dataset.tags = as_text(&tags);
    let mut statement = db.prepare_cached(
        "SELECT experiment_id FROM evaluation_dataset_experiments WHERE dataset = ?1 ORDER BY id",
    )?;
    let id = |row: &Row<'_>| Ok(row.get::<_, i64>(0)?.to_string());
    dataset.experiment_ids = statement.query_map([dataset.row], id)?.collect::<rusqlite::Result<_>>()?;
    Ok(dataset)
}

pub fn dataset_delete(db: &Connection, id: &str) -> Result<()> {
    db.prepare_cached("DELETE FROM evaluation_datasets WHERE dataset_id = ?1")?.execute([id])?;
    Ok(())
}

pub fn dataset_tag_set(db: &Connection, row: i64, key: &str, value: &str) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO evaluation_dataset_tags (dataset, key, value) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET value = excluded.value",
    )?
    .execute(params![row, key, value])?;
    Ok(())
}

pub fn dataset_tag_delete(db: &Connection, id: &str, key: &str) -> Result<()> {
    db.prepare_cached(
        "DELETE FROM evaluation_dataset_tags
         WHERE key = ?2 AND dataset = (SELECT id FROM evaluation_datasets WHERE dataset_id = ?1)",
    )?
    .execute([id, key])?;
    Ok(())
}

pub fn dataset_experiment_add(db: &Connection, row: i64, experiment: i64) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO evaluation_dataset_experiments (dataset, experiment_id) VALUES (?1, ?2)
         ON CONFLICT DO NOTHING",
    )?
    .execute([row, experiment])?;
    Ok(())
}

/// Whether the dataset belonged to the experiment.
pub fn dataset_experiment_remove(db: &Connection, row: i64, experiment: i64) -> Result<bool> {
    let gone = db
        .prepare_cached(
            "DELETE FROM evaluation_dataset_experiments WHERE dataset = ?1 AND experiment_id = ?2",
        )?
        .execute([row, experiment])?;
    Ok(gone > 0)
}

pub fn dataset_touch(db: &Connection, row: i64, now: i64) -> Result<()> {
    db.prepare_cached("UPDATE evaluation_datasets SET updated_at = ?2 WHERE id = ?1")?.execute([row, now])?;
    Ok(())
}

/// What an upsert of records changes of their dataset.
pub fn dataset_renew(
    db: &Connection,
    row: i64,
    schema: Option<&str>,
    digest: &str,
    user: Option<&str>,
    now: i64,
) -> Result<()> {
    db.prepare_cached(
        "UPDATE evaluation_datasets SET schema = ?2, digest = ?3, updated_by = ?4, updated_at = ?5 WHERE id = ?1",
    )?
    .execute(params![row, schema, digest, user, now])?;
    Ok(())
}

/// Counts the records again after some came or went.
pub fn dataset_recount(db: &Connection, row: i64) -> Result<()> {
    db.prepare_cached(
        "UPDATE evaluation_datasets
         SET records = (SELECT count(*) FROM evaluation_records WHERE dataset = ?1) WHERE id = ?1",
    )?
    .execute([row])?;
    Ok(())
}

/// What a search over datasets asks for.
#[derive(Clone, Debug)]
pub struct Query {
    /// No experiment means all of them.
    pub experiments: Vec<i64>,
    pub filter: String,
    pub order_by: Vec<String>,
}

pub fn dataset_search(db: &Connection, query: &Query, ask: &Ask) -> Result<Page<EvaluationDataset>> {
    let mut sql = Sql::from(" FROM evaluation_datasets d WHERE TRUE");
    if !query.experiments.is_empty() {
        sql.push(" AND d.id IN (SELECT dataset FROM evaluation_dataset_experiments WHERE experiment_id IN ");
        sql.list(query.experiments.iter().copied().map(Bind::Int)).push(")");
    }
    search::filter_datasets(&query.filter, &mut sql)?;
    let order = search::order_datasets(&query.order_by)?;
    let found = paged::page(db, Search { columns: COLUMNS, from: vec![sql], order }, ask, dataset)?;
    let items = found.items.into_iter().map(|found| filled(db, found)).collect::<Result<_>>()?;
    Ok(Page { items, next: found.next })
}
