//! The folder that backups are kept in: its mark, its lock, its snapshots, and the files they share.

use super::{
    in_words,
    manifest::{Manifest, Part},
};
use crate::{
    kernel::{
        clock::{now_ms, rfc3339},
        error::{Error, Result},
        private,
    },
    objects::unowned,
    store::{Connection, snapshot::open_frozen},
};
use fs_err::os::unix::fs::OpenOptionsExt;
use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};
use serde::{Deserialize, Serialize};
use std::{
    io::ErrorKind,
    num::NonZeroUsize,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Says what the folder is.
const MARK: &str = "crannog-backup.json";
const FORMAT: u32 = 1;
/// Who works in the folder holds a lock on this file: no other one, as some shares let nobody read what is locked.
const LOCK: &str = "lock";
const FILES: &str = "files";
const MANIFEST: &str = "manifest.json";
/// Files looked up in one go.
const BATCH: usize = 1000;
/// A volume's own folder is no content of anybody's.
pub const VOLUMES_OWN: &str = "lost+found";
/// How long somebody else is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Deserialize, Serialize)]
struct Mark {
    format: u32,
}

/// A folder of backups. While somebody changes it, nobody else does, and nobody relies on what is in there.
pub struct Repository {
    folder: PathBuf,
    _lock: Option<fs_err::File>,
}

/// What is in there.
#[derive(Default)]
pub struct Found {
    /// Oldest first.
    pub snapshots: Vec<Manifest>,
    /// Names of snapshots whose manifest cannot be read, and why.
    pub unreadable: Vec<(String, String)>,
}

impl Repository {
    /// To write into; the folder is made, or may be empty.
    pub fn make(folder: &Path) -> Result<Self> {
        if !folder.is_absolute() {
            let message =
                format!("`{}` is not an absolute path: name the folder from the root", folder.display());
            return Err(Error::invalid(message));
        }
        found(folder).map_err(in_words(folder))?;
        Self::change(folder)
    }

    /// One that is there, to write into.
    pub fn change(folder: &Path) -> Result<Self> {
        let open = || {
            check_mark(folder)?;
            let mut options = fs_err::OpenOptions::new();
            // NFS locks alone only who may write.
            let lock = options
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(folder.join(LOCK))?;
            take(folder, &lock, FlockOperation::NonBlockingLockExclusive)?;
            let repository = Self { folder: folder.to_owned(), _lock: Some(lock) };
            make_folder(&repository.files())?;
            repository.sweep()?;
            Ok(repository)
        };
        open().map_err(in_words(folder))
    }

    /// To read from: nothing goes meanwhile.
    pub fn open(folder: &Path) -> Result<Self> {
        let open = || {
            check_mark(folder)?;
            let lock = match fs_err::File::open(folder.join(LOCK)) {
                Ok(lock) => Some(lock),
                // A copy of the folder, which has nobody else in it.
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                Err(error) => return Err(error.into()),
            };
            if let Some(lock) = &lock {
                take(folder, lock, FlockOperation::NonBlockingLockShared)?;
            }
            Ok(Self { folder: folder.to_owned(), _lock: lock })
        };
        open().map_err(in_words(folder))
    }

    /// To look what is there, while others may be at work.
    pub fn look(folder: &Path) -> Result<Self> {
        check_mark(folder).map_err(in_words(folder))?;
        Ok(Self { folder: folder.to_owned(), _lock: None })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of the files that snapshots share.
    pub fn files(&self) -> PathBuf {
        self.folder.join(FILES)
    }

    /// The folder of a snapshot.
    pub fn of(&self, manifest: &Manifest) -> PathBuf {
        self.folder.join(&manifest.name)
    }

    /// The folder of a snapshot that is being written, or removed.
    pub fn hidden(&self, manifest: &Manifest) -> PathBuf {
        self.folder.join(format!(".{}", Manifest::name_of(&manifest.taken_at)))
    }

    /// Makes the folder of a snapshot that is being written.
    pub fn begin(&self, manifest: &Manifest) -> Result<PathBuf> {
        let folder = self.hidden(manifest);
        make_folder(&folder)?;
        Ok(folder)
    }

    /// The objects that a snapshot has.
    pub fn objects(&self, manifest: &Manifest) -> Result<Connection> {
        open_frozen(&self.of(manifest).join("objects.db"))
    }

    /// Shows a snapshot that was written whole.
    pub fn show(&self, manifest: &Manifest) -> Result<()> {
        let hidden = self.hidden(manifest);
        let text = serde_json::to_string_pretty(manifest).map_err(Error::internal)?;
        private::write(&hidden.join(MANIFEST), format!("{text}\n").as_bytes())?;
        let folder = fs_err::File::open(&self.folder)?;
        rustix::fs::syncfs(&folder).map_err(std::io::Error::from)?;
        fs_err::rename(&hidden, self.of(manifest))?;
        Ok(folder.sync_all()?)
    }

    /// The snapshots there are.
    pub fn snapshots(&self) -> Result<Found> {
        let mut found = Found::default();
        for entry in fs_err::read_dir(&self.folder)? {
            let Ok(name) = entry?.file_name().into_string() else { continue };
            if name.starts_with('.') {
                continue;
            }
            match self.read(&name) {
                Ok(Some(manifest)) => found.snapshots.push(manifest),
                Ok(None) => {}
                Err(error) => found.unreadable.push((name, error.message)),
            }
        }
        // Those of the future were taken by a clock that was ahead: nobody knows when, and they are no newest ones.
        let now = rfc3339(now_ms());
        found.snapshots.sort_by_key(|manifest| (manifest.taken_at <= now, manifest.taken_at.clone()));
        Ok(found)
    }

    /// The manifest in a folder of this name; none where there is none.
    fn read(&self, name: &str) -> Result<Option<Manifest>> {
        let path = self.folder.join(name).join(MANIFEST);
        let text = match fs_err::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            // What a share keeps for itself.
            Err(error) if error.kind() == ErrorKind::PermissionDenied && !Manifest::is_name(name) => {
                return Ok(None);
            }
            Err(error) => return Err(Error::invalid(error.to_string())),
        };
        let manifest: Manifest = serde_json::from_str(&text)
            .map_err(|error| Error::invalid(format!("{} is damaged: {error}", path.display())))?;
        // Where somebody renamed the folder, that is its name.
        Ok(Some(Manifest { name: name.to_owned(), ..manifest }))
    }

    /// The snapshot of this name; the newest one unless named.
    pub fn find(&self, name: Option<&str>) -> Result<Manifest> {
        let found = match name {
            Some(name) if name.contains('/') => None,
            Some(name) => self.read(name)?,
            None => {
                let Found { mut snapshots, unreadable } = self.snapshots()?;
                if let Some((name, why)) = unreadable.first() {
                    return Err(Error::conflict(format!(
                        "It cannot be told whether {name} is the newest snapshot ({why}): name the one that is meant"
                    )));
                }
                snapshots.pop()
            }
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

    /// Keeps the newest snapshots, `own` in any case, and the files that belong to them. Answers how many snapshots
    /// and files went.
    pub fn prune(&self, keep: NonZeroUsize, own: Option<&Manifest>) -> Result<(u64, u64)> {
        let Found { snapshots: mut kept, unreadable } = self.snapshots()?;
        let refused = |name: &str, why: &str| {
            Error::conflict(format!(
                "Nothing was removed from {}, as it cannot be told which files the snapshot {name} needs ({why}): mend \
                 it, or remove its folder",
                self.folder.display()
            ))
        };
        if let Some((name, why)) = unreadable.first() {
            return Err(refused(name, why));
        }
        let mut old: Vec<_> = kept.drain(..kept.len().saturating_sub(keep.get())).collect();
        // A clock that was set back since makes it look old, or one of the future.
        kept.extend(old.extract_if(.., |manifest| own.is_some_and(|own| own.name == manifest.name)));
        let asked = kept.iter().map(|manifest| {
            // One question to each before anything goes: opening alone reads nothing.
            let objects = self.objects(manifest).and_then(|objects| {
                unowned(&objects, vec![String::new()])?;
                Ok(objects)
            });
            objects.map_err(|error| refused(&manifest.name, &in_words(&self.folder)(error).message))
        });
        let kept = asked.collect::<Result<Vec<_>>>()?;
        // Out of sight first: half a snapshot is none, also after a power cut.
        for manifest in &old {
            let hidden = self.hidden(manifest);
            fs_err::rename(self.of(manifest), hidden)?;
        }
        fs_err::File::open(&self.folder)?.sync_all()?;
        for manifest in &old {
            fs_err::remove_dir_all(self.hidden(manifest))?;
        }
        let (mut removed, mut batch) = (0, Vec::with_capacity(BATCH));
        let mut entries = fs_err::read_dir(self.files())?;
        loop {
            let entry = entries.next().transpose()?;
            let last = entry.is_none();
            // Whatever else lies there is somebody else's.
            batch.extend(entry.and_then(|e| e.file_name().into_string().ok()).filter(|name| is_file(name)));
            if batch.len() < BATCH && !last {
                continue;
            }
            for objects in &kept {
                batch = unowned(objects, batch)?;
            }
            for name in batch.drain(..) {
                fs_err::remove_file(self.files().join(name))?;
                removed += 1;
            }
            if last {
                return Ok((old.len() as u64, removed));
            }
        }
    }

    /// Removes what an interrupted backup left behind.
    fn sweep(&self) -> Result<()> {
        for (folder, is_ours) in
            [(self.folder.clone(), Manifest::is_name as fn(&str) -> bool), (self.files(), is_file)]
        {
            for entry in fs_err::read_dir(&folder)? {
                let entry = entry?;
                let name = entry.file_name();
                if !name.to_str().and_then(|name| name.strip_prefix('.')).is_some_and(is_ours) {
                    continue;
                }
                if entry.file_type()?.is_dir() {
                    fs_err::remove_dir_all(entry.path())?;
                } else {
                    fs_err::remove_file(entry.path())?;
                }
            }
        }
        Ok(())
    }

    /// What of the parts is not what was written.
    pub fn flaws(&self, manifest: &Manifest) -> Vec<String> {
        let folder = self.of(manifest);
        let parts = manifest.databases.iter().chain(&manifest.secrets);
        parts.filter_map(|said| said.flaw(&folder)).collect()
    }
}

/// Makes an empty folder one of backups.
fn found(folder: &Path) -> Result<()> {
    let mark = folder.join(MARK);
    // An empty one is what a power cut leaves.
    if fs_err::metadata(&mark).is_ok_and(|mark| mark.len() > 0) {
        return Ok(());
    }
    make_folder(folder)?;
    for entry in fs_err::read_dir(folder)? {
        let name = entry?.file_name();
        if name != VOLUMES_OWN && name != MARK {
            return Err(Error::conflict(format!(
                "{} is neither empty nor a folder of Crannog's backups: name one of its own",
                folder.display()
            )));
        }
    }
    if mark.try_exists()? {
        fs_err::remove_file(&mark)?;
    }
    let text = serde_json::to_string(&Mark { format: FORMAT }).map_err(Error::internal)?;
    private::write(&mark, text.as_bytes())
}

fn check_mark(folder: &Path) -> Result<()> {
    let path = folder.join(MARK);
    let text = match fs_err::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            let message = format!("{} is no folder of Crannog's backups: it has no {MARK}", folder.display());
            return Err(Error::not_found(message));
        }
        Err(error) => return Err(error.into()),
    };
    let mark: Mark = serde_json::from_str(&text)
        .map_err(|error| Error::invalid(format!("{} cannot be read: {error}", path.display())))?;
    match mark.format {
        FORMAT => Ok(()),
        newer => Err(Error::invalid(format!(
            "{} was written by a newer Crannog (format {newer}, this one knows {FORMAT})",
            folder.display(),
        ))),
    }
}

/// Waits a little for others.
fn take(folder: &Path, lock: &fs_err::File, operation: FlockOperation) -> Result<()> {
    let begun = Instant::now();
    loop {
        match flock(lock.file(), operation) {
            // A file system without locks is the operator's choice.
            Ok(()) | Err(Errno::NOLCK | Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(()),
            // The latter on CIFS.
            Err(Errno::WOULDBLOCK | Errno::ACCESS) if begun.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(50));
            }
            Err(Errno::WOULDBLOCK | Errno::ACCESS) => {
                let message = format!(
                    "{} is in use by another backup, verify or restore: wait until it is over",
                    folder.display()
                );
                return Err(Error::busy(message));
            }
            Err(error) => return Err(std::io::Error::from(error).into()),
        }
    }
}

/// A folder for its owner only; one that is there stays as it is, and is not asked to change: some shares cannot.
pub fn make_folder(path: &Path) -> Result<()> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    Ok(made.map_err(|error| std::io::Error::new(error.kind(), format!("{}: {error}", path.display())))?)
}

/// Whether a name can be that of a file of the object store.
fn is_file(name: &str) -> bool {
    name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl Part {
    /// What is not as it was written.
    fn flaw(&self, folder: &Path) -> Option<String> {
        match Self::of(folder, &self.name) {
            Ok(is) if is == *self => None,
            Ok(_) => Some(format!("{} is not what was written", self.name)),
            Err(error) => Some(in_words(folder)(error).message),
        }
    }
}
