//! Digests of bodies: MD5 for the ETag, and the five checksums S3 knows, alone and over parts.

use super::md5::Md5;
use crate::store::blob::Tap;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha1::{Digest as _, Sha1};
use sha2::Sha256;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    #[serde(rename = "CRC32")]
    Crc32,
    #[serde(rename = "CRC32C")]
    Crc32c,
    #[serde(rename = "CRC64NVME")]
    Crc64Nvme,
    #[serde(rename = "SHA1")]
    Sha1,
    #[serde(rename = "SHA256")]
    Sha256,
}

impl Algorithm {
    pub const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    /// As S3 spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.name().eq_ignore_ascii_case(name))
    }

    /// The header, or trailer, that carries it.
    pub fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    pub fn length(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    fn crc(self) -> Option<crc_fast::CrcAlgorithm> {
        match self {
            Self::Crc32 => Some(crc_fast::CrcAlgorithm::Crc32IsoHdlc),
            Self::Crc32c => Some(crc_fast::CrcAlgorithm::Crc32Iscsi),
            Self::Crc64Nvme => Some(crc_fast::CrcAlgorithm::Crc64Nvme),
            Self::Sha1 | Self::Sha256 => None,
        }
    }

    /// Whether checksums of parts can be joined into that of the whole.
    pub fn joins(self) -> bool {
        self.crc().is_some()
    }

    /// A base64 value of the right length, or none.
    pub fn decode(self, text: &str) -> Option<Vec<u8>> {
        BASE64.decode(text).ok().filter(|bytes| bytes.len() == self.length())
    }
}

/// Whether an object's checksum is of its bytes, or of its parts' checksums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChecksumKind {
    #[default]
    #[serde(rename = "FULL_OBJECT")]
    Full,
    #[serde(rename = "COMPOSITE")]
    Composite,
}

/// The checksums kept with an object, in base64.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Checksums {
    pub kind: ChecksumKind,
    pub values: Vec<(Algorithm, String)>,
}

impl Checksums {
    pub fn get(&self, algorithm: Algorithm) -> Option<&str> {
        self.values.iter().find(|(a, _)| *a == algorithm).map(|(_, value)| value.as_str())
    }
}

enum Running {
    Crc(crc_fast::Digest),
    Sha1(Sha1),
    Sha256(Sha256),
}

/// Digests of one body as it passes by.
pub struct Hashes {
    md5: Md5,
    sums: Vec<(Algorithm, Running)>,
}

impl Hashes {
    pub fn new(algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        let mut sums: Vec<(Algorithm, Running)> = Vec::new();
        for algorithm in algorithms {
            if sums.iter().all(|(known, _)| *known != algorithm) {
                sums.push((algorithm, start(algorithm)));
            }
        }
        Self { md5: Md5::default(), sums }
    }

    /// The MD5, and each checksum in base64.
    pub fn finish(self) -> ([u8; 16], Vec<(Algorithm, String)>) {
        let sums = self
            .sums
            .into_iter()
            .map(|(algorithm, running)| (algorithm, BASE64.encode(end(algorithm, running))));
        (self.md5.finish(), sums.collect())
    }
}

impl Tap for Hashes {
    fn see(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.sum(bytes);
    }

    fn see_all(&mut self, chunks: &[Bytes]) {
        self.md5.update_together(chunks);
        chunks.iter().for_each(|chunk| self.sum(chunk));
    }

    fn settle(&mut self) {
        self.md5.settle();
    }
}

impl Hashes {
    fn sum(&mut self, bytes: &[u8]) {
        for (_, running) in &mut self.sums {
            match running {
                Running::Crc(digest) => digest.update(bytes),
                Running::Sha1(digest) => digest.update(bytes),
                Running::Sha256(digest) => digest.update(bytes),
            }
        }
    }
}

fn start(algorithm: Algorithm) -> Running {
    match (algorithm.crc(), algorithm) {
        (Some(crc), _) => Running::Crc(crc_fast::Digest::new(crc)),
        (None, Algorithm::Sha1) => Running::Sha1(Sha1::new()),
        (None, _) => Running::Sha256(Sha256::new()),
    }
}

