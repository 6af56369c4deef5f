//! Bucket rows, their settings and their running totals.

use super::super::{
    error::Fault,
    model::{Bucket, BucketInfo, NewBucket, Versioning},
    quota::Quota,
    settings::Settings,
};
use super::{object, signed, unsigned, upload};
use crate::kernel::error::{Error, Result};
use rusqlite::{Connection, OptionalExtension, Row, params};

const COLUMNS: &str = "name, owner, created_ms, objects, bytes";

/// Makes the bucket; answers the owner of the one that was there already, if one was.
pub fn bucket_create(c: &Connection, new: &NewBucket, now_ms: i64) -> Result<Option<String>> {
    let there = c
        .prepare_cached("SELECT owner FROM bucket WHERE name = ?1")?
        .query_row([&new.name], |row| row.get(0))
        .optional()?;
    if there.is_some() {
        return Ok(there);
    }
    // Object lock protects versions: it is of no use without them.
    let versioning = if new.object_lock { Versioning::Enabled } else { Versioning::Off };
    c.prepare_cached(
        "INSERT INTO bucket (name, owner, created_ms, versioning, object_lock) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![new.name, new.owner, now_ms, versioning.as_str(), new.object_lock])?;
    new.settings.iter().try_for_each(|(name, value)| setting_put(c, &new.name, name, value))?;
    Ok(None)
}

pub fn bucket_get(c: &Connection, name: &str) -> Result<BucketInfo> {
    c.prepare_cached(&format!("SELECT {COLUMNS} FROM bucket WHERE name = ?1"))?
        .query_row([name], read)
        .optional()?
        .ok_or_else(|| Fault::NoSuchBucket(name.to_owned()).into())
}

/// The bucket and all its settings.
pub fn bucket_load(c: &Connection, name: &str) -> Result<Bucket> {
    let mut settings = c.prepare_cached("SELECT name, value FROM bucket_setting WHERE bucket = ?1")?;
    let settings: Vec<(String, String)> =
        settings.query_map([name], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    let (owner, created_ms, object_lock) = c
        .prepare_cached("SELECT owner, created_ms, object_lock FROM bucket WHERE name = ?1")?
        .query_row([name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?
        .ok_or_else(|| Error::from(Fault::NoSuchBucket(name.to_owned())))?;
    Ok(Bucket {
        name: name.to_owned(),
        owner,
        created_ms,
        versioning: bucket_versioning(c, name)?,
        object_lock,
        settings: Settings::new(settings),
    })
}

/// Fails unless the bucket exists.
pub fn bucket_require(c: &Connection, name: &str) -> Result<()> {
    bucket_versioning(c, name).map(drop)
}

/// Whether the bucket keeps versions; fails unless it exists.
pub fn bucket_versioning(c: &Connection, name: &str) -> Result<Versioning> {
    let found: Option<String> = c
        .prepare_cached("SELECT versioning FROM bucket WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?;
    let text = found.ok_or_else(|| Error::from(Fault::NoSuchBucket(name.to_owned())))?;
    Versioning::parse(&text).ok_or_else(|| Error::internal(format!("{text:?} is no kind of versioning")))
}

pub fn bucket_set_versioning(c: &Connection, name: &str, versioning: Versioning) -> Result<()> {
    if bucket_load(c, name)?.object_lock && versioning != Versioning::Enabled {
        let why = "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.";
        return Err(Fault::InvalidBucketState(why).into());
    }
    c.prepare_cached("UPDATE bucket SET versioning = ?2 WHERE name = ?1")?
        .execute([name, versioning.as_str()])?;
    Ok(())
}

/// Turns object lock on, for good.
pub fn bucket_enable_lock(c: &Connection, name: &str) -> Result<()> {
    if bucket_versioning(c, name)? != Versioning::Enabled {
        let why = "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration";
        return Err(Fault::InvalidBucketState(why).into());
    }
    c.prepare_cached("UPDATE bucket SET object_lock = 1 WHERE name = ?1")?.execute([name])?;
    Ok(())
}

pub fn bucket_list(c: &Connection) -> Result<Vec<BucketInfo>> {
    let mut statement = c.prepare_cached(&format!("SELECT {COLUMNS} FROM bucket ORDER BY name"))?;
    let rows = statement.query_map([], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Removes an empty bucket, and with it the uploads that were begun in it. A version that is not the
/// latest, or a delete marker, is something in it.
pub fn bucket_delete(c: &Connection, name: &str, now_ms: i64) -> Result<()> {
    bucket_require(c, name)?;
    if object::bucket_has_any(c, name)? {
        return Err(Fault::BucketNotEmpty(name.to_owned()).into());
    }
    upload::upload_remove_all(c, name, now_ms)?;
    c.prepare_cached("DELETE FROM bucket_setting WHERE bucket = ?1")?.execute([name])?;
    c.prepare_cached("DELETE FROM bucket WHERE name = ?1")?.execute([name])?;
    Ok(())
}

pub fn setting_put(c: &Connection, bucket: &str, name: &str, value: &str) -> Result<()> {
    bucket_require(c, bucket)?;
    c.prepare_cached("INSERT OR REPLACE INTO bucket_setting (bucket, name, value) VALUES (?1, ?2, ?3)")?
        .execute([bucket, name, value])?;
    Ok(())
}

pub fn setting_delete(c: &Connection, bucket: &str, name: &str) -> Result<()> {
    bucket_require(c, bucket)?;
    c.prepare_cached("DELETE FROM bucket_setting WHERE bucket = ?1 AND name = ?2")?
        .execute([bucket, name])?;
    Ok(())
}

pub fn quota_put(c: &Connection, bucket: &str, quota: Quota) -> Result<()> {
    bucket_require(c, bucket)?;
    c.prepare_cached("UPDATE bucket SET quota_objects = ?2, quota_bytes = ?3 WHERE name = ?1")?
        .execute(params![bucket, quota.objects.map(signed), quota.bytes.map(signed)])?;
    Ok(())
}

pub fn quota_get(c: &Connection, bucket: &str) -> Result<Quota> {
    bucket_require(c, bucket)?;
    let read = |row: &Row<'_>| {
        let limit = |index| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(index)?.map(unsigned));
        Ok(Quota { objects: limit(0)?, bytes: limit(1)? })
    };
    Ok(c.prepare_cached("SELECT quota_objects, quota_bytes FROM bucket WHERE name = ?1")?
        .query_row([bucket], read)?)
}

/// Refuses an object that a quota has no room for.
fn quota_check(c: &Connection, bucket: &str, bytes: i64) -> Result<()> {
    let full: Option<bool> = c
        .prepare_cached(
            "SELECT objects >= quota_objects FROM bucket
             WHERE name = ?1 AND (objects >= quota_objects OR bytes + ?2 > quota_bytes)",
        )?
        .query_row(params![bucket, bytes], |row| Ok(row.get::<_, Option<bool>>(0)?.unwrap_or(false)))
        .optional()?;
    match full {
        None => Ok(()),
        Some(true) => Err(Fault::QuotaExceeded(bucket.to_owned(), "objects").into()),
        Some(false) => Err(Fault::QuotaExceeded(bucket.to_owned(), "bytes").into()),
    }
}

/// Moves the totals by one object that came, went or was replaced; one that comes must fit the quota.
pub fn bucket_count(c: &Connection, name: &str, gone: Option<u64>, come: Option<u64>) -> Result<()> {
    let objects = i64::from(come.is_some()) - i64::from(gone.is_some());
    let bytes = signed(come.unwrap_or(0)) - signed(gone.unwrap_or(0));
    if come.is_some() {
        quota_check(c, name, bytes)?;
    }
    c.prepare_cached("UPDATE bucket SET objects = objects + ?2, bytes = bytes + ?3 WHERE name = ?1")?
        .execute(params![name, objects, bytes])?;
    Ok(())
}

fn read(row: &Row<'_>) -> rusqlite::Result<BucketInfo> {
    Ok(BucketInfo {
        name: row.get(0)?,
        owner: row.get(1)?,
        created_ms: row.get(2)?,
        objects: unsigned(row.get(3)?),
        bytes: unsigned(row.get(4)?),
    })
}
