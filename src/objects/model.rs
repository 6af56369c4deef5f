//! What the object store keeps: buckets, objects, the extents their bytes lie in, uploads and parts.

use super::digest::Checksums;
use serde::{Deserialize, Serialize};

/// Bodies up to this size live in their row and share its group commit; larger ones become files.
pub const INLINE_MAX: usize = 64 * 1024;
/// S3's limit for one PUT or one part.
pub const PUT_MAX: u64 = 5 << 30;
/// S3's limit for an object.
pub const OBJECT_MAX: u64 = 5 << 40;
/// Every part of a multipart upload but the last is at least this large.
pub const PART_MIN: u64 = 5 << 20;
/// Part numbers run from 1 to this.
pub const PART_NUMBER_MAX: u32 = 10_000;

/// The account all users of the house share: what they make is owned by it.
pub const HOUSE: &str = "crannog";

#[derive(Clone, Debug)]
pub struct BucketInfo {
    pub name: String,
    pub created_ms: i64,
    pub objects: u64,
    pub bytes: u64,
}

/// An object without its bytes. A listing leaves the headers, metadata and checksums empty.
#[derive(Clone, Debug, Default)]
pub struct ObjectInfo {
    pub key: String,
    pub size: u64,
    /// Without quotes.
    pub etag: String,
    pub last_modified_ms: i64,
    pub content_type: Option<String>,
    pub headers: SystemHeaders,
    pub metadata: Vec<(String, String)>,
    pub tags: Vec<(String, String)>,
    pub checksums: Checksums,
    /// Its parts in order, when it was uploaded in parts.
    pub parts: Option<Vec<PartInfo>>,
    /// The multipart upload it was completed from.
    pub upload: Option<String>,
}

/// A part as an object remembers it: number, size, and checksum of the object's algorithm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartInfo(pub u32, pub u64, pub Option<String>);

impl PartInfo {
    pub fn number(&self) -> u32 {
        self.0
    }

    pub fn size(&self) -> u64 {
        self.1
    }

    pub fn checksum(&self) -> Option<&str> {
        self.2.as_deref()
    }
}

/// HTTP headers stored with an object and given back with it, as they came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SystemHeaders {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_disposition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_language: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
}

/// What may come with a new object.
#[derive(Clone, Debug, Default)]
pub struct PutOptions {
    pub content_type: Option<String>,
    pub headers: SystemHeaders,
    pub metadata: Vec<(String, String)>,
    pub tags: Vec<(String, String)>,
    pub condition: Condition,
}

/// A condition on the object that is there now, decided inside the commit.
#[derive(Clone, Debug, Default)]
pub struct Condition {
    pub if_match: Option<Match>,
    pub if_none_match: Option<Match>,
    pub size: Option<u64>,
    /// Whole seconds since the epoch, as S3 gives times out.
    pub modified_s: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    Any,
    Etag(String),
}

impl Match {
    pub fn holds(&self, etag: Option<&str>) -> bool {
        match (self, etag) {
            (_, None) => false,
            (Self::Any, Some(_)) => true,
            (Self::Etag(wanted), Some(etag)) => wanted == etag,
        }
    }
}

/// A run of bytes of one blob. An object is a list of these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent(pub String, pub u64, pub u64, pub bool);

impl Extent {
    pub fn blob(&self) -> &str {
        &self.0
    }

    pub fn offset(&self) -> u64 {
        self.1
    }

    pub fn length(&self) -> u64 {
        self.2
    }

    /// Whether the blob's bytes are in its row.
    pub fn inline(&self) -> bool {
        self.3
    }
}

/// The part of a list of extents that lies in `range` of the whole.
pub fn slice(extents: &[Extent], range: std::ops::Range<u64>) -> Vec<Extent> {
    let mut start = 0;
    let mut out = Vec::new();
    for extent in extents {
        let end = start + extent.length();
        let (from, to) = (range.start.max(start), range.end.min(end));
        if from < to {
            out.push(Extent(extent.0.clone(), extent.offset() + from - start, to - from, extent.inline()));
        }
        start = end;
    }
    out
}

/// Everything about an object, including where its bytes lie.
#[derive(Clone, Debug, Default)]
pub struct Record {
    pub info: ObjectInfo,
    pub extents: Vec<Extent>,
}

#[derive(Clone, Debug, Default)]
pub struct ListQuery {
    pub prefix: String,
    pub delimiter: Option<String>,
    /// Lists what comes after this key or common prefix: also the way to the next page.
    pub after: Option<String>,
    pub limit: usize,
}

#[derive(Clone, Debug, Default)]
pub struct ListPage {
    pub objects: Vec<ObjectInfo>,
    pub prefixes: Vec<String>,
    /// `after` of the next page; none when this was the last.
    pub next: Option<String>,
}

/// A multipart upload that was begun.
#[derive(Clone, Debug, Default)]
pub struct Upload {
    pub id: String,
    pub key: String,
    pub created_ms: i64,
    pub content_type: Option<String>,
    pub headers: SystemHeaders,
    pub metadata: Vec<(String, String)>,
    pub tags: Vec<(String, String)>,
    pub algorithm: Option<super::digest::Algorithm>,
    pub checksum_kind: super::digest::ChecksumKind,
}

#[derive(Clone, Debug)]
pub struct Part {
    pub number: u32,
    pub size: u64,
    pub etag: String,
    pub modified_ms: i64,
    /// Base64, of the upload's algorithm.
    pub checksum: Option<String>,
    pub extents: Vec<Extent>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_covers_exactly_the_range() {
        let extents = vec![Extent("a".into(), 5, 10, false), Extent("b".into(), 0, 4, true)];
        assert_eq!(slice(&extents, 0..14), extents);
        assert_eq!(
            slice(&extents, 8..11),
            vec![Extent("a".into(), 13, 2, false), Extent("b".into(), 0, 1, true)]
        );
        assert_eq!(slice(&extents, 10..12), vec![Extent("b".into(), 0, 2, true)]);
        assert!(slice(&extents, 14..20).is_empty());
    }
}
