//! The SQL of canaries.

use super::Canary;
use crate::{
    kernel::error::{Error, Result},
    serving::store::{Happened, history_add},
};
use rusqlite::{Connection, OptionalExtension, params};

/// Canaries kept of each endpoint.
const KEPT: i64 = 20;

/// Writes how far a canary is, and what happened to it.
pub fn canary_put(db: &Connection, endpoint: &str, canary: &Canary, what: Option<&Happened>) -> Result<()> {
    let status = serde_json::to_value(canary.status).map_err(Error::internal)?;
    let text = serde_json::to_string(canary).map_err(Error::internal)?;
    db.prepare_cached(
        "INSERT INTO endpoint_canaries (id, endpoint, status, canary, began_ms)
         SELECT ?1, name, ?3, ?4, ?5 FROM endpoints WHERE name = ?2
         ON CONFLICT (id) DO UPDATE SET status = excluded.status, canary = excluded.canary",
    )?
    .execute(params![canary.id, endpoint, status.as_str(), text, canary.began_ms])?;
    db.prepare_cached(
        "DELETE FROM endpoint_canaries WHERE endpoint = ?1 AND began_ms <
         (SELECT began_ms FROM endpoint_canaries WHERE endpoint = ?1 ORDER BY began_ms DESC LIMIT 1 OFFSET ?2)",
    )?
    .execute(params![endpoint, KEPT - 1])?;
    what.map_or(Ok(()), |what| history_add(db, endpoint, what))
}

/// An endpoint's newest canary, running or over.
pub fn latest(db: &Connection, endpoint: &str) -> Result<Option<Canary>> {
    let text: Option<String> = db
        .prepare_cached(
            "SELECT canary FROM endpoint_canaries WHERE endpoint = ?1 ORDER BY began_ms DESC, id DESC LIMIT 1",
        )?
        .query_row([endpoint], |row| row.get(0))
        .optional()?;
    text.map(|text| serde_json::from_str(&text).map_err(Error::internal)).transpose()
}
