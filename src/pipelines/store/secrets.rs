//! Rows of variables and connections. What they hold in secret is sealed before it comes here.

use super::collect;
use crate::kernel::error::Result;
use rusqlite::{Connection, Row, params};

/// A variable, its value sealed.
#[derive(Clone, Debug)]
pub struct VariableRow {
    pub key: String,
    pub description: Option<String>,
    pub sealed: Vec<u8>,
}

/// A connection, its password and extra sealed.
#[derive(Clone, Debug)]
pub struct ConnectionRow {
    pub id: String,
    pub conn_type: String,
    pub description: Option<String>,
    pub host: Option<String>,
    pub login: Option<String>,
    pub schema: Option<String>,
    pub port: Option<i64>,
    pub sealed: Vec<u8>,
}

/// Whether there is any variable or connection.
pub fn has_variables(db: &Connection) -> Result<bool> {
    let any = "SELECT 1 WHERE EXISTS (SELECT 1 FROM pipeline_variables) OR EXISTS (SELECT 1 FROM pipeline_connections)";
    Ok(db.prepare_cached(any)?.exists([])?)
}

/// One variable, or all of them.
pub fn variable_list(db: &Connection, key: Option<&str>) -> Result<Vec<VariableRow>> {
    let mut query = db.prepare_cached(
        "SELECT key, description, sealed FROM pipeline_variables WHERE ?1 IS NULL OR key = ?1 ORDER BY key",
    )?;
    collect(query.query([key])?, |row| {
        Ok(VariableRow { key: row.get(0)?, description: row.get(1)?, sealed: row.get(2)? })
    })
}

/// Writes a variable. False if it must be new and is not.
pub fn variable_put(db: &Connection, row: &VariableRow, new: bool) -> Result<bool> {
    let or = if new { "NOTHING" } else { "UPDATE SET description = ?2, sealed = ?3" };
    let written = db
        .prepare_cached(&format!(
            "INSERT INTO pipeline_variables (key, description, sealed) VALUES (?1, ?2, ?3)
             ON CONFLICT (key) DO {or}"
        ))?
        .execute(params![row.key, row.description, row.sealed])?;
    Ok(written == 1)
}

/// False if there is none.
pub fn variable_delete(db: &Connection, key: &str) -> Result<bool> {
    Ok(db.prepare_cached("DELETE FROM pipeline_variables WHERE key = ?1")?.execute([key])? == 1)
}

/// One connection, or all of them.
pub fn connection_list(db: &Connection, id: Option<&str>) -> Result<Vec<ConnectionRow>> {
    let mut query = db.prepare_cached(
        "SELECT id, conn_type, description, host, login, schema, port, sealed FROM pipeline_connections
         WHERE ?1 IS NULL OR id = ?1 ORDER BY id",
    )?;
    collect(query.query([id])?, read)
}

/// Writes a connection. False if it must be new and is not.
pub fn connection_put(db: &Connection, row: &ConnectionRow, new: bool) -> Result<bool> {
    let or = match new {
        true => "NOTHING",
        false => {
            "UPDATE SET conn_type = ?2, description = ?3, host = ?4, login = ?5, schema = ?6, port = ?7, sealed = ?8"
        }
    };
    let written = db
        .prepare_cached(&format!(
            "INSERT INTO pipeline_connections (id, conn_type, description, host, login, schema, port, sealed)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (id) DO {or}"
        ))?
        .execute(params![
            row.id,
            row.conn_type,
            row.description,
            row.host,
            row.login,
            row.schema,
            row.port,
            row.sealed
        ])?;
    Ok(written == 1)
}

/// False if there is none.
pub fn connection_delete(db: &Connection, id: &str) -> Result<bool> {
    Ok(db.prepare_cached("DELETE FROM pipeline_connections WHERE id = ?1")?.execute([id])? == 1)
}

fn read(row: &Row<'_>) -> Result<ConnectionRow> {
    Ok(ConnectionRow {
        id: row.get("id")?,
        conn_type: row.get("conn_type")?,
        description: row.get("description")?,
        host: row.get("host")?,
        login: row.get("login")?,
        schema: row.get("schema")?,
        port: row.get("port")?,
        sealed: row.get("sealed")?,
    })
}
