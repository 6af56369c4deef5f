//! Digests of a body, and its encryption where it is to be encrypted, in one pass on its way to the disk.

use super::{DataKey, Sealing};
use crate::{objects::digest::Hashes, store::blob::Tap};
use bytes::Bytes;
use std::io;

/// Digests see the bytes as they came; the disk sees what the key makes of them.
pub struct SealingTap {
    pub hashes: Hashes,
    key: Option<DataKey>,
    sealing: Option<Sealing>,
}

impl SealingTap {
    pub fn new(hashes: Hashes, key: Option<DataKey>) -> Self {
        Self { hashes, key, sealing: None }
    }
}

impl Tap for SealingTap {
    fn name(&mut self, blob: &str) {
        self.sealing = self.key.as_ref().map(|key| Sealing::new(key, blob));
    }

    fn see(&mut self, bytes: &[u8]) {
        self.hashes.see(bytes);
    }

    fn see_all(&mut self, chunks: &[Bytes]) {
        self.hashes.see_all(chunks);
    }

    fn settle(&mut self) {
        self.hashes.settle();
    }

    fn change(&mut self, bytes: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let Some(sealing) = &mut self.sealing else { return Ok(None) };
        let mut out = Vec::new();
        sealing.push(bytes, &mut out)?;
        Ok(Some(out))
    }

    fn end(&mut self) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        if let Some(sealing) = self.sealing.take() {
            sealing.finish(&mut out)?;
        }
        Ok(out)
    }
}
