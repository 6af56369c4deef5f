//! Listings: a walk along the primary key that jumps over each common prefix instead of reading it.

use super::super::model::{
    ListPage, ListQuery, Listed, ObjectInfo, Owner, Traits, Version, VersionPage, VersionQuery,
};
use super::{bucket, signed, unsigned};
use crate::kernel::error::Result;
use rusqlite::{
    Connection, Row, Rows, params,
    types::{FromSqlError, FromSqlResult},
};

/// Greater than every byte of UTF-8, so `prefix + BEYOND` is greater than every key with the prefix.
/// SQLite compares text byte by byte and does not mind that this is not UTF-8.
const BEYOND: u8 = 0xFF;

const COLUMNS: &str =
    "key, seq, latest, is_null, marker, size, etag, modified_ms, owner, class, content_type";

/// What a row of a listing is read from: as few columns as will do, for a page has a thousand of them.
const LISTED: &str = "key, size, etag, modified_ms, owner, class";

/// One page of the objects of a bucket, in byte order.
pub fn object_list(c: &Connection, bucket: &str, query: &ListQuery) -> Result<ListPage> {
    let mut objects = Vec::new();
    let mut take = |row: &Row<'_>| {
        objects.push(read(row)?);
        Ok(())
    };
    let walked = walk_page(c, bucket, query, COLUMNS, &mut take)?;
    Ok(ListPage { objects, prefixes: walked.prefixes, next: walked.next })
}

/// The same page, each object shown to `take` as its row has it: nothing is copied that is not wanted.
/// The page that comes back has no objects.
pub fn object_list_each(
    c: &Connection,
    bucket: &str,
    query: &ListQuery,
    mut take: impl FnMut(Listed<'_>),
) -> Result<ListPage> {
    let mut take = |row: &Row<'_>| {
        take(listed(row).map_err(rusqlite::Error::from)?);
        Ok(())
    };
    let walked = walk_page(c, bucket, query, LISTED, &mut take)?;
    Ok(ListPage { objects: Vec::new(), prefixes: walked.prefixes, next: walked.next })
}

fn listed<'a>(row: &'a Row<'_>) -> FromSqlResult<Listed<'a>> {
    let cell = |index| row.get_ref(index).map_err(|error| FromSqlError::Other(Box::new(error)));
    Ok(Listed {
        key: cell(0)?.as_str()?,
        size: unsigned(cell(1)?.as_i64()?),
        etag: cell(2)?.as_str()?,
        modified_ms: cell(3)?.as_i64()?,
        owner: cell(4)?.as_str()?,
        class: cell(5)?.as_str_or_null()?,
    })
}

/// How far a walk has come.
#[derive(Default)]
struct Walked {
    objects: usize,
    last: String,
    prefixes: Vec<String>,
    next: Option<String>,
}

impl Walked {
    fn entries(&self) -> usize {
        self.objects + self.prefixes.len()
    }

    /// The greatest key or prefix there is on the page.
    fn end(&self) -> Option<String> {
        let key = (self.objects > 0).then_some(self.last.as_str());
        key.max(self.prefixes.last().map(String::as_str)).map(str::to_owned)
    }
}

type Take<'a> = dyn FnMut(&Row<'_>) -> Result<()> + 'a;

fn walk_page(
    c: &Connection,
    bucket: &str,
    query: &ListQuery,
    columns: &str,
    take: &mut Take<'_>,
) -> Result<Walked> {
    bucket::bucket_require(c, bucket)?;
    let mut walked = Walked::default();
    if query.limit == 0 {
        return Ok(walked);
    }
    let mut statement = c.prepare_cached(&format!(
        "SELECT {columns} FROM object
         WHERE bucket = ?1 AND key >= CAST(?2 AS TEXT) AND key < CAST(?3 AS TEXT) AND latest = 1 AND marker = 0
         ORDER BY key LIMIT ?4"
    ))?;
    let delimiter = query.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty());
    let end = beyond(&query.prefix);
    let mut from = start(&query.prefix, query.after.as_deref(), delimiter);
    loop {
        // One more than fits tells whether this page is the last.
        let room = query.limit - walked.entries() + 1;
        let rows = statement.query(params![bucket, from, end, signed(room as u64)])?;
        match walk(rows, query, delimiter, &mut walked, take)? {
            Some(next) => from = next,
            None => return Ok(walked),
        }
    }
}

/// Walks to the page's end or the first common prefix; answers where to go on.
fn walk(
    mut rows: Rows<'_>,
    query: &ListQuery,
    delimiter: Option<&str>,
    walked: &mut Walked,
    take: &mut Take<'_>,
) -> Result<Option<Vec<u8>>> {
    while let Some(row) = rows.next()? {
        let key = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
        if walked.entries() == query.limit {
            walked.next = walked.end();
            return Ok(None);
        }
        if let Some(common) = common_prefix(key, &query.prefix, delimiter) {
            walked.prefixes.push(common.to_owned());
            return Ok(Some(beyond(common)));
        }
        walked.objects += 1;
        walked.last.clear();
        walked.last.push_str(key);
        take(row)?;
    }
    Ok(None)
}

