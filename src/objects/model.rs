//! What the object store keeps: buckets, objects, the extents their bytes lie in, uploads and parts.

use super::{
    access::acl::Acl,
    crypt::{Seal, Wish},
    digest::Checksums,
    error::Fault,
    settings::Settings,
};
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

/// A bucket with its running totals.
#[derive(Clone, Debug)]
pub struct BucketInfo {
    pub name: String,
    pub owner: String,
    pub created_ms: i64,
    /// Objects and their older versions; delete markers do not count.
    pub objects: u64,
    pub bytes: u64,
}

/// What a bucket is and how it is set up. Kept in memory; replaced as a whole by each change.
#[derive(Debug)]
pub struct Bucket {
    pub name: String,
    pub owner: String,
    pub created_ms: i64,
    pub versioning: Versioning,
    pub object_lock: bool,
    pub settings: Settings,
}

/// What a new bucket is made with.
#[derive(Debug)]
pub struct NewBucket {
    pub name: String,
    pub owner: String,
    pub object_lock: bool,
    /// Names and JSON documents of settings it has from the start.
    pub settings: Vec<(&'static str, String)>,
}

impl NewBucket {
    /// A bucket of the house with nothing set.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), owner: HOUSE.to_owned(), object_lock: false, settings: Vec::new() }
    }
}

/// Whether a bucket keeps the versions of its objects. Once on it is never off again, only suspended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Versioning {
    #[default]
    Off,
    Enabled,
    Suspended,
}

impl Versioning {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Enabled => "enabled",
            Self::Suspended => "suspended",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Off, Self::Enabled, Self::Suspended].into_iter().find(|v| v.as_str() == text)
    }
}

/// One version of an object: the one called "null", or the number that orders it among its siblings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    #[default]
    Null,
    Id(i64),
}

impl Version {
    /// 32 hexadecimal digits, the second half derived from the first: a made-up id is told from one
    /// that is merely gone.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let invalid = || Fault::InvalidVersion(text.to_owned());
        if text == "null" {
            return Ok(Self::Null);
        }
        let digits = text.get(..16).filter(|_| text.len() == 32).ok_or_else(invalid)?;
        let seq = i64::from_str_radix(digits, 16).map_err(|_| invalid())?;
        let version = Self::Id(seq);
        if version.to_string() == text { Ok(version) } else { Err(invalid()) }
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Id(seq) => {
                let check = seq.cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
                write!(f, "{seq:016x}{check:016x}")
            }
        }
    }
}

/// An object without its bytes. A listing leaves traits (but owner, class and type) and checksums empty.
#[derive(Clone, Debug, Default)]
pub struct ObjectInfo {
    pub key: String,
    pub version: Version,
    /// The version a request without a version id finds.
    pub latest: bool,
    /// A delete marker, which has no bytes.
    pub marker: bool,
    pub size: u64,
    /// Without quotes.
    pub etag: String,
    pub last_modified_ms: i64,
    pub traits: Traits,
    pub checksums: Checksums,
    /// Its parts in order, when it was uploaded in parts.
    pub parts: Option<Vec<PartInfo>>,
    /// The multipart upload it was completed from.
    pub upload: Option<String>,
}

/// What comes with an object besides its bytes. The skipped fields have columns of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Traits {
    #[serde(skip)]
    pub owner: Owner,
    /// None is STANDARD.
    #[serde(skip)]
    pub class: Option<String>,
    #[serde(skip)]
    pub content_type: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub headers: SystemHeaders,
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: Vec<(String, String)>,
    #[serde(skip_serializing_if = "is_default")]
    pub tags: Vec<(String, String)>,
    #[serde(skip_serializing_if = "is_default")]
    pub retention: Option<Retention>,
    /// None of one that never had any, as S3 tells the difference.
    #[serde(skip_serializing_if = "is_default")]
    pub legal_hold: Option<bool>,
    /// Where a website sends a reader of this object instead.
    #[serde(skip_serializing_if = "is_default")]
    pub redirect: Option<String>,
    /// Of an encrypted object: its key, wrapped.
    #[serde(skip_serializing_if = "is_default")]
    pub seal: Option<Seal>,
    /// What was granted on it; none is private to its owner.
    #[serde(skip_serializing_if = "is_default")]
    pub acl: Option<Acl>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Traits {
    /// Those of an object of which only the type is known.
    pub fn of_type(content_type: Option<String>) -> Self {
        Self { content_type, ..Self::default() }
    }
}

