//! The way back: a snapshot becomes a data directory.

use super::{
    copier::{Copied, Copier},
    create::copy_private,
    in_words,
    manifest::Manifest,
    repository::{Repository, VOLUMES_OWN},
};
use crate::{
    kernel::{
        error::{Error, Result},
        private,
    },
    objects::each_file,
    store::RESTORING,
};
use std::{io::ErrorKind, path::Path};

/// Makes `data_dir` what it was when the snapshot was taken. Answers what of it could not be brought back. The caller
/// holds the lock of the data directory. Blocks.
pub fn restore(repository: &Repository, manifest: &Manifest, data_dir: &Path) -> Result<Vec<String>> {
    if let Some(flaw) = repository.flaws(manifest).first() {
        return Err(Error::invalid(format!(
            "{flaw} in the snapshot {}: restore another one, which `crannog backup list` names",
            manifest.name
        )));
    }
    write(repository, manifest, data_dir).map_err(in_words(data_dir))
}

fn write(repository: &Repository, manifest: &Manifest, data_dir: &Path) -> Result<Vec<String>> {
    begin(manifest, data_dir)?;
    let lost = copy_files(repository, manifest, data_dir)?;
    let from = repository.of(manifest);
    for part in manifest.secrets.iter().chain(&manifest.databases) {
        let to = data_dir.join(&part.name);
        clear(&to)?;
        copy_private(&from.join(&part.name), &to)?;
    }
    let folder = fs_err::File::open(data_dir)?;
    rustix::fs::syncfs(&folder).map_err(std::io::Error::from)?;
    clear(&data_dir.join(RESTORING))?;
    folder.sync_all()?;
    Ok(lost)
}

/// Only an empty directory is restored into, or one in which a restore of the same snapshot broke off.
fn begin(manifest: &Manifest, data_dir: &Path) -> Result<()> {
    let mark = data_dir.join(RESTORING);
    match fs_err::read_to_string(&mark) {
        Ok(name) if name == manifest.name => return Ok(()),
        // The mark comes before all else: the power went while it was written.
        Ok(name) if name.is_empty() => clear(&mark)?,
        Ok(name) => {
            return Err(Error::conflict(format!(
                "a restore of {name} was begun in {}: go on with `--snapshot {name}`, or empty the directory",
                data_dir.display()
            )));
        }
        Err(_) => {}
    }
    for entry in fs_err::read_dir(data_dir)? {
        let name = entry?.file_name();
        if name != "lock" && name != VOLUMES_OWN {
            return Err(Error::conflict(format!(
                "{} is not empty: restore into a new directory, or move what is there away",
                data_dir.display()
            )));
        }
    }
    private::write(&mark, manifest.name.as_bytes())
}

fn clear(path: &Path) -> Result<()> {
    match fs_err::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

fn copy_files(repository: &Repository, manifest: &Manifest, data_dir: &Path) -> Result<Vec<String>> {
    let objects = repository.objects(manifest)?;
    let (from, to) = (repository.files(), data_dir.join("blobs"));
    private::folder(&to)?;
    let (mut copier, mut lost) = (Copier::new(&from, &to), Vec::new());
    each_file(&objects, |file| {
        if let Copied::Damaged(why) = copier.copy(&file)? {
            lost.push(format!("{}: {why}", file.id));
        }
        Ok(())
    })?;
    copier.settle()?;
    Ok(lost)
}
