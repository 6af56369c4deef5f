//! Taking a snapshot.

use super::{
    copier::{Copied, Copier},
    in_words,
    manifest::{Manifest, Part},
    repository::{Repository, make_folder},
};
use crate::{
    kernel::{
        VERSION,
        clock::{now_ms, rfc3339},
        error::{Error, Result},
        private, tls,
    },
    objects::{each_file, file_totals},
    store::snapshot::{DATABASES, Snapshot, open_frozen},
};
use serde::Serialize;
use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};
use tokio_util::sync::CancellationToken;

const SECRETS: &str = "secrets";

/// What somebody wants to have.
#[derive(Clone, Debug)]
pub struct Order {
    pub data_dir: PathBuf,
    pub folder: PathBuf,
    /// Snapshots that stay; all of them unless said.
    pub keep: Option<NonZeroUsize>,
    /// Whether the keys and credentials of the data directory go along.
    pub secrets: bool,
}

/// A snapshot that was taken.
pub struct Taken {
    pub snapshot: Manifest,
    /// What did not go as it should have, besides.
    pub trouble: Option<String>,
}

/// How far it is, for who watches.
#[derive(Debug, Default, Serialize)]
pub struct Progress {
    pub files: AtomicU64,
    pub bytes: AtomicU64,
    pub of_files: AtomicU64,
    pub of_bytes: AtomicU64,
}

impl Order {
    /// The folder, for this backup alone. Blocks, as it may wait for others a little.
    pub fn repository(&self) -> Result<Repository> {
        // A copy that dies with what it is a copy of is none.
        let data_dir = fs_err::canonicalize(&self.data_dir)?;
        let nearest = self.folder.ancestors().find_map(|ancestor| fs_err::canonicalize(ancestor).ok());
        if nearest.is_some_and(|nearest| nearest.starts_with(&data_dir)) {
            return Err(Error::invalid(format!(
                "{} is in the data directory: keep backups elsewhere, on another disk if you can",
                self.folder.display()
            )));
        }
        Repository::make(&self.folder)
    }
}

/// Writes a snapshot of the moment that was just taken. Whoever calls sees to it that no file of the data directory is
/// removed between that moment and the end. Blocks.
pub fn create(
    order: &Order,
    repository: &Repository,
    moment: Snapshot,
    progress: &Arc<Progress>,
    stop: &CancellationToken,
) -> Result<Taken> {
    let begun = Instant::now();
    let taken_at = rfc3339(now_ms());
    let mut snapshot = Manifest {
        name: Manifest::name_of(&taken_at),
        taken_at,
        crannog: VERSION.into(),
        ..Manifest::default()
    };
    let writing = Writing { order, repository, progress, stop };
    if let Err(error) = writing.write(moment, &mut snapshot, begun) {
        let _ = fs_err::remove_dir_all(repository.hidden(&snapshot));
        return Err(in_words(&order.folder)(error));
    }
    let mut trouble = Vec::new();
    if snapshot.count_damaged() > 0 {
        let damaged = snapshot.count_damaged();
        trouble.push(format!(
            "{damaged} files are damaged or missing in the data directory and are not in the snapshot"
        ));
    }
    // The snapshot is there, whatever becomes of older ones.
    if let Some(Err(error)) = order.keep.map(|keep| repository.prune(keep, Some(&snapshot))) {
        trouble.push(in_words(&order.folder)(error).message);
    }
    let trouble = (!trouble.is_empty()).then(|| trouble.join("; "));
    Ok(Taken { snapshot, trouble })
}

struct Writing<'a> {
    order: &'a Order,
    repository: &'a Repository,
    progress: &'a Progress,
    stop: &'a CancellationToken,
}

impl Writing<'_> {
    fn write(&self, moment: Snapshot, manifest: &mut Manifest, begun: Instant) -> Result<()> {
        let folder = self.repository.begin(manifest)?;
        moment.write(&folder, self.stop)?;
        for name in DATABASES {
            manifest.databases.push(Part::of(&folder, name)?);
        }
        if self.order.secrets {
            self.copy_secrets(&folder, manifest)?;
        }
        self.copy_files(&folder, manifest)?;
        manifest.took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.repository.show(manifest)
    }

    fn copy_secrets(&self, folder: &Path, manifest: &mut Manifest) -> Result<()> {
        let data_dir = &self.order.data_dir;
        let mut names = vec![tls::CERTIFICATE.to_owned()];
        for entry in fs_err::read_dir(data_dir.join(SECRETS))? {
            names.extend(entry?.file_name().into_string().map(|name| format!("{SECRETS}/{name}")));
        }
        names.sort();
        for name in names.iter().filter(|name| data_dir.join(name).is_file()) {
            copy_private(&data_dir.join(name), &folder.join(name))?;
            manifest.secrets.push(Part::of(folder, name)?);
        }
        Ok(())
    }

    fn copy_files(&self, folder: &Path, manifest: &mut Manifest) -> Result<()> {
        let objects = open_frozen(&folder.join("objects.db"))?;
        let (files, bytes) = file_totals(&objects)?;
        self.progress.of_files.store(files, Ordering::Relaxed);
        self.progress.of_bytes.store(bytes, Ordering::Relaxed);
        let (from, to) = (self.order.data_dir.join("blobs"), self.repository.files());
        let mut copier = Copier::new(&from, &to);
        each_file(&objects, |file| {
            if self.stop.is_cancelled() {
                return Err(Error::busy("The server stops."));
            }
            match copier.copy(&file)? {
                Copied::Had => {}
                Copied::New => {
                    manifest.new_files += 1;
                    manifest.new_bytes += file.size;
                }
                Copied::Damaged(why) => manifest.tell_damage(format!("{}: {why}", file.id)),
            }
            manifest.files += 1;
            manifest.bytes += file.size;
            self.progress.files.fetch_add(1, Ordering::Relaxed);
            self.progress.bytes.fetch_add(file.size, Ordering::Relaxed);
            Ok(())
        })?;
        copier.settle()
    }
}

/// Copies a file into a new one that only its owner may read, whatever holds for the first. Its folder is made.
pub fn copy_private(from: &Path, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        make_folder(folder)?;
    }
    private::write(to, b"")?;
    let mut to = fs_err::OpenOptions::new().write(true).open(to)?;
    std::io::copy(&mut fs_err::File::open(from)?, &mut to)?;
    Ok(to.sync_all()?)
}
