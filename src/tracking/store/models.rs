//! Logged models: what `log_model` makes before anything is registered.

use super::{
    paged::{self, Search},
    pair,
};
use crate::{
    kernel::error::{Error, Result},
    tracking::{
        model::{Double, LoggedModel, LoggedModelData, LoggedModelInfo, Metric, Page, Pair, Stage},
        search::{
            models::{self, OnDataset, OrderBy},
            page::Ask,
            sql::{Bind, Sql},
        },
    },
};
use rusqlite::{Connection, OptionalExtension, Row, params};

const COLUMNS: &str = "l.id, l.experiment_id, l.name, l.artifact_uri, l.status, l.status_message, l.model_type, \
                       l.source_run_id, l.stage, l.created_at, l.updated_at";

/// The protocol's name for a stored status.
fn wire_status(status: &str) -> &'static str {
    match status {
        "PENDING" => "LOGGED_MODEL_PENDING",
        "READY" => "LOGGED_MODEL_READY",
        "FAILED" => "LOGGED_MODEL_UPLOAD_FAILED",
        _ => "LOGGED_MODEL_STATUS_UNSPECIFIED",
    }
}

/// The stored word for a status by the protocol's number.
pub fn stored_status(number: i64) -> &'static str {
    match number {
        1 => "PENDING",
        2 => "READY",
        3 => "FAILED",
        _ => "UNSPECIFIED",
    }
}

fn info(row: &Row<'_>) -> rusqlite::Result<LoggedModelInfo> {
    Ok(LoggedModelInfo {
        model_id: row.get(0)?,
        experiment_id: row.get::<_, i64>(1)?.to_string(),
        name: row.get(2)?,
        artifact_uri: row.get(3)?,
        status: wire_status(&row.get::<_, String>(4)?).to_owned(),
        status_message: row.get(5)?,
        model_type: row.get(6)?,
        source_run_id: row.get(7)?,
        lifecycle_stage: row.get(8)?,
        creation_timestamp_ms: row.get(9)?,
        last_updated_timestamp_ms: row.get(10)?,
        tags: Vec::new(),
    })
}

/// A logged model about to be made.
pub struct NewModel {
    pub id: String,
    pub experiment_id: i64,
    pub name: String,
    pub artifact_uri: String,
    pub model_type: String,
    pub source_run_id: String,
    pub created_at: i64,
}

pub fn model_create(db: &Connection, model: &NewModel) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO logged_models (id, experiment_id, name, artifact_uri, status, model_type, source_run_id,
                                    created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, 'PENDING', ?5, ?6, ?7, ?7)",
    )?
    .execute(params![
        model.id,
        model.experiment_id,
        model.name,
        model.artifact_uri,
        model.model_type,
        model.source_run_id,
        model.created_at
    ])?;
    Ok(())
}

pub fn missing(id: &str) -> Error {
    Error::not_found(format!("Logged model with ID '{id}' not found."))
}

/// A model by its id; a deleted one only if `deleted_too`.
pub fn model_get(db: &Connection, id: &str, deleted_too: bool) -> Result<LoggedModel> {
    let mut statement =
        db.prepare_cached(&format!("SELECT {COLUMNS} FROM logged_models l WHERE l.id = ?1"))?;
    let found = statement.query_row([id], info).optional()?;
    let found = found.filter(|model| deleted_too || model.lifecycle_stage == Stage::Active.word());
    filled(db, found.ok_or_else(|| missing(id))?)
}

fn filled(db: &Connection, mut info: LoggedModelInfo) -> Result<LoggedModel> {
    info.tags = pairs(db, "SELECT key, value FROM logged_model_tags WHERE model_id = ?1", &info.model_id)?;
    let params = pairs(db, "SELECT key, value FROM logged_model_params WHERE model_id = ?1", &info.model_id)?;
    let metrics = model_metrics(db, &info.model_id)?;
    Ok(LoggedModel { info, data: LoggedModelData { params, metrics } })
}

fn pairs(db: &Connection, sql: &str, id: &str) -> Result<Vec<Pair>> {
    Ok(db.prepare_cached(sql)?.query_map([id], pair)?.collect::<rusqlite::Result<_>>()?)
}

