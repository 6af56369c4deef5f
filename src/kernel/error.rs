//! What a failure means to a caller, whatever the domain: a `Kind`, a sentence for the caller and,
//! apart from it, a cause for the log. Each protocol maps `Kind` to its own codes in one place.

use std::{fmt, time::Duration};

/// What went wrong, in the terms every protocol can express.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The request is malformed or breaks a rule: 400.
    Invalid,
    /// No or wrong credentials: 401.
    Unauthenticated,
    /// Known, but not allowed: 403.
    Forbidden,
    /// The named thing does not exist: 404.
    NotFound,
    /// The name is taken already: 409 (MLflow answers 400 `RESOURCE_ALREADY_EXISTS`).
    Exists,
    /// The state of the thing forbids the request: 409.
    Conflict,
    /// Body or batch over a limit: 413.
    TooLarge,
    /// A queue is full; the same call may succeed later: 503 with Retry-After.
    Busy,
    /// The caller's share of the work is used up: 429 with Retry-After.
    TooMany,
    /// It would have been answered after the caller had stopped to wait: 504.
    Late,
    /// The disk is full: 507. It comes back with room, not with patience.
    Full,
    /// Our fault: 500. The message never carries SQL or a path.
    Internal,
}

/// An error with one message for the caller and, separately, a cause for the log.
pub struct Error {
    pub kind: Kind,
    /// For the caller: names the value and what to do.
    pub message: String,
    /// For the log only.
    pub cause: Option<Box<dyn std::error::Error + Send + Sync>>,
    /// When the same call may succeed, where that can be told.
    pub after: Option<Duration>,
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), cause: None, after: None }
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, message)
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, message)
    }

    pub fn exists(message: impl Into<String>) -> Self {
        Self::new(Kind::Exists, message)
    }

    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(Kind::Conflict, message)
    }

    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(Kind::Forbidden, message)
    }

    pub fn busy(message: impl Into<String>) -> Self {
        Self::new(Kind::Busy, message)
    }

    pub fn too_many(message: impl Into<String>) -> Self {
        Self::new(Kind::TooMany, message)
    }

    pub fn late(message: impl Into<String>) -> Self {
        Self::new(Kind::Late, message)
    }

    /// Whether the same call may succeed in a moment, and its caller is told so.
    pub fn may_pass(&self) -> bool {
        matches!(self.kind, Kind::Busy | Kind::TooMany)
    }

    /// The whole seconds a caller is told to wait, where waiting helps.
    pub fn wait_s(&self) -> Option<u64> {
        let wait = self.after.unwrap_or_default();
        self.may_pass().then(|| (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1))
    }

    /// There is no room on the disk; the log reads `cause`.
    pub fn full(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self {
            kind: Kind::Full,
            message: "The disk is full: nothing was changed. Free some space and send the request again."
                .into(),
            cause: Some(cause.into()),
            after: None,
        }
    }

    /// An internal failure: the caller reads a plain sentence, the log reads `cause`.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self {
            kind: Kind::Internal,
            message: "The server failed to carry out the request. Its log says why, under this request's id."
                .into(),
            cause: Some(cause.into()),
            after: None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.message)?;
        match &self.cause {
            Some(cause) => write!(f, " (cause: {cause})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::full(error),
            _ => Self::internal(error),
        }
    }
}
