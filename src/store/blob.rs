//! Blobs: immutable files named by a random id, durable before anyone can know them.
//!
//! A blob is synced, and its folder too, before the row that names it is committed; so a row without
//! its blob cannot exist, and a blob without a row is garbage for the collector. Names never come from
//! a caller. Reading, listing and deleting go through `object_store`, the seam for the day the blobs
//! live elsewhere; writing goes round it, because its local store (0.13) does not sync.

use super::{
    chunks::{Chunks, read_file},
    early::Early,
};
use crate::kernel::{error::Result, id};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use object_store::{
    GetOptions, GetResultPayload, ObjectStore, ObjectStoreExt, local::LocalFileSystem, path::Path as BlobPath,
};
use std::{
    collections::HashSet,
    io::{self, IoSlice, Write},
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::task::{JoinHandle, spawn_blocking};

/// Bytes gathered before they are handed to the disk. As much again may be on its way there.
const WRITE_CHUNK: usize = 256 << 10;
/// So many blobs being written at once are a crowd: each then gathers half as much, and all keep the processor busy
/// nonetheless.
const CROWD: usize = 16;

/// Sees every byte on its way to the disk, off the async threads: where digests are made.
pub trait Tap: Send + 'static {
    /// The blob's name, before its first byte.
    fn name(&mut self, _blob: &str) {}

    fn see(&mut self, bytes: &[u8]);

    /// Many at once: what can be digested together with other bodies, is, now or later.
    fn see_all(&mut self, chunks: &[Bytes]) {
        chunks.iter().for_each(|chunk| self.see(chunk));
    }

    /// Waits for what was left for later.
    fn settle(&mut self) {}

    /// What is written for these bytes, when that is not they themselves.
    fn change(&mut self, _bytes: &[u8]) -> io::Result<Option<Vec<u8>>> {
        Ok(None)
    }

    /// What is written behind the last of them.
    fn end(&mut self) -> io::Result<Vec<u8>> {
        Ok(Vec::new())
    }
}

/// The folder of blobs. Cloning it is cheap.
#[derive(Clone)]
pub struct Blobs(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    store: LocalFileSystem,
    chunks: Chunks,
    /// Blobs being written, or written and not yet committed: the collector must not touch them.
    claimed: Mutex<HashSet<String>>,
    /// How many are being written.
    open: AtomicUsize,
}

impl Blobs {
    /// Opens the folder, making it if it is missing.
    pub fn open(folder: &Path) -> Result<Self> {
        fs_err::create_dir_all(folder)?;
        let store = LocalFileSystem::new_with_prefix(folder).map_err(io::Error::from)?;
        Ok(Self(Arc::new(Inner {
            folder: folder.to_owned(),
            store,
            chunks: Chunks::default(),
            claimed: Mutex::default(),
            open: AtomicUsize::new(0),
        })))
    }

    /// Starts a new blob. Dropped before `finish`, it leaves nothing behind.
    pub fn writer<T: Tap>(&self, mut tap: T) -> Writer<T> {
        let id = id::ordered();
        tap.name(&id);
        let claim = self.claim(&id);
        let path = self.0.folder.join(&id);
        Writer {
            open: Open::of(self),
            claim,
            idle: Some(Sink { path, file: None, tap, crc: Crc::default() }),
            busy: None,
            pending: Vec::new(),
            pending_bytes: 0,
            size: 0,
        }
    }

    /// The bytes of `range` of a blob, in large chunks.
    pub async fn read(
        &self,
        id: &str,
        range: Range<u64>,
    ) -> io::Result<BoxStream<'static, io::Result<Bytes>>> {
        let found = self.0.store.get_opts(&BlobPath::from(id), GetOptions::default()).await?;
        match found.payload {
            GetResultPayload::File(file, _) => Ok(read_file(file, range, self.0.chunks.clone()).boxed()),
            GetResultPayload::Stream(_) => {
                let bytes = self.0.store.get_range(&BlobPath::from(id), range).await?;
                Ok(futures::stream::once(async move { Ok(bytes) }).boxed())
            }
        }
    }

    /// How many bytes the disk has of a blob.
    pub async fn size(&self, id: &str) -> io::Result<u64> {
        Ok(self.0.store.head(&BlobPath::from(id)).await?.size)
    }

    /// Removes a blob; one that is gone already is fine.
    pub async fn delete(&self, id: &str) -> io::Result<()> {
        match self.0.store.delete(&BlobPath::from(id)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Every blob last written before `before_ms` that nobody is about to commit.
    pub async fn unclaimed_before(&self, before_ms: i64) -> io::Result<Vec<String>> {
        let mut old = Vec::new();
        let mut all = self.0.store.list(None);
        while let Some(found) = all.try_next().await? {
            if found.last_modified.timestamp_millis() < before_ms {
                old.push(found.location.to_string());
            }
        }
        let claimed = self.0.claimed.lock().unwrap_or_else(PoisonError::into_inner);
        old.retain(|id| !claimed.contains(id));
        Ok(old)
    }

    fn claim(&self, id: &str) -> Claim {
        self.0.claimed.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned());
        Claim(Arc::new(Claimed { blobs: self.clone(), id: id.to_owned(), crc: OnceLock::new() }))
    }
}

