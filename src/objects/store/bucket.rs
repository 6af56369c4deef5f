//! Bucket rows and their running totals.

use super::super::{error::Fault, model::BucketInfo};
use super::{signed, unsigned, upload};
use crate::kernel::error::Result;
use rusqlite::{Connection, OptionalExtension, Row, params};

/// Makes the bucket; false when it was there already.
pub fn bucket_create(c: &Connection, name: &str, now_ms: i64) -> Result<bool> {
    let made = c
        .prepare_cached("INSERT INTO bucket (name, created_ms) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
        .execute(params![name, now_ms])?;
    Ok(made > 0)
}

pub fn bucket_get(c: &Connection, name: &str) -> Result<BucketInfo> {
    c.prepare_cached("SELECT name, created_ms, objects, bytes FROM bucket WHERE name = ?1")?
        .query_row([name], read)
        .optional()?
        .ok_or_else(|| Fault::NoSuchBucket(name.to_owned()).into())
}

/// Fails unless the bucket exists.
pub fn bucket_require(c: &Connection, name: &str) -> Result<()> {
    match c.prepare_cached("SELECT 1 FROM bucket WHERE name = ?1")?.exists([name])? {
        true => Ok(()),
        false => Err(Fault::NoSuchBucket(name.to_owned()).into()),
    }
}

pub fn bucket_list(c: &Connection) -> Result<Vec<BucketInfo>> {
    let mut statement =
        c.prepare_cached("SELECT name, created_ms, objects, bytes FROM bucket ORDER BY name")?;
    let rows = statement.query_map([], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Removes an empty bucket, and with it the uploads that were begun in it.
pub fn bucket_delete(c: &Connection, name: &str, now_ms: i64) -> Result<()> {
    bucket_require(c, name)?;
    if c.prepare_cached("SELECT 1 FROM object WHERE bucket = ?1 LIMIT 1")?.exists([name])? {
        return Err(Fault::BucketNotEmpty(name.to_owned()).into());
    }
    upload::upload_remove_all(c, name, now_ms)?;
    c.prepare_cached("DELETE FROM bucket WHERE name = ?1")?.execute([name])?;
    Ok(())
}

/// Moves the totals by one object that came, went or was replaced.
pub fn bucket_count(c: &Connection, name: &str, gone: Option<u64>, come: Option<u64>) -> Result<()> {
    let objects = i64::from(come.is_some()) - i64::from(gone.is_some());
    let bytes = signed(come.unwrap_or(0)) - signed(gone.unwrap_or(0));
    c.prepare_cached("UPDATE bucket SET objects = objects + ?2, bytes = bytes + ?3 WHERE name = ?1")?
        .execute(params![name, objects, bytes])?;
    Ok(())
}

fn read(row: &Row<'_>) -> rusqlite::Result<BucketInfo> {
    Ok(BucketInfo {
        name: row.get(0)?,
        created_ms: row.get(1)?,
        objects: unsigned(row.get(2)?),
        bytes: unsigned(row.get(3)?),
    })
}
