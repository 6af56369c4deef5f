//! Named keys for encryption at rest, each wrapped by the root key.

use super::super::crypt::KmsKey;
use crate::kernel::error::Result;
use rusqlite::{Connection, OptionalExtension, params};

/// False when there is one of that name.
pub fn key_insert(c: &Connection, key: &KmsKey, sealed: &str) -> Result<bool> {
    let rows = c
        .prepare_cached(
            "INSERT INTO kms_key (name, created_ms, enabled, sealed) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![key.name, key.created_ms, key.enabled, sealed])?;
    Ok(rows > 0)
}

pub fn key_get(c: &Connection, name: &str) -> Result<Option<(KmsKey, String)>> {
    let mut statement =
        c.prepare_cached("SELECT name, created_ms, enabled, sealed FROM kms_key WHERE name = ?1")?;
    Ok(statement.query_row([name], |row| Ok((read(row)?, row.get(3)?))).optional()?)
}

pub fn key_list(c: &Connection) -> Result<Vec<KmsKey>> {
    let mut statement = c.prepare_cached("SELECT name, created_ms, enabled FROM kms_key ORDER BY name")?;
    let rows = statement.query_map([], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The key as it is now; none when there is no such key.
pub fn key_enable(c: &Connection, name: &str, enabled: bool) -> Result<Option<KmsKey>> {
    c.prepare_cached("UPDATE kms_key SET enabled = ?2 WHERE name = ?1")?.execute(params![name, enabled])?;
    Ok(key_get(c, name)?.map(|(key, _)| key))
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<KmsKey> {
    Ok(KmsKey { name: row.get(0)?, created_ms: row.get(1)?, enabled: row.get(2)? })
}
