//! The SQL of this domain, next to the function that runs it: definitions, runs, tasks.

mod attempts;
mod backfills;
mod definitions;
mod events;
mod find;
mod notes;
mod pools;
mod runs;
mod secrets;
mod tasks;
mod waits;

pub use attempts::*;
pub use backfills::*;
pub use definitions::*;
pub use events::*;
pub use find::*;
pub use notes::*;
pub use pools::*;
pub use runs::*;
pub use secrets::*;
pub use tasks::*;
pub use waits::*;

use crate::kernel::error::{Error, Result};
use rusqlite::Row;
use std::str::FromStr;

/// A column that holds one of the model's words.
fn word<T: FromStr<Err = String>>(row: &Row<'_>, column: &str) -> Result<T> {
    let text: String = row.get(column)?;
    text.parse().map_err(|why: String| Error::internal(format!("column {column}: {why}")))
}

/// Collects rows through a reader that may fail in our terms.
fn collect<T>(mut rows: rusqlite::Rows<'_>, read: impl Fn(&Row<'_>) -> Result<T>) -> Result<Vec<T>> {
    let mut out = Vec::new();
    while let Some(row) = rows.next()? {
        out.push(read(row)?);
    }
    Ok(out)
}
