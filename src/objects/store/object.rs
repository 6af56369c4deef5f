//! Object rows: read, put under a condition, deleted, version by version. Putting and deleting also
//! move references and totals, and keep the newest row of a key marked as its latest.

use super::super::{
    error::Fault,
    model::{
        Condition, Deleted, Deletion, ObjectInfo, Owner, Record, RetentionMode, Traits, Version, Versioning,
    },
};
use super::{blob, bucket, from_json, signed, to_json, unsigned};
use crate::kernel::error::{Error, Result};
use rusqlite::{Connection, OptionalExtension, Row, params};

const COLUMNS: &str = "key, seq, latest, is_null, marker, size, etag, modified_ms, owner, class, \
                       content_type, traits, checksums, parts, upload, extents";

/// An object as its row holds it: with the number that orders it among the versions of its key.
struct Stored {
    seq: i64,
    record: Record,
}

/// The object, or the fault that says what is missing: the bucket, the key or the version.
pub fn object_get(c: &Connection, bucket: &str, key: &str, version: Option<Version>) -> Result<Record> {
    let Some(record) = object_find(c, bucket, key, version)? else {
        bucket::bucket_require(c, bucket)?;
        return Err(match version {
            None => Fault::NoSuchKey(key.to_owned()),
            Some(version) => Fault::NoSuchVersion(version.to_string()),
        }
        .into());
    };
    if record.info.marker {
        let info = record.info;
        return Err(Fault::DeleteMarker {
            key: info.key,
            version: info.version.to_string(),
            modified_ms: info.last_modified_ms,
            asked: version.is_some(),
        }
        .into());
    }
    Ok(record)
}

/// The object, with its bytes when it is a single inline blob: read in one transaction, they belong together.
pub fn object_open(
    c: &Connection,
    bucket: &str,
    key: &str,
    version: Option<Version>,
) -> Result<(Record, Option<Vec<u8>>)> {
    let record = object_get(c, bucket, key, version)?;
    let data = match record.extents.as_slice() {
        [only] if only.inline() => blob::data(c, only.blob())?,
        _ => None,
    };
    Ok((record, data))
}

/// The version, or the latest, delete markers included.
pub fn object_find(
    c: &Connection,
    bucket: &str,
    key: &str,
    version: Option<Version>,
) -> Result<Option<Record>> {
    Ok(find(c, bucket, key, version)?.map(|stored| stored.record))
}

fn find(c: &Connection, bucket: &str, key: &str, version: Option<Version>) -> Result<Option<Stored>> {
    let (which, seq) = match version {
        None => ("ORDER BY seq DESC LIMIT 1", None),
        Some(Version::Null) => ("AND is_null = 1", None),
        Some(Version::Id(seq)) => ("AND seq = ?3 AND is_null = 0", Some(seq)),
    };
    let sql = format!("SELECT {COLUMNS} FROM object WHERE bucket = ?1 AND key = ?2 {which}");
    let mut statement = c.prepare_cached(&sql)?;
    let stored = match seq {
        None => statement.query_row([bucket, key], |row| Ok(read(row))),
        Some(seq) => statement.query_row(params![bucket, key, seq], |row| Ok(read(row))),
    };
    stored.optional()?.transpose()
}

/// Puts the object if the condition holds for what is there now; answers its version. Its extents are
/// owned by it from here on: the caller has counted that reference already.
pub fn object_put(c: &Connection, bucket: &str, record: &Record, condition: &Condition) -> Result<Version> {
    let current = find(c, bucket, &record.info.key, None)?;
    let versioning = bucket::bucket_versioning(c, bucket)?;
    let visible = current.as_ref().map(|current| &current.record.info).filter(|info| !info.marker);
    check(condition, visible, &record.info.key)?;
    // What is there already found its place in the tree when it came.
    if condition.as_tree && visible.is_none() {
        check_tree(c, bucket, &record.info.key)?;
    }
    let version = place(c, bucket, versioning, current, record)?;
    if !record.info.marker {
        bucket::bucket_count(c, bucket, None, Some(record.info.size))?;
    }
    Ok(version)
}

