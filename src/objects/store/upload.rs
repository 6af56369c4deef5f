//! Multipart uploads: begun, fed parts, and completed or aborted.

use super::super::{
    digest::Algorithm,
    error::Fault,
    model::{Owner, Part, Traits, Upload},
};
use super::{blob, bucket, from_json, signed, to_json, unsigned};
use crate::kernel::error::Result;
use rusqlite::{Connection, OptionalExtension, Row, params};

const COLUMNS: &str = "id, key, created_ms, owner, class, content_type, traits, algorithm, checksum_kind";

pub fn upload_create(c: &Connection, bucket: &str, upload: &Upload) -> Result<()> {
    bucket::bucket_require(c, bucket)?;
    let sql =
        format!("INSERT INTO upload (bucket, {COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)");
    c.prepare_cached(&sql)?.execute(params![
        bucket,
        upload.id,
        upload.key,
        upload.created_ms,
        upload.traits.owner.0,
        upload.traits.class,
        upload.traits.content_type,
        to_json(&upload.traits)?,
        upload.algorithm.map(Algorithm::name),
        to_json(&upload.checksum_kind)?,
    ])?;
    Ok(())
}

/// The upload of this id, if it is of this bucket and key.
pub fn upload_get(c: &Connection, bucket: &str, key: &str, id: &str) -> Result<Upload> {
    bucket::bucket_require(c, bucket)?;
    let sql = format!("SELECT {COLUMNS} FROM upload WHERE id = ?1 AND bucket = ?2 AND key = ?3");
    c.prepare_cached(&sql)?
        .query_row([id, bucket, key], |row| Ok(read(row)))
        .optional()?
        .unwrap_or_else(|| Err(Fault::NoSuchUpload(id.to_owned()).into()))
}

/// Uploads of a bucket by key and id, behind the pair `after`, those with the prefix only.
pub fn upload_list(
    c: &Connection,
    bucket: &str,
    prefix: &str,
    after: (&str, &str),
    limit: usize,
) -> Result<Vec<Upload>> {
    bucket::bucket_require(c, bucket)?;
    let sql = format!(
        "SELECT {COLUMNS} FROM upload WHERE bucket = ?1 AND (key, id) > (?2, ?3)
         AND key >= ?4 AND key < CAST(?5 AS TEXT) ORDER BY key, id LIMIT ?6"
    );
    let mut statement = c.prepare_cached(&sql)?;
    let limit = signed(limit as u64);
    let mut rows =
        statement.query(params![bucket, after.0, after.1, prefix, super::list::beyond(prefix), limit])?;
    let mut uploads = Vec::new();
    while let Some(row) = rows.next()? {
        uploads.push(read(row)?);
    }
    Ok(uploads)
}

/// Removes the upload and lets go of the parts it still has.
pub fn upload_remove(c: &Connection, id: &str, now_ms: i64) -> Result<()> {
    for part in part_list(c, id, 0, usize::MAX)? {
        blob::release(c, &part.extents, now_ms)?;
    }
    c.prepare_cached("DELETE FROM part WHERE upload = ?1")?.execute([id])?;
    c.prepare_cached("DELETE FROM upload WHERE id = ?1")?.execute([id])?;
    Ok(())
}

pub fn upload_remove_all(c: &Connection, bucket: &str, now_ms: i64) -> Result<()> {
    let mut statement = c.prepare_cached("SELECT id FROM upload WHERE bucket = ?1")?;
    let ids: Vec<String> = statement.query_map([bucket], |row| row.get(0))?.collect::<Result<_, _>>()?;
    ids.iter().try_for_each(|id| upload_remove(c, id, now_ms))
}

/// Puts a part; one of the same number is replaced. The reference to its extents is counted already.
pub fn part_put(c: &Connection, upload: &str, part: &Part) -> Result<()> {
    let old: Option<String> = c
        .prepare_cached("SELECT extents FROM part WHERE upload = ?1 AND number = ?2")?
        .query_row(params![upload, part.number], |row| row.get(0))
        .optional()?;
    c.prepare_cached(
        "INSERT OR REPLACE INTO part (upload, number, size, etag, modified_ms, checksum, extents)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        upload,
        part.number,
        signed(part.size),
        part.etag,
        part.modified_ms,
        part.checksum,
        to_json(&part.extents)?
    ])?;
    match old {
        Some(extents) => blob::release(c, &from_json::<Vec<_>>(&extents)?, part.modified_ms),
        None => Ok(()),
    }
}

/// Parts in order, those with a number above `after`.
pub fn part_list(c: &Connection, upload: &str, after: u32, limit: usize) -> Result<Vec<Part>> {
    let mut statement = c.prepare_cached(
        "SELECT number, size, etag, modified_ms, checksum, extents FROM part
         WHERE upload = ?1 AND number > ?2 ORDER BY number LIMIT ?3",
    )?;
    let mut rows = statement.query(params![upload, after, signed(limit as u64)])?;
    let mut parts = Vec::new();
    while let Some(row) = rows.next()? {
        parts.push(Part {
            number: row.get(0)?,
            size: unsigned(row.get(1)?),
            etag: row.get(2)?,
            modified_ms: row.get(3)?,
            checksum: row.get(4)?,
            extents: from_json(&row.get::<_, String>(5)?)?,
        });
    }
    Ok(parts)
}

fn read(row: &Row<'_>) -> Result<Upload> {
    let json = |index: usize| row.get::<_, String>(index);
    Ok(Upload {
        id: row.get(0)?,
        key: row.get(1)?,
        created_ms: row.get(2)?,
        traits: Traits {
            owner: Owner(row.get(3)?),
            class: row.get(4)?,
            content_type: row.get(5)?,
            ..from_json(&json(6)?)?
        },
        algorithm: row.get::<_, Option<String>>(7)?.and_then(|name| Algorithm::parse(&name)),
        checksum_kind: from_json(&json(8)?)?,
    })
}
