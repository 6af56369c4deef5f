//! The folder of definitions: looked at every second, so that a saved file is live without a
//! command. One bad file is that pipeline's error and nobody else's.
//!
//! Every `*.yaml` and `*.yml` directly in the folder is a definition. In the folders below, beside
//! scripts and their own settings, only `pipeline.yaml` and `NAME.pipeline.yaml` are.

use super::{FILE, MAX_FILES, Text};
use crate::pipelines::{definition::MAX_BYTES, service::Service};
use std::{
    collections::HashMap,
    io::Read,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};
use tokio_util::sync::CancellationToken;

const EVERY: Duration = Duration::from_secs(1);
/// Folders below the top one that are looked into.
const DEPTH: usize = 3;

/// What tells one version of a file from another.
type Mark = (SystemTime, u64);

/// A definition file: its path below the folder, and its mark.
pub(super) struct Found {
    pub name: String,
    pub path: PathBuf,
    mark: Mark,
}

/// Follows the folder until the server stops.
pub(in crate::pipelines) async fn watch(service: Service, dir: PathBuf, stop: CancellationToken) {
    let mut known: HashMap<String, Mark> = HashMap::new();
    loop {
        let outcome = look(&service, &dir, &mut known).await;
        service.source_looked(FILE, outcome.map(|()| None));
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// One look. An unreadable folder changes nothing: a disk that is not mounted deletes no pipeline.
async fn look(service: &Service, dir: &Path, known: &mut HashMap<String, Mark>) -> Result<(), String> {
    let root = dir.to_owned();
    let files = tokio::task::spawn_blocking(move || scan(&root)).await.map_err(|error| error.to_string())?;
    let files = files.map_err(|error| error.to_string())?;
    let names: Vec<String> = files.iter().map(|file| file.name.clone()).collect();
    if names.len() != known.len() || names.iter().any(|name| !known.contains_key(name)) {
        let sources = names.iter().map(|name| format!("{FILE}{name}")).collect();
        service.sources_present(FILE, sources).await.map_err(|error| format!("{error:?}"))?;
        if known.keys().any(|name| !names.contains(name)) {
            // A file that is gone may have held the name another one wants: look at all again.
            known.clear();
        }
    }
    for file in files.into_iter().filter(|file| known.get(&file.name) != Some(&file.mark)).collect::<Vec<_>>()
    {
        let folder = file.path.parent().unwrap_or(dir).to_owned();
        let path = file.path.clone();
        let text =
            tokio::task::spawn_blocking(move || read(&path)).await.map_err(|error| error.to_string())?;
        // A file that went away between the look and the read is the next look's affair.
        let Ok(text) = text else { continue };
        let (source, folder) = (format!("{FILE}{}", file.name), folder.to_string_lossy().into_owned());
        let text = Text { source, folder: Some(folder), commit: None, text };
        service.source_changed(text).await.map_err(|error| format!("{error:?}"))?;
        known.insert(file.name, file.mark);
    }
    Ok(())
}

/// The definitions in a folder, as the server would find them there.
pub fn definitions_in(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    Ok(scan(dir)?.into_iter().map(|found| dir.join(found.name)).collect())
}

pub(super) fn scan(dir: &Path) -> std::io::Result<Vec<Found>> {
    let root = fs_err::canonicalize(dir)?;
    let mut found = Vec::new();
    let mut folders = vec![(root.clone(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        for entry in fs_err::read_dir(&folder)?.flatten() {
            let (path, hidden) = (entry.path(), entry.file_name().to_string_lossy().starts_with('.'));
            let Ok(about) = fs_err::metadata(&path) else { continue };
            if about.is_dir() && !hidden && depth < DEPTH {
                folders.push((path, depth + 1));
            } else if about.is_file() && !hidden && is_definition(&path, depth) {
                let name = path.strip_prefix(&root).unwrap_or(&path).to_string_lossy().into_owned();
                found.push(Found { name, path, mark: (about.modified()?, about.len()) });
            }
        }
    }
    // Sorted, so that of two files with one name the same wins every time.
    found.sort_by(|a, b| a.name.cmp(&b.name));
    if found.len() > MAX_FILES {
        tracing::warn!(
            files = found.len(),
            limit = MAX_FILES,
            "too many pipeline files; the last ones are left alone"
        );
        found.truncate(MAX_FILES);
    }
    Ok(found)
}

fn is_definition(path: &Path, depth: usize) -> bool {
    let yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    yaml && (depth == 0 || stem == "pipeline" || stem.ends_with(".pipeline"))
}

/// The text, cut just past the limit so that the definition's own check refuses it.
pub(super) fn read(path: &Path) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    fs_err::File::open(path)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
