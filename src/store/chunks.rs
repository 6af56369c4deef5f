//! Reading a file in chunks without waste: the buffers are used again, and what the kernel has in its
//! cache is taken on the spot instead of on another thread.

use bytes::Bytes;
use rustix::io::{Errno, ReadWriteFlags, preadv2};
use std::{
    fs::File,
    io::{self, IoSliceMut},
    ops::Range,
    os::unix::fs::FileExt,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::task::spawn_blocking;

/// Bytes taken from the disk at a time: enough to make a system call cheap, few enough to stay in the
/// processor's cache on their way to the socket.
const CHUNK: usize = 256 << 10;
/// Idle buffers kept: 4 MiB.
const KEPT: usize = 16;

/// A pool of buffers. Clones share it.
#[derive(Clone, Default)]
pub struct Chunks(Arc<Mutex<Vec<Vec<u8>>>>);

impl Chunks {
    fn take(&self) -> Chunk {
        let idle = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Chunk { bytes: idle.unwrap_or_else(|| vec![0; CHUNK]), filled: 0, pool: self.clone() }
    }
}

/// A buffer on loan.
struct Chunk {
    bytes: Vec<u8>,
    filled: usize,
    pool: Chunks,
}

impl Chunk {
    /// What the kernel can give without waiting for the disk.
    fn fill_at_hand(&mut self, file: &File, at: u64, length: usize) -> io::Result<()> {
        let mut slice = [IoSliceMut::new(&mut self.bytes[..length])];
        match preadv2(file, &mut slice, at, ReadWriteFlags::NOWAIT) {
            Ok(read) => self.filled = read,
            // Not in the cache, or a file system that cannot tell.
            Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn fill_rest(&mut self, file: &File, at: u64, length: usize) -> io::Result<()> {
        file.read_exact_at(&mut self.bytes[self.filled..length], at + self.filled as u64)?;
        self.filled = length;
        Ok(())
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        let mut idle = self.pool.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEPT {
            idle.push(std::mem::take(&mut self.bytes));
        }
    }
}

/// The bytes of `range`; a file that ends before is an error.
pub fn read_file(
    file: File,
    range: Range<u64>,
    chunks: Chunks,
) -> impl futures::Stream<Item = io::Result<Bytes>> + Send {
    let state = (Arc::new(file), chunks, range.start);
    futures::stream::try_unfold(state, move |(file, chunks, at)| async move {
        if at >= range.end {
            return Ok(None);
        }
        let chunk = read_chunk(&file, &chunks, at, range.end - at).await?;
        let next = at + chunk.len() as u64;
        Ok(Some((chunk, (file, chunks, next))))
    })
}

async fn read_chunk(file: &Arc<File>, chunks: &Chunks, at: u64, most: u64) -> io::Result<Bytes> {
    let length = usize::try_from(most).unwrap_or(CHUNK).min(CHUNK);
    let mut chunk = chunks.take();
    chunk.fill_at_hand(file, at, length)?;
    if chunk.filled < length {
        let file = Arc::clone(file);
        let fill = move || chunk.fill_rest(&file, at, length).map(|()| chunk);
        chunk = spawn_blocking(fill).await.map_err(io::Error::other)??;
    }
    Ok(Bytes::from_owner(chunk))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::TryStreamExt;

    #[tokio::test]
    async fn a_range_is_read_whole_and_a_short_file_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let body: Vec<u8> = (0..700_001_u32).map(|n| n as u8).collect();
        fs_err::write(&path, &body).unwrap();
        let chunks = Chunks::default();
        let read = async |range: Range<u64>| -> io::Result<Vec<u8>> {
            let file = fs_err::File::open(&path)?.into_parts().0;
            let parts: Vec<Bytes> = read_file(file, range, chunks.clone()).try_collect().await?;
            Ok(parts.concat())
        };
        assert_eq!(read(0..700_001).await.unwrap(), body);
        assert_eq!(read(5..600_000).await.unwrap(), &body[5..600_000]);
        assert!(read(7..7).await.unwrap().is_empty());
        assert_eq!(read(0..700_002).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        let idle = chunks.0.lock().unwrap().len();
        assert!((1..=KEPT).contains(&idle), "buffers come back: {idle}");
    }
}
