//! Taking a snapshot.

use super::{
    copier::{Copied, Copier},
    repository::{Database, Manifest, Repository},
    told,
};
use crate::{
    kernel::{
        VERSION,
        clock::{now_ms, rfc3339},
        error::{Error, Result},
        private, tls,
    },
    objects::{file_page, file_totals},
    store::{
        Stores,
        snapshot::{DATABASES, Snapshot, open_frozen},
    },
};
use serde::Serialize;
use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

/// Files read from a database in one go.
pub const PAGE: usize = 1000;

/// What somebody wants to have.
#[derive(Clone, Debug)]
pub struct Order {
    pub folder: PathBuf,
    /// Snapshots that stay; all of them unless said.
    pub keep: Option<NonZeroUsize>,
    /// Whether the keys and credentials of the data directory go along.
    pub secrets: bool,
}

/// How far it is, for who watches.
#[derive(Debug, Default, Serialize)]
pub struct Progress {
    pub files: AtomicU64,
    pub bytes: AtomicU64,
    pub of_files: AtomicU64,
    pub of_bytes: AtomicU64,
}

/// Takes a snapshot. Whoever calls sees to it that no file of the data directory is removed meanwhile.
pub async fn create(
    stores: &Stores,
    order: &Order,
    progress: Arc<Progress>,
    stop: CancellationToken,
) -> Result<Manifest> {
    let (begun, taken_ms) = (Instant::now(), now_ms());
    let (data_dir, wanted) = (stores.data_dir.clone(), order.clone());
    let repository = move || {
        refuse_inside(&data_dir, &wanted.folder)?;
        Repository::make(&wanted.folder)
    };
    let repository = spawn_blocking(repository).await.map_err(Error::internal)??;
    let snapshot = stores.snapshot().await?;
    let (data_dir, order) = (stores.data_dir.clone(), order.clone());
    let work = move || {
        let taken_at = rfc3339(taken_ms);
        let name = taken_at.replace(':', "-");
        let partial = repository.partial(&name);
        let manifest = Manifest {
            name,
            taken_at,
            crannog: VERSION.into(),
            secrets: order.secrets,
            ..Manifest::default()
        };
        let written =
            Writing { data_dir: &data_dir, repository: &repository, progress: &progress, stop: &stop }
                .write(snapshot, manifest, begun);
        if written.is_err() {
            let _ = fs_err::remove_dir_all(&partial);
        }
        let manifest = written?;
        if let Some(keep) = order.keep {
            repository.prune(keep)?;
        }
        Ok(manifest)
    };
    spawn_blocking(work).await.map_err(Error::internal)?
}

/// A copy that dies with what it is a copy of is none.
fn refuse_inside(data_dir: &Path, folder: &Path) -> Result<()> {
    let data_dir = fs_err::canonicalize(data_dir)?;
    let nearest = folder.ancestors().find_map(|ancestor| fs_err::canonicalize(ancestor).ok());
    match nearest.is_some_and(|nearest| nearest.starts_with(&data_dir)) {
        false => Ok(()),
        true => Err(Error::invalid(format!(
            "{} is in the data directory: keep backups elsewhere, on another disk if you can",
            folder.display()
        ))),
    }
}

struct Writing<'a> {
    data_dir: &'a Path,
    repository: &'a Repository,
    progress: &'a Progress,
    stop: &'a CancellationToken,
}

impl Writing<'_> {
    fn write(&self, snapshot: Snapshot, mut manifest: Manifest, begun: Instant) -> Result<Manifest> {
        let folder = self.repository.partial(&manifest.name);
        private::folder(&folder)?;
        snapshot.write(&folder, self.stop)?;
        for name in DATABASES {
            manifest.databases.push(Database::of(&folder.join(name), name)?);
        }
        if manifest.secrets {
            copy_private(&self.data_dir.join("secrets"), &folder.join("secrets"))?;
            let authority = self.data_dir.join(tls::CERTIFICATE);
            if authority.exists() {
                private::write(&folder.join(tls::CERTIFICATE), &fs_err::read(&authority).map_err(told)?)?;
            }
        }
        self.copy_files(&folder, &mut manifest)?;
        manifest.took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.repository.show(&manifest)?;
        Ok(manifest)
    }

    fn copy_files(&self, folder: &Path, manifest: &mut Manifest) -> Result<()> {
        let objects = open_frozen(&folder.join("objects.db"))?;
        let (files, bytes) = file_totals(&objects)?;
        self.progress.of_files.store(files, Ordering::Relaxed);
        self.progress.of_bytes.store(bytes, Ordering::Relaxed);
        let (from, to) = (self.data_dir.join("blobs"), self.repository.files());
        let (mut copier, mut after) = (Copier::new(&from, &to), String::new());
        loop {
            let page = file_page(&objects, &after, PAGE)?;
            for file in &page {
                if self.stop.is_cancelled() {
                    return Err(Error::busy("The server stops."));
                }
                match copier.copy(file)? {
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
            }
            match page.last() {
                Some(last) => after.clone_from(&last.id),
                None => return copier.settle(),
            }
        }
    }
}

/// Copies a folder of files that only their owner may read.
pub fn copy_private(from: &Path, to: &Path) -> Result<()> {
    private::folder(to)?;
    for entry in fs_err::read_dir(from).map_err(told)? {
        let entry = entry.map_err(told)?;
        if entry.file_type().map_err(told)?.is_file() {
            private::write(&to.join(entry.file_name()), &fs_err::read(entry.path()).map_err(told)?)?;
        }
    }
    Ok(())
}
