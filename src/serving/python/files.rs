//! A model's files, copied out of the object store for a process that reads files; gone with the model.

use crate::{
    kernel::{
        error::{Error, Result},
        id,
    },
    objects::{self, ListQuery},
};
use futures::StreamExt;
use std::path::{Path, PathBuf};
use tokio::io::AsyncWriteExt;

/// Larger than any model a machine of this kind runs in Python; what is more is refused before it is copied.
const MOST_BYTES: u64 = 32 << 30;
const MOST_FILES: usize = 20_000;
const PAGE: usize = 1000;

/// A folder of its own under the workers' folder.
pub struct Files {
    folder: PathBuf,
    bytes: u64,
}

impl Files {
    /// Copies every object under `prefix`.
    pub async fn copy(objects: &objects::Service, bucket: &str, prefix: &str, under: &Path) -> Result<Self> {
        let (keys, bytes) = keys(objects, bucket, prefix).await?;
        let files = Self { folder: under.join(id::ordered()), bytes };
        for (key, path) in keys {
            let path = files.folder.join(path);
            fs_err::tokio::create_dir_all(path.parent().unwrap_or(&files.folder)).await?;
            let (_, mut body) = objects.get(bucket, &key).await?;
            let mut file = fs_err::tokio::File::create(&path).await?;
            while let Some(chunk) = body.next().await {
                file.write_all(&chunk?).await?;
            }
            file.flush().await?;
        }
        Ok(files)
    }

    pub fn path(&self) -> &Path {
        &self.folder
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        if let Err(error) = fs_err::remove_dir_all(&self.folder) {
            tracing::debug!(%error, "a model's copied files could not be removed; the next start does it");
        }
    }
}

/// The keys under `prefix`, each with its path in the folder, and how many bytes they have together.
async fn keys(
    objects: &objects::Service,
    bucket: &str,
    prefix: &str,
) -> Result<(Vec<(String, PathBuf)>, u64)> {
    let prefix = format!("{prefix}/");
    let mut query = ListQuery { prefix: prefix.clone(), limit: PAGE, ..ListQuery::default() };
    let (mut found, mut bytes) = (Vec::new(), 0);
    loop {
        let page = objects.list(bucket, query.clone()).await?;
        for object in page.objects {
            let path = object.key.strip_prefix(&prefix).unwrap_or_default().to_owned();
            if path.is_empty() || path.ends_with('/') {
                continue;
            }
            if path.split('/').any(|part| matches!(part, "" | "." | "..")) || path.contains('\0') {
                return Err(Error::invalid(format!("{:?} among the model's files is no path.", object.key)));
            }
            bytes += object.size;
            found.push((object.key, PathBuf::from(path)));
        }
        if bytes > MOST_BYTES || found.len() > MOST_FILES {
            return Err(Error::invalid(format!(
                "The model's folder holds more than {} GiB or {MOST_FILES} files, which is the most that is copied for Python.",
                MOST_BYTES >> 30
            )));
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok((found, bytes)),
        }
    }
}