/// One page of all versions and delete markers, by key and then from the newest to the oldest.
pub fn version_list(c: &Connection, bucket: &str, query: &VersionQuery) -> Result<VersionPage> {
    bucket::bucket_require(c, bucket)?;
    let mut page = VersionPage::default();
    if query.limit == 0 {
        return Ok(page);
    }
    let delimiter = query.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty());
    if let Some((key, Some(version))) = &query.after {
        older(c, bucket, (key, *version), query.limit, &mut page)?;
    }
    let end = beyond(&query.prefix);
    let after = query.after.as_ref().map(|(key, _)| key.as_str());
    let mut from = start(&query.prefix, after, delimiter);
    while let Some(next) = walk_versions(c, bucket, query, delimiter, (&from, &end), &mut page)? {
        from = next;
    }
    Ok(page)
}

/// The versions of one key that are older than the one given: the rest of a page cut within a key.
fn older(
    c: &Connection,
    bucket: &str,
    (key, version): (&str, Version),
    limit: usize,
    page: &mut VersionPage,
) -> Result<()> {
    let (bound, seq) = match version {
        Version::Id(seq) => ("?3", seq),
        Version::Null => {
            ("(SELECT seq FROM object WHERE bucket = ?1 AND key = ?2 AND is_null = 1 AND ?3 = 0)", 0)
        }
    };
    let mut statement = c.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM object WHERE bucket = ?1 AND key = ?2 AND seq < {bound}
         ORDER BY seq DESC LIMIT ?4"
    ))?;
    let mut rows = statement.query(params![bucket, key, seq, signed(limit as u64 + 1)])?;
    while let Some(row) = rows.next()? {
        page.versions.push(read(row)?);
    }
    if page.versions.len() > limit {
        page.versions.truncate(limit);
        page.next = page.versions.last().map(|last| (last.key.clone(), Some(last.version)));
    }
    Ok(())
}

fn walk_versions(
    c: &Connection,
    bucket: &str,
    query: &VersionQuery,
    delimiter: Option<&str>,
    (from, end): (&[u8], &[u8]),
    page: &mut VersionPage,
) -> Result<Option<Vec<u8>>> {
    if page.next.is_some() {
        return Ok(None);
    }
    let mut statement = c.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM object WHERE bucket = ?1 AND key >= CAST(?2 AS TEXT) AND key < CAST(?3 AS TEXT)
         ORDER BY key, seq DESC LIMIT ?4"
    ))?;
    let room = query.limit - page.versions.len() - page.prefixes.len() + 1;
    let mut rows = statement.query(params![bucket, from, end, signed(room as u64)])?;
    while let Some(row) = rows.next()? {
        let key = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
        if page.versions.len() + page.prefixes.len() == query.limit {
            let last = page.versions.last().map(|last| (last.key.clone(), Some(last.version)));
            let common = page.prefixes.last().map(|common| (common.clone(), None));
            page.next =
                if last.as_ref().map(|l| &l.0) > common.as_ref().map(|c| &c.0) { last } else { common };
            return Ok(None);
        }
        if let Some(common) = common_prefix(key, &query.prefix, delimiter) {
            page.prefixes.push(common.to_owned());
            return Ok(Some(beyond(common)));
        }
        page.versions.push(read(row)?);
    }
    Ok(None)
}

fn read(row: &Row<'_>) -> Result<ObjectInfo> {
    let seq = row.get(1)?;
    Ok(ObjectInfo {
        key: row.get(0)?,
        version: if row.get(3)? { Version::Null } else { Version::Id(seq) },
        latest: row.get(2)?,
        marker: row.get(4)?,
        size: unsigned(row.get(5)?),
        etag: row.get(6)?,
        last_modified_ms: row.get(7)?,
        traits: Traits {
            owner: Owner(row.get(8)?),
            class: row.get(9)?,
            content_type: row.get(10)?,
            ..Traits::default()
        },
        ..ObjectInfo::default()
    })
}

/// The first key that may be listed. After a common prefix come the keys behind all of it.
fn start(prefix: &str, after: Option<&str>, delimiter: Option<&str>) -> Vec<u8> {
    let begin = prefix.as_bytes().to_vec();
    let Some(after) = after else { return begin };
    let behind = match common_prefix(after, prefix, delimiter) {
        Some(common) if common == after => beyond(after),
        // The smallest string greater than `after`.
        _ => [after.as_bytes(), b"\0"].concat(),
    };
    begin.max(behind)
}

pub fn common_prefix<'a>(key: &'a str, prefix: &str, delimiter: Option<&str>) -> Option<&'a str> {
    let delimiter = delimiter?;
    let rest = key.strip_prefix(prefix)?;
    let at = rest.find(delimiter)?;
    Some(&key[..prefix.len() + at + delimiter.len()])
}

pub fn beyond(prefix: &str) -> Vec<u8> {
    let mut bytes = prefix.as_bytes().to_vec();
    bytes.push(BEYOND);
    bytes
}