/// The checksum of what the disk has of a blob: CRC-64/NVME, which costs next to nothing.
pub struct Crc(crc_fast::Digest);

impl Default for Crc {
    fn default() -> Self {
        Self(crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64Nvme))
    }
}

impl Crc {
    pub fn see(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub fn value(&self) -> u64 {
        self.0.finalize()
    }

    /// That of all bytes at once.
    pub fn of(bytes: &[u8]) -> u64 {
        crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, bytes)
    }
}

/// Keeps the collector away from a blob. Hold a clone until the row that names the blob is committed:
/// also inside the write closure, which runs even when the caller has gone.
#[derive(Clone)]
pub struct Claim(Arc<Claimed>);

struct Claimed {
    blobs: Blobs,
    id: String,
    crc: OnceLock<u64>,
}

impl Claim {
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The checksum of the blob's bytes, once it is finished.
    pub fn crc(&self) -> Option<u64> {
        self.0.crc.get().copied()
    }

    /// Removes the blob at once: for when it is certain that no row names it.
    pub async fn discard(self) {
        // The collector takes what this cannot.
        if let Err(error) = self.0.blobs.delete(&self.0.id).await {
            tracing::warn!(blob = self.0.id, %error, "a refused upload's blob could not be removed yet");
        }
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        self.blobs.0.claimed.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

/// A blob being written. Writing and digesting happen on a blocking thread while the next bytes arrive.
pub struct Writer<T: Tap> {
    open: Open,
    claim: Claim,
    idle: Option<Sink<T>>,
    busy: Option<JoinHandle<io::Result<Sink<T>>>>,
    pending: Vec<Bytes>,
    pending_bytes: usize,
    size: u64,
}

/// Counts a blob among those being written, for as long as it lives.
struct Open(Blobs);

impl Open {
    fn of(blobs: &Blobs) -> Self {
        blobs.0.open.fetch_add(1, Ordering::Relaxed);
        Self(blobs.clone())
    }

    /// Bytes a blob gathers now.
    fn chunk(&self) -> usize {
        if self.0.0.open.load(Ordering::Relaxed) > CROWD { WRITE_CHUNK / 2 } else { WRITE_CHUNK }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Where the bytes go. The file is made with the first of them, and removed unless it was finished.
struct Sink<T> {
    path: PathBuf,
    file: Option<Unfinished>,
    tap: T,
    crc: Crc,
}

struct Unfinished {
    file: fs_err::File,
    early: Early,
    keep: bool,
}

impl<T: Tap> Writer<T> {
    pub async fn write(&mut self, bytes: Bytes) -> io::Result<()> {
        self.size += bytes.len() as u64;
        self.pending_bytes += bytes.len();
        self.pending.push(bytes);
        if self.pending_bytes >= self.open.chunk() { self.flush().await } else { Ok(()) }
    }

    /// Makes the blob durable. It stays invisible, and safe from the collector while the claim is held.
    pub async fn finish(mut self) -> io::Result<(Claim, u64, T)> {
        let mut sink = self.sink().await?;
        let rest = std::mem::take(&mut self.pending);
        let folder = self.open.0.0.folder.clone();
        let finish = move || {
            sink.take(&rest)?;
            let end = sink.tap.end()?;
            sink.append(&[&end])?;
            sink.file()?.file.sync_all()?;
            fs_err::File::open(folder)?.sync_all()?;
            // What waited longer was digested together with more.
            sink.tap.settle();
            sink.file()?.keep = true;
            io::Result::Ok((sink.tap, sink.crc))
        };
        let (tap, crc) = spawn_blocking(finish).await.map_err(io::Error::other)??;
        let _ = self.claim.0.crc.set(crc.value()); // only a finished writer gets here, and once
        Ok((self.claim, self.size, tap))
    }

    async fn flush(&mut self) -> io::Result<()> {
        let mut sink = self.sink().await?;
        let chunks = std::mem::take(&mut self.pending);
        self.pending_bytes = 0;
        self.busy = Some(spawn_blocking(move || {
            sink.take(&chunks)?;
            Ok(sink)
        }));
        Ok(())
    }

    /// Waits for the write under way. After an error the writer is of no more use, and says so.
    async fn sink(&mut self) -> io::Result<Sink<T>> {
        match (self.idle.take(), self.busy.take()) {
            (Some(sink), _) => Ok(sink),
            (None, Some(busy)) => busy.await.map_err(io::Error::other)?,
            (None, None) => Err(io::Error::other("an earlier write to this blob failed")),
        }
    }
}

impl<T: Tap> Sink<T> {
    fn take(&mut self, chunks: &[Bytes]) -> io::Result<()> {
        let changed: Vec<_> = chunks.iter().map(|chunk| self.tap.change(chunk)).collect::<io::Result<_>>()?;
        let pieces: Vec<&[u8]> =
            chunks.iter().zip(&changed).map(|(chunk, changed)| changed.as_deref().unwrap_or(chunk)).collect();
        self.append(&pieces)?;
        // The disk is at work already while these are digested.
        self.tap.see_all(chunks);
        Ok(())
    }

    /// Every byte the disk gets goes through here, and into the checksum.
    fn append(&mut self, pieces: &[&[u8]]) -> io::Result<()> {
        pieces.iter().for_each(|piece| self.crc.see(piece));
        let Unfinished { file, early, .. } = self.file()?;
        write_all(file, pieces)?;
        early.wrote(file, pieces.iter().map(|piece| piece.len()).sum())
    }

    fn file(&mut self) -> io::Result<&mut Unfinished> {
        let made = match self.file.take() {
            Some(file) => file,
            None => {
                let file = fs_err::OpenOptions::new().write(true).create_new(true).open(&self.path)?;
                Unfinished { file, early: Early::default(), keep: false }
            }
        };
        Ok(self.file.insert(made))
    }
}

/// Writes all pieces with as few calls as can be: the kernel takes larger pages for what comes at once.
fn write_all(file: &mut impl Write, pieces: &[&[u8]]) -> io::Result<()> {
    let mut slices: Vec<IoSlice> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
    let mut rest = &mut slices[..];
    IoSlice::advance_slices(&mut rest, 0); // over empty ones
    while !rest.is_empty() {
        match file.write_vectored(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut rest, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.keep {
            // What cannot be removed now is garbage without a row: the collector's.
            let _ = fs_err::remove_file(self.file.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Count(usize);
    impl Tap for Count {
        fn see(&mut self, bytes: &[u8]) {
            self.0 += bytes.len();
        }
    }

    async fn all(blobs: &Blobs, id: &str, range: Range<u64>) -> Vec<u8> {
        let chunks: Vec<Bytes> = blobs.read(id, range).await.unwrap().try_collect().await.unwrap();
        chunks.concat()
    }

    #[tokio::test]
    async fn a_finished_blob_reads_back_and_a_dropped_one_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(folder.path()).unwrap();
        let body: Vec<u8> = (0..3_000_000_u32).map(|n| n as u8).collect();
        let mut writer = blobs.writer(Count(0));
        for chunk in body.chunks(70_000) {
            writer.write(Bytes::copy_from_slice(chunk)).await.unwrap();
        }
        let (claim, size, tap) = writer.finish().await.unwrap();
        assert_eq!((size, tap.0), (3_000_000, 3_000_000));
        assert_eq!(all(&blobs, claim.id(), 0..size).await, body);
        assert_eq!(all(&blobs, claim.id(), 1_048_570..1_048_590).await, &body[1_048_570..1_048_590]);

        let mut writer = blobs.writer(Count(0));
        writer.write(Bytes::from_static(b"lost")).await.unwrap();
        drop(writer);
        assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn many_writers_gather_less_each() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(folder.path()).unwrap();
        let mut writers: Vec<_> = (0..CROWD).map(|_| blobs.writer(Count(0))).collect();
        assert_eq!(writers[0].open.chunk(), WRITE_CHUNK);
        writers.push(blobs.writer(Count(0)));
        assert_eq!(writers[0].open.chunk(), WRITE_CHUNK / 2);
        writers.pop().unwrap().finish().await.unwrap();
        assert_eq!(writers[0].open.chunk(), WRITE_CHUNK);
        drop(writers);
        assert_eq!(blobs.0.open.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn the_collector_never_sees_a_claimed_blob() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(folder.path()).unwrap();
        let writer = blobs.writer(Count(0));
        let (claim, _, _) = writer.finish().await.unwrap();
        let id = claim.id().to_owned();
        assert!(blobs.unclaimed_before(i64::MAX).await.unwrap().is_empty());
        drop(claim);
        assert_eq!(blobs.unclaimed_before(i64::MAX).await.unwrap(), vec![id.clone()]);
        blobs.delete(&id).await.unwrap();
        blobs.delete(&id).await.unwrap();
        assert!(blobs.unclaimed_before(i64::MAX).await.unwrap().is_empty());
    }
}
