//! Floor 4: backups of the whole data directory, into a folder elsewhere, and the way back.
//!
//! Invariants
//! - A snapshot is one moment of both databases, with every file that objects own at that moment: no file is removed
//!   while one is taken. It is there under its name when all of it is on the disk, and not before.
//! - A file of the object store never changes, so a folder of backups has each one once, whatever number of snapshots
//!   it belongs to. What it has is copied no more, and is the second copy of a file that is damaged here.
//! - Nothing is copied, there or back, whose checksum is not the one that its row has.
//! - A restore writes into an empty data directory only, and no server starts on one that was not finished.
//!
//! Not in it: the configuration file, tasks that are running, environments of Python: they belong to the machine.
//! There is no copying from second to second either: what is lost with a disk is what came since the last snapshot.

mod copier;
mod create;
mod manifest;
mod repository;
mod restore;
mod routes;
mod service;
mod verify;

pub use create::{Order, Taken, create};
pub use manifest::Manifest;
pub use repository::{Found, Repository};
pub use restore::restore;
pub use routes::router;
pub use service::Service;
pub use verify::verify;

use crate::kernel::error::{Error, Kind};
use std::path::Path;

/// Has an error say what other rooms leave to the log: who works with backups may know the machine's paths.
fn in_words(folder: &Path) -> impl Fn(Error) -> Error {
    move |error| {
        let folder = folder.display();
        match (error.kind, &error.cause) {
            (Kind::Full, _) => Error::new(Kind::Full, format!("There is no room left in {folder}.")),
            (Kind::Internal, Some(cause)) => {
                Error::invalid(format!("It failed to work in {folder}: {cause}"))
            }
            _ => error,
        }
    }
}
