//! What can be written: this server through its import API, a database of MLflow's, or a folder.

use super::{
    folder::Folder,
    report::Report,
    source::{Body, Owner, Source, md5, walk},
    store::{Database, Target},
};
use crate::{
    cli::{
        Failure,
        client::Client,
        failure::Code,
        place::{Place as Key, bucket_path, with_query},
    },
    registry::import::ModelRecord as Registered,
    tracking::{
        import::{Batch, ExperimentRecord, ModelRecord, Place, Placed, RunRecord, Series},
        model::Experiment,
        service::{path_is_safe, prefix_of},
    },
};
use futures::{StreamExt, TryStreamExt};
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::io::AsyncWriteExt;

const BUCKET: &str = "mlflow";
/// Points of one request.
const POINTS: usize = 20_000;

pub enum Sink {
    House(Client),
    Database(Box<Target>),
    Folder(Folder),
}

impl Sink {
    /// Tells from the text what an export goes into; answers also how it is read back.
    pub fn open(target: &Path, artifacts: Option<&Path>) -> Result<(Self, Source), Failure> {
        let text = target.to_string_lossy();
        let named = text.strip_prefix("sqlite:///").map(Path::new);
        let usage = |message: String| Failure::new(Code::Usage, message);
        if named.is_none() && text.contains("://") {
            let message =
                format!("an export goes into an SQLite database of MLflow's or a folder, not to {text}");
            return Err(usage(message).hint(
                "export into a database that `mlflow db upgrade sqlite:////PATH/mlflow.db` made, and start \
                 `mlflow server` on it",
            ));
        }
        let path = named.unwrap_or(target);
        match artifacts {
            None if named.is_some() || path.is_file() => Err(usage(format!(
                "{text} keeps no artifacts itself"
            ))
            .hint("say where MLflow is to keep them with --artifacts DIR (its --artifacts-destination)")),
            None => {
                let folder = Folder::create(path)?;
                Ok((Self::Folder(folder.clone()), Source::Folder(folder)))
            }
            Some(_) if !path.is_file() => {
                let message = format!("there is no database {}", path.display());
                Err(Failure::new(Code::NotFound, message).hint(
                    "make an empty one with your MLflow: `mlflow db upgrade sqlite:////PATH/mlflow.db`",
                ))
            }
            Some(artifacts) => {
                let target = Target::open(path, artifacts)?;
                let back = Source::Database(Box::new(Database::open(path, Some(artifacts))?));
                Ok((Self::Database(Box::new(target)), back))
            }
        }
    }

    /// Refuses before anything is written what could not be told apart afterwards.
    pub fn check(&self, experiments: &[Experiment]) -> Result<(), Failure> {
        self.database().map_or(Ok(()), |target| target.check(experiments))
    }

    /// A database, which may have no room for all that there is: its `fit_...` take away what it cannot keep.
    pub fn database(&self) -> Option<&Target> {
        match self {
            Self::Database(target) => Some(target),
            Self::House(_) | Self::Folder(_) => None,
        }
    }

    /// Tells what there was no room for.
    pub fn finish(&self, report: &mut Report) -> Result<(), Failure> {
        let Some(target) = self.database() else { return Ok(()) };
        let (left_out, notes) = target.finish()?;
        report.left_out.extend(left_out.into_iter().filter(|(_, count)| *count > 0));
        notes.into_iter().for_each(|note| report.note(note));
        Ok(())
    }

    pub async fn experiment(&self, experiment: &Experiment, runs: &[String]) -> Result<Place, Failure> {
        /// Runs that are enough to know an experiment by: the first ones came first.
        const KNOWN_BY: usize = 100;
        match self {
            Self::House(client) => {
                let known_by_runs = runs.iter().take(KNOWN_BY).cloned().collect();
                let record = ExperimentRecord { experiment: experiment.clone(), known_by_runs };
                let batch = Batch { experiments: vec![record], ..Batch::default() };
                first(load(client, &batch).await?.experiments)
            }
            Self::Database(target) => target.experiment_put(experiment),
            Self::Folder(folder) => {
                folder.experiment_put(experiment)?;
                Ok(Place { id: experiment.experiment_id.clone(), ..Place::default() })
            }
        }
    }

    pub async fn run(&self, record: &RunRecord, histories: &[Series]) -> Result<Place, Failure> {
        let client = match self {
            Self::House(client) => client,
            Self::Database(target) => return target.run_put(record, histories),
            Self::Folder(folder) => {
                folder.run_put(record, histories)?;
                let id = record.run.info.run_id.clone();
                return Ok(Place { id, artifact_uri: record.run.info.artifact_uri.clone(), new: false });
            }
        };
        let mut record = record.clone();
        // The latest points follow from the histories.
        record.run.data.metrics.clear();
        let place = first(load(client, &Batch { runs: vec![record], ..Batch::default() }).await?.runs)?;
        let (mut batch, mut count) = (Batch::default(), 0);
        for series in histories {
            for points in series.points.chunks(POINTS) {
                count += points.len();
                batch.metrics.push(Series { points: points.to_vec(), ..named(series) });
                if count >= POINTS {
                    load(client, &std::mem::take(&mut batch)).await?;
                    count = 0;
                }
            }
        }
        if !batch.metrics.is_empty() {
            load(client, &batch).await?;
        }
        Ok(place)
    }

