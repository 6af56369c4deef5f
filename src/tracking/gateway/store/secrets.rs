//! Credentials: sealed, and what is shown of them.

use super::{Key, missing, name_is_free, narrow};
use crate::{
    kernel::error::Result,
    tracking::{gateway::model::Secret, search::sql::Sql, store::rows},
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::{Map, Value};

const COLUMNS: &str = "s.id, s.name, s.masked, s.provider, s.auth_config, s.created_at, s.updated_at, \
                       s.created_by, s.updated_by";

fn secret(row: &Row<'_>) -> rusqlite::Result<Secret> {
    let object = |index| {
        let text: String = row.get(index)?;
        Ok::<Map<String, Value>, rusqlite::Error>(serde_json::from_str(&text).unwrap_or_default())
    };
    Ok(Secret {
        secret_id: row.get(0)?,
        secret_name: row.get(1)?,
        masked_values: object(2)?,
        provider: row.get(3)?,
        auth_config: object(4)?,
        created_at: row.get(5)?,
        last_updated_at: row.get(6)?,
        created_by: row.get(7)?,
        last_updated_by: row.get(8)?,
    })
}

fn text(object: &Map<String, Value>) -> String {
    serde_json::to_string(object).unwrap_or_default()
}

pub fn secret_create(db: &Connection, secret: &Secret, sealed: &[u8]) -> Result<()> {
    name_is_free(db, "gateway_secrets", "Secret", &secret.secret_name, &secret.secret_id)?;
    db.prepare_cached(
        "INSERT INTO gateway_secrets (id, name, sealed, masked, provider, auth_config, created_at, updated_at,
                                      created_by, updated_by)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8, ?8)",
    )?
    .execute(params![
        secret.secret_id,
        secret.secret_name,
        sealed,
        text(&secret.masked_values),
        secret.provider,
        text(&secret.auth_config),
        secret.created_at,
        secret.created_by,
    ])?;
    Ok(())
}

pub fn secret_get(db: &Connection, key: &Key) -> Result<Secret> {
    let (column, value) = key.column("id", "name");
    let mut statement =
        db.prepare_cached(&format!("SELECT {COLUMNS} FROM gateway_secrets s WHERE s.{column} = ?1"))?;
    let found = statement.query_row([value], secret).optional()?;
    let (field, value) = key.column("secret_id", "secret_name");
    found.ok_or_else(|| missing("GatewaySecret", &[(field, value)]))
}

/// The credentials of one provider, or all.
pub fn secret_list(db: &Connection, provider: Option<&str>) -> Result<Vec<Secret>> {
    let mut sql = Sql::default();
    sql.push(&format!("SELECT {COLUMNS} FROM gateway_secrets s WHERE TRUE"));
    narrow(&mut sql, &[("s.provider", provider)]);
    sql.push(" ORDER BY s.created_at, s.id");
    rows(db, &sql, secret)
}

/// Writes a changed credential; what is sealed stays when there is nothing new to seal.
pub fn secret_update(db: &Connection, secret: &Secret, sealed: Option<&[u8]>) -> Result<()> {
    db.prepare_cached(
        "UPDATE gateway_secrets SET sealed = coalesce(?2, sealed), masked = ?3, auth_config = ?4, updated_at = ?5,
                                    updated_by = ?6 WHERE id = ?1",
    )?
    .execute(params![
        secret.secret_id,
        sealed,
        text(&secret.masked_values),
        text(&secret.auth_config),
        secret.last_updated_at,
        secret.last_updated_by,
    ])?;
    Ok(())
}

pub fn secret_delete(db: &Connection, id: &str) -> Result<()> {
    if db.prepare_cached("DELETE FROM gateway_secrets WHERE id = ?1")?.execute([id])? == 0 {
        return Err(missing("GatewaySecret", &[("secret_id", id)]));
    }
    Ok(())
}
