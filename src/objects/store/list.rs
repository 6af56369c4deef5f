//! Listings: a walk along the primary key that jumps over each common prefix instead of reading it.

use super::super::model::{ListPage, ListQuery, ObjectInfo};
use super::{bucket, signed, unsigned};
use crate::kernel::error::Result;
use rusqlite::{Connection, params};

/// Greater than every byte of UTF-8, so `prefix + BEYOND` is greater than every key with the prefix.
/// SQLite compares text byte by byte and does not mind that this is not UTF-8.
const BEYOND: u8 = 0xFF;

/// One page of the objects of a bucket, in byte order.
pub fn object_list(c: &Connection, bucket: &str, query: &ListQuery) -> Result<ListPage> {
    bucket::bucket_require(c, bucket)?;
    let mut page = ListPage::default();
    if query.limit == 0 {
        return Ok(page);
    }
    let delimiter = query.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty());
    let end = beyond(&query.prefix);
    let mut from = start(query, delimiter);
    while let Some(next) = walk(c, bucket, query, delimiter, (&from, &end), &mut page)? {
        from = next;
    }
    Ok(page)
}

/// Walks from `from` (inclusive) to the page's end or the first common prefix; answers where to go on.
fn walk(
    c: &Connection,
    bucket: &str,
    query: &ListQuery,
    delimiter: Option<&str>,
    (from, end): (&[u8], &[u8]),
    page: &mut ListPage,
) -> Result<Option<Vec<u8>>> {
    let mut statement = c.prepare_cached(
        "SELECT key, size, etag, modified_ms, content_type FROM object
         WHERE bucket = ?1 AND key >= CAST(?2 AS TEXT) AND key < CAST(?3 AS TEXT) AND version = ''
         ORDER BY key LIMIT ?4",
    )?;
    // One more than fits tells whether this page is the last.
    let room = query.limit - page.objects.len() - page.prefixes.len() + 1;
    let mut rows = statement.query(params![bucket, from, end, signed(room as u64)])?;
    while let Some(row) = rows.next()? {
        let key = row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?;
        if page.objects.len() + page.prefixes.len() == query.limit {
            page.next = last(page);
            return Ok(None);
        }
        if let Some(common) = common_prefix(key, &query.prefix, delimiter) {
            page.prefixes.push(common.to_owned());
            return Ok(Some(beyond(common)));
        }
        page.objects.push(ObjectInfo {
            key: key.to_owned(),
            size: unsigned(row.get(1)?),
            etag: row.get(2)?,
            last_modified_ms: row.get(3)?,
            content_type: row.get(4)?,
            ..ObjectInfo::default()
        });
    }
    Ok(None)
}

/// The first key that may be listed. After a common prefix come the keys behind all of it.
fn start(query: &ListQuery, delimiter: Option<&str>) -> Vec<u8> {
    let prefix = query.prefix.as_bytes().to_vec();
    let Some(after) = query.after.as_deref() else { return prefix };
    let behind = match common_prefix(after, &query.prefix, delimiter) {
        Some(common) if common == after => beyond(after),
        // The smallest string greater than `after`.
        _ => [after.as_bytes(), b"\0"].concat(),
    };
    prefix.max(behind)
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

fn last(page: &ListPage) -> Option<String> {
    let key = page.objects.last().map(|object| object.key.as_str());
    key.max(page.prefixes.last().map(String::as_str)).map(str::to_owned)
}
