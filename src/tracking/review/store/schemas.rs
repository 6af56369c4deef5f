//! Questions: made, read, changed, deleted, listed.

use crate::{
    kernel::error::{Error, Result},
    tracking::{
        model::Page,
        review::model::LabelSchema,
        search::{
            keyset::Order,
            page::Ask,
            sql::{Bind, Sql},
        },
        store::paged::{self, Search},
    },
};
use rusqlite::{Connection, OptionalExtension, Row, params};

const COLUMNS: &str = "s.id, s.experiment_id, s.name, s.kind, s.instruction, s.commented, s.input, s.created_at, \
                       s.updated_at, s.is_default";

fn schema(row: &Row<'_>) -> rusqlite::Result<LabelSchema> {
    let input: String = row.get(6)?;
    Ok(LabelSchema {
        schema_id: row.get(0)?,
        experiment_id: row.get::<_, i64>(1)?.to_string(),
        name: row.get(2)?,
        kind: row.get(3)?,
        instruction: row.get(4)?,
        enable_comment: row.get(5)?,
        input: serde_json::from_str(&input).unwrap_or_default(),
        created_at: row.get(7)?,
        last_updated_at: row.get(8)?,
        is_default: row.get(9)?,
    })
}

/// Adds a question; whether its name was free.
pub fn schema_create(db: &Connection, experiment: i64, new: &LabelSchema) -> Result<bool> {
    let added = db
        .prepare_cached(
            "INSERT INTO label_schemas (id, experiment_id, name, kind, instruction, commented, input, created_at,
                                        updated_at, is_default)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?9) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            new.schema_id,
            experiment,
            new.name,
            new.kind,
            new.instruction,
            new.enable_comment,
            new.input.to_string(),
            new.created_at,
            new.is_default,
        ])?;
    Ok(added > 0)
}

/// Writes a question over what is kept of it.
pub fn schema_put(db: &Connection, changed: &LabelSchema) -> Result<()> {
    db.prepare_cached(
        "UPDATE label_schemas SET name = ?2, instruction = ?3, commented = ?4, input = ?5, updated_at = ?6
         WHERE id = ?1",
    )?
    .execute(params![
        changed.schema_id,
        changed.name,
        changed.instruction,
        changed.enable_comment,
        changed.input.to_string(),
        changed.last_updated_at,
    ])?;
    Ok(())
}

pub fn schema_find(db: &Connection, id: &str) -> Result<Option<LabelSchema>> {
    let mut statement =
        db.prepare_cached(&format!("SELECT {COLUMNS} FROM label_schemas s WHERE s.id = ?1"))?;
    Ok(statement.query_row([id], schema).optional()?)
}

pub fn schema_get(db: &Connection, id: &str) -> Result<LabelSchema> {
    schema_find(db, id)?.ok_or_else(|| Error::not_found(format!("Label schema with id '{id}' not found.")))
}

pub fn schema_named(db: &Connection, experiment: i64, name: &str) -> Result<Option<LabelSchema>> {
    let mut statement = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM label_schemas s WHERE s.experiment_id = ?1 AND s.name = ?2"
    ))?;
    Ok(statement.query_row(params![experiment, name], schema).optional()?)
}

pub fn schema_default_is_there(db: &Connection, experiment: i64) -> Result<bool> {
    let mut statement =
        db.prepare_cached("SELECT 1 FROM label_schemas WHERE experiment_id = ?1 AND is_default")?;
    Ok(statement.exists([experiment])?)
}

pub fn schema_delete(db: &Connection, id: &str) -> Result<()> {
    db.prepare_cached("DELETE FROM label_schemas WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// The newest question first.
pub fn schema_list(db: &Connection, experiment: i64, ask: &Ask) -> Result<Page<LabelSchema>> {
    let mut from = Sql::from(" FROM label_schemas s WHERE s.experiment_id = ");
    from.bind(Bind::Int(experiment));
    let mut order = Order::default();
    order.descending("s.created_at").ascending("s.id");
    paged::page(db, Search { columns: COLUMNS, from: vec![from], order }, ask, schema)
}
