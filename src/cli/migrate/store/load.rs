//! A dump of MLflow's database on PostgreSQL, loaded into a database of SQLite's that lives in a temporary file
//! and is gone with its connection. Only the tables that are read are loaded.

use super::{COUNTED, Database, broken, schema::ALL, schema::Schema};
use crate::cli::{
    Failure,
    migrate::{
        copy::progress,
        dump::{Dump, Said, Type},
    },
};
use rusqlite::{Connection, params_from_iter, types::Value};
use std::{collections::HashMap, path::Path};

/// By these the rows of the tables are looked up.
const LOOKED_UP: [&str; 8] = [
    "run_uuid",
    "experiment_id",
    "model_id",
    "name",
    "input_uuid",
    "source_id",
    "destination_id",
    "dataset_uuid",
];

/// A table of the dump.
struct Table {
    schema: String,
    columns: Vec<(String, Type)>,
}

/// Where the rows go that follow.
struct Into {
    sql: String,
    types: Vec<Type>,
}

fn wanted(table: &str) -> bool {
    ALL.iter().any(|(name, _)| *name == table) || COUNTED.iter().any(|(_, name)| *name == table)
}

impl Database {
    pub fn of_dump(path: &Path, artifacts: Option<&Path>) -> Result<Self, Failure> {
        // The empty name is a file that SQLite makes in the folder for temporary ones and removes at once.
        let db = Connection::open("").map_err(broken)?;
        // What breaks off is not used: neither a journal nor a wait for the disk is needed.
        db.pragma_update(None, "journal_mode", "OFF").map_err(broken)?;
        db.pragma_update(None, "synchronous", "OFF").map_err(broken)?;
        db.execute_batch("BEGIN").map_err(broken)?;
        let tables = load(&db, &mut Dump::open(path)?)?;
        for (table, Table { columns, .. }) in &tables {
            for (column, _) in columns.iter().filter(|(column, _)| LOOKED_UP.contains(&column.as_str())) {
                db.execute_batch(&format!("CREATE INDEX \"{table}/{column}\" ON \"{table}\" (\"{column}\")"))
                    .map_err(broken)?;
            }
        }
        db.execute_batch("COMMIT; ANALYZE").map_err(broken)?;
        let schema = Schema::read(&db).map_err(broken)?;
        Self::checked(db, schema, path, artifacts)
    }
}

fn load(db: &Connection, dump: &mut Dump) -> Result<HashMap<String, Table>, Failure> {
    /// How much is read between two words about it.
    const STEP: u64 = 64 << 20;
    let (mut tables, mut into, mut told) = (HashMap::new(), None, STEP);
    while let Some(said) = dump.next(wanted)? {
        if dump.bytes() >= told {
            progress(&format!("dump: {} MiB read", dump.bytes() >> 20), false);
            told += STEP;
        }
        match said {
            Said::Table { schema, table, columns } => {
                create(db, dump, &mut tables, (schema, table, columns))?
            }
            Said::Into { table, columns } => into = Some(insertion(dump, &tables, &table, columns)?),
            Said::Row(values) => {
                let Into { sql, types } = into.as_ref().ok_or_else(|| dump.broken("a row of no table"))?;
                if values.len() != types.len() {
                    let (found, wanted) = (values.len(), types.len());
                    return Err(dump.broken(format!("a row has {found} values where {wanted} were expected")));
                }
                let row = types.iter().zip(values);
                let row = row.map(|(kind, text)| value(*kind, text).map_err(|text| dump.broken(text)));
                let row = row.collect::<Result<Vec<_>, _>>()?;
                let mut insert = db.prepare_cached(sql).map_err(broken)?;
                insert.execute(params_from_iter(row)).map_err(|error| dump.broken(error))?;
            }
        }
    }
    progress(&format!("dump: {} MiB read", dump.bytes() >> 20), true);
    Ok(tables)
}

fn create(
    db: &Connection,
    dump: &Dump,
    tables: &mut HashMap<String, Table>,
    (schema, table, columns): (String, String, Vec<(String, Type)>),
) -> Result<(), Failure> {
    if let Some(other) = tables.get(&table) {
        let message = format!("table {table} is in two schemas, {:?} and {schema:?}", other.schema);
        return Err(dump.broken(message).hint("make a dump of one with `pg_dump -n SCHEMA`"));
    }
    let column = |(name, kind): &(String, Type)| {
        let kind = match kind {
            Type::Integer | Type::Boolean => "INTEGER",
            Type::Real => "REAL",
            Type::Text => "TEXT",
        };
        format!("{} {kind}", quoted(name))
    };
    let list: Vec<_> = columns.iter().map(column).collect();
    db.execute_batch(&format!("CREATE TABLE {} ({})", quoted(&table), list.join(", ")))
        .map_err(|error| dump.broken(error))?;
    tables.insert(table, Table { schema, columns });
    Ok(())
}

fn insertion(
    dump: &Dump,
    tables: &HashMap<String, Table>,
    table: &str,
    mut columns: Vec<String>,
) -> Result<Into, Failure> {
    let Some(known) = tables.get(table) else {
        let message = format!("rows of table {table} come without its CREATE TABLE");
        return Err(dump.broken(message).hint("make the dump without --data-only"));
    };
    if columns.is_empty() {
        columns = known.columns.iter().map(|(name, _)| name.clone()).collect();
    }
    let kind = |name: &String| {
        let found = known.columns.iter().find(|(column, _)| column == name).map(|(_, kind)| *kind);
        found.ok_or_else(|| dump.broken(format!("table {table} has no column {name}")))
    };
    let types = columns.iter().map(kind).collect::<Result<Vec<_>, _>>()?;
    let names: Vec<_> = columns.iter().map(|name| quoted(name)).collect();
    let places = vec!["?"; columns.len()].join(", ");
    Ok(Into { sql: format!("INSERT INTO {} ({}) VALUES ({places})", quoted(table), names.join(", ")), types })
}

/// A value of a column; an error says what it is not.
fn value(kind: Type, text: Option<String>) -> Result<Value, String> {
    let Some(text) = text else { return Ok(Value::Null) };
    let odd = |text: &str, what: &str| format!("{text:?} is not {what}");
    match kind {
        Type::Text => Ok(Value::Text(text)),
        Type::Integer => text.parse().map(Value::Integer).map_err(|_| odd(&text, "an integer")),
        Type::Real => text.parse().map(Value::Real).map_err(|_| odd(&text, "a number")),
        Type::Boolean => match text.as_str() {
            "t" | "true" => Ok(Value::Integer(1)),
            "f" | "false" => Ok(Value::Integer(0)),
            _ => Err(odd(&text, "true or false")),
        },
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
