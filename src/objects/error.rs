//! What can go wrong with a bucket or an object, in S3's own terms. It travels inside `kernel::Error`
//! (as its cause), so that the S3 door can answer the exact code and every other door the right kind.

use crate::kernel::error::{Error, Kind};

/// A refusal of the object store. The text is for the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("The bucket {0:?} does not exist.")]
    NoSuchBucket(String),
    #[error(
        "{0:?} is not a bucket name: 3 to 63 lower-case letters, digits, dots and hyphens, beginning and ending with a letter or digit."
    )]
    InvalidBucketName(String),
    #[error("The bucket {0:?} exists already and is yours.")]
    BucketExists(String),
    #[error("The bucket name {0:?} is taken: choose another.")]
    BucketTaken(String),
    #[error("{0}")]
    InvalidBucketState(&'static str),
    #[error("The bucket {0:?} is not empty: delete its objects first.")]
    BucketNotEmpty(String),
    #[error("The object {0:?} does not exist.")]
    NoSuchKey(String),
    #[error("The version {0:?} does not exist.")]
    NoSuchVersion(String),
    #[error("Invalid version id specified: {0:?} is none this server gave out.")]
    InvalidVersion(String),
    /// What was found is a delete marker; `asked` when the request named its version.
    #[error("The object {key:?} was deleted: version {version} is a delete marker.")]
    DeleteMarker { key: String, version: String, modified_ms: i64, asked: bool },
    #[error(
        "The version is protected by object lock: its retention has not ended, or it is under legal hold."
    )]
    ObjectLocked,
    #[error("A key has at most 1,024 bytes in UTF-8; this one has {0}.")]
    KeyTooLong(usize),
    #[error("A key has at least one character.")]
    KeyEmpty,
    #[error("A precondition of the request does not hold: {0}.")]
    PreconditionFailed(&'static str),
    #[error("The range {0} lies outside the object.")]
    InvalidRange(String),
    #[error("The Content-MD5 sent is not 16 bytes in base64.")]
    InvalidDigest,
    #[error("The {0} of the body received is not the one sent with it.")]
    BadDigest(&'static str),
    #[error("{0}")]
    InvalidRequest(String),
    #[error("The body ended before the length that was announced.")]
    IncompleteBody,
    #[error("The body is not the one that was signed.")]
    BodyNotAsSigned,
    #[error("A chunk of the body does not carry the right signature.")]
    ChunkNotAsSigned,
    #[error("One upload carries at most {0} bytes: use a multipart upload, or smaller parts.")]
    EntityTooLarge(u64),
    #[error("A document has at most {0} bytes here.")]
    DocumentTooLong(usize),
    #[error("Part {0} is smaller than 5 MiB, and only the last part may be.")]
    EntityTooSmall(u32),
    #[error("User metadata has at most 2,048 bytes; this has {0}.")]
    MetadataTooLarge(usize),
    #[error("The upload {0:?} does not exist: it was completed or aborted, or never begun.")]
    NoSuchUpload(String),
    #[error("Part {0} was never uploaded, or its ETag is another.")]
    InvalidPart(u32),
    #[error("Parts must be listed once each, in ascending order.")]
    InvalidPartOrder,
    #[error("The webhook {0:?} does not exist.")]
    NoSuchWebhook(String),
    #[error("The bucket {0:?} is full: its quota allows no more {1}.")]
    QuotaExceeded(String, &'static str),
    #[error("Tags are not acceptable: {0}.")]
    InvalidTag(&'static str),
    #[error("{0}")]
    AccessDenied(String),
    #[error("The bucket does not allow ACLs")]
    AclNotSupported,
    #[error("The ACL is not a list of grants, each with a grantee and a permission.")]
    MalformedAcl,
    #[error("No account has the e-mail address {0:?}.")]
    UnresolvableGrant(String),
    #[error("Your proposed upload exceeds the maximum allowed size: the form's policy allows {0} bytes.")]
    FormTooLarge(u64),
    #[error(
        "Your proposed upload is smaller than the minimum allowed size: the form's policy wants {0} bytes."
    )]
    FormTooSmall(u64),
    #[error("{0}")]
    InvalidArgument(String),
    #[error("The encryption request you specified is not valid. Supported value: AES256.")]
    InvalidEncryptionAlgorithm,
    #[error(
        "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object."
    )]
    CustomerKeyNeeded,
    #[error("The encryption parameters are not applicable to this object.")]
    CustomerKeyNotNeeded,
    #[error("The provided encryption parameters did not match the ones used originally.")]
    WrongCustomerKey,
    #[error("The key {0:?} does not exist.")]
    NoSuchKmsKey(String),
    #[error("The key {0:?} is disabled.")]
    KmsKeyDisabled(String),
}

impl Fault {
    fn kind(&self) -> Kind {
        match self {
            Self::NoSuchBucket(_)
            | Self::NoSuchKey(_)
            | Self::NoSuchUpload(_)
            | Self::NoSuchVersion(_)
            | Self::NoSuchWebhook(_)
            | Self::DeleteMarker { .. } => Kind::NotFound,
            Self::BucketExists(_) | Self::BucketTaken(_) => Kind::Exists,
            Self::BucketNotEmpty(_) | Self::PreconditionFailed(_) | Self::InvalidBucketState(_) => {
                Kind::Conflict
            }
            Self::ObjectLocked | Self::AccessDenied(_) => Kind::Forbidden,
            Self::EntityTooLarge(_) | Self::DocumentTooLong(_) => Kind::TooLarge,
            Self::BodyNotAsSigned | Self::ChunkNotAsSigned => Kind::Forbidden,
            _ => Kind::Invalid,
        }
    }

    /// The fault an error carries, if it is one of ours.
    pub fn of(error: &Error) -> Option<&Self> {
        error.cause.as_ref()?.downcast_ref()
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        let plain = Self::new(fault.kind(), fault.to_string());
        Self { cause: Some(Box::new(fault)), ..plain }
    }
}
