//! What can be read: one set of questions, put to a server, a database or a folder.

use super::{dump::is_dump, folder::Folder, rest::Rest, store::Database};
use crate::{
    cli::{Failure, client::Client, failure::Code},
    registry::import::ModelRecord as Registered,
    tracking::{
        import::{ModelRecord, RunRecord, Series},
        model::Experiment,
    },
};
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt, stream::BoxStream};
use std::{collections::BTreeMap, path::Path};
use tokio_util::io::ReaderStream;

pub enum Source {
    Rest(Rest),
    Database(Box<Database>),
    Folder(Folder),
}

/// Whose files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Run,
    Model,
}

/// The owner of files, as the source knows it.
#[derive(Clone, Debug)]
pub struct Owner {
    pub kind: Kind,
    pub id: String,
    pub artifact_uri: String,
}

/// A file by its path below its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    pub path: String,
    pub size: u64,
}

pub type Body = BoxStream<'static, std::io::Result<Bytes>>;

impl Source {
    /// Tells from the text what is meant.
    pub fn open(text: &str, artifacts: Option<&Path>) -> Result<Self, Failure> {
        if text.starts_with("http://") || text.starts_with("https://") {
            return Ok(Self::Rest(Rest::theirs(Client::of_mlflow(text)?)));
        }
        let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme);
        if ["postgres", "mysql", "mssql"].iter().any(|other| scheme.starts_with(other)) {
            let dump = match scheme.starts_with("postgres") {
                true => "import a dump of it (`pg_dump -f dump.sql DATABASE`), or ",
                false => "",
            };
            return Err(Failure::new(Code::Usage, "only SQLite databases are read directly")
                .hint(format!("{dump}start `mlflow server` on that database and give its http:// address")));
        }
        let path = Path::new(text.strip_prefix("sqlite:///").unwrap_or(text));
        if path.is_dir() {
            return Ok(Self::Folder(Folder::open(path)?));
        }
        if !path.is_file() {
            let message = format!("{text} is no address of a server, no database and no folder");
            return Err(Failure::new(Code::NotFound, message));
        }
        Ok(Self::Database(Box::new(match is_dump(path)? {
            true => Database::of_dump(path, artifacts)?,
            false => Database::open(path, artifacts)?,
        })))
    }

    pub async fn experiments(&self) -> Result<Vec<Experiment>, Failure> {
        match self {
            Self::Rest(rest) => rest.experiments().await,
            Self::Database(database) => database.experiments(),
            Self::Folder(folder) => folder.experiments(),
        }
    }

    /// The runs of an experiment, deleted ones too.
    pub async fn run_ids(&self, experiment: &str) -> Result<Vec<String>, Failure> {
        match self {
            Self::Rest(rest) => rest.run_ids(experiment).await,
            Self::Database(database) => database.run_ids(experiment),
            Self::Folder(folder) => folder.run_ids(experiment),
        }
    }

    /// A run with its whole histories.
    pub async fn run(&self, id: &str) -> Result<(RunRecord, Vec<Series>), Failure> {
        match self {
            Self::Rest(rest) => rest.run(id).await,
            Self::Database(database) => database.run(id),
            Self::Folder(folder) => folder.run(id),
        }
    }

    pub async fn logged_models(&self, experiment: &str) -> Result<Vec<ModelRecord>, Failure> {
        match self {
            Self::Rest(rest) => rest.logged_models(experiment).await,
            Self::Database(database) => database.logged_models(experiment),
            Self::Folder(folder) => folder.logged_models(experiment),
        }
    }

    pub async fn registered(&self) -> Result<Vec<Registered>, Failure> {
        match self {
            Self::Rest(rest) => rest.registered().await,
            Self::Database(database) => database.registered(),
            Self::Folder(folder) => folder.registered(),
        }
    }

    /// How many things of the kinds that are not copied there are, where that is told for little.
    pub async fn left_out(&self, experiments: &[&str]) -> BTreeMap<&'static str, u64> {
        let mut found = match self {
            Self::Rest(rest) => rest.left_out(experiments).await,
            Self::Database(database) => database.left_out(),
            Self::Folder(_) => BTreeMap::new(),
        };
        found.retain(|_, count| *count > 0);
        found
    }

    pub async fn files(&self, owner: &Owner) -> Result<Vec<File>, Failure> {
        let mut files = match self {
            Self::Rest(rest) => rest.files(owner).await?,
            Self::Database(database) => walk(database.root(owner)?.as_deref())?,
            Self::Folder(folder) => walk(Some(&folder.files(owner)))?,
        };
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }

    pub async fn read(&self, owner: &Owner, path: &str) -> Result<Body, Failure> {
        let root = match self {
            Self::Rest(rest) => return rest.read(owner, path).await,
            Self::Database(database) => database.root(owner)?.unwrap_or_default(),
            Self::Folder(folder) => folder.files(owner),
        };
        let file = fs_err::tokio::File::open(root.join(path)).await;
        let file = file.map_err(|error| Failure::failed(error.to_string()))?;
        Ok(ReaderStream::with_capacity(file, 1 << 18).boxed())
    }
}

/// Every file below a folder; a folder that is not there has none. Links are not followed.
pub fn walk(root: Option<&Path>) -> Result<Vec<File>, Failure> {
    let broken = |error: std::io::Error| Failure::failed(error.to_string());
    let (Some(root), mut found) = (root, Vec::new()) else { return Ok(Vec::new()) };
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        if !folder.is_dir() {
            continue;
        }
        for entry in fs_err::read_dir(&folder).map_err(broken)? {
            let entry = entry.map_err(broken)?;
            let meta = entry.metadata().map_err(broken)?;
            if meta.is_dir() {
                open.push(entry.path());
            } else if meta.is_file() {
                let path = entry.path();
                let below = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
                found.push(File { path: below, size: meta.len() });
            }
        }
    }
    Ok(found)
}

/// The MD5 of a stream, in hexadecimal.
pub async fn md5(body: impl Stream<Item = std::io::Result<Bytes>>) -> Result<String, Failure> {
    use md5::{Digest, Md5};
    let hash = body.try_fold(Md5::new(), |mut hash, bytes| async move {
        hash.update(&bytes);
        Ok(hash)
    });
    let hash = hash.await.map_err(|error| Failure::failed(format!("a file broke off: {error}")))?;
    Ok(hex::encode(hash.finalize()))
}
