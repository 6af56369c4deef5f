//! The bytes of an encrypted blob: sealed chunk by chunk as they are written, opened for any range.

use super::derive;
use bytes::Bytes;
use futures::{Stream, TryStreamExt, stream};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use std::{fmt, io, ops::Range};

const CHUNK: usize = 64 * 1024;
const TAG: usize = 16;
const STORED: usize = CHUNK + TAG;

/// The key of one object's bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct DataKey([u8; 32]);

impl DataKey {
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn blob(&self, id: &str) -> BlobKey {
        BlobKey(Box::new(aes(&derive(&self.0, "blob", id.as_bytes()))))
    }

    /// What stands for the MD5 of the bytes where that would tell of them: as long, and of no use
    /// without the key.
    pub fn etag(&self, md5: &[u8; 16]) -> [u8; 16] {
        let mut etag = [0; 16];
        etag.copy_from_slice(&derive(&self.0, "etag", md5)[..16]);
        etag
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey")
    }
}

/// AES-256-GCM with this key. "Less safe" is ring's name for one whose caller answers for the nonces.
pub(super) fn aes(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("AES-256 takes a key of 32 bytes"))
}

/// Boxed: the expanded key is large, and moves between threads with every megabyte.
struct BlobKey(Box<LessSafeKey>);

impl BlobKey {
    /// Encrypts `bytes` from `start` on where they are, and appends the tag.
    fn seal(&self, index: u64, bytes: &mut Vec<u8>, start: usize) -> io::Result<()> {
        let tag = self.0.seal_in_place_separate_tag(nonce(index), Aad::empty(), &mut bytes[start..]);
        let tag = tag.map_err(|_| io::Error::other("a chunk could not be encrypted"))?;
        bytes.extend_from_slice(tag.as_ref());
        Ok(())
    }

    /// Decrypts a chunk, its tag included, where it is; answers its bytes.
    fn open<'a>(&self, index: u64, chunk: &'a mut [u8]) -> io::Result<&'a [u8]> {
        let opened = self.0.open_in_place(nonce(index), Aad::empty(), chunk);
        let opened =
            opened.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "an encrypted chunk is damaged"));
        opened.map(|bytes| &*bytes)
    }
}

fn nonce(index: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&index.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

/// Turns a blob's bytes into what is stored of it, as they come.
pub struct Sealing {
    key: BlobKey,
    index: u64,
    pending: Vec<u8>,
}

impl Sealing {
    pub fn new(key: &DataKey, blob: &str) -> Self {
        Self { key: key.blob(blob), index: 0, pending: Vec::new() }
    }

    /// Appends to `out` what is to be stored once these bytes are in.
    pub fn push(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        if !self.pending.is_empty() {
            let (fill, rest) = bytes.split_at(bytes.len().min(CHUNK - self.pending.len()));
            self.pending.extend_from_slice(fill);
            bytes = rest;
            if self.pending.len() < CHUNK {
                return Ok(());
            }
            let full = std::mem::take(&mut self.pending);
            self.chunk(&full, out)?;
        }
        let mut chunks = bytes.chunks_exact(CHUNK);
        chunks.try_for_each(|chunk| self.chunk(chunk, out))?;
        self.pending.extend_from_slice(chunks.remainder());
        Ok(())
    }

    /// Appends the last chunk, which may be shorter.
    pub fn finish(mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let rest = std::mem::take(&mut self.pending);
        if rest.is_empty() { Ok(()) } else { self.chunk(&rest, out) }
    }

    fn chunk(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let start = out.len();
        out.reserve(bytes.len() + TAG);
        out.extend_from_slice(bytes);
        self.key.seal(self.index, out, start)?;
        self.index += 1;
        Ok(())
    }
}

/// What is stored of a blob whose bytes are all at hand.
pub fn seal_whole(key: &DataKey, blob: &str, bytes: &[u8]) -> io::Result<Bytes> {
    let (mut sealing, mut out) = (Sealing::new(key, blob), Vec::new());
    sealing.push(bytes, &mut out)?;
    sealing.finish(&mut out)?;
    Ok(out.into())
}

/// How many bytes are stored of a blob of this length.
pub fn stored_length(length: u64) -> u64 {
    length + length.div_ceil(CHUNK as u64) * TAG as u64
}

/// The stored bytes to be read for a range of a blob's bytes: whole chunks.
pub fn stored_range(range: &Range<u64>, length: u64) -> Range<u64> {
    let (chunk, stored) = (CHUNK as u64, STORED as u64);
    let end = range.end.div_ceil(chunk) * stored;
    range.start / chunk * stored..end.min(stored_length(length))
}

/// Turns stored bytes back, from the chunk where `range` begins.
struct Opening {
    key: BlobKey,
    index: u64,
    /// Bytes of the first chunk before the range.
    skip: usize,
    /// Bytes of the range still to be given.
    left: u64,
    /// Stored bytes still to come.
    coming: u64,
    pending: Vec<u8>,
}

impl Opening {
    fn new(key: &DataKey, blob: &str, range: &Range<u64>, length: u64) -> Self {
        let stored = stored_range(range, length);
        Self {
            key: key.blob(blob),
            index: range.start / CHUNK as u64,
            skip: (range.start % CHUNK as u64) as usize,
            left: range.end - range.start,
            coming: stored.end - stored.start,
            pending: Vec::new(),
        }
    }

    fn push(&mut self, bytes: &[u8]) -> io::Result<Bytes> {
        self.coming = self.coming.checked_sub(bytes.len() as u64).ok_or_else(surplus)?;
        self.pending.extend_from_slice(bytes);
        let ready = match self.coming {
            0 => self.pending.len(),
            _ => self.pending.len() / STORED * STORED,
        };
        let rest = self.pending.split_off(ready);
        let mut stored = std::mem::replace(&mut self.pending, rest);
        let mut out = Vec::with_capacity(stored.len());
        for chunk in stored.chunks_mut(STORED) {
            self.chunk(chunk, &mut out)?;
        }
        Ok(out.into())
    }

    fn chunk(&mut self, chunk: &mut [u8], out: &mut Vec<u8>) -> io::Result<()> {
        let bytes = self.key.open(self.index, chunk)?;
        self.index += 1;
        let from = std::mem::take(&mut self.skip).min(bytes.len());
        let wanted = self.left.min((bytes.len() - from) as u64);
        out.extend_from_slice(&bytes[from..from + wanted as usize]);
        self.left -= wanted;
        Ok(())
    }

    fn finish(&self) -> io::Result<()> {
        if self.left == 0 { Ok(()) } else { Err(surplus()) }
    }
}

fn surplus() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "an encrypted blob has not the length it should have")
}

