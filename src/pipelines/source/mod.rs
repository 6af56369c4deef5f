//! Where definitions come from besides the API: a folder of files, a bucket of objects, a Git repository. Each
//! source is followed by one task, which tells the service of every text that is new and of those that are gone.
//!
//! A source that cannot be read changes nothing: what was there last stays, and runs.

pub(super) mod bucket;
pub(super) mod folder;
pub(super) mod git;

/// Definitions beyond this are left alone, with a line in the log.
const MAX_FILES: usize = 2_000;

/// Which sources there are, as the beginning of a pipeline's `source`.
pub(super) const FILE: &str = "file:";
pub(super) const BUCKET: &str = "s3:";
pub(super) const GIT: &str = "git:";

/// What a source found: a text, good or bad, and where it is from.
pub(super) struct Text {
    /// Its kind, and the path there.
    pub source: String,
    /// Where its tasks start.
    pub folder: Option<String>,
    /// The commit, of one from Git.
    pub commit: Option<String>,
    pub text: String,
}

/// How the last look at a source went.
#[derive(Clone, Debug, Default)]
pub(super) struct Look {
    pub at: i64,
    pub commit: Option<String>,
    pub error: Option<String>,
}
