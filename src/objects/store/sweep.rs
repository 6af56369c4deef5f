//! Walks over everything, in pieces: for lifecycle rules, and for old uploads.

use super::super::{
    lifecycle::Row,
    model::{Traits, Version},
};
use super::{from_json, signed, unsigned};
use crate::kernel::error::Result;
use rusqlite::{Connection, params};

/// Versions of a bucket by key, the newest first, from `from` (key, seq) on, which is not among them.
pub fn version_page(c: &Connection, bucket: &str, from: &(String, i64), limit: usize) -> Result<Vec<Row>> {
    let mut statement = c.prepare_cached(
        "SELECT key, seq, latest, is_null, marker, size, etag, modified_ms, class, traits FROM object
         WHERE bucket = ?1 AND key >= ?2 AND (key > ?2 OR seq < ?3) ORDER BY key, seq DESC LIMIT ?4",
    )?;
    let mut rows = statement.query(params![bucket, from.0, from.1, signed(limit as u64)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let seq = row.get(1)?;
        let traits: Traits = from_json(row.get_ref(9)?.as_str().map_err(rusqlite::Error::from)?)?;
        found.push(Row {
            key: row.get(0)?,
            seq,
            latest: row.get(2)?,
            version: if row.get(3)? { Version::Null } else { Version::Id(seq) },
            marker: row.get(4)?,
            size: unsigned(row.get(5)?),
            etag: row.get(6)?,
            modified_ms: row.get(7)?,
            class: row.get(8)?,
            tags: traits.tags,
        });
    }
    Ok(found)
}

/// Gives one version another storage class, if it is still there.
pub fn version_set_class(
    c: &Connection,
    bucket: &str,
    key: &str,
    seq: i64,
    class: Option<&str>,
) -> Result<bool> {
    let changed = c
        .prepare_cached("UPDATE object SET class = ?4 WHERE bucket = ?1 AND key = ?2 AND seq = ?3")?
        .execute(params![bucket, key, seq, class])?;
    Ok(changed > 0)
}

/// Uploads begun before `before_ms`, in any bucket: bucket, key and id.
pub fn upload_old(c: &Connection, before_ms: i64, limit: usize) -> Result<Vec<(String, String, String)>> {
    let mut statement =
        c.prepare_cached("SELECT bucket, key, id FROM upload WHERE created_ms < ?1 ORDER BY id LIMIT ?2")?;
    let rows = statement.query_map(params![before_ms, signed(limit as u64)], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
