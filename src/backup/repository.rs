//! The folder that backups are kept in: its mark, its lock, its snapshots, and the files they share.

use super::told;
use crate::{
    kernel::{
        error::{Error, Result},
        private,
    },
    objects::unowned,
    store::{Connection, blob::Crc, snapshot::open_frozen},
};
use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};
use serde::{Deserialize, Serialize};
use std::{
    io::Read,
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

/// Says what the folder is; who works in it holds a lock on this file.
const MARK: &str = "crannog-backup.json";
const FORMAT: u32 = 1;
const FILES: &str = "files";
const MANIFEST: &str = "manifest.json";
const DAMAGED_TOLD: usize = 100;
/// Files looked up in one go.
const BATCH: usize = 1000;

#[derive(Deserialize, Serialize)]
struct Mark {
    format: u32,
}

/// What a snapshot holds.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Manifest {
    pub name: String,
    /// When its moment was, RFC 3339.
    pub taken_at: String,
    pub took_ms: u64,
    /// The version that wrote it.
    pub crannog: String,
    pub databases: Vec<Database>,
    /// Whether the keys and credentials of the data directory are in it.
    pub secrets: bool,
    /// Files of the object store that belong to it, and bytes in them.
    pub files: u64,
    pub bytes: u64,
    /// Those of them that were not in the folder before.
    pub new_files: u64,
    pub new_bytes: u64,
    /// Files that were damaged or missing in the data directory, and of which the folder had no copy.
    pub damaged: Vec<String>,
    /// Such files beyond those told.
    pub more_damaged: u64,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Database {
    pub name: String,
    pub bytes: u64,
    /// CRC-64/NVME of the file, in hexadecimal digits.
    pub crc64nvme: String,
}

impl Manifest {
    pub fn tell_damage(&mut self, what: String) {
        if self.damaged.len() < DAMAGED_TOLD {
            self.damaged.push(what);
        } else {
            self.more_damaged += 1;
        }
    }

    pub fn is_whole(&self) -> bool {
        self.damaged.is_empty()
    }
}

impl Database {
    pub fn of(path: &Path, name: &str) -> Result<Self> {
        let (mut file, mut crc, mut bytes) = (fs_err::File::open(path).map_err(told)?, Crc::default(), 0);
        let mut buffer = vec![0; 1 << 20];
        loop {
            let read = file.read(&mut buffer).map_err(told)?;
            if read == 0 {
                return Ok(Self { name: name.into(), bytes, crc64nvme: format!("{:016x}", crc.value()) });
            }
            crc.see(&buffer[..read]);
            bytes += read as u64;
        }
    }
}

/// A folder of backups, locked: shared by those who read, alone for who changes it.
pub struct Repository {
    folder: PathBuf,
    _lock: fs_err::File,
}

impl Repository {
    /// To write into; the folder is made, or may be empty.
    pub fn make(folder: &Path) -> Result<Self> {
        if !folder.is_absolute() {
            let message =
                format!("`{}` is not an absolute path: name the folder from the root", folder.display());
            return Err(Error::invalid(message));
        }
        let mark = folder.join(MARK);
        if !mark.exists() {
            fs_err::create_dir_all(folder).map_err(told)?;
            if fs_err::read_dir(folder).map_err(told)?.any(|entry| {
                // A volume's own folder is no content.
                entry.is_ok_and(|entry| entry.file_name() != "lost+found")
            }) {
                return Err(Error::conflict(format!(
                    "{} is neither empty nor a folder of Crannog's backups: name one of its own",
                    folder.display()
                )));
            }
            private::folder(folder)?;
            let text = serde_json::to_string(&Mark { format: FORMAT }).map_err(Error::internal)?;
            private::write(&mark, text.as_bytes())?;
        }
        Self::change(folder)
    }

    /// One that is there, to write into.
    pub fn change(folder: &Path) -> Result<Self> {
        let repository = Self::locked(folder, FlockOperation::NonBlockingLockExclusive)?;
        private::folder(&repository.files())?;
        repository.sweep()?;
        Ok(repository)
    }

    /// To read from.
    pub fn open(folder: &Path) -> Result<Self> {
        Self::locked(folder, FlockOperation::NonBlockingLockShared)
    }

    fn locked(folder: &Path, operation: FlockOperation) -> Result<Self> {
        let path = folder.join(MARK);
        let text = fs_err::read_to_string(&path).map_err(|_| {
            Error::not_found(format!(
                "{} is no folder of Crannog's backups: it has no {MARK}",
                folder.display()
            ))
        })?;
        let mark: Mark = serde_json::from_str(&text)
            .map_err(|error| Error::invalid(format!("{} cannot be read: {error}", path.display())))?;
        if mark.format != FORMAT {
            return Err(Error::invalid(format!(
                "{} was written by a newer Crannog (format {}, this one knows {FORMAT})",
                folder.display(),
                mark.format
            )));
        }
        let lock = fs_err::File::open(&path).map_err(told)?;
        // A file system without locks is the operator's choice; one of its users is enough to know.
        if flock(lock.file(), operation) == Err(Errno::WOULDBLOCK) {
            return Err(Error::conflict(format!(
                "{} is in use by another backup or restore",
                folder.display()
            )));
        }
        Ok(Self { folder: folder.to_owned(), _lock: lock })
    }

    /// The folder of the files that snapshots share.
    pub fn files(&self) -> PathBuf {
        self.folder.join(FILES)
    }

    /// The folder of a snapshot.
    pub fn of(&self, manifest: &Manifest) -> PathBuf {
        self.folder.join(&manifest.name)
    }

    /// The folder of a snapshot that is being written.
    pub fn partial(&self, name: &str) -> PathBuf {
        self.folder.join(format!(".{name}"))
    }

    /// The objects that a snapshot has.
    pub fn objects(&self, manifest: &Manifest) -> Result<Connection> {
        open_frozen(&self.of(manifest).join("objects.db"))
    }

    /// Shows a snapshot that was written whole.
    pub fn show(&self, manifest: &Manifest) -> Result<()> {
        let partial = self.partial(&manifest.name);
        let text = serde_json::to_string_pretty(manifest).map_err(Error::internal)?;
        private::write(&partial.join(MANIFEST), format!("{text}\n").as_bytes())?;
        let folder = fs_err::File::open(&self.folder).map_err(told)?;
        rustix::fs::syncfs(&folder).map_err(|error| told(error.into()))?;
        fs_err::rename(&partial, self.of(manifest)).map_err(told)?;
        folder.sync_all().map_err(told)
    }

    /// The snapshots, oldest first.
    pub fn snapshots(&self) -> Result<Vec<Manifest>> {
        let mut found = Vec::new();
        for entry in fs_err::read_dir(&self.folder).map_err(told)? {
            let path = entry.map_err(told)?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or(".").to_owned();
            if name.starts_with('.') || !path.join(MANIFEST).exists() {
                continue;
            }
            let text = fs_err::read_to_string(path.join(MANIFEST)).map_err(told)?;
            let manifest: Manifest = serde_json::from_str(&text)
                .map_err(|error| Error::invalid(format!("{}/{MANIFEST}: {error}", path.display())))?;
            // Where somebody renamed the folder, that is its name.
            found.push(Manifest { name, ..manifest });
        }
        found.sort_by(|one, other| one.taken_at.cmp(&other.taken_at));
        Ok(found)
    }

    /// The snapshot of this name; the newest one unless named.
    pub fn find(&self, name: Option<&str>) -> Result<Manifest> {
        let mut all = self.snapshots()?;
        let found = match name {
            None => all.pop(),
            Some(name) => all.into_iter().find(|manifest| manifest.name == name),
        };
        found.ok_or_else(|| {
            let folder = self.folder.display();
            Error::not_found(match name {
                None => format!("{folder} holds no snapshot"),
                Some(name) => {
                    format!("{folder} holds no snapshot `{name}`: `crannog backup list` names them")
                }
            })
        })
    }

    /// Keeps the newest snapshots, and the files that belong to them. Answers how many snapshots and files went.
    pub fn prune(&self, keep: NonZeroUsize) -> Result<(u64, u64)> {
        let mut all = self.snapshots()?;
        let old: Vec<_> = all.drain(..all.len().saturating_sub(keep.get())).collect();
        if old.is_empty() {
            return Ok((0, 0));
        }
        for manifest in &old {
            // Out of sight first: half a snapshot is none.
            let hidden = self.partial(&manifest.name);
            fs_err::rename(self.of(manifest), &hidden).map_err(told)?;
            fs_err::remove_dir_all(&hidden).map_err(told)?;
        }
        let kept = all.iter().map(|manifest| self.objects(manifest)).collect::<Result<Vec<_>>>()?;
        let mut names = Vec::new();
        for entry in fs_err::read_dir(self.files()).map_err(told)? {
            names.extend(entry.map_err(told)?.file_name().into_string());
        }
        let mut removed = 0;
        for batch in names.chunks(BATCH) {
            let mut useless = batch.to_vec();
            for objects in &kept {
                useless = unowned(objects, useless)?;
            }
            for name in useless {
                fs_err::remove_file(self.files().join(name)).map_err(told)?;
                removed += 1;
            }
        }
        Ok((old.len() as u64, removed))
    }

    /// Removes what an interrupted backup left behind.
    fn sweep(&self) -> Result<()> {
        for folder in [self.folder.clone(), self.files()] {
            for entry in fs_err::read_dir(&folder).map_err(told)? {
                let entry = entry.map_err(told)?;
                let name = entry.file_name();
                let hidden = name.as_encoded_bytes();
                // A dot, and then the year or the id that every name here begins with.
                if !(hidden.len() > 20 && hidden[0] == b'.' && hidden[1].is_ascii_hexdigit()) {
                    continue;
                }
                let gone = if entry.file_type().map_err(told)?.is_dir() {
                    fs_err::remove_dir_all(entry.path())
                } else {
                    fs_err::remove_file(entry.path())
                };
                gone.map_err(told)?;
            }
        }
        Ok(())
    }
}
