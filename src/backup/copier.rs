//! Copies files of the object store from one folder into another, each compared with its checksum on the way, and
//! shows them under their names when they are on the disk.

use crate::{kernel::error::Result, objects::OwnedFile, store::blob::Crc};
use fs_err::os::unix::fs::OpenOptionsExt;
use std::{
    io::{ErrorKind, Read, Write},
    path::{Path, PathBuf},
};

/// The disk is asked once for so many files, or bytes: a sync of each would cost more than its copy.
const BATCH_FILES: usize = 4096;
const BATCH_BYTES: u64 = 1 << 30;
const CHUNK: usize = 1 << 20;

pub struct Copier<'a> {
    from: &'a Path,
    to: &'a Path,
    buffer: Vec<u8>,
    /// Written, and not yet on the disk for certain.
    waiting: Vec<String>,
    waiting_bytes: u64,
}

/// What became of a file.
pub enum Copied {
    /// It was there already.
    Had,
    New,
    /// It is not what its row says; why.
    Damaged(String),
}

impl<'a> Copier<'a> {
    pub fn new(from: &'a Path, to: &'a Path) -> Self {
        Self { from, to, buffer: vec![0; CHUNK], waiting: Vec::new(), waiting_bytes: 0 }
    }

    pub fn copy(&mut self, file: &OwnedFile) -> Result<Copied> {
        let there = fs_err::metadata(self.to.join(&file.id));
        if there.is_ok_and(|there| there.len() == file.size) {
            return Ok(Copied::Had);
        }
        let hidden = self.hidden(&file.id);
        if let Some(wrong) = read_through(&self.from.join(&file.id), file, &mut self.buffer, Some(&hidden))? {
            let _ = fs_err::remove_file(&hidden);
            return Ok(Copied::Damaged(wrong));
        }
        self.waiting.push(file.id.clone());
        self.waiting_bytes += file.size;
        if self.waiting.len() >= BATCH_FILES || self.waiting_bytes >= BATCH_BYTES {
            self.settle()?;
        }
        Ok(Copied::New)
    }

    /// Waits for the disk, and shows what came there.
    pub fn settle(&mut self) -> Result<()> {
        let folder = fs_err::File::open(self.to)?;
        rustix::fs::syncfs(&folder).map_err(std::io::Error::from)?;
        for id in std::mem::take(&mut self.waiting) {
            fs_err::rename(self.hidden(&id), self.to.join(&id))?;
        }
        self.waiting_bytes = 0;
        Ok(folder.sync_all()?)
    }

    fn hidden(&self, id: &str) -> PathBuf {
        self.to.join(format!(".{id}"))
    }
}

fn create(path: &Path) -> std::io::Result<fs_err::File> {
    fs_err::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// Reads a file whole, writes it `into` another, and says what is wrong with it.
pub fn read_through(
    path: &Path,
    file: &OwnedFile,
    buffer: &mut [u8],
    into: Option<&Path>,
) -> Result<Option<String>> {
    let mut from = match fs_err::File::open(path) {
        Ok(from) => from,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Some("it is missing".into())),
        Err(error) => return Ok(Some(format!("it cannot be read: {error}"))),
    };
    let mut to = into.map(create).transpose()?;
    let (mut crc, mut size) = (Crc::default(), 0);
    loop {
        let read = match from.read(buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) => return Ok(Some(format!("it cannot be read: {error}"))),
        };
        crc.see(&buffer[..read]);
        size += read as u64;
        if let Some(to) = &mut to {
            to.write_all(&buffer[..read])?;
        }
    }
    Ok(if size != file.size {
        Some(format!("it has {size} bytes, not {}", file.size))
    } else if file.crc.is_some_and(|expected| expected != crc.value()) {
        Some("its bytes are not those that were written".into())
    } else {
        None
    })
}
