//! A database of MLflow's own that is filled: made empty by `mlflow db upgrade`, or filled before. Ids, times
//! and numbers are kept; a row that is there is brought in line, and what it has besides stays.

mod fill;
mod fit;

use super::{
    Database, refused,
    schema::{ALL, Rows, Schema},
};
use crate::{
    cli::{Failure, failure::Code, migrate::source::Owner},
    tracking::model::Experiment,
};
use rusqlite::{
    Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior,
    types::{ToSqlOutput, ValueRef},
};
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fmt::Display,
    path::{Path, PathBuf},
    time::Duration,
};

/// Where MLflow keeps what belongs to no other workspace.
const WORKSPACE: &str = "default";

pub struct Target {
    db: Connection,
    schema: Schema,
    /// The same database, as it is read.
    read: Database,
    /// What this database has no room for.
    left_out: RefCell<BTreeMap<&'static str, u64>>,
    /// Values that were infinite, or were no number where MLflow keeps none.
    clipped: Cell<u64>,
}

impl Target {
    pub fn open(path: &Path, artifacts: &Path) -> Result<Self, Failure> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
        let db =
            Connection::open_with_flags(path, flags).map_err(|error| refused(&path.display(), &error))?;
        db.busy_timeout(Duration::from_secs(5)).map_err(|error| refused(&path.display(), &error))?;
        // Runs and models name each other, in no order that would suit every reference.
        db.pragma_update(None, "foreign_keys", false).map_err(|error| refused(&path.display(), &error))?;
        let schema = Schema::read(&db).map_err(|error| refused(&path.display(), &error))?;
        let empty = "`mlflow db upgrade sqlite:////PATH/mlflow.db` makes an empty one";
        let read = Database::open(path, Some(artifacts)).map_err(|failure| match failure.hint {
            None => failure.hint(empty),
            Some(_) => failure,
        })?;
        schema.check()?;
        let (left_out, clipped) = (RefCell::default(), Cell::default());
        let target = Self { db, schema, read, left_out, clipped };
        // A lock that another holds is told before anything is copied.
        target.at_once(&path.display(), |_| Ok(()))?;
        Ok(target)
    }

    /// Refuses a database in which another experiment has a number or a name that is needed.
    pub fn check(&self, ours: &[Experiment]) -> Result<(), Failure> {
        self.check_workspace(ours)?;
        let theirs = self.read.experiments()?;
        for one in ours {
            let (id, name) = (&one.experiment_id, &one.name);
            if let Some(other) = theirs.iter().find(|other| other.experiment_id == *id) {
                // Who names no experiment logs into 0, on either side.
                if id != "0" && other.name != *name && other.creation_time != one.creation_time {
                    let message =
                        format!("experiment {id} is {:?} in the database and {name:?} here", other.name);
                    return Err(clash(message));
                }
            }
            let renamed = |other: &Experiment| {
                ours.iter().any(|one| one.experiment_id == other.experiment_id && one.name != other.name)
            };
            let mut others = theirs.iter().filter(|other| other.experiment_id != *id && other.name == *name);
            if let Some(other) = others.find(|other| !renamed(other)) {
                let there = &other.experiment_id;
                let message = format!("experiment {name:?} is number {there} in the database and {id} here");
                return Err(clash(message));
            }
        }
        Ok(())
    }

    fn check_workspace(&self, ours: &[Experiment]) -> Result<(), Failure> {
        if !self.schema.has_column("experiments", "workspace") {
            return Ok(());
        }
        let ask = "SELECT workspace FROM experiments WHERE experiment_id = ?1 AND workspace <> ?2";
        for Experiment { experiment_id: id, .. } in ours {
            let found =
                self.db.query_row(ask, [id.as_str(), WORKSPACE], |row| row.get::<_, String>(0)).optional();
            if let Some(other) = found.map_err(|error| refused(&"the database", &error))? {
                let message =
                    format!("experiment {id} of the database belongs to another workspace, {other:?}");
                return Err(clash(message));
            }
        }
        Ok(())
    }

    /// Where the files of an owner go.
    pub fn root(&self, owner: &Owner) -> Result<PathBuf, Failure> {
        let elsewhere = || {
            Failure::failed(format!(
                "the database keeps them at {}: only that store's clients reach it",
                owner.artifact_uri
            ))
        };
        self.read.root(owner)?.ok_or_else(elsewhere)
    }

    /// What was left out, and what is to be said at the end.
    pub fn finish(&self) -> Result<(BTreeMap<&'static str, u64>, Vec<String>), Failure> {
        let mut notes = Vec::new();
        if self.clipped.get() > 0 {
            notes.push(format!(
                "{} values are kept as MLflow's database keeps them: infinite ones as ±1.7976931348623157e308, and \
                 in metrics of logged models NaN as 0",
                self.clipped.get()
            ));
        }
        for (table, _) in ALL.iter().filter(|(table, _)| self.schema.has(table)) {
            for (other, count) in self.dangling(table).map_err(|error| refused(table, &error))? {
                notes.push(format!(
                    "{count} rows of table {table} name a row of {other} that is not in the database"
                ));
            }
        }
        Ok((self.left_out.take(), notes))
    }

    /// How many rows of a table name rows that are not there, by the table these would be in.
    fn dangling(&self, table: &str) -> rusqlite::Result<BTreeMap<String, i64>> {
        let mut ask =
            self.db.prepare("SELECT parent, count(*) FROM pragma_foreign_key_check(?1) GROUP BY parent")?;
        let found = ask.query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))?;
        found.collect()
    }

    /// One transaction: all of it is in the database, or nothing.
    fn at_once<T>(
        &self,
        what: &dyn Display,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Failure> {
        let write = || {
            let transaction = Transaction::new_unchecked(&self.db, TransactionBehavior::Immediate)?;
            let answer = work(&transaction)?;
            transaction.commit()?;
            Ok(answer)
        };
        write().map_err(|error| refused(what, &error))
    }

    /// Writes rows of one table, as far as the database has it and its columns.
    fn put<'a, const N: usize>(
        &self,
        db: &Connection,
        rows: &Rows<N>,
        values: impl IntoIterator<Item = [ValueRef<'a>; N]>,
    ) -> rusqlite::Result<()> {
        let Some((sql, columns)) = self.schema.upsert(rows) else { return Ok(()) };
        let mut statement = db.prepare_cached(&sql)?;
        for row in values {
            for (place, column) in columns.iter().enumerate() {
                statement.raw_bind_parameter(place + 1, ToSqlOutput::Borrowed(row[*column]))?;
            }
            statement.raw_execute()?;
        }
        Ok(())
    }
}

fn clash(message: String) -> Failure {
    Failure::new(Code::Refused, message)
        .hint("export into an empty database: `mlflow db upgrade sqlite:////PATH/new.db` makes one")
}
