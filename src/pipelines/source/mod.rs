//! Where definitions come from besides the API: a folder of files, a bucket of objects. Each source is
//! followed by one task, which tells the service of every text that is new and of those that are gone.
//!
//! A source that cannot be read changes nothing: what was there last stays, and runs.

pub(super) mod bucket;
pub(super) mod folder;

/// Definitions beyond this are left alone, with a line in the log.
const MAX_FILES: usize = 2_000;

/// Which sources there are, as the beginning of a pipeline's `source`.
pub(super) const FILE: &str = "file:";
pub(super) const BUCKET: &str = "s3:";
