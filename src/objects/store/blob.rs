//! Blob rows: references counted per owner (an object or a part), whatever number of extents it has.

use super::super::{intake::NewBlob, model::Extent};
use super::signed;
use crate::kernel::error::Result;
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeSet;

/// Writes the row of a new blob, with the one reference its owner holds. An empty body has no blob.
pub fn insert(c: &Connection, blob: &NewBlob) -> Result<()> {
    if blob.size == 0 {
        return Ok(());
    }
    c.prepare_cached("INSERT INTO blob (id, size, refs, crc, data) VALUES (?1, ?2, 1, ?3, ?4)")?.execute(
        params![blob.id, signed(blob.stored_size()), blob.crc().map(u64::cast_signed), blob.data.as_deref()],
    )?;
    Ok(())
}

/// One more owner of these extents. Their blobs are alive: the caller read them in this transaction.
pub fn retain(c: &Connection, extents: &[Extent]) -> Result<()> {
    let mut statement = c.prepare_cached("UPDATE blob SET refs = refs + 1 WHERE id = ?1")?;
    for id in distinct(extents) {
        statement.execute([id])?;
    }
    Ok(())
}

/// One owner fewer. Inline bytes go with their last owner; a file waits for the collector, because
/// somebody may be reading it.
pub fn release(c: &Connection, extents: &[Extent], now_ms: i64) -> Result<()> {
    let mut remove = c.prepare_cached("DELETE FROM blob WHERE id = ?1 AND refs = 1 AND data IS NOT NULL")?;
    let mut lower = c.prepare_cached(
        "UPDATE blob SET refs = refs - 1, dead_ms = CASE WHEN refs = 1 THEN ?2 END WHERE id = ?1",
    )?;
    for id in distinct(extents) {
        if remove.execute([id])? == 0 {
            lower.execute(params![id, now_ms])?;
        }
    }
    Ok(())
}

fn distinct(extents: &[Extent]) -> BTreeSet<&str> {
    extents.iter().map(Extent::blob).collect()
}

/// The bytes of an inline blob, if it is still there.
pub fn data(c: &Connection, id: &str) -> Result<Option<Vec<u8>>> {
    Ok(c.prepare_cached("SELECT data FROM blob WHERE id = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?
        .flatten())
}

/// Files nobody has owned since before `before_ms`.
pub fn dead(c: &Connection, before_ms: i64, limit: usize) -> Result<Vec<String>> {
    let mut statement =
        c.prepare_cached("SELECT id FROM blob WHERE dead_ms < ?1 AND refs = 0 ORDER BY dead_ms LIMIT ?2")?;
    let rows = statement.query_map(params![before_ms, signed(limit as u64)], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub fn remove_dead(c: &Connection, ids: &[String]) -> Result<()> {
    let mut statement = c.prepare_cached("DELETE FROM blob WHERE id = ?1 AND refs = 0")?;
    for id in ids {
        statement.execute([id])?;
    }
    Ok(())
}

/// Those of `ids` that no row names.
pub fn unknown(c: &Connection, ids: Vec<String>) -> Result<Vec<String>> {
    absent(c, "SELECT 1 FROM blob WHERE id = ?1", ids)
}

/// Those of `ids` to which the question has no answer.
pub fn absent(c: &Connection, question: &str, ids: Vec<String>) -> Result<Vec<String>> {
    let mut statement = c.prepare_cached(question)?;
    let mut absent = Vec::new();
    for id in ids {
        if !statement.exists([&id])? {
            absent.push(id);
        }
    }
    Ok(absent)
}
