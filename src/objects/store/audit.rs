//! Walks for those who check what is kept: the scrubber and fsck.

use super::super::{
    model::Extent,
    scrub::{Damage, Pass},
};
use super::{blob::absent, from_json, unsigned};
use crate::kernel::error::Result;
use rusqlite::{Connection, OptionalExtension, Row, params};

/// A blob as its row has it.
#[derive(Debug)]
pub struct BlobRow {
    pub id: String,
    pub size: u64,
    pub refs: i64,
    pub crc: Option<u64>,
    /// The bytes of a small one.
    pub data: Option<Vec<u8>>,
}

/// A file that objects or parts own.
#[derive(Debug)]
pub struct OwnedFile {
    /// Its name in the folder of blobs.
    pub id: String,
    pub size: u64,
    /// CRC-64/NVME of its bytes, where it was written since there are such.
    pub crc: Option<u64>,
}

/// Blobs behind `after`, in the order of their ids.
pub fn blob_page(c: &Connection, after: &str, limit: usize) -> Result<Vec<BlobRow>> {
    let mut statement =
        c.prepare_cached("SELECT id, size, refs, crc, data FROM blob WHERE id > ?1 ORDER BY id LIMIT ?2")?;
    let rows = statement.query_map(params![after, limit as i64], blob)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub fn blob_find(c: &Connection, id: &str) -> Result<Option<BlobRow>> {
    Ok(c.prepare_cached("SELECT id, size, refs, crc, data FROM blob WHERE id = ?1")?
        .query_row([id], blob)
        .optional()?)
}

fn blob(row: &Row<'_>) -> rusqlite::Result<BlobRow> {
    let crc: Option<i64> = row.get(3)?;
    Ok(BlobRow {
        id: row.get(0)?,
        size: unsigned(row.get(1)?),
        refs: row.get(2)?,
        crc: crc.map(i64::cast_unsigned),
        data: row.get(4)?,
    })
}

/// Calls `see` for every file that is owned, in the order of their ids.
pub fn each_file(c: &Connection, mut see: impl FnMut(OwnedFile) -> Result<()>) -> Result<()> {
    let mut statement =
        c.prepare_cached("SELECT id, size, crc FROM blob WHERE refs > 0 AND data IS NULL ORDER BY id")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let crc: Option<i64> = row.get(2)?;
        see(OwnedFile { id: row.get(0)?, size: unsigned(row.get(1)?), crc: crc.map(i64::cast_unsigned) })?;
    }
    Ok(())
}

/// Those of `ids` that nobody owns.
pub fn unowned(c: &Connection, ids: Vec<String>) -> Result<Vec<String>> {
    absent(c, "SELECT 1 FROM blob WHERE id = ?1 AND refs > 0", ids)
}

/// How many files are owned, and bytes in them.
pub fn file_totals(c: &Connection) -> Result<(u64, u64)> {
    let read = |row: &Row<'_>| Ok((unsigned(row.get(0)?), unsigned(row.get(1)?)));
    let sql = "SELECT count(*), coalesce(sum(size), 0) FROM blob WHERE refs > 0 AND data IS NULL";
    Ok(c.query_row(sql, [], read)?)
}

/// How many blobs there are, and bytes in them.
pub fn blob_totals(c: &Connection) -> Result<(u64, u64)> {
    let read = |row: &Row<'_>| Ok((unsigned(row.get(0)?), unsigned(row.get(1)?)));
    Ok(c.prepare_cached("SELECT count(*), coalesce(sum(size), 0) FROM blob")?.query_row([], read)?)
}

/// An object or a part, as far as it owns blobs.
pub struct Owned {
    pub bucket: String,
    pub key: String,
    /// The size the row claims.
    pub size: u64,
    pub extents: Vec<Extent>,
}

