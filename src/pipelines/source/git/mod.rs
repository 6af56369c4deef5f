//! A Git repository of definitions: behind http(s), bare on this machine's disk, or a bundle there. Each commit
//! is checked out into a folder of its own, which is read as the folder of definitions is, and in which the tasks
//! of its runs start: a run has the files of the commit it was made from, whatever is pushed meanwhile.
//!
//! A repository that cannot be read, or lacks the ref, changes nothing: what was there last stays, and runs.

mod checkout;
mod disk;
mod packet;
mod remote;
mod tree;

use super::{GIT, Text, folder};
use crate::{
    kernel::{
        error::{Error, Result},
        web::Web,
    },
    pipelines::service::Service,
};
use base64::Engine as _;
use checkout::Checkouts;
use gix_hash::ObjectId;
use http::HeaderValue;
use remote::Remote;
use std::{
    fmt::Display,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Bytes of one file, and of anything else in a repository that has to be in memory as a whole.
const FILE_MAX: u64 = 64 << 20;
/// For ever, when nothing but a push should make it look.
const NEVER: Duration = Duration::from_secs(400 * 24 * 3600);

/// What an operator says of the repository.
#[derive(Clone, Debug)]
pub struct Settings {
    /// An address, or a path.
    pub place: String,
    /// A branch, a tag, or the id of a commit.
    pub reference: String,
    /// The folder in it whose files count; empty for all.
    pub folder: String,
    pub interval: Duration,
    /// A file with `user:password`, or a token.
    pub credentials: Option<PathBuf>,
}

impl Settings {
    /// What is wrong with them is told at the start.
    pub(in crate::pipelines) fn check(&self) -> Result<()> {
        let place = &self.place;
        if self.is_web() {
            let url = reqwest::Url::parse(place).map_err(|error| {
                Error::invalid(format!("pipelines.git: {place:?} is no address: {error}."))
            })?;
            if url.password().is_some() || !url.username().is_empty() {
                let hint =
                    "Put `user:password` or a token into a file and name it as pipelines.git_credentials";
                return Err(Error::invalid(format!("pipelines.git holds credentials. {hint}.")));
            }
        } else if place.contains("://") && !place.starts_with("file://") || place.starts_with("git@") {
            return Err(Error::invalid(format!(
                "pipelines.git: {place:?} is neither an http(s) address nor a path on this machine."
            )));
        }
        match self.folder.split('/').any(|part| part == "..") {
            true => Err(Error::invalid("pipelines.git_folder leads out of the repository.")),
            false => Ok(()),
        }
    }

    fn is_web(&self) -> bool {
        self.place.starts_with("http://") || self.place.starts_with("https://")
    }

    fn path(&self) -> PathBuf {
        PathBuf::from(self.place.strip_prefix("file://").unwrap_or(&self.place))
    }

    /// The full names that a short one may stand for, in Git's order.
    fn names(&self) -> Vec<String> {
        let name = &self.reference;
        match name.as_str() {
            "HEAD" => vec![name.clone()],
            _ if name.starts_with("refs/") => vec![name.clone()],
            _ => vec![format!("refs/tags/{name}"), format!("refs/heads/{name}")],
        }
    }

    /// The commit itself, where it is its id that is named.
    fn pinned(&self) -> Option<ObjectId> {
        ObjectId::from_hex(self.reference.as_bytes()).ok()
    }

    fn authorization(&self) -> Result<Option<HeaderValue>, String> {
        let Some(file) = &self.credentials else { return Ok(None) };
        let text = fs_err::read_to_string(file).map_err(|error| error.to_string())?;
        let text = text.lines().next().unwrap_or_default().trim();
        let pair = if text.contains(':') { text.to_owned() } else { format!("git:{text}") };
        let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
        let mut value =
            HeaderValue::try_from(format!("Basic {encoded}")).map_err(|error| error.to_string())?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

/// Follows a repository until the server stops.
pub(in crate::pipelines) struct Follower {
    pub(in crate::pipelines) service: Service,
    pub(in crate::pipelines) settings: Settings,
    /// Where commits are checked out.
    pub(in crate::pipelines) dir: PathBuf,
    pub(in crate::pipelines) web: Web,
    /// Rung when somebody pushed.
    pub(in crate::pipelines) pushed: Arc<Notify>,
}

impl Follower {
    pub(in crate::pipelines) async fn watch(self, stop: CancellationToken) {
        let checkouts = Checkouts::new(self.dir.clone(), &self.settings.folder);
        let interval = if self.settings.interval.is_zero() { NEVER } else { self.settings.interval };
        let mut known = None;
        loop {
            let outcome = tokio::select! {
                () = stop.cancelled() => return,
                outcome = self.look(&checkouts, known.as_ref()) => outcome,
            };
            let commit = match outcome {
                Ok(Some(seen)) => {
                    let commit = seen.commit.clone();
                    known = Some(seen);
                    Ok(Some(commit))
                }
                Ok(None) => Ok(known.as_ref().map(|seen: &Seen| seen.commit.clone())),
                Err(why) => Err(why),
            };
            self.service.source_looked(GIT, commit);
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(interval) => {}
                () = self.pushed.notified() => {}
            }
        }
    }

    /// One look: nothing, where there is nothing new.
    async fn look(&self, checkouts: &Checkouts, known: Option<&Seen>) -> Result<Option<Seen>, String> {
        let tip = match self.settings.pinned() {
            Some(id) => id,
            None => self.tip().await?.ok_or_else(|| {
                format!("the repository has no branch and no tag {:?}", self.settings.reference)
            })?,
        };
        if known.is_some_and(|known| known.tip == tip) {
            return Ok(None);
        }
        let (commit, dir) = match checkouts.find(tip) {
            Some(dir) => (tip, dir),
            None => self.check_out(checkouts, tip).await?,
        };
        let commit = commit.to_string();
        self.tell(&dir, &commit).await?;
        let needed =
            self.service.folders_in_use(checkouts.root()).await.map_err(|error| format!("{error:?}"))?;
        let all = checkouts.clone();
        blocking(move || {
            all.prune(&needed);
            Ok(())
        })
        .await?;
        Ok(Some(Seen { tip, commit }))
    }

    async fn tip(&self) -> Result<Option<ObjectId>, String> {
        let names = self.settings.names();
        if self.settings.is_web() {
            return self.remote()?.tip(&names).await;
        }
        let path = self.settings.path();
        blocking(move || match path.is_file() {
            true => Ok(disk::Bundle::open(&path)?.tip(&names)),
            false => disk::tip(&disk::git_dir(&path)?, &names),
        })
        .await
    }

    fn remote(&self) -> Result<Remote<'_>, String> {
        let authorization = self.settings.authorization()?;
        Ok(Remote { web: &self.web, url: &self.settings.place, authorization })
    }

    async fn check_out(&self, checkouts: &Checkouts, tip: ObjectId) -> Result<(ObjectId, PathBuf), String> {
        let scratch = checkouts.scratch()?;
        let (fetched, path) = (scratch.path().join("fetched.pack"), self.settings.path());
        let is_web = self.settings.is_web();
        if is_web {
            self.remote()?.fetch(tip, FILE_MAX, &fetched).await?;
        }
        let checkouts = checkouts.clone();
        blocking(move || {
            let objects = if is_web {
                let file = fs_err::File::open(&fetched).map_err(|error| error.to_string())?;
                disk::unpack(&mut std::io::BufReader::new(file), scratch.path())?
            } else if path.is_file() {
                disk::unpack(&mut disk::Bundle::open(&path)?.pack, scratch.path())?
            } else {
                disk::open(&disk::git_dir(&path)?)?
            };
            let commit = tree::peel(&objects, tip)?;
            let dir = checkouts.make(&objects, commit, &scratch)?;
            Ok((commit, dir))
        })
        .await
    }

    /// Tells the service of every definition in a checkout: also those that are as before, as they are now of
    /// another commit.
    async fn tell(&self, dir: &Path, commit: &str) -> Result<(), String> {
        let root = dir.to_owned();
        let found = blocking(move || folder::scan(&root).map_err(|error| error.to_string())).await?;
        let sources = found.iter().map(|file| format!("{GIT}{}", file.name)).collect();
        let failed = |error| format!("{error:?}");
        self.service.sources_present(GIT, sources).await.map_err(failed)?;
        for file in found {
            let (source, place) =
                (format!("{GIT}{}", file.name), file.path.parent().unwrap_or(dir).to_owned());
            let text = blocking(move || folder::read(&file.path).map_err(|error| error.to_string())).await?;
            let folder = Some(place.to_string_lossy().into_owned());
            let text = Text { source, folder, commit: Some(commit.to_owned()), text };
            self.service.source_changed(text).await.map_err(failed)?;
        }
        Ok(())
    }
}

/// What the last look found: what the name stood for, and the commit that is.
struct Seen {
    tip: ObjectId,
    commit: String,
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string())?
}

/// What the library says, with what is behind it, without where in its source.
fn in_words(error: &dyn Display) -> String {
    format!("{error:#}")
}
