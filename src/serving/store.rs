//! The SQL of endpoints: their definitions, and what happened to them. What is loaded is found anew at each start.

use crate::kernel::error::Result;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;

/// Rows kept of each endpoint's history.
const HISTORY: i64 = 500;

/// An endpoint's name and definition, as JSON; before routes there was a model alone.
pub struct Defined {
    pub name: String,
    pub model: String,
    pub definition: Option<String>,
    /// Whether somebody unloaded it.
    pub unloaded: bool,
}

/// Whether the endpoint is new.
pub fn endpoint_put(db: &Connection, endpoint: &Defined, now: i64) -> Result<bool> {
    let known: bool = db
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM endpoints WHERE name = ?1)")?
        .query_row([&endpoint.name], |row| row.get(0))?;
    db.prepare_cached(
        "INSERT INTO endpoints (name, model, definition, created_ms, updated_ms) VALUES (?1, ?2, ?3, ?4, ?4)
         ON CONFLICT DO UPDATE
         SET model = excluded.model, definition = excluded.definition, updated_ms = excluded.updated_ms,
             unloaded = 0",
    )?
    .execute(params![endpoint.name, endpoint.model, endpoint.definition, now])?;
    Ok(!known)
}

/// Whether it was there.
pub fn endpoint_delete(db: &Connection, name: &str) -> Result<bool> {
    Ok(db.prepare_cached("DELETE FROM endpoints WHERE name = ?1")?.execute([name])? > 0)
}

pub fn endpoint_unloaded(db: &Connection, name: &str, unloaded: bool) -> Result<()> {
    db.prepare_cached("UPDATE endpoints SET unloaded = ?2 WHERE name = ?1")?
        .execute(params![name, unloaded])?;
    Ok(())
}

pub fn endpoints(db: &Connection) -> Result<Vec<Defined>> {
    let mut statement =
        db.prepare_cached("SELECT name, model, definition, unloaded FROM endpoints ORDER BY name")?;
    let rows = statement.query_map([], |row| {
        Ok(Defined { name: row.get(0)?, model: row.get(1)?, definition: row.get(2)?, unloaded: row.get(3)? })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Something that happened to an endpoint.
#[derive(Clone, Debug, Serialize)]
pub struct Happened {
    pub at_ms: i64,
    /// `defined`, `serves`, `rolled_back`, `canary_began`, ...
    pub kind: String,
    pub route: Option<String>,
    pub model: Option<String>,
    pub version: Option<String>,
    /// Why, or what exactly.
    pub note: Option<String>,
    /// Who asked for it; absent where the server did it by itself.
    pub user: Option<String>,
}

impl Happened {
    pub fn now(kind: &str) -> Self {
        let at_ms = crate::kernel::clock::now_ms();
        Self { at_ms, kind: kind.into(), route: None, model: None, version: None, note: None, user: None }
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            at_ms: row.get(0)?,
            kind: row.get(1)?,
            route: row.get(2)?,
            model: row.get(3)?,
            version: row.get(4)?,
            note: row.get(5)?,
            user: row.get(6)?,
        })
    }
}

pub fn history_add(db: &Connection, endpoint: &str, what: &Happened) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO endpoint_history (endpoint, at_ms, kind, route, model, version, note, user)
         SELECT name, ?2, ?3, ?4, ?5, ?6, ?7, ?8 FROM endpoints WHERE name = ?1",
    )?
    .execute(params![
        endpoint,
        what.at_ms,
        what.kind,
        what.route,
        what.model,
        what.version,
        what.note,
        what.user
    ])?;
    db.prepare_cached(
        "DELETE FROM endpoint_history WHERE endpoint = ?1 AND id <=
         (SELECT id FROM endpoint_history WHERE endpoint = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
    )?
    .execute(params![endpoint, HISTORY])?;
    Ok(())
}

/// Newest first.
pub fn history(db: &Connection, endpoint: &str) -> Result<Vec<Happened>> {
    let mut statement = db.prepare_cached(
        "SELECT at_ms, kind, route, model, version, note, user FROM endpoint_history
         WHERE endpoint = ?1 ORDER BY id DESC",
    )?;
    let rows = statement.query_map([endpoint], Happened::read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Notes which version a route serves now, unless that is the last that was noted of it.
pub fn served_add(db: &Connection, endpoint: &str, what: &Happened) -> Result<()> {
    let last = served(db, endpoint, what.route.as_deref(), None)?;
    let same = last.is_some_and(|last| last.model == what.model && last.version == what.version);
    if same { Ok(()) } else { history_add(db, endpoint, what) }
}

/// What a route served last, other than `version`.
pub fn served(
    db: &Connection,
    endpoint: &str,
    route: Option<&str>,
    other_than: Option<&str>,
) -> Result<Option<Happened>> {
    let mut statement = db.prepare_cached(
        "SELECT at_ms, kind, route, model, version, note, user FROM endpoint_history
         WHERE endpoint = ?1 AND route = ?2 AND kind = 'serves' AND (?3 IS NULL OR version <> ?3)
         ORDER BY id DESC LIMIT 1",
    )?;
    Ok(statement.query_row(params![endpoint, route, other_than], Happened::read).optional()?)
}