/// Calls `see` for every version of every object, and for every part of an unfinished upload.
pub fn owners(c: &Connection, mut see: impl FnMut(Owned)) -> Result<()> {
    for sql in [
        "SELECT bucket, key, size, extents FROM object",
        "SELECT bucket, key, size, extents FROM part JOIN upload ON upload.id = part.upload",
    ] {
        let mut statement = c.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let extents = from_json(row.get_ref(3)?.as_str().map_err(rusqlite::Error::from)?)?;
            see(Owned { bucket: row.get(0)?, key: row.get(1)?, size: unsigned(row.get(2)?), extents });
        }
    }
    Ok(())
}

/// Objects and bytes, as one says.
pub type Totals = (i64, i64);

/// Buckets whose running totals are not those of their objects: name, what is said, what is there.
pub fn wrong_totals(c: &Connection) -> Result<Vec<(String, Totals, Totals)>> {
    let mut statement = c.prepare_cached(
        "SELECT b.name, b.objects, b.bytes, coalesce(o.objects, 0), coalesce(o.bytes, 0)
         FROM bucket b LEFT JOIN (
             SELECT bucket, count(*) AS objects, sum(size) AS bytes FROM object WHERE marker = 0 GROUP BY bucket
         ) o ON o.bucket = b.name
         WHERE b.objects <> coalesce(o.objects, 0) OR b.bytes <> coalesce(o.bytes, 0)",
    )?;
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?), (row.get(3)?, row.get(4)?))))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Keys of which not exactly the newest row is marked as the latest.
pub fn wrong_latest(c: &Connection) -> Result<Vec<(String, String)>> {
    let mut statement = c.prepare_cached(
        "SELECT bucket, key FROM object GROUP BY bucket, key
         HAVING sum(latest) <> 1 OR max(CASE WHEN latest = 1 THEN seq END) <> max(seq)",
    )?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Objects and uploads of buckets that do not exist.
pub fn homeless(c: &Connection) -> Result<Vec<(String, String)>> {
    let mut statement = c.prepare_cached(
        "SELECT bucket, key FROM object WHERE bucket NOT IN (SELECT name FROM bucket)
         UNION SELECT bucket, key FROM upload WHERE bucket NOT IN (SELECT name FROM bucket)",
    )?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Where the scrubber is; at the beginning if it never ran.
pub fn scrub_get(c: &Connection) -> Result<Pass> {
    let read = |row: &Row<'_>| {
        Ok(Pass {
            position: row.get(0)?,
            begun_ms: row.get(1)?,
            checked: unsigned(row.get(2)?),
            bytes: unsigned(row.get(3)?),
            finished_ms: row.get(4)?,
        })
    };
    let pass = c
        .prepare_cached("SELECT position, begun_ms, checked, bytes, finished_ms FROM scrub WHERE id = 1")?
        .query_row([], read)
        .optional()?;
    Ok(pass.unwrap_or_default())
}

/// Notes how far the scrubber got, and what it found.
pub fn scrub_put(c: &Connection, pass: &Pass, damaged: &[Damage], sound: &[String]) -> Result<()> {
    c.prepare_cached(
        "INSERT OR REPLACE INTO scrub (id, position, begun_ms, checked, bytes, finished_ms)
         VALUES (1, ?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![
        pass.position,
        pass.begun_ms,
        pass.checked as i64,
        pass.bytes as i64,
        pass.finished_ms
    ])?;
    let mut note = c.prepare_cached(
        "INSERT INTO damage (blob, found_ms, what) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET what = ?3",
    )?;
    for one in damaged {
        note.execute(params![one.blob, one.found_ms, one.what])?;
    }
    let mut forget = c.prepare_cached("DELETE FROM damage WHERE blob = ?1")?;
    for id in sound {
        forget.execute([id])?;
    }
    Ok(())
}

/// Damaged blobs that are still in use. Those that are not are forgotten with their rows.
pub fn damage_list(c: &Connection) -> Result<Vec<Damage>> {
    let mut statement = c.prepare_cached(
        "SELECT blob, found_ms, what FROM damage JOIN blob ON blob.id = damage.blob ORDER BY blob LIMIT 1000",
    )?;
    let rows = statement
        .query_map([], |row| Ok(Damage { blob: row.get(0)?, found_ms: row.get(1)?, what: row.get(2)? }))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
