//! MD5, which S3's ETags are made of and which is half the price of a large upload: digested alone where
//! one body comes, and in the lanes of a vector where several come at once.

#[cfg(target_arch = "x86_64")]
mod lanes;
mod table;

use bytes::Bytes;
use md5::block_api::compress;
use std::collections::VecDeque;
use table::Seat;

const BLOCK: usize = 64;
type State = [u32; 4];

/// RFC 1321, 3.3.
const START: State = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
/// Below this, meeting others costs more than it saves.
const WORTH_MEETING: usize = 32 << 10;

/// The digest of one body as it passes by.
pub struct Md5 {
    state: State,
    /// Where its state is while it is digested together with others.
    seat: Option<Seat>,
    length: u64,
    /// The bytes of a block that is not yet whole.
    rest: [u8; BLOCK],
}

impl Default for Md5 {
    fn default() -> Self {
        Self { state: START, seat: None, length: 0, rest: [0; BLOCK] }
    }
}

impl Md5 {
    pub fn update(&mut self, bytes: &[u8]) {
        self.settle();
        let taken = self.fill(bytes);
        if let Some(block) = self.filled_block(taken) {
            compress(&mut self.state, &[block]);
        }
        let (blocks, rest) = bytes[taken..].as_chunks::<BLOCK>();
        compress(&mut self.state, blocks);
        self.keep(blocks.len() * BLOCK, rest);
    }

    /// The same, for a thread that may block: together with the bodies that come at the same time.
    pub fn update_together(&mut self, chunks: &[Bytes]) {
        let total: usize = chunks.iter().map(Bytes::len).sum();
        if self.seat.is_none() && (total < WORTH_MEETING || most() < 2) {
            chunks.iter().for_each(|chunk| self.update(chunk));
            return;
        }
        let mut pieces = VecDeque::with_capacity(2 * chunks.len());
        for chunk in chunks {
            let taken = self.fill(chunk);
            pieces.extend(self.filled_block(taken).map(|block| Bytes::copy_from_slice(&block)));
            let whole = (chunk.len() - taken) / BLOCK * BLOCK;
            if whole > 0 {
                pieces.push_back(chunk.slice(taken..taken + whole));
            }
            self.keep(whole, &chunk[taken + whole..]);
        }
        self.seat.get_or_insert_with(|| Seat::take(self.state)).bring(pieces);
    }

    /// Waits for what is digested together with others. Blocks its thread.
    pub fn settle(&mut self) {
        if let Some(seat) = self.seat.take() {
            self.state = seat.settle();
        }
    }

    pub fn finish(mut self) -> [u8; 16] {
        self.settle();
        let bits = self.length.wrapping_mul(8);
        let filled = self.filled();
        let padding = if filled < 56 { 56 - filled } else { 120 - filled };
        let mut end = [0; 2 * BLOCK];
        end[0] = 0x80;
        end[padding..padding + 8].copy_from_slice(&bits.to_le_bytes());
        self.update(&end[..padding + 8]);
        let mut digest = [0; 16];
        for (bytes, word) in digest.as_chunks_mut::<4>().0.iter_mut().zip(self.state) {
            *bytes = word.to_le_bytes();
        }
        digest
    }

    fn filled(&self) -> usize {
        (self.length % BLOCK as u64) as usize
    }

    /// Adds to a block begun earlier; answers how many bytes that took.
    fn fill(&mut self, bytes: &[u8]) -> usize {
        let filled = self.filled();
        if filled == 0 {
            return 0;
        }
        let taken = bytes.len().min(BLOCK - filled);
        self.rest[filled..filled + taken].copy_from_slice(&bytes[..taken]);
        self.length += taken as u64;
        taken
    }

    /// The block begun earlier, where the bytes just taken have completed it.
    fn filled_block(&self, taken: usize) -> Option<[u8; BLOCK]> {
        (taken > 0 && self.filled() == 0).then_some(self.rest)
    }

    /// Counts the whole blocks that were taken in, and keeps what is behind them.
    fn keep(&mut self, whole: usize, rest: &[u8]) {
        self.length += (whole + rest.len()) as u64;
        // Nothing is behind a block that is itself not whole yet.
        if !rest.is_empty() {
            self.rest[..rest.len()].copy_from_slice(rest);
        }
    }
}

/// How many bodies this processor digests in step.
fn most() -> usize {
    #[cfg(target_arch = "x86_64")]
    return lanes::most();
    #[cfg(not(target_arch = "x86_64"))]
    return 1;
}

#[cfg(test)]
mod tests {
    use super::*;
    use md5::Digest;

    fn body(length: usize, seed: usize) -> Vec<u8> {
        (0..length).map(|index| (index * 31 + seed * 7 + index / 251) as u8).collect()
    }

    fn reference(bytes: &[u8]) -> [u8; 16] {
        md5::Md5::digest(bytes).into()
    }

    #[test]
    fn every_length_and_split_has_the_digest_of_the_reference() {
        for length in (0..300).chain([4096, 70_001]) {
            let bytes = body(length, length);
            for step in [1, 7, 63, 64, 65, 1000] {
                let mut md5 = Md5::default();
                bytes.chunks(step).for_each(|chunk| md5.update(chunk));
                assert_eq!(md5.finish(), reference(&bytes), "{length} in steps of {step}");
            }
        }
    }

    #[test]
    fn bodies_digested_together_keep_their_own_digests() {
        std::thread::scope(|scope| {
            for seed in 0..20 {
                scope.spawn(move || {
                    let bytes = body(700_000 + seed * 10_007, seed);
                    for step in [40_000, 65_537, 256 << 10] {
                        let mut md5 = Md5::default();
                        for chunk in bytes.chunks(step) {
                            let (left, right) = chunk.split_at(chunk.len() / 3);
                            let parts = [Bytes::copy_from_slice(left), Bytes::copy_from_slice(right)];
                            md5.update_together(&parts);
                        }
                        if (seed + step) % 3 == 0 {
                            continue; // given up: the others go on without it
                        }
                        assert_eq!(md5.finish(), reference(&bytes), "{seed} in steps of {step}");
                    }
                });
            }
        });
    }
}