    pub async fn logged_model(&self, record: &ModelRecord) -> Result<Place, Failure> {
        match self {
            Self::House(client) => {
                let batch = Batch { logged_models: vec![record.clone()], ..Batch::default() };
                first(load(client, &batch).await?.logged_models)
            }
            Self::Database(target) => target.model_put(record),
            Self::Folder(folder) => {
                folder.model_put(record)?;
                let info = &record.model.info;
                Ok(Place { id: info.model_id.clone(), artifact_uri: info.artifact_uri.clone(), new: false })
            }
        }
    }

    pub async fn registered(&self, models: &[Registered]) -> Result<(), Failure> {
        match self {
            Self::House(client) => {
                for model in models {
                    client.post("/api/crannog/v1/import/registry", &json!(model)).await?;
                }
                Ok(())
            }
            Self::Database(target) => target.registered_put(models),
            Self::Folder(folder) => folder.registered_put(models),
        }
    }

    /// The files an owner has by their paths, with sizes and, from the server, their MD5.
    pub async fn present(&self, to: &Owner) -> Result<HashMap<String, (u64, String)>, Failure> {
        let client = match self {
            Self::House(client) => client,
            Self::Database(target) => return present(&target.root(to)?),
            Self::Folder(folder) => return present(&folder.files(to)),
        };
        let prefix = format!("{}/", prefix_of(&to.artifact_uri)?);
        let (mut found, mut after) = (HashMap::new(), None::<String>);
        loop {
            let query = [("prefix", Some(prefix.as_str())), ("after", after.as_deref())];
            let page = client.get(&with_query(bucket_path(BUCKET, "objects"), &query)).await?;
            for object in page["objects"].as_array().map_or(&[][..], Vec::as_slice) {
                let key = object["key"].as_str().unwrap_or_default();
                let etag = object["etag"].as_str().unwrap_or_default().to_owned();
                let size = object["size"].as_u64().unwrap_or_default();
                found.insert(key.strip_prefix(&prefix).unwrap_or(key).to_owned(), (size, etag));
            }
            after = page["next"].as_str().map(str::to_owned);
            if after.is_none() {
                return Ok(found);
            }
        }
    }

    /// Writes a file; answers the MD5 of what was read and of what arrived.
    pub async fn put(&self, to: &Owner, path: &str, body: Body) -> Result<(String, String), Failure> {
        let path = path_is_safe(path)?;
        match self {
            Self::House(client) => {
                upload(client, &format!("{}/{path}", prefix_of(&to.artifact_uri)?), body).await
            }
            Self::Database(target) => save(&target.root(to)?.join(path), body).await,
            Self::Folder(folder) => save(&folder.files(to).join(path), body).await,
        }
    }
}

fn present(root: &Path) -> Result<HashMap<String, (u64, String)>, Failure> {
    Ok(walk(Some(root))?.into_iter().map(|file| (file.path, (file.size, String::new()))).collect())
}

fn named(series: &Series) -> Series {
    Series { run_id: series.run_id.clone(), key: series.key.clone(), points: Vec::new() }
}

async fn load(client: &Client, batch: &Batch) -> Result<Placed, Failure> {
    let answer = client.post("/api/crannog/v1/import/tracking", &json!(batch)).await?;
    serde_json::from_value(answer)
        .map_err(|error| Failure::failed(format!("the server's answer is odd: {error}")))
}

fn first(places: Vec<Place>) -> Result<Place, Failure> {
    places.into_iter().next().ok_or_else(|| Failure::failed("the server did not say where it put a record"))
}

async fn upload(client: &Client, key: &str, body: Body) -> Result<(String, String), Failure> {
    use md5::{Digest, Md5};
    let seen = Arc::new(Mutex::new((Md5::new(), None)));
    let (reads, fails) = (Arc::clone(&seen), Arc::clone(&seen));
    let body = body
        .inspect_ok(move |bytes| locked(&reads).0.update(bytes))
        .inspect_err(move |error| locked(&fails).1 = Some(error.to_string()));
    let path = Key { bucket: BUCKET.into(), key: key.to_owned() }.path("objects", &[]);
    let request = client.request(Method::PUT, &path).body(reqwest::Body::wrap_stream(body));
    let answer: Result<Value, Failure> = client.answer(request).await;
    let (hash, broken) = std::mem::take(&mut *locked(&seen));
    // A source that broke off looks like a server that went away.
    if let Some(why) = broken {
        return Err(Failure::failed(format!("the source broke off: {why}")));
    }
    let stored = answer?["etag"].as_str().unwrap_or_default().trim_matches('"').to_owned();
    Ok((hex::encode(hash.finalize()), stored))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The file is read back: what was written is what counts.
async fn save(path: &Path, mut body: Body) -> Result<(String, String), Failure> {
    use md5::{Digest, Md5};
    let broken = |error: std::io::Error| Failure::failed(error.to_string());
    if let Some(folder) = path.parent() {
        fs_err::tokio::create_dir_all(folder).await.map_err(broken)?;
    }
    let beside = path.with_file_name(format!(
        ".{}.part",
        path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    ));
    let mut file = fs_err::tokio::File::create(&beside).await.map_err(broken)?;
    let mut hash = Md5::new();
    while let Some(bytes) = body.next().await {
        let bytes = bytes.map_err(broken)?;
        hash.update(&bytes);
        file.write_all(&bytes).await.map_err(broken)?;
    }
    file.sync_all().await.map_err(broken)?;
    let written = fs_err::tokio::File::open(&beside).await.map_err(broken)?;
    let stored = md5(tokio_util::io::ReaderStream::with_capacity(written, 1 << 18)).await?;
    fs_err::tokio::rename(&beside, path).await.map_err(broken)?;
    Ok((hex::encode(hash.finalize()), stored))
}
