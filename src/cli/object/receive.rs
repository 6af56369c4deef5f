//! Getting objects: to a file, below a folder, or to standard output. A file is there whole or not at all.

use super::{super::place::bytes, Client, Code, Failure, Place, listing, progress::Progress};
use futures::{StreamExt, stream};
use reqwest::{Method, Response};
use std::{
    io::Write as _,
    path::{Component, Path, PathBuf},
    sync::Arc,
};
use tokio::io::AsyncWriteExt;

const AT_ONCE: usize = 4;

async fn ask(client: &Client, place: &Place, version: Option<&str>) -> Result<Response, Failure> {
    client.send(client.request(Method::GET, &place.path("objects", &[("version", version)]))).await
}

pub async fn cat(client: &Client, place: &Place, version: Option<&str>) -> Result<(), Failure> {
    let mut response = ask(client, place.object()?, version).await?;
    // Nothing else runs on this thread meanwhile: a slow reader may as well block it.
    let mut out = std::io::stdout().lock();
    while let Some(chunk) = response.chunk().await.map_err(|error| broke_off(place, &error))? {
        match out.write_all(&chunk) {
            // A reader that has gone (`... | head`) is no failure.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
            written => written?,
        }
    }
    Ok(out.flush()?)
}

fn broke_off(place: &Place, error: &reqwest::Error) -> Failure {
    Failure::failed(format!("{place} broke off: {error}"))
}

pub async fn get(
    client: &Client,
    from: &Place,
    to: Option<&Path>,
    version: Option<&str>,
) -> Result<(), Failure> {
    let from = from.object().map_err(|failure| failure.hint("--recursive gets everything below a folder"))?;
    let target = match to {
        Some(to) if to.is_dir() => to.join(from.name()),
        Some(to) => to.to_owned(),
        None => PathBuf::from(from.name()),
    };
    let response = ask(client, from, version).await?;
    let progress = Progress::new(response.content_length());
    let outcome = save(response, from, &target, &progress).await;
    progress.end();
    outcome?;
    eprintln!("{from} -> {} ({})", target.display(), bytes(progress.moved()));
    Ok(())
}

/// Writes beside the target first, so that nobody finds half a file under its name.
async fn save(
    mut response: Response,
    from: &Place,
    target: &Path,
    progress: &Progress,
) -> Result<(), Failure> {
    let name = target
        .file_name()
        .ok_or_else(|| Failure::new(Code::Usage, format!("{} is no file", target.display())))?;
    let mut part = std::ffi::OsString::from(".");
    part.push(name);
    part.push(".part");
    let part = target.with_file_name(part);
    let mut file = fs_err::tokio::File::create(&part).await?;
    let written: Result<(), Failure> = async {
        while let Some(chunk) = response.chunk().await.map_err(|error| broke_off(from, &error))? {
            file.write_all(&chunk).await?;
            progress.add(chunk.len() as u64);
        }
        file.flush().await?;
        Ok(fs_err::tokio::rename(&part, target).await?)
    }
    .await;
    if written.is_err() {
        let _ = fs_err::tokio::remove_file(&part).await;
    }
    written
}

/// Everything below a folder, in folders of the same names.
pub async fn tree(client: &Client, from: &Place, to: Option<&Path>) -> Result<(), Failure> {
    let root = to.map_or_else(|| PathBuf::from("."), Path::to_owned);
    // A prefix that is no folder keeps the part behind its last slash in the names.
    let base = from.key.rfind('/').map_or(0, |slash| slash + 1);
    let (mut keys, mut total) = (Vec::new(), 0);
    listing::pages(client, from, true, |page| {
        for object in listing::items(page, "objects") {
            total += object["size"].as_u64().unwrap_or_default();
            keys.extend(object["key"].as_str().map(str::to_owned));
        }
        Ok(())
    })
    .await?;
    if keys.is_empty() {
        return Err(Failure::new(Code::NotFound, format!("there is nothing below {from}")));
    }
    let progress = Arc::new(Progress::new(Some(total)));
    let count = keys.len();
    let each = |key: String| {
        let (progress, root) = (Arc::clone(&progress), root.clone());
        async move {
            let place = from.with_key(key.as_str());
            let outcome = one_of(client, &place, &root, &key[base..], &progress).await;
            if let Err(failure) = &outcome {
                progress.say(&format!("error: {place}: {}", failure.message));
            }
            outcome
        }
    };
    let outcomes: Vec<_> = stream::iter(keys).map(each).buffer_unordered(AT_ONCE).collect().await;
    progress.end();
    let failed: Vec<Failure> = outcomes.into_iter().filter_map(Result::err).collect();
    match failed.last() {
        None => {
            eprintln!("Got {count} objects, {}.", bytes(progress.moved()));
            Ok(())
        }
        Some(last) => {
            Err(Failure::new(last.code, format!("{} of {count} objects were not got", failed.len())))
        }
    }
}

async fn one_of(
    client: &Client,
    place: &Place,
    root: &Path,
    relative: &str,
    progress: &Progress,
) -> Result<(), Failure> {
    // The mark some tools leave for a folder has no bytes and no name.
    if relative.ends_with('/') || relative.is_empty() {
        return Ok(());
    }
    let target = below(root, relative)?;
    if let Some(folder) = target.parent() {
        fs_err::tokio::create_dir_all(folder).await?;
    }
    let response = ask(client, place, None).await?;
    save(response, place, &target, progress).await?;
    progress.say(&format!("{place} -> {}", target.display()));
    Ok(())
}

/// A key is any text; as a path it must stay below the folder it is written to.
fn below(root: &Path, relative: &str) -> Result<PathBuf, Failure> {
    let path = Path::new(relative);
    if path.components().all(|part| matches!(part, Component::Normal(_))) && !relative.contains('\0') {
        return Ok(root.join(path));
    }
    let message = format!("the key {relative:?} would be written outside {}", root.display());
    Err(Failure::failed(message).hint("crannog object get BUCKET/KEY FILE gets it under a name you choose"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_never_written_outside_the_folder() {
        let root = Path::new("/tmp/out");
        assert_eq!(below(root, "a/b.csv").unwrap(), root.join("a/b.csv"));
        for key in ["../b", "a/../../b", "/etc/passwd", "a\0b"] {
            assert!(below(root, key).is_err(), "{key:?}");
        }
    }
}
