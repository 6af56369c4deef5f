//! The way back: a snapshot becomes a data directory.

use super::{
    copier::{Copied, Copier},
    create::{PAGE, copy_private},
    repository::{Database, Manifest, Repository},
    told,
};
use crate::{
    kernel::{
        error::{Error, Result},
        private, tls,
    },
    objects::file_page,
    store::RESTORING,
};
use std::path::Path;

/// Makes `data_dir` what it was when the snapshot was taken. Answers what of it could not be brought back. The caller
/// holds the lock of the data directory. Blocks.
pub fn restore(repository: &Repository, manifest: &Manifest, data_dir: &Path) -> Result<Vec<String>> {
    let from = repository.of(manifest);
    for said in &manifest.databases {
        let is = Database::of(&from.join(&said.name), &said.name)?;
        if is.bytes != said.bytes || is.crc64nvme != said.crc64nvme {
            return Err(Error::invalid(format!(
                "{} of the snapshot {} is not what was written: restore another one",
                said.name, manifest.name
            )));
        }
    }
    begin(manifest, data_dir)?;
    let lost = copy_files(repository, manifest, data_dir)?;
    if manifest.secrets {
        clear(&data_dir.join("secrets"))?;
        copy_private(&from.join("secrets"), &data_dir.join("secrets"))?;
        let authority = from.join(tls::CERTIFICATE);
        if authority.exists() {
            clear(&data_dir.join(tls::CERTIFICATE))?;
            private::write(&data_dir.join(tls::CERTIFICATE), &fs_err::read(authority).map_err(told)?)?;
        }
    }
    for database in &manifest.databases {
        let to = data_dir.join(&database.name);
        clear(&to)?;
        private::write(&to, b"")?;
        fs_err::copy(from.join(&database.name), &to).map_err(told)?;
    }
    let folder = fs_err::File::open(data_dir).map_err(told)?;
    rustix::fs::syncfs(&folder).map_err(|error| told(error.into()))?;
    clear(&data_dir.join(RESTORING))?;
    folder.sync_all().map_err(told)?;
    Ok(lost)
}

/// Only an empty directory is restored into, or one in which a restore of the same snapshot broke off.
fn begin(manifest: &Manifest, data_dir: &Path) -> Result<()> {
    let mark = data_dir.join(RESTORING);
    match fs_err::read_to_string(&mark) {
        Ok(name) if name == manifest.name => return Ok(()),
        Ok(name) => {
            return Err(Error::conflict(format!(
                "a restore of {name} was begun in {}: go on with `--snapshot {name}`, or empty the directory",
                data_dir.display()
            )));
        }
        Err(_) => {}
    }
    for entry in fs_err::read_dir(data_dir).map_err(told)? {
        let name = entry.map_err(told)?.file_name();
        if name != "lock" && name != "lost+found" {
            return Err(Error::conflict(format!(
                "{} is not empty: restore into a new directory, or move what is there away",
                data_dir.display()
            )));
        }
    }
    private::write(&mark, manifest.name.as_bytes())
}

fn clear(path: &Path) -> Result<()> {
    let gone = if path.is_dir() { fs_err::remove_dir_all(path) } else { fs_err::remove_file(path) };
    match gone {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(told(error)),
        _ => Ok(()),
    }
}

fn copy_files(repository: &Repository, manifest: &Manifest, data_dir: &Path) -> Result<Vec<String>> {
    let objects = repository.objects(manifest)?;
    let (from, to) = (repository.files(), data_dir.join("blobs"));
    private::folder(&to)?;
    let (mut copier, mut lost, mut after) = (Copier::new(&from, &to), Vec::new(), String::new());
    loop {
        let page = file_page(&objects, &after, PAGE)?;
        for file in &page {
            if let Copied::Damaged(why) = copier.copy(file)? {
                lost.push(format!("{}: {why}", file.id));
            }
        }
        match page.last() {
            Some(last) => after.clone_from(&last.id),
            None => {
                copier.settle()?;
                return Ok(lost);
            }
        }
    }
}