fn model_metrics(db: &Connection, id: &str) -> Result<Vec<Metric>> {
    let mut statement = db.prepare_cached(
        "SELECT key, value, nan, timestamp, step, run_id, dataset_name, dataset_digest
         FROM logged_model_metrics WHERE model_id = ?1 ORDER BY key, timestamp, step, run_id",
    )?;
    let metric = |row: &Row<'_>| {
        Ok(Metric {
            key: row.get(0)?,
            value: Double(if row.get(2)? { f64::NAN } else { row.get(1)? }),
            timestamp: row.get(3)?,
            step: row.get(4)?,
            model_id: Some(id.to_owned()),
            run_id: Some(row.get(5)?),
            dataset_name: row.get(6)?,
            dataset_digest: row.get(7)?,
        })
    };
    Ok(statement.query_map([id], metric)?.collect::<rusqlite::Result<_>>()?)
}

/// Adds a point that a run took of a model. The same point again changes nothing.
pub fn model_metric_log(db: &Connection, model_id: &str, run_id: &str, metric: &Metric) -> Result<()> {
    let nan = metric.value.0.is_nan();
    db.prepare_cached(
        "INSERT INTO logged_model_metrics
             (model_id, key, timestamp, step, run_id, value, nan, dataset_name, dataset_digest)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING",
    )?
    .execute(params![
        model_id,
        metric.key,
        metric.timestamp,
        metric.step,
        run_id,
        if nan { 0.0 } else { metric.value.0 },
        nan,
        metric.dataset_name,
        metric.dataset_digest
    ])?;
    Ok(())
}

pub fn model_set_status(db: &Connection, id: &str, status: &str, now: i64) -> Result<()> {
    let changed = db
        .prepare_cached("UPDATE logged_models SET status = ?2, updated_at = ?3 WHERE id = ?1")?
        .execute(params![id, status, now])?;
    if changed == 0 { Err(missing(id)) } else { Ok(()) }
}

pub fn model_delete(db: &Connection, id: &str, now: i64) -> Result<()> {
    let changed = db
        .prepare_cached("UPDATE logged_models SET stage = 'deleted', updated_at = ?2 WHERE id = ?1")?
        .execute(params![id, now])?;
    if changed == 0 { Err(missing(id)) } else { Ok(()) }
}

/// Writes a param that the model has not: params are written once.
pub fn model_param_create(db: &Connection, id: &str, param: &Pair) -> Result<()> {
    let added = db
        .prepare_cached(
            "INSERT INTO logged_model_params (model_id, key, value) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        )?
        .execute(params![id, param.key, param.value])?;
    if added == 1 {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "Changing param values is not allowed. Param with key='{}' was already logged for logged model ID='{id}'.",
        param.key
    )))
}

pub fn model_param_set(db: &Connection, id: &str, param: &Pair) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO logged_model_params (model_id, key, value) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET value = excluded.value",
    )?
    .execute(params![id, param.key, param.value])?;
    Ok(())
}

pub fn model_tag_set(db: &Connection, id: &str, tag: &Pair) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO logged_model_tags (model_id, key, value) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET value = excluded.value",
    )?
    .execute(params![id, tag.key, tag.value])?;
    Ok(())
}

/// Whether there was such a tag.
pub fn model_tag_delete(db: &Connection, id: &str, key: &str) -> Result<bool> {
    let gone = db
        .prepare_cached("DELETE FROM logged_model_tags WHERE model_id = ?1 AND key = ?2")?
        .execute(params![id, key])?;
    Ok(gone > 0)
}

/// What a search over logged models asks for.
#[derive(Clone, Debug)]
pub struct Query {
    pub experiments: Vec<i64>,
    pub filter: String,
    pub datasets: Vec<OnDataset>,
    pub order_by: Vec<OrderBy>,
}

pub fn model_search(db: &Connection, query: &Query, ask: &Ask) -> Result<Page<LoggedModel>> {
    let mut from = Sql::default();
    from.push(" FROM logged_models l WHERE l.stage = 'active' AND l.experiment_id IN ");
    from.list(query.experiments.iter().copied().map(Bind::Int));
    models::compile_filter(&query.filter, &query.datasets, &mut from)?;
    let order = models::compile_order(&query.order_by)?;
    let found = paged::page(db, Search { columns: COLUMNS, from: vec![from], order }, ask, info)?;
    let items = found.items.into_iter().map(|info| filled(db, info)).collect::<Result<_>>()?;
    Ok(Page { items, next: found.next })
}
