//! Floor 1: the data directory, SQLite with group commit, migrations, blobs. The only state there is.
//!
//! Invariants: an answer to a write is given after its commit reached the disk; a blob is durable
//! before the row that names it is committed; nothing here knows what the rows mean.

mod ahead;
pub mod blob;
mod chunks;
pub mod db;
mod early;
pub mod migrate;
pub mod outbox;
mod percentile;
mod readers;
pub mod regexp;
mod rest;
pub mod snapshot;
mod writer;

pub use blob::Blobs;
pub use db::{Db, Durability};
pub use migrate::Migration;
/// What the closures of `Db::read` and `Db::write` are given, so that services need not name SQLite.
pub use rusqlite::Connection;

use crate::kernel::{
    error::{Error, Result},
    private,
};
use std::path::{Path, PathBuf};
use tokio_util::sync::CancellationToken;

/// A file in the data directory as long as a restore into it is not finished.
pub const RESTORING: &str = "restoring";

/// The databases of one data directory.
#[derive(Clone)]
pub struct Stores {
    /// Everything but objects: identities, runs, models, pipelines, endpoints.
    pub control: Db,
    /// Buckets, keys, multipart uploads, small bodies.
    pub objects: Db,
    /// Bodies of larger objects.
    pub blobs: Blobs,
    pub data_dir: PathBuf,
}

impl Stores {
    /// Opens or creates what is under `data_dir`, and makes its private folders.
    pub fn open(data_dir: &Path) -> Result<Self> {
        if data_dir.join(RESTORING).exists() {
            return Err(Error::conflict(format!(
                "A restore into {} was not finished: run `crannog backup restore` again, or empty the directory.",
                data_dir.display()
            )));
        }
        for folder in ["blobs", "tasks", "secrets"] {
            private::folder(&data_dir.join(folder))?;
        }
        Ok(Self {
            control: Db::open(&data_dir.join("control.db"), Durability::Full, migrate::CONTROL)?,
            objects: Db::open(&data_dir.join("objects.db"), Durability::Full, migrate::OBJECTS)?,
            blobs: Blobs::open(&data_dir.join("blobs"))?,
            data_dir: data_dir.to_owned(),
        })
    }

    /// Gives memory back after busy spells, until the server stops.
    pub fn keep_small(&self, stop: CancellationToken) -> impl Future<Output = ()> + use<> {
        rest::keep_small(vec![self.control.clone(), self.objects.clone()], stop)
    }

    pub fn secrets(&self) -> PathBuf {
        self.data_dir.join("secrets")
    }
}
