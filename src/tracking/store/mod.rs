//! The tracker's SQL, by what it touches. Functions are named resource first and run inside a
//! closure of `Db::read` or `Db::write`.

pub mod datasets;
pub mod experiments;
pub mod gc;
mod history;
pub mod metrics;
pub mod models;
mod packed;
pub mod paged;
pub mod runs;
pub mod runs_json;

use super::{
    model::Pair,
    search::sql::{Bind, Sql},
};
use crate::kernel::error::Result;
use rusqlite::{
    Connection, Row, ToSql, params_from_iter,
    types::{ToSqlOutput, Value, ValueRef},
};

impl ToSql for Bind {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Bind::Null => ToSqlOutput::Owned(Value::Null),
            Bind::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Bind::Int(int) => ToSqlOutput::Owned(Value::Integer(*int)),
            Bind::Real(real) => ToSqlOutput::Owned(Value::Real(*real)),
        })
    }
}

/// Length of a statement that is kept for its next use, at most.
const KEPT_MAX: usize = 16 << 10;

/// All rows of a compiled query.
pub(super) fn rows<T>(
    db: &Connection,
    sql: &Sql,
    map: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>> {
    let binds = params_from_iter(&sql.binds);
    // A search of many experiments is long, and kept it would take a megabyte.
    if sql.text.len() > KEPT_MAX {
        let mut statement = db.prepare(&sql.text)?;
        return Ok(statement.query_map(binds, map)?.collect::<rusqlite::Result<_>>()?);
    }
    let mut statement = db.prepare_cached(&sql.text)?;
    Ok(statement.query_map(binds, map)?.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn pair(row: &Row<'_>) -> rusqlite::Result<Pair> {
    Ok(Pair { key: row.get(0)?, value: row.get(1)? })
}
