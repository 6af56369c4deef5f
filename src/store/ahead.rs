//! Room for the log of a database, made ahead of need. A commit that lengthens the log's file makes the
//! file system sync its own notes as well: measured, twice the CPU and twice the wait of one that
//! overwrites. So whenever SQLite has lengthened it, zeros are written behind; SQLite takes them for
//! what they are, the end of the log.

use crate::kernel::error::Result;
use fs_err::{File, OpenOptions};
use std::{
    ffi::OsString,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
/// What is made at once, in pieces of `ZEROS`: room for some hundred small commits.
const PIECES: usize = 16;

/// The log of one database. To be used by its writer only, between two transactions.
pub struct Ahead {
    path: PathBuf,
    file: Option<File>,
    /// How long the file was made.
    made: u64,
}

impl Ahead {
    pub fn of(database: &Path) -> Self {
        let mut path = OsString::from(database);
        path.push("-wal");
        Self { path: path.into(), file: None, made: 0 }
    }

    /// Makes room behind the log if SQLite came to its end. Where that fails (a full disk), commits
    /// cost more, and say so themselves when they cannot be written.
    pub fn keep(&mut self) {
        if let Err(error) = self.make() {
            tracing::debug!(%error, "no room was made behind a database's log");
        }
    }

    fn make(&mut self) -> Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            // SQLite takes no lock on this file, so that it may be opened and closed here as well.
            none => none.insert(OpenOptions::new().write(true).open(&self.path)?),
        };
        let length = file.metadata()?.len();
        // It is shorter after a checkpoint that cut it: the next commit lengthens it.
        let grown = length > self.made;
        self.made = length;
        if grown {
            for _ in 0..PIECES {
                file.file().write_all_at(&ZEROS, self.made)?;
                self.made += ZEROS.len() as u64;
            }
        }
        Ok(())
    }
}
