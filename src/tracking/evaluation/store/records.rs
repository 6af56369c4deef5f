//! The records of evaluation datasets.

use super::json;
use crate::{
    kernel::error::Result,
    tracking::{
        evaluation::{
            model::{Record, as_text},
            record::NewRecord,
        },
        model::Page,
        search::{keyset::Order, page::Ask, sql::Sql},
        store::paged::{self, Search},
    },
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::{Value, json as object};

const COLUMNS: &str = "r.id, r.record_id, d.dataset_id, r.inputs, r.outputs, r.expectations, r.tags, r.source, \
                       r.source_id, r.source_type, r.created_at, r.updated_at, r.created_by, r.updated_by";

fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    let optional = |index| Ok::<_, rusqlite::Error>(row.get::<_, Option<String>>(index)?.map(json));
    Ok(Record {
        row: row.get(0)?,
        dataset_record_id: row.get(1)?,
        dataset_id: row.get(2)?,
        inputs: json(row.get(3)?),
        outputs: optional(4)?,
        expectations: optional(5)?,
        tags: json(row.get(6)?),
        source: optional(7)?,
        source_id: row.get(8)?,
        source_type: row.get(9)?,
        created_time: row.get(10)?,
        last_update_time: row.get(11)?,
        created_by: row.get(12)?,
        last_updated_by: row.get(13)?,
    })
}

/// The record of a dataset that has these inputs.
pub fn record_find(db: &Connection, dataset: i64, fingerprint: &str) -> Result<Option<Record>> {
    let mut statement = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM evaluation_records r JOIN evaluation_datasets d ON d.id = r.dataset
         WHERE r.dataset = ?1 AND r.fingerprint = ?2"
    ))?;
    Ok(statement.query_row(params![dataset, fingerprint], record).optional()?)
}

pub fn record_create(
    db: &Connection,
    dataset: i64,
    id: &str,
    fingerprint: &str,
    new: &NewRecord,
    now: i64,
) -> Result<()> {
    // A record without outputs comes back with an empty object, one whose outputs are null with none.
    let outputs = new.outputs.clone().unwrap_or_else(|| object!({}));
    db.prepare_cached(
        "INSERT INTO evaluation_records (record_id, dataset, fingerprint, inputs, outputs, expectations, tags,
             source, source_id, source_type, created_at, updated_at, created_by, updated_by)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11, ?12, ?12)",
    )?
    .execute(params![
        id,
        dataset,
        fingerprint,
        as_text(&new.inputs),
        text_unless_null(Some(&outputs)),
        new.expectations.as_ref().map(as_text),
        as_text(&new.tags),
        new.source.as_ref().map(|source| as_text(&source.json())),
        new.source.as_ref().and_then(|source| source.id()),
        new.source.as_ref().map(|source| source.kind.as_str()),
        now,
        new.user(),
    ])?;
    Ok(())
}

fn text_unless_null(value: Option<&Value>) -> Option<String> {
    value.filter(|value| !value.is_null()).map(as_text)
}

/// Writes back what a merge may have changed.
pub fn record_update(db: &Connection, record: &Record, now: i64) -> Result<()> {
    db.prepare_cached(
        "UPDATE evaluation_records SET outputs = ?2, expectations = ?3, tags = ?4, updated_by = ?5, updated_at = ?6
         WHERE id = ?1",
    )?
    .execute(params![
        record.row,
        text_unless_null(record.outputs.as_ref()),
        text_unless_null(record.expectations.as_ref()),
        as_text(&record.tags),
        record.last_updated_by,
        now,
    ])?;
    Ok(())
}

/// Records of a dataset in the order in which they were added.
pub fn record_page(db: &Connection, dataset: &str, ask: &Ask) -> Result<Page<Record>> {
    let mut from = Sql::from(" FROM evaluation_records r JOIN evaluation_datasets d ON d.id = r.dataset");
    from.push(" WHERE d.dataset_id = ").text(dataset);
    let mut order = Order::default();
    order.ascending("r.id");
    paged::page(db, Search { columns: COLUMNS, from: vec![from], order }, ask, record)
}

/// Whether the dataset had such a record.
pub fn record_delete(db: &Connection, dataset: i64, id: &str) -> Result<bool> {
    let gone = db
        .prepare_cached("DELETE FROM evaluation_records WHERE dataset = ?1 AND record_id = ?2")?
        .execute(params![dataset, id])?;
    Ok(gone > 0)
}
