//! Model definitions.

use super::{Key, missing, name_is_free, narrow};
use crate::{
    kernel::error::Result,
    tracking::{
        gateway::model::{Definition, DefinitionChange},
        search::sql::Sql,
        store::rows,
    },
};
use rusqlite::{Connection, OptionalExtension, Row, params};

pub const COLUMNS: &str = "m.id, m.name, m.secret, s.name, m.provider, m.model_name, m.created_at, m.updated_at, \
                           m.created_by, m.updated_by";
const FROM: &str = "FROM gateway_models m LEFT JOIN gateway_secrets s ON s.id = m.secret";

/// A definition whose columns begin at `first`.
pub fn definition(row: &Row<'_>, first: usize) -> rusqlite::Result<Definition> {
    Ok(Definition {
        model_definition_id: row.get(first)?,
        name: row.get(first + 1)?,
        secret_id: row.get(first + 2)?,
        secret_name: row.get(first + 3)?,
        provider: row.get(first + 4)?,
        model_name: row.get(first + 5)?,
        created_at: row.get(first + 6)?,
        last_updated_at: row.get(first + 7)?,
        created_by: row.get(first + 8)?,
        last_updated_by: row.get(first + 9)?,
    })
}

pub fn definition_create(db: &Connection, new: &Definition) -> Result<()> {
    name_is_free(db, "gateway_models", "Model definition", &new.name, &new.model_definition_id)?;
    db.prepare_cached(
        "INSERT INTO gateway_models (id, name, secret, provider, model_name, created_at, updated_at, created_by,
                                     updated_by)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, ?7)",
    )?
    .execute(params![
        new.model_definition_id,
        new.name,
        new.secret_id,
        new.provider,
        new.model_name,
        new.created_at,
        new.created_by,
    ])?;
    Ok(())
}

pub fn definition_get(db: &Connection, key: &Key) -> Result<Definition> {
    let (column, value) = key.column("id", "name");
    let mut statement = db.prepare_cached(&format!("SELECT {COLUMNS} {FROM} WHERE m.{column} = ?1"))?;
    let found = statement.query_row([value], |row| definition(row, 0)).optional()?;
    let (field, value) = key.column("model_definition_id", "name");
    found.ok_or_else(|| missing("GatewayModelDefinition", &[(field, value)]))
}

pub fn definition_exists(db: &Connection, id: &str) -> Result<bool> {
    let mut statement = db.prepare_cached("SELECT EXISTS (SELECT 1 FROM gateway_models WHERE id = ?1)")?;
    Ok(statement.query_row([id], |row| row.get(0))?)
}

pub fn definition_list(
    db: &Connection,
    provider: Option<&str>,
    secret: Option<&str>,
) -> Result<Vec<Definition>> {
    let mut sql = Sql::default();
    sql.push(&format!("SELECT {COLUMNS} {FROM} WHERE TRUE"));
    narrow(&mut sql, &[("m.provider", provider), ("m.secret", secret)]);
    sql.push(" ORDER BY m.created_at, m.id");
    rows(db, &sql, |row| definition(row, 0))
}

pub fn definition_update(db: &Connection, id: &str, change: &DefinitionChange, now: i64) -> Result<()> {
    if let Some(name) = &change.name {
        name_is_free(db, "gateway_models", "Model definition", name, id)?;
    }
    db.prepare_cached(
        "UPDATE gateway_models SET name = coalesce(?2, name), secret = coalesce(?3, secret),
             provider = coalesce(?4, provider), model_name = coalesce(?5, model_name), updated_at = ?6,
             updated_by = coalesce(?7, updated_by) WHERE id = ?1",
    )?
    .execute(params![
        id,
        change.name,
        change.secret_id,
        change.provider,
        change.model_name,
        now,
        change.user
    ])?;
    Ok(())
}

/// Whether an endpoint has the model.
pub fn definition_in_use(db: &Connection, id: &str) -> Result<bool> {
    let mut statement =
        db.prepare_cached("SELECT EXISTS (SELECT 1 FROM gateway_endpoint_models WHERE model = ?1)")?;
    Ok(statement.query_row([id], |row| row.get(0))?)
}

pub fn definition_delete(db: &Connection, id: &str) -> Result<()> {
    db.prepare_cached("DELETE FROM gateway_models WHERE id = ?1")?.execute([id])?;
    Ok(())
}
