//! Whether a folder of backups still has what was written into it.

use super::{
    copier::read_through,
    in_words,
    manifest::Manifest,
    repository::{Found, Repository},
};
use crate::{
    kernel::error::Result,
    objects::each_file,
    store::snapshot::{integrity, open_frozen},
};
use serde::Serialize;
use std::collections::HashMap;

const TOLD_MAX: usize = 100;

/// What was looked at, and what is wrong with it.
#[derive(Debug, Default, Serialize)]
pub struct Checked {
    pub snapshots: Vec<String>,
    /// Files read whole, each once, and bytes in them.
    pub files: u64,
    pub bytes: u64,
    /// Each with the snapshot that it was found in.
    pub problems: Vec<String>,
    /// Problems beyond those told.
    pub more: u64,
}

impl Checked {
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    fn find(&mut self, snapshot: &str, what: &str) {
        if self.problems.len() < TOLD_MAX {
            self.problems.push(format!("{snapshot}: {what}"));
        } else {
            self.more += 1;
        }
    }
}

/// Reads everything of the snapshot of this name, or of all of them. Blocks.
pub fn verify(repository: &Repository, name: Option<&str>) -> Result<Checked> {
    look(repository, name).map_err(in_words(repository.folder()))
}

fn look(repository: &Repository, name: Option<&str>) -> Result<Checked> {
    let wanted = match name {
        Some(name) => Found { snapshots: vec![repository.find(Some(name))?], ..Found::default() },
        None => repository.snapshots()?,
    };
    let (mut checked, mut seen) = (Checked::default(), HashMap::new());
    for (name, why) in &wanted.unreadable {
        checked.find(name, why);
    }
    for manifest in &wanted.snapshots {
        checked.snapshots.push(manifest.name.clone());
        if parts_are_sound(repository, manifest, &mut checked)? {
            check_files(repository, manifest, &mut checked, &mut seen)?;
        }
    }
    Ok(checked)
}

/// A database that is not what was written is not asked for its files.
fn parts_are_sound(repository: &Repository, manifest: &Manifest, checked: &mut Checked) -> Result<bool> {
    let flaws = repository.flaws(manifest);
    flaws.iter().for_each(|flaw| checked.find(&manifest.name, flaw));
    if !flaws.is_empty() {
        return Ok(false);
    }
    let mut sound = true;
    for database in &manifest.databases {
        for what in integrity(&open_frozen(&repository.of(manifest).join(&database.name))?)? {
            checked.find(&manifest.name, &format!("{}: {what}", database.name));
            sound = false;
        }
    }
    Ok(sound)
}

fn check_files(
    repository: &Repository,
    manifest: &Manifest,
    checked: &mut Checked,
    seen: &mut HashMap<String, bool>,
) -> Result<()> {
    let objects = repository.objects(manifest)?;
    let (folder, mut buffer) = (repository.files(), vec![0; 1 << 20]);
    each_file(&objects, |file| {
        if seen.get(&file.id) == Some(&true) {
            return Ok(());
        }
        let wrong = read_through(&folder.join(&file.id), &file, &mut buffer, None)?;
        if let Some(wrong) = &wrong {
            checked.find(&manifest.name, &format!("file {}: {wrong}", file.id));
        }
        if seen.insert(file.id, wrong.is_none()).is_none() {
            checked.files += 1;
            checked.bytes += file.size;
        }
        Ok(())
    })
}