/// Makes room for a new latest version, as the bucket's versioning has it, and writes its row.
fn place(
    c: &Connection,
    bucket: &str,
    versioning: Versioning,
    current: Option<Stored>,
    record: &Record,
) -> Result<Version> {
    let (key, now_ms) = (record.info.key.as_str(), record.info.last_modified_ms);
    let after = current.as_ref().map_or(i64::MIN, |current| current.seq + 1);
    let seq = after.max(now_ms.saturating_mul(1000));
    if versioning == Versioning::Enabled {
        demote(c, bucket, key)?;
        insert(c, bucket, seq, false, record)?;
        return Ok(Version::Id(seq));
    }
    // The null version is replaced: in a bucket without versions it is the only one there is.
    let old = match current {
        Some(current) if current.record.info.version == Version::Null => Some(current),
        _ if versioning == Versioning::Off => None,
        _ => find(c, bucket, key, Some(Version::Null))?,
    };
    if let Some(old) = &old {
        erase(c, bucket, old, now_ms)?;
    }
    if versioning == Versioning::Suspended {
        demote(c, bucket, key)?;
    }
    insert(c, bucket, seq, true, record)?;
    Ok(Version::Null)
}

fn insert(c: &Connection, bucket: &str, seq: i64, is_null: bool, record: &Record) -> Result<()> {
    let info = &record.info;
    let sql = format!(
        "INSERT INTO object (bucket, {COLUMNS})
         VALUES (?1, ?2, ?3, 1, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)"
    );
    c.prepare_cached(&sql)?.execute(params![
        bucket,
        info.key,
        seq,
        is_null,
        info.marker,
        signed(info.size),
        info.etag,
        info.last_modified_ms,
        info.traits.owner.0,
        info.traits.class,
        info.traits.content_type,
        to_json(&info.traits)?,
        to_json(&info.checksums)?,
        info.parts.as_ref().map(to_json).transpose()?,
        info.upload,
        to_json(&record.extents)?,
    ])?;
    Ok(())
}

fn demote(c: &Connection, bucket: &str, key: &str) -> Result<()> {
    c.prepare_cached("UPDATE object SET latest = 0 WHERE bucket = ?1 AND key = ?2 AND latest = 1")?
        .execute([bucket, key])?;
    Ok(())
}

/// Removes one row with all it holds; the next newest becomes the latest if this one was.
fn erase(c: &Connection, bucket: &str, old: &Stored, now_ms: i64) -> Result<()> {
    let info = &old.record.info;
    c.prepare_cached("DELETE FROM object WHERE bucket = ?1 AND key = ?2 AND seq = ?3")?
        .execute(params![bucket, info.key, old.seq])?;
    blob::release(c, &old.record.extents, now_ms)?;
    if !info.marker {
        bucket::bucket_count(c, bucket, Some(info.size), None)?;
    }
    Ok(())
}

fn promote(c: &Connection, bucket: &str, key: &str) -> Result<()> {
    c.prepare_cached(
        "UPDATE object SET latest = 1 WHERE bucket = ?1 AND key = ?2 AND seq =
         (SELECT max(seq) FROM object WHERE bucket = ?1 AND key = ?2)",
    )?
    .execute([bucket, key])?;
    Ok(())
}

/// Deletes as S3 does: a named version goes for good unless it is locked; without a name the object
/// goes in a bucket without versions, and is hidden by a delete marker in one with them.
pub fn object_delete(
    c: &Connection,
    bucket: &str,
    wanted: &Deletion,
    owner: &Owner,
    now_ms: i64,
) -> Result<Deleted> {
    let versioning = bucket::bucket_versioning(c, bucket)?;
    let found = find(c, bucket, &wanted.key, wanted.version)?;
    if wanted.condition.is_some() {
        // Deleting what is not there is no failure, whatever the condition: the wish is fulfilled. A
        // delete marker is there, and is no version anybody can have meant but by `*`.
        if let Some(found) = &found {
            check(&wanted.condition, Some(&found.record.info), &wanted.key)?;
        }
    }
    match (wanted.version, found) {
        (Some(_), Some(found)) => delete_version(c, bucket, &found, wanted.bypass_governance, now_ms),
        (None, Some(found)) if versioning == Versioning::Off => {
            erase(c, bucket, &found, now_ms)?;
            Ok(Deleted { changed: true, ..Deleted::default() })
        }
        (None, current) if versioning != Versioning::Off => {
            let marker = marker(&wanted.key, owner, now_ms);
            let version = place(c, bucket, versioning, current, &marker)?;
            Ok(Deleted { changed: true, version: Some(version), marker: true })
        }
        (version, _) => Ok(Deleted { changed: false, version, marker: false }),
    }
}

