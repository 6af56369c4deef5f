//! Object rows: read, put under a condition, deleted. Putting and deleting also move references and totals.

use super::super::{
    error::Fault,
    model::{Condition, ObjectInfo, Record},
};
use super::{blob, bucket, from_json, signed, to_json, unsigned};
use crate::kernel::error::Result;
use rusqlite::{Connection, OptionalExtension, Row, params};

const COLUMNS: &str =
    "key, size, etag, modified_ms, content_type, headers, metadata, tags, checksums, parts, upload, extents";

/// The object, or the fault that says whether the bucket or the key is missing.
pub fn object_get(c: &Connection, bucket: &str, key: &str) -> Result<Record> {
    match object_find(c, bucket, key)? {
        Some(record) => Ok(record),
        None => {
            bucket::bucket_require(c, bucket)?;
            Err(Fault::NoSuchKey(key.to_owned()).into())
        }
    }
}

/// The object, with its bytes when it is a single inline blob: read in one transaction, they belong together.
pub fn object_open(c: &Connection, bucket: &str, key: &str) -> Result<(Record, Option<Vec<u8>>)> {
    let record = object_get(c, bucket, key)?;
    let data = match record.extents.as_slice() {
        [only] if only.inline() => blob::data(c, only.blob())?,
        _ => None,
    };
    Ok((record, data))
}

pub fn object_find(c: &Connection, bucket: &str, key: &str) -> Result<Option<Record>> {
    let sql = format!("SELECT {COLUMNS} FROM object WHERE bucket = ?1 AND key = ?2 AND version = ''");
    c.prepare_cached(&sql)?.query_row([bucket, key], |row| Ok(read(row))).optional()?.transpose()
}

/// Puts the object if the condition holds for what is there now. Its extents are owned by it from here
/// on: the caller has counted that reference already.
pub fn object_put(c: &Connection, bucket: &str, record: &Record, condition: &Condition) -> Result<()> {
    bucket::bucket_require(c, bucket)?;
    let info = &record.info;
    let old = object_find(c, bucket, &info.key)?;
    check(condition, old.as_ref().map(|old| &old.info), &info.key)?;
    let parts = info.parts.as_ref().map(to_json).transpose()?;
    let sql = format!(
        "INSERT OR REPLACE INTO object (bucket, {COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"
    );
    c.prepare_cached(&sql)?.execute(params![
        bucket,
        info.key,
        signed(info.size),
        info.etag,
        info.last_modified_ms,
        info.content_type,
        to_json(&info.headers)?,
        to_json(&info.metadata)?,
        to_json(&info.tags)?,
        to_json(&info.checksums)?,
        parts,
        info.upload,
        to_json(&record.extents)?,
    ])?;
    if let Some(old) = &old {
        blob::release(c, &old.extents, info.last_modified_ms)?;
    }
    bucket::bucket_count(c, bucket, old.map(|old| old.info.size), Some(info.size))
}

/// Deletes the object if the condition holds; false when there was none.
pub fn object_delete(
    c: &Connection,
    bucket: &str,
    key: &str,
    condition: &Condition,
    now_ms: i64,
) -> Result<bool> {
    bucket::bucket_require(c, bucket)?;
    let old = object_find(c, bucket, key)?;
    // Deleting what is not there is no failure, whatever the condition: the wish is fulfilled.
    let Some(old) = old else { return Ok(false) };
    check(condition, Some(&old.info), key)?;
    c.prepare_cached("DELETE FROM object WHERE bucket = ?1 AND key = ?2 AND version = ''")?
        .execute([bucket, key])?;
    blob::release(c, &old.extents, now_ms)?;
    bucket::bucket_count(c, bucket, Some(old.info.size), None)?;
    Ok(true)
}

pub fn object_set_tags(c: &Connection, bucket: &str, key: &str, tags: &[(String, String)]) -> Result<()> {
    object_get(c, bucket, key)?;
    c.prepare_cached("UPDATE object SET tags = ?3 WHERE bucket = ?1 AND key = ?2 AND version = ''")?
        .execute(params![bucket, key, to_json(&tags)?])?;
    Ok(())
}

fn check(condition: &Condition, now: Option<&ObjectInfo>, key: &str) -> Result<()> {
    let etag = now.map(|info| info.etag.as_str());
    if let Some(wanted) = &condition.if_match {
        if etag.is_none() {
            return Err(Fault::NoSuchKey(key.to_owned()).into());
        }
        if !wanted.holds(etag) {
            return Err(Fault::PreconditionFailed("If-Match").into());
        }
    }
    if now.zip(condition.size).is_some_and(|(info, size)| info.size != size) {
        return Err(Fault::PreconditionFailed("x-amz-if-match-size").into());
    }
    let modified_s = now.map(|info| info.last_modified_ms.div_euclid(1000));
    if modified_s.zip(condition.modified_s).is_some_and(|(there, wanted)| there != wanted) {
        return Err(Fault::PreconditionFailed("x-amz-if-match-last-modified-time").into());
    }
    if condition.if_none_match.as_ref().is_some_and(|unwanted| unwanted.holds(etag)) {
        return Err(Fault::PreconditionFailed("If-None-Match").into());
    }
    Ok(())
}

fn read(row: &Row<'_>) -> Result<Record> {
    let text = |index: usize| row.get_ref(index)?.as_str().map_err(rusqlite::Error::from);
    let info = ObjectInfo {
        key: row.get(0)?,
        size: unsigned(row.get(1)?),
        etag: row.get(2)?,
        last_modified_ms: row.get(3)?,
        content_type: row.get(4)?,
        headers: from_json(text(5)?)?,
        metadata: from_json(text(6)?)?,
        tags: from_json(text(7)?)?,
        checksums: from_json(text(8)?)?,
        parts: row.get::<_, Option<String>>(9)?.map(|text| from_json(&text)).transpose()?,
        upload: row.get(10)?,
    };
    Ok(Record { info, extents: from_json(text(11)?)? })
}
