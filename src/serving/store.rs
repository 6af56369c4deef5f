//! The SQL of endpoints: only their definitions are kept; what is loaded is found anew at each start.

use crate::kernel::error::Result;
use rusqlite::{Connection, params};

/// Whether the endpoint is new.
pub fn endpoint_put(db: &Connection, name: &str, model: &str, now: i64) -> Result<bool> {
    let known: bool = db
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM endpoints WHERE name = ?1)")?
        .query_row([name], |row| row.get(0))?;
    db.prepare_cached(
        "INSERT INTO endpoints (name, model, created_ms, updated_ms) VALUES (?1, ?2, ?3, ?3)
         ON CONFLICT DO UPDATE SET model = excluded.model, updated_ms = excluded.updated_ms",
    )?
    .execute(params![name, model, now])?;
    Ok(!known)
}

/// Whether it was there.
pub fn endpoint_delete(db: &Connection, name: &str) -> Result<bool> {
    Ok(db.prepare_cached("DELETE FROM endpoints WHERE name = ?1")?.execute([name])? > 0)
}

/// Name and model address of each.
pub fn endpoints(db: &Connection) -> Result<Vec<(String, String)>> {
    let mut statement = db.prepare_cached("SELECT name, model FROM endpoints ORDER BY name")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