fn delete_version(
    c: &Connection,
    bucket: &str,
    found: &Stored,
    bypass_governance: bool,
    now_ms: i64,
) -> Result<Deleted> {
    let info = &found.record.info;
    let kept = info.traits.retention.as_ref().is_some_and(|retention| {
        let yields = bypass_governance && retention.mode == RetentionMode::Governance;
        retention.until_ms > now_ms && !yields
    });
    if kept || info.traits.legal_hold == Some(true) {
        return Err(Fault::ObjectLocked.into());
    }
    erase(c, bucket, found, now_ms)?;
    if info.latest {
        promote(c, bucket, &info.key)?;
    }
    Ok(Deleted { changed: true, version: Some(info.version), marker: info.marker })
}

fn marker(key: &str, owner: &Owner, now_ms: i64) -> Record {
    let traits = Traits { owner: owner.clone(), ..Traits::default() };
    let info = ObjectInfo {
        key: key.to_owned(),
        marker: true,
        last_modified_ms: now_ms,
        traits,
        ..ObjectInfo::default()
    };
    Record { info, extents: Vec::new() }
}

/// Writes back what may change about a version that is there: its traits.
pub fn object_set_traits(c: &Connection, bucket: &str, info: &ObjectInfo) -> Result<()> {
    let traits = &info.traits;
    let (which, seq) = match info.version {
        Version::Null => ("is_null = 1", None),
        Version::Id(seq) => ("seq = ?7", Some(seq)),
    };
    let sql = format!(
        "UPDATE object SET owner = ?3, class = ?4, content_type = ?5, traits = ?6
         WHERE bucket = ?1 AND key = ?2 AND {which}"
    );
    let mut statement = c.prepare_cached(&sql)?;
    let json = to_json(traits)?;
    match seq {
        None => statement.execute(params![
            bucket,
            info.key,
            traits.owner.0,
            traits.class,
            traits.content_type,
            json
        ])?,
        Some(seq) => statement.execute(params![
            bucket,
            info.key,
            traits.owner.0,
            traits.class,
            traits.content_type,
            json,
            seq
        ])?,
    };
    Ok(())
}

/// Whether anything is in the bucket, be it an old version or a delete marker.
pub fn bucket_has_any(c: &Connection, bucket: &str) -> Result<bool> {
    Ok(c.prepare_cached("SELECT 1 FROM object WHERE bucket = ?1 LIMIT 1")?.exists([bucket])?)
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

/// Refuses a key below that of an object, or above one: as files, one of the two could not be.
fn check_tree(c: &Connection, bucket: &str, key: &str) -> Result<()> {
    let mut find = c.prepare_cached(
        "SELECT 1 FROM object WHERE bucket = ?1 AND key = ?2 AND latest = 1 AND marker = 0 LIMIT 1",
    )?;
    for (end, _) in key.match_indices('/') {
        if find.exists([bucket, &key[..end]])? {
            let file = &key[..end];
            return Err(Error::invalid(format!(
                "'{key}' cannot be written: '{file}' is a file, not a folder."
            )));
        }
    }
    // '0' is the byte after '/': what lies between the two is below the key.
    let mut below = c.prepare_cached(
        "SELECT 1 FROM object WHERE bucket = ?1 AND key > ?2 || '/' AND key < ?2 || '0'
             AND latest = 1 AND marker = 0 LIMIT 1",
    )?;
    if below.exists([bucket, key])? {
        return Err(Error::invalid(format!("'{key}' cannot be written: it is a folder, not a file.")));
    }
    Ok(())
}

fn read(row: &Row<'_>) -> Result<Stored> {
    let json = |index: usize| row.get::<_, String>(index);
    let seq = row.get(1)?;
    let traits = Traits {
        owner: Owner(row.get(8)?),
        class: row.get(9)?,
        content_type: row.get(10)?,
        ..from_json(&json(11)?)?
    };
    let info = ObjectInfo {
        key: row.get(0)?,
        version: if row.get(3)? { Version::Null } else { Version::Id(seq) },
        latest: row.get(2)?,
        marker: row.get(4)?,
        size: unsigned(row.get(5)?),
        etag: row.get(6)?,
        last_modified_ms: row.get(7)?,
        traits,
        checksums: from_json(&json(12)?)?,
        parts: row.get::<_, Option<String>>(13)?.map(|text| from_json(&text)).transpose()?,
        upload: row.get(14)?,
    };
    Ok(Stored { seq, record: Record { info, extents: from_json(&json(15)?)? } })
}
