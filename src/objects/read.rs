//! Reading an object's bytes: one run after another of the blobs they lie in; and the conditions
//! under which a reader wants them at all.

use super::{
    crypt::{DataKey, open_stream, open_whole, stored_range},
    model::{Extent, Match, ObjectInfo, Record, slice},
    store,
};
use crate::store::{Db, blob::Blobs};
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt, stream, stream::BoxStream};
use std::{io, ops::Range};

/// The bytes of an object, in chunks.
pub type ByteStream = BoxStream<'static, io::Result<Bytes>>;

/// An object found, whose bytes can now be read.
pub struct Opened {
    pub info: ObjectInfo,
    pub(super) extents: Vec<Extent>,
    /// All its bytes, when they came with the row.
    pub(super) data: Option<Bytes>,
    pub(super) db: Db,
    pub(super) blobs: Blobs,
    /// Of an encrypted object, whose extents are whole blobs.
    pub(super) key: Option<DataKey>,
}

impl Opened {
    pub(super) fn new(record: Record, data: Option<Vec<u8>>, db: Db, blobs: Blobs) -> Self {
        // An inline blob may be larger than what an object copied from it uses.
        let data = data.and_then(|data| {
            let only = record.extents.first()?;
            let (from, length) = (usize::try_from(only.offset()).ok()?, usize::try_from(only.length()).ok()?);
            let data = Bytes::from(data);
            (from + length <= data.len()).then(|| data.slice(from..from + length))
        });
        Self { info: record.info, extents: record.extents, data, db, blobs, key: None }
    }

    /// An encrypted object; `data` are the stored bytes of its only blob.
    pub(super) fn new_sealed(
        record: Record,
        data: Option<Vec<u8>>,
        db: Db,
        blobs: Blobs,
        key: DataKey,
    ) -> io::Result<Self> {
        let clear = match (data, record.extents.as_slice()) {
            (Some(stored), [only]) => Some(open_whole(&key, only.blob(), only.length(), &stored)?.into()),
            _ => None,
        };
        Ok(Self { key: Some(key), ..Self::new(record, clear, db, blobs) })
    }

    /// The bytes of `range` without another look at the disk, when they are at hand.
    pub fn at_hand(&self, range: &Range<u64>) -> Option<Bytes> {
        if range.is_empty() {
            return Some(Bytes::new());
        }
        let (from, to) = (usize::try_from(range.start).ok()?, usize::try_from(range.end).ok()?);
        self.data.as_ref().filter(|data| to <= data.len()).map(|data| data.slice(from..to))
    }

    /// The bytes of `range`, which lies within the object.
    pub fn into_stream(self, range: Range<u64>) -> ByteStream {
        if let Some(bytes) = self.at_hand(&range) {
            return stream::iter((!bytes.is_empty()).then_some(Ok(bytes))).boxed();
        }
        match self.key {
            Some(key) => read_sealed(self.db, self.blobs, key, touched(&self.extents, &range)).boxed(),
            None => read_extents(self.db, self.blobs, slice(&self.extents, range)).boxed(),
        }
    }
}

/// The extents a range touches, whole, each with the part of it that lies in the range.
fn touched(extents: &[Extent], range: &Range<u64>) -> Vec<(Extent, Range<u64>)> {
    let (mut start, mut out) = (0, Vec::new());
    for extent in extents {
        let end = start + extent.length();
        let (from, to) = (range.start.max(start), range.end.min(end));
        if from < to {
            out.push((extent.clone(), from - start..to - start));
        }
        start = end;
    }
    out
}

/// The bytes of parts of encrypted blobs. Of each only the chunks that hold the part are read.
fn read_sealed(
    db: Db,
    blobs: Blobs,
    key: DataKey,
    parts: Vec<(Extent, Range<u64>)>,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    stream::iter(parts)
        .then(move |(extent, part)| {
            let (db, blobs, key) = (db.clone(), blobs.clone(), key.clone());
            async move {
                let stored = stored_range(&part, extent.length());
                let length = stored.end - stored.start;
                let stored = Extent(extent.0.clone(), stored.start, length, extent.inline());
                let stored = read_extent(&db, &blobs, stored).await?;
                io::Result::Ok(open_stream(&key, extent.blob(), &part, extent.length(), stored))
            }
        })
        .try_flatten()
}

/// The bytes of some extents, one after another.
pub(super) fn read_extents(
    db: Db,
    blobs: Blobs,
    extents: Vec<Extent>,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    stream::iter(extents)
        .then(move |extent| {
            let (db, blobs) = (db.clone(), blobs.clone());
            async move { read_extent(&db, &blobs, extent).await }
        })
        .try_flatten()
}

async fn read_extent(db: &Db, blobs: &Blobs, extent: Extent) -> io::Result<ByteStream> {
    let range = extent.offset()..extent.offset() + extent.length();
    if !extent.inline() {
        return blobs.read(extent.blob(), range).await;
    }
    // Inline bytes go with their last owner: a reader that comes too late is cut off, never misled.
    let gone = || io::Error::new(io::ErrorKind::NotFound, "the object was replaced while it was read");
    let id = extent.blob().to_owned();
    let data =
        db.read(move |c| store::blob::data(c, &id)).await.map_err(io::Error::other)?.ok_or_else(gone)?;
    let (from, to) = (range.start as usize, range.end as usize);
    let bytes = Bytes::from(data);
    if to > bytes.len() {
        return Err(gone());
    }
    Ok(stream::once(async move { Ok(bytes.slice(from..to)) }).boxed())
}

/// What a reader asks of an object before wanting it. Times are whole seconds, as in HTTP.
#[derive(Clone, Debug, Default)]
pub struct ReadCondition {
    pub if_match: Option<Match>,
    pub if_none_match: Option<Match>,
    pub modified_since_s: Option<i64>,
    pub unmodified_since_s: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Proceed,
    NotModified,
    Failed(&'static str),
}

impl ReadCondition {
    /// An ETag condition overrules the date condition of the same sense (RFC 9110, 13.2.2).
    pub fn judge(&self, info: &ObjectInfo) -> Verdict {
        let etag = Some(info.etag.as_str());
        let modified_s = info.last_modified_ms.div_euclid(1000);
        match (&self.if_match, self.unmodified_since_s) {
            (Some(wanted), _) if !wanted.holds(etag) => return Verdict::Failed("If-Match"),
            (None, Some(since)) if modified_s > since => return Verdict::Failed("If-Unmodified-Since"),
            _ => {}
        }
        match (&self.if_none_match, self.modified_since_s) {
            (Some(unwanted), _) if unwanted.holds(etag) => Verdict::NotModified,
            (None, Some(since)) if modified_s <= since => Verdict::NotModified,
            _ => Verdict::Proceed,
        }
    }
}