/// All the bytes of a blob whose stored bytes are at hand.
pub fn open_whole(key: &DataKey, blob: &str, length: u64, stored: &[u8]) -> io::Result<Bytes> {
    let mut opening = Opening::new(key, blob, &(0..length), length);
    let bytes = opening.push(stored)?;
    opening.finish()?;
    Ok(bytes)
}

/// Opens `stored`, the `stored_range` of the blob, on blocking threads: a megabyte takes a millisecond.
pub fn open_stream<S>(
    key: &DataKey,
    blob: &str,
    range: &Range<u64>,
    length: u64,
    stored: S,
) -> impl Stream<Item = io::Result<Bytes>> + Send + use<S>
where
    S: Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static,
{
    let state = (stored, Opening::new(key, blob, range, length));
    let bytes = stream::try_unfold(state, async |(mut stored, mut opening)| {
        let Some(chunk) = stored.try_next().await? else {
            opening.finish()?;
            return Ok(None);
        };
        let opened = tokio::task::spawn_blocking(move || opening.push(&chunk).map(|bytes| (bytes, opening)));
        let (bytes, opening) = opened.await.map_err(io::Error::other)??;
        Ok(Some((bytes, (stored, opening))))
    });
    bytes.try_filter(|bytes| std::future::ready(!bytes.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(bytes: &[u8], step: usize) -> Vec<u8> {
        let (mut sealing, mut out) = (Sealing::new(&DataKey([7; 32]), "blob"), Vec::new());
        bytes.chunks(step).for_each(|part| sealing.push(part, &mut out).unwrap());
        sealing.finish(&mut out).unwrap();
        out
    }

    async fn open(key: u8, blob: &str, stored: &[u8], range: Range<u64>, length: u64) -> io::Result<Vec<u8>> {
        let part = stored_range(&range, length);
        let part = &stored[part.start as usize..(part.end as usize).min(stored.len())];
        let pieces: Vec<_> = part.chunks(100_000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let opened = open_stream(&DataKey([key; 32]), blob, &range, length, stream::iter(pieces));
        Ok(opened.try_collect::<Vec<Bytes>>().await?.concat())
    }

    #[tokio::test]
    async fn every_range_comes_back_however_the_bytes_came() {
        for length in [0, 1, 65_535, 65_536, 65_537, 200_000] {
            let body: Vec<u8> = (0..length as u32).map(|n| (n % 251) as u8).collect();
            let stored = seal(&body, 70_001);
            assert_eq!(stored, seal(&body, 33));
            assert_eq!(stored.len() as u64, stored_length(length));
            let edges = [0, 1, 65_535, 65_536, 65_537, 131_072, length / 2, length.saturating_sub(1), length];
            for start in edges.into_iter().filter(|edge| *edge <= length) {
                for end in edges.into_iter().filter(|edge| (start..=length).contains(edge)) {
                    let opened = open(7, "blob", &stored, start..end, length).await.unwrap();
                    assert!(opened == body[start as usize..end as usize], "{length}: {start}..{end}");
                }
            }
        }
    }

    #[tokio::test]
    async fn damage_of_any_kind_is_an_error() {
        let (body, length) = (vec![1; 200_000], 200_000);
        let stored = seal(&body, 200_000);
        let mut flipped = stored.clone();
        flipped[150_000] ^= 1;
        assert!(open(7, "blob", &flipped, 0..length, length).await.is_err());
        assert!(open(7, "blob", &flipped, 0..65_536, length).await.is_ok());
        let swapped = [&stored[STORED..2 * STORED], &stored[..STORED], &stored[2 * STORED..]].concat();
        assert!(open(7, "blob", &swapped, 0..length, length).await.is_err());
        for cut in [1, 3 * TAG, STORED] {
            assert!(open(7, "blob", &stored[..stored.len() - cut], 0..length, length).await.is_err());
        }
        assert!(open(8, "blob", &stored, 0..10, length).await.is_err());
        assert!(open(7, "other", &stored, 0..10, length).await.is_err());
    }
}
