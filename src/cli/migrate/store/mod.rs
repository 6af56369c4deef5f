//! MLflow's SQLite backend store, without MLflow: read (`read`) and filled (`write`). Tables and columns are
//! found by their names, so that databases of older versions, which lack some, do as well.

mod load;
mod read;
mod schema;
#[cfg(test)]
mod tests;
mod write;

pub use write::Target;

use super::source::{Kind, Owner};
use crate::{
    cli::{Failure, failure::Code},
    tracking::model::{Double, Pair},
};
use percent_encoding::percent_decode_str;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Row, ToSql, types::Value};
use schema::Schema;
use std::{
    collections::{BTreeMap, HashMap},
    fmt::Display,
    path::{Path, PathBuf},
};

/// What is counted and not copied, by its table.
const COUNTED: [(&str, &str); 5] = [
    ("traces", "trace_info"),
    ("assessments", "assessments"),
    ("evaluation datasets", "evaluation_datasets"),
    ("scorers", "scorers"),
    ("webhooks", "webhooks"),
];

/// A database that is read; nothing is written to it.
pub struct Database {
    db: Connection,
    schema: Schema,
    artifacts: Option<PathBuf>,
}

/// One row by the names of its columns.
struct Record(HashMap<String, Value>);

impl Record {
    fn text(&self, column: &str) -> String {
        self.maybe(column).unwrap_or_default()
    }

    fn maybe(&self, column: &str) -> Option<String> {
        match self.0.get(column)? {
            Value::Text(text) => Some(text.clone()),
            Value::Integer(number) => Some(number.to_string()),
            Value::Real(number) => Some(number.to_string()),
            _ => None,
        }
    }

    fn int(&self, column: &str) -> i64 {
        self.maybe_int(column).unwrap_or_default()
    }

    fn maybe_int(&self, column: &str) -> Option<i64> {
        match self.0.get(column)? {
            Value::Integer(number) => Some(*number),
            Value::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    fn double(&self, value: &str, nan: &str) -> Double {
        if self.int(nan) != 0 {
            return Double(f64::NAN);
        }
        Double(match self.0.get(value) {
            Some(Value::Real(number)) => *number,
            Some(Value::Integer(number)) => *number as f64,
            _ => f64::NAN,
        })
    }
}

fn broken(error: rusqlite::Error) -> Failure {
    Failure::failed(format!("the database cannot be read: {error}"))
}

fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    let names = row.as_ref().column_names().enumerate();
    let columns = names.map(|(at, name)| Ok((name.to_owned(), row.get(at)?)));
    columns.collect::<rusqlite::Result<_>>().map(Record)
}

/// Why a database, or a thing in it, could not be opened or written, in plain words.
fn refused(what: &dyn Display, error: &rusqlite::Error) -> Failure {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => {
            Failure::new(Code::Usage, format!("{what} is not a database of MLflow's"))
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Failure::failed("the database is locked: another program writes to it")
                .hint("stop the `mlflow server` that runs on it, then run the command again")
        }
        _ => Failure::failed(format!("{what}: {error}")),
    }
}

impl Database {
    pub fn open(path: &Path, artifacts: Option<&Path>) -> Result<Self, Failure> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let db =
            Connection::open_with_flags(path, flags).map_err(|error| refused(&path.display(), &error))?;
        let schema = Schema::read(&db).map_err(|error| refused(&path.display(), &error))?;
        Self::checked(db, schema, path, artifacts)
    }

    fn checked(
        db: Connection,
        schema: Schema,
        path: &Path,
        artifacts: Option<&Path>,
    ) -> Result<Self, Failure> {
        let usage = |what: String| Failure::new(Code::Usage, format!("{} {what}", path.display()));
        if !schema.has("experiments") || !schema.has("runs") {
            return Err(usage("is not a database of MLflow's".into()));
        }
        // Names are all that tells the things of two workspaces apart where there are none.
        for table in ["experiments", "registered_models"] {
            if !schema.has_column(table, "workspace") {
                continue;
            }
            let ask = format!("SELECT name FROM {table} GROUP BY name HAVING count(*) > 1 LIMIT 1");
            let twice = db.query_row(&ask, [], |row| row.get::<_, String>(0)).optional().map_err(broken)?;
            if let Some(name) = twice {
                let what = table.replace('_', " ");
                return Err(usage(format!("has {what} of the name {name:?} in several workspaces"))
                    .hint("Crannog has one workspace: rename all but one of them in MLflow"));
            }
        }
        Ok(Self { db, schema, artifacts: artifacts.map(Path::to_owned) })
    }

    /// Rows of a table; none where the database is too old to have it.
    fn rows(&self, table: &str, rest: &str, binds: &[&dyn ToSql]) -> Result<Vec<Record>, Failure> {
        if !self.schema.has(table) {
            return Ok(Vec::new());
        }
        let sql = format!("SELECT * FROM {table} {rest}");
        let mut statement = self.db.prepare_cached(&sql).map_err(broken)?;
        let found = statement.query_map(binds, record).map_err(broken)?;
        found.collect::<rusqlite::Result<_>>().map_err(broken)
    }

    fn pairs(
        &self,
        table: &str,
        (key, value): (&str, &str),
        rest: &str,
        binds: &[&dyn ToSql],
    ) -> Result<Vec<Pair>, Failure> {
        let found = self.rows(table, rest, binds)?;
        Ok(found.iter().map(|row| Pair { key: row.text(key), value: row.text(value) }).collect())
    }

    pub fn left_out(&self) -> BTreeMap<&'static str, u64> {
        // A database too old to have a table has nothing of its kind.
        let count = |(what, table): (&'static str, &str)| {
            let sql = format!("SELECT count(*) FROM {table}");
            let count: i64 = self.db.query_row(&sql, [], |row| row.get(0)).ok()?;
            Some((what, u64::try_from(count).unwrap_or_default()))
        };
        COUNTED.into_iter().filter_map(count).collect()
    }

    /// The folder of an owner's files on this machine; none where they are kept elsewhere.
    pub fn root(&self, owner: &Owner) -> Result<Option<PathBuf>, Failure> {
        let uri = &owner.artifact_uri;
        if is_elsewhere(uri) {
            return Ok(None);
        }
        if let Some(path) = crate::tracking::service::prefix_of(uri).ok().filter(|path| !path.is_empty()) {
            return match &self.artifacts {
                Some(root) => Ok(Some(root.join(path))),
                None => Err(Failure::new(Code::Usage, format!("the database names artifacts as {uri}"))
                    .hint(
                        "say where the server keeps them with --artifacts DIR (its --artifacts-destination)",
                    )),
            };
        }
        let path = uri.strip_prefix("file://").unwrap_or(uri);
        let path = PathBuf::from(percent_decode_str(path).decode_utf8_lossy().into_owned());
        if path.is_dir() {
            return Ok(Some(path));
        }
        // The store was moved: what is below the experiment's folder is looked for in --artifacts.
        let levels = match owner.kind {
            Kind::Run => 3,
            Kind::Model => 4,
        };
        let parts: Vec<_> = path.components().collect();
        let tail: PathBuf = parts[parts.len().saturating_sub(levels)..].iter().collect();
        Ok(self.artifacts.as_ref().map(|root| root.join(tail)))
    }
}

/// Whether files are in a store that only its own clients read, such as `s3://`.
pub fn is_elsewhere(uri: &str) -> bool {
    uri.split_once("://").is_some_and(|(scheme, _)| !["file", "mlflow-artifacts"].contains(&scheme))
}
