//! The data directory's lock: one server at a time, and a second one says who holds it.
//!
//! The lock is the kernel's (`flock`), so it cannot outlive its process; the text in the file is for
//! whoever asks where the server is, and is trusted only while the lock is held.

use crate::kernel::error::{Error, Result};
use fs_err::{File, OpenOptions, os::unix::fs::OpenOptionsExt};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::{
    io::{Read, Seek, Write},
    path::Path,
    time::{Duration, Instant},
};

/// Someone who only asks holds the lock for an instant; a start waits that long before it gives up.
const PATIENCE: Duration = Duration::from_millis(300);

/// The server that runs on a data directory.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Running {
    pub pid: u32,
    pub http_url: String,
    pub s3_url: String,
    pub started_at: String,
    pub version: String,
}

/// Held while a server runs.
pub struct Lock(File);

impl Lock {
    /// Takes the lock, or says who has it.
    pub fn take(data_dir: &Path) -> Result<Self> {
        let path = data_dir.join("lock");
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path)?;
        let started = Instant::now();
        while flock(file.file(), FlockOperation::NonBlockingLockExclusive).is_err() {
            if started.elapsed() > PATIENCE {
                return Err(held(data_dir, &file));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        file.set_len(0)?;
        Ok(Self(file))
    }

    /// Writes where this server is reached.
    pub fn announce(&self, running: &Running) -> Result<()> {
        let text = serde_json::to_string(running).map_err(Error::internal)?;
        let mut file = &self.0;
        file.rewind()?;
        file.write_all(format!("{text}\n").as_bytes())?;
        Ok(())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Best effort: an asker checks the lock before it believes the text.
        let _ = self.0.set_len(0);
    }
}

/// The server that runs on `data_dir`, or `None` when none does or it has not bound its doors yet.
pub fn running(data_dir: &Path) -> Option<Running> {
    let file = File::open(data_dir.join("lock")).ok()?;
    if flock(file.file(), FlockOperation::NonBlockingLockShared).is_ok() {
        return None;
    }
    read(&file)
}

fn read(mut file: &File) -> Option<Running> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

fn held(data_dir: &Path, file: &File) -> Error {
    let who = read(file).map_or_else(
        || "a server that is starting just now, or a command that works on it".to_owned(),
        |other| format!("process {} at {} (since {})", other.pid, other.http_url, other.started_at),
    );
    Error::conflict(format!("the data directory {} is in use by {who}", data_dir.display()))
}
