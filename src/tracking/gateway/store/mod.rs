//! The SQL of the gateway's configuration, by what it touches.

pub mod bindings;
pub mod definitions;
pub mod endpoints;
pub mod secrets;

use crate::{
    kernel::error::{Error, Result},
    tracking::search::sql::{Bind, Sql},
};

/// What is looked up by its id or by its name.
#[derive(Clone, Debug)]
pub enum Key {
    Id(String),
    Name(String),
}

impl Key {
    fn column(&self, id: &'static str, name: &'static str) -> (&'static str, &str) {
        match self {
            Key::Id(value) => (id, value),
            Key::Name(value) => (name, value),
        }
    }
}

/// MLflow's words for what is not there.
pub fn missing(what: &str, by: &[(&str, &str)]) -> Error {
    let by: Vec<_> = by.iter().map(|(name, value)| format!("{name}='{value}'")).collect();
    Error::not_found(format!("{what} not found ({})", by.join(", ")))
}

/// Refuses a name that a row of `table` other than `id` has.
fn name_is_free(db: &rusqlite::Connection, table: &str, what: &str, name: &str, id: &str) -> Result<()> {
    let sql = format!("SELECT EXISTS (SELECT 1 FROM {table} WHERE name = ?1 AND id <> ?2)");
    if db.prepare_cached(&sql)?.query_row([name, id], |row| row.get(0))? {
        return Err(Error::exists(format!("{what} with name '{name}' already exists")));
    }
    Ok(())
}

/// Appends ` AND column = value` for each value that was given.
fn narrow(sql: &mut Sql, by: &[(&str, Option<&str>)]) {
    for (column, value) in by {
        if let Some(value) = value {
            sql.push(&format!(" AND {column} = ")).bind(Bind::Text((*value).to_owned()));
        }
    }
}