fn end(algorithm: Algorithm, running: Running) -> Vec<u8> {
    match running {
        Running::Crc(digest) => digest.finalize().to_be_bytes()[8 - algorithm.length()..].to_vec(),
        Running::Sha1(digest) => digest.finalize().to_vec(),
        Running::Sha256(digest) => digest.finalize().to_vec(),
    }
}

/// The ETag of an object made of parts: the MD5 of their MD5s, and how many they are.
pub fn etag_of_parts<'a>(etags: impl IntoIterator<Item = &'a str>) -> String {
    let (mut md5, mut count) = (Md5::default(), 0);
    for etag in etags {
        // Part ETags are ours, always 32 hexadecimal digits.
        md5.update(&hex::decode(etag).unwrap_or_default());
        count += 1;
    }
    format!("{}-{count}", hex::encode(md5.finish()))
}

/// The checksum of an object from those of its parts, as `kind` asks; none when a part has none.
pub fn checksum_of_parts(
    algorithm: Algorithm,
    kind: ChecksumKind,
    parts: &[(u64, Option<&str>)],
) -> Option<String> {
    let decoded: Option<Vec<(u64, Vec<u8>)>> =
        parts.iter().map(|(size, text)| Some((*size, algorithm.decode((*text)?)?))).collect();
    let decoded = decoded?;
    match kind {
        ChecksumKind::Composite => {
            let mut hashes = Hashes::new([algorithm]);
            decoded.iter().for_each(|(_, sum)| hashes.see(sum));
            let (_, sums) = hashes.finish();
            sums.first().map(|(_, value)| format!("{value}-{}", parts.len()))
        }
        ChecksumKind::Full => {
            let crc = algorithm.crc()?;
            let joined =
                decoded.iter().map(|(size, sum)| (*size, big_endian(sum))).reduce(|left, right| {
                    (left.0 + right.0, crc_fast::checksum_combine(crc, left.1, right.1, right.0))
                })?;
            Some(BASE64.encode(&joined.1.to_be_bytes()[8 - algorithm.length()..]))
        }
    }
}

fn big_endian(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |value, byte| (value << 8) | u64::from(*byte))
}

/// A Content-MD5 header's value.
pub fn decode_md5(text: &str) -> Option<[u8; 16]> {
    BASE64.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(algorithm: Algorithm, bytes: &[u8]) -> String {
        let mut hashes = Hashes::new([algorithm]);
        hashes.see(bytes);
        hashes.finish().1.remove(0).1
    }

    #[test]
    fn checksums_of_the_check_string_are_the_published_ones() {
        let check = b"123456789";
        assert_eq!(sum(Algorithm::Crc32, check), BASE64.encode(0xCBF4_3926_u32.to_be_bytes()));
        assert_eq!(sum(Algorithm::Crc32c, check), BASE64.encode(0xE306_9283_u32.to_be_bytes()));
        assert_eq!(sum(Algorithm::Crc64Nvme, check), BASE64.encode(0xAE8B_1486_0A79_9888_u64.to_be_bytes()));
        assert_eq!(
            sum(Algorithm::Sha1, b"abc"),
            BASE64.encode(hex::decode("a9993e364706816aba3e25717850c26c9cd0d89d").unwrap())
        );
    }

    #[test]
    fn joined_checksums_equal_that_of_the_whole() {
        for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme] {
            let (a, b) = (sum(algorithm, b"12345"), sum(algorithm, b"6789"));
            let parts = [(5, Some(a.as_str())), (4, Some(b.as_str()))];
            assert_eq!(
                checksum_of_parts(algorithm, ChecksumKind::Full, &parts),
                Some(sum(algorithm, b"123456789"))
            );
        }
        let parts = [(5, None)];
        assert_eq!(checksum_of_parts(Algorithm::Crc32, ChecksumKind::Full, &parts), None);
    }
}
