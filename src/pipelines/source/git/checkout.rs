//! Where commits are checked out: a folder for each, whole or not there, for as long as a pipeline or a run that
//! is kept came from it.

use super::tree;
use crate::kernel::id;
use gix_hash::ObjectId;
use gix_odb::Handle;
use sha2::{Digest, Sha256};
use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

/// What begins the name of a folder that is being filled.
const UNFINISHED: &str = "tmp-";

#[derive(Clone)]
pub(super) struct Checkouts {
    root: PathBuf,
    folder: String,
}

/// A folder that is removed when it is done with.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays is removed with the next commit.
        let _ = fs_err::remove_dir_all(&self.0);
    }
}

impl Checkouts {
    pub(super) fn new(root: PathBuf, folder: &str) -> Self {
        Self { root, folder: folder.trim_matches('/').to_owned() }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of a commit: its id, and which part of it was asked for.
    fn dir(&self, commit: ObjectId) -> PathBuf {
        match self.folder.as_str() {
            "" => self.root.join(commit.to_string()),
            folder => {
                let part = hex::encode(&Sha256::digest(folder)[..4]);
                self.root.join(format!("{commit}-{part}"))
            }
        }
    }

    pub(super) fn find(&self, commit: ObjectId) -> Option<PathBuf> {
        Some(self.dir(commit)).filter(|dir| dir.is_dir())
    }

    pub(super) fn scratch(&self) -> Result<Scratch, String> {
        let dir = self.root.join(format!("{UNFINISHED}{}", id::ordered()));
        fs_err::create_dir_all(&dir).map_err(|error| error.to_string())?;
        Ok(Scratch(dir))
    }

    /// Writes a commit's files; its folder appears only once all of them are on the disk.
    pub(super) fn make(
        &self,
        objects: &Handle,
        commit: ObjectId,
        scratch: &Scratch,
    ) -> Result<PathBuf, String> {
        if let Some(dir) = self.find(commit) {
            return Ok(dir);
        }
        let files = scratch.path().join("files");
        tree::write(objects, &commit, &self.folder, &files)?;
        let dir = self.dir(commit);
        let finish = || -> std::io::Result<()> {
            let root = fs_err::File::open(&self.root)?;
            rustix::fs::syncfs(root.file())?;
            fs_err::rename(&files, &dir)?;
            root.sync_all()
        };
        finish().map_err(|error| error.to_string())?;
        Ok(dir)
    }

    /// Removes what nobody needs any more.
    pub(super) fn prune(&self, needed: &[String]) {
        let Ok(root) = fs_err::canonicalize(&self.root) else { return };
        let first = |folder: &String| {
            let below = Path::new(folder).strip_prefix(&root).ok()?;
            below.components().next().map(|part| part.as_os_str().to_owned())
        };
        let needed: HashSet<_> = needed.iter().filter_map(first).collect();
        for entry in fs_err::read_dir(&root).into_iter().flatten().flatten() {
            if !needed.contains(&entry.file_name())
                && let Err(error) = fs_err::remove_dir_all(entry.path())
            {
                tracing::warn!(%error, "a checkout that nobody needs could not be removed");
            }
        }
    }
}