/// The id of an account: the house, or a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner(pub String);

impl Default for Owner {
    fn default() -> Self {
        Self(HOUSE.to_owned())
    }
}

/// Until when a version may not be deleted. Governance yields to those with a right to bypass it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    pub mode: RetentionMode,
    pub until_ms: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RetentionMode {
    Governance,
    Compliance,
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
    pub traits: Traits,
    pub condition: Condition,
    /// How to encrypt it; none leaves that to the bucket.
    pub wish: Option<Wish>,
}

impl PutOptions {
    pub fn of_type(content_type: Option<String>) -> Self {
        Self { traits: Traits::of_type(content_type), ..Self::default() }
    }
}

/// A condition on the object that is there now, decided inside the commit.
#[derive(Clone, Debug, Default)]
pub struct Condition {
    pub if_match: Option<Match>,
    pub if_none_match: Option<Match>,
    pub size: Option<u64>,
    /// Whole seconds since the epoch, as S3 gives times out.
    pub modified_s: Option<i64>,
    /// Keys are paths of a tree: no object may lie where this one needs a folder, and none below it.
    pub as_tree: bool,
}

impl Condition {
    pub fn is_some(&self) -> bool {
        let Self { if_match, if_none_match, size, modified_s, as_tree } = self;
        if_match.is_some() || if_none_match.is_some() || size.is_some() || modified_s.is_some() || *as_tree
    }
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

/// What a listing tells of an object, as its row has it.
#[derive(Clone, Copy, Debug)]
pub struct Listed<'a> {
    pub key: &'a str,
    pub size: u64,
    pub etag: &'a str,
    pub modified_ms: i64,
    pub owner: &'a str,
    /// None is STANDARD.
    pub class: Option<&'a str>,
}

#[derive(Clone, Debug, Default)]
pub struct ListPage {
    pub objects: Vec<ObjectInfo>,
    pub prefixes: Vec<String>,
    /// `after` of the next page; none when this was the last.
    pub next: Option<String>,
}

/// One page of every version there is.
#[derive(Clone, Debug, Default)]
pub struct VersionQuery {
    pub prefix: String,
    pub delimiter: Option<String>,
    /// Lists what comes after this key (or common prefix), and of the key itself what is older than
    /// the version, if one is given.
    pub after: Option<(String, Option<Version>)>,
    pub limit: usize,
}

#[derive(Clone, Debug, Default)]
pub struct VersionPage {
    pub versions: Vec<ObjectInfo>,
    pub prefixes: Vec<String>,
    /// `after` of the next page; none when this was the last.
    pub next: Option<(String, Option<Version>)>,
}

/// What a deletion did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// Whether there was anything to delete, or a marker was made.
    pub changed: bool,
    /// The version removed, or that of the delete marker made.
    pub version: Option<Version>,
    /// Whether `version` is a delete marker.
    pub marker: bool,
}

/// One of many objects, or versions, to delete.
#[derive(Clone, Debug, Default)]
pub struct Deletion {
    pub key: String,
    pub version: Option<Version>,
    pub condition: Condition,
    /// Retention in governance mode does not keep it.
    pub bypass_governance: bool,
}

/// A multipart upload that was begun.
#[derive(Clone, Debug, Default)]
pub struct Upload {
    pub id: String,
    pub key: String,
    pub created_ms: i64,
    pub traits: Traits,
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
    fn a_version_id_is_read_back_and_a_made_up_one_refused() {
        for version in [Version::Null, Version::Id(1_795_000_000_000_000)] {
            assert_eq!(Version::parse(&version.to_string()), Ok(version));
        }
        for text in ["", "1", "NULL", &"0".repeat(31), &"1".repeat(32), &"é".repeat(16)] {
            assert_eq!(Version::parse(text), Err(Fault::InvalidVersion(text.to_owned())));
        }
    }

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
