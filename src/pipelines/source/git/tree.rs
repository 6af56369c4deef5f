//! A commit's files, written to disk.

use super::{FILE_MAX, in_words};
use fs_err::os::unix::fs::OpenOptionsExt;
use gix_hash::{ObjectId, oid};
use gix_object::{Kind, TreeRefIter, tree::EntryKind};
use gix_odb::{Handle, Header};
use std::{
    ffi::OsStr,
    io::Write,
    os::unix::ffi::OsStrExt,
    path::{Component, Path},
};

/// What a checkout may hold: bytes, files and folders, and folders within one another.
const BYTES_MAX: u64 = 512 << 20;
const ENTRIES_MAX: usize = 50_000;
const DEPTH_MAX: usize = 32;
/// Tags that name tags.
const HOPS: usize = 8;

/// The commit an object is, or a tag names.
pub(super) fn peel(objects: &Handle, id: ObjectId) -> Result<ObjectId, String> {
    let (mut id, mut buffer) = (id, Vec::new());
    for _ in 0..HOPS {
        match read(objects, &id, &mut buffer)? {
            Kind::Commit => return Ok(id),
            Kind::Tag => {
                let tag = gix_object::TagRefIter::from_bytes(&buffer, id.kind());
                id = tag.target_id().map_err(|error| in_words(&error))?;
            }
            kind => return Err(format!("{id} is a {kind}, not a commit")),
        }
    }
    Err("the tag names tags without an end".into())
}

/// Writes what is below `folder` in a commit to `into`, which is made.
pub(super) fn write(objects: &Handle, commit: &oid, folder: &str, into: &Path) -> Result<(), String> {
    let mut buffer = Vec::new();
    read(objects, commit, &mut buffer)?;
    let mut commit = gix_object::CommitRefIter::from_bytes(&buffer, commit.kind());
    let mut tree = commit.tree_id().map_err(|error| in_words(&error))?;
    for name in folder.split('/').filter(|name| !name.is_empty()) {
        tree = below(objects, &tree, name)?.ok_or_else(|| format!("the commit has no folder {folder:?}"))?;
    }
    let mut writer = Writer { objects, bytes: 0, entries: 0 };
    writer.tree(&tree, into, 0)
}

fn below(objects: &Handle, tree: &oid, name: &str) -> Result<Option<ObjectId>, String> {
    let mut buffer = Vec::new();
    read(objects, tree, &mut buffer)?;
    for entry in TreeRefIter::from_bytes(&buffer, tree.kind()) {
        let entry = entry.map_err(|error| in_words(&error))?;
        if entry.filename == name && entry.mode.is_tree() {
            return Ok(Some(entry.oid.to_owned()));
        }
    }
    Ok(None)
}

/// Reads an object, unless it is too large; its size is known before.
fn read(objects: &Handle, id: &oid, buffer: &mut Vec<u8>) -> Result<Kind, String> {
    let header = objects.try_header(id).map_err(|error| in_words(&error))?;
    let header =
        header.ok_or_else(|| format!("object {id} is not there: it is larger than may be, or lost"))?;
    if header.size() > FILE_MAX {
        return Err(format!("object {id} has more than {} MiB", FILE_MAX >> 20));
    }
    let found = gix_object::Find::try_find(objects, id, buffer).map_err(|error| in_words(&error))?;
    found.map(|object| object.kind).ok_or_else(|| format!("object {id} is not there"))
}

struct Writer<'a> {
    objects: &'a Handle,
    bytes: u64,
    entries: usize,
}

impl Writer<'_> {
    fn tree(&mut self, id: &oid, dir: &Path, depth: usize) -> Result<(), String> {
        if depth > DEPTH_MAX {
            return Err(format!("folders lie more than {DEPTH_MAX} deep"));
        }
        fs_err::create_dir(dir).map_err(|error| error.to_string())?;
        let mut buffer = Vec::new();
        read(self.objects, id, &mut buffer)?;
        for entry in TreeRefIter::from_bytes(&buffer, id.kind()) {
            let entry = entry.map_err(|error| in_words(&error))?;
            let name = entry.filename;
            self.entries += 1;
            if self.entries > ENTRIES_MAX {
                return Err(format!("the commit has more than {ENTRIES_MAX} files"));
            }
            if !is_plain(name) {
                return Err(format!("the commit has a file called {name:?}"));
            }
            let path = dir.join(OsStr::from_bytes(name));
            match entry.mode.kind() {
                EntryKind::Tree => self.tree(entry.oid, &path, depth + 1)?,
                EntryKind::Blob => self.file(entry.oid, &path, 0o644)?,
                EntryKind::BlobExecutable => self.file(entry.oid, &path, 0o755)?,
                EntryKind::Link => self.link(entry.oid, &path, depth)?,
                // A submodule is another repository, of which nothing is here.
                EntryKind::Commit => {}
            }
        }
        Ok(())
    }

    fn file(&mut self, id: &oid, path: &Path, mode: u32) -> Result<(), String> {
        let content = self.content(id, path)?;
        // New for certain: it is not written through a link that bears the name of two entries.
        let file = fs_err::OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
        file.and_then(|mut file| file.write_all(&content)).map_err(|error| error.to_string())
    }

    /// A link that leads out of the checkout is left out.
    fn link(&mut self, id: &oid, path: &Path, depth: usize) -> Result<(), String> {
        let target = self.content(id, path)?;
        let target = Path::new(OsStr::from_bytes(&target));
        match stays_inside(target, depth) {
            true => fs_err::os::unix::fs::symlink(target, path).map_err(|error| error.to_string()),
            false => Ok(()),
        }
    }

    fn content(&mut self, id: &oid, path: &Path) -> Result<Vec<u8>, String> {
        let mut content = Vec::new();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        read(self.objects, id, &mut content).map_err(|why| format!("file {name:?}: {why}"))?;
        self.bytes += content.len() as u64;
        match self.bytes > BYTES_MAX {
            true => Err(format!("the commit's files are larger than {} MiB together", BYTES_MAX >> 20)),
            false => Ok(content),
        }
    }
}

/// Whether a name in a tree is one a file can have, and no way out of the folder.
fn is_plain(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..")
        && !name.iter().any(|byte| matches!(byte, b'/' | 0))
        && !name.eq_ignore_ascii_case(b".git")
}

fn stays_inside(target: &Path, depth: usize) -> bool {
    let mut depth = depth;
    target.components().all(|part| match part {
        Component::Normal(_) => {
            depth += 1;
            true
        }
        Component::CurDir => true,
        Component::ParentDir if depth > 0 => {
            depth -= 1;
            true
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::{is_plain, stays_inside};
    use std::path::Path;

    #[test]
    fn a_link_may_not_lead_out() {
        for (target, depth, inside) in [
            ("lib/a.py", 0, true),
            ("../lib/a.py", 1, true),
            ("../lib/a.py", 0, false),
            ("a/../../b", 0, false),
            ("/etc/passwd", 3, false),
        ] {
            assert_eq!(stays_inside(Path::new(target), depth), inside, "{target} at {depth}");
        }
    }

    #[test]
    fn names_that_are_ways_are_none() {
        assert!(is_plain(b"train.py") && is_plain(b".gitignore"));
        for name in [&b".."[..], b".", b"", b"a/b", b".GIT", b"a\0"] {
            assert!(!is_plain(name), "{name:?}");
        }
    }
}
