//! Where a version's files come from: the checks MLflow makes of a `source`, and the way from a
//! stored address to a place in the object store.

use super::names::ModelUri;
use crate::{
    kernel::error::{Error, Kind, Result},
    tracking::{
        check::own_host,
        gc::{Claims, Report, Wanted},
    },
};
use futures::future::BoxFuture;
use percent_encoding::percent_decode_str;
use regex::Regex;

/// The bucket that holds what the tracker logs.
pub const BUCKET: &str = "mlflow";
const PROXY: &str = "/api/2.0/mlflow-artifacts/artifacts/";

/// What the registry asks of the tracker.
pub trait Tracker: Send + Sync {
    /// Where a run's artifacts are.
    fn run_root<'a>(&'a self, run_id: &'a str) -> BoxFuture<'a, Result<String>>;
    fn logged_model<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Logged>>;
    /// The model a run logged under `name`, if it did.
    fn logged_by_run<'a>(&'a self, run_id: &'a str, name: &'a str) -> BoxFuture<'a, Result<Option<Logged>>>;
    /// Removes for good what was deleted, but for what is claimed.
    fn collect_deleted(&self, wanted: Wanted, claims: Claims) -> BoxFuture<'_, Result<Report>>;
    /// Whether a folder of bucket `mlflow` holds, or lies in, what an experiment keeps.
    fn keeps<'a>(&'a self, folder: &'a str) -> BoxFuture<'a, Result<bool>>;
    /// Notes on a logged model that it became a version of a registered one.
    fn registered<'a>(&'a self, id: &'a str, name: &'a str, version: u32) -> BoxFuture<'a, Result<()>>;
}

/// What the tracker knows of a logged model.
#[derive(Clone, Debug)]
pub struct Logged {
    pub artifact_uri: String,
    pub run_id: String,
}

/// Refuses a source that is local to some machine, escapes its folder, or belongs to another run or
/// model than the request names. One that names nothing of this server's reaches nobody's files, and is
/// taken as it is.
pub async fn check(tracker: &dyn Tracker, source: &str, run_id: &str, model_id: &str) -> Result<()> {
    let of_model = !model_id.is_empty() || source.starts_with("models:");
    let asked = if of_model { "model_id" } else { "run_id" };
    check_place(source, asked)?;
    let mismatch = || mismatch(source, asked);
    if source.starts_with("models:") {
        let ModelUri::Logged(id) = ModelUri::parse(source).map_err(|_| mismatch())? else { return Ok(()) };
        return if id == model_id { Ok(()) } else { Err(mismatch()) };
    }
    if let Some(run) = RunUri::parse(source) {
        if !model_id.is_empty() {
            return Err(mismatch());
        }
        // MLflow 3.11 takes versions of runs that are not here; its own tests register such.
        return match run.id == run_id || is_absent(tracker.run_root(run.id).await)? {
            true => Ok(()),
            false => Err(mismatch()),
        };
    }
    let Some(path) = artifact_path(source) else { return own_host("source", source) };
    let root = match (model_id, run_id) {
        ("", "") => return Err(mismatch()),
        ("", run) => tracker.run_root(run).await,
        (model, _) => tracker.logged_model(model).await.map(|model| model.artifact_uri),
    };
    let root = root.map_err(|error| if error.kind == Kind::NotFound { mismatch() } else { error })?;
    let root = artifact_path(&root).unwrap_or_default();
    let inside = is_within(&path, &root) && !root.is_empty();
    if inside || (model_id.is_empty() && !tracker.keeps(&path).await?) { Ok(()) } else { Err(mismatch()) }
}

/// Refuses a source that the operator's pattern is not found in.
pub fn check_pattern(pattern: Option<&Regex>, source: &str) -> Result<()> {
    match pattern {
        Some(pattern) if !pattern.is_match(source) => {
            Err(Error::invalid(format!("Invalid model version source: '{source}'.")))
        }
        _ => Ok(()),
    }
}

/// Whether `path` is `folder` or in it.
pub fn is_within(path: &str, folder: &str) -> bool {
    folder.is_empty()
        || path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn is_absent<T>(found: Result<T>) -> Result<bool> {
    match found {
        Ok(_) => Ok(false),
        Err(error) if error.kind == Kind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

fn mismatch(source: &str, asked: &str) -> Error {
    Error::invalid(format!(
        "Invalid model version source: '{source}'. The {asked} request parameter must identify the resource \
         that contains the source."
    ))
}

fn check_place(source: &str, asked: &str) -> Result<()> {
    let scheme = source.split_once(':').map_or("", |(scheme, _)| scheme);
    if scheme.is_empty() || scheme.contains('/') || scheme.eq_ignore_ascii_case("file") {
        return Err(Error::invalid(format!(
            "Invalid model version source: '{source}'. To use a local path as a model version source, the {asked} \
             request parameter has to be specified and the local path has to be contained within the artifact \
             directory of the run specified by the {asked}."
        )));
    }
    let plain = decoded(source);
    if plain.contains('\0') || plain.split('/').any(|part| part == ".." || part == ".") {
        return Err(Error::invalid(format!(
            "Invalid model version source: '{source}'. If supplying a source as an http, https, local file path, \
             ftp, objectstore, or mlflow-artifacts uri, an absolute path must be provided without relative path \
             references present. Please provide an absolute path."
        )));
    }
    Ok(())
}

/// `source` with its percent escapes undone, however often they were applied.
fn decoded(source: &str) -> String {
    let mut plain = source.to_owned();
    // Each round shortens the text, so this ends.
    loop {
        let next = percent_decode_str(&plain).decode_utf8_lossy().into_owned();
        if next == plain {
            return plain;
        }
        plain = next;
    }
}

/// `runs:/RUN/PATH`, taken apart.
pub struct RunUri<'a> {
    pub id: &'a str,
    pub path: &'a str,
}

impl<'a> RunUri<'a> {
    pub fn parse(uri: &'a str) -> Option<Self> {
        let rest = uri.strip_prefix("runs:/")?.trim_start_matches('/');
        let (id, path) = rest.split_once('/').unwrap_or((rest, ""));
        Some(Self { id, path: path.trim_end_matches('/') })
    }
}

/// The key in bucket `mlflow` that an artifact address means, if it is one of this server's.
pub fn artifact_path(uri: &str) -> Option<String> {
    let path = if let Some(rest) = uri.strip_prefix("mlflow-artifacts:") {
        match rest.strip_prefix("//") {
            // An authority comes first; `///` has an empty one.
            Some(rest) => rest.split_once('/').map_or("", |(_, path)| path),
            None => rest,
        }
    } else if uri.starts_with("http://") || uri.starts_with("https://") {
        uri.split_once(PROXY)?.1
    } else {
        return None;
    };
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
    Some(parts.join("/"))
}

/// The bucket and key prefix behind a version's address, once `models:/` is followed.
pub async fn locate(tracker: &dyn Tracker, uri: &str) -> Result<(String, String)> {
    if let Some(path) = artifact_path(uri) {
        return Ok((BUCKET.into(), path));
    }
    if let Some(rest) = uri.strip_prefix("s3://") {
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        return Ok((bucket.to_owned(), prefix.trim_end_matches('/').to_owned()));
    }
    if let Some(run) = RunUri::parse(uri) {
        return locate_in_run(tracker, &run).await;
    }
    if let Ok(ModelUri::Logged(id)) = ModelUri::parse(uri) {
        let root = tracker.logged_model(&id).await?.artifact_uri;
        return in_bucket(&root);
    }
    Err(Error::invalid(format!(
        "The model's source {uri} is not in this server's object store, so its files cannot be read."
    )))
}

/// MLflow 3 logs a model beside its run, under an id of its own; earlier clients put it inside the
/// run's artifacts. The same `runs:/` address means either.
async fn locate_in_run(tracker: &dyn Tracker, run: &RunUri<'_>) -> Result<(String, String)> {
    if let Some(model) = tracker.logged_by_run(run.id, run.path).await? {
        return in_bucket(&model.artifact_uri);
    }
    let (bucket, root) = in_bucket(&tracker.run_root(run.id).await?)?;
    Ok((bucket, format!("{root}/{}", run.path)))
}

fn in_bucket(artifact_uri: &str) -> Result<(String, String)> {
    let path = artifact_path(artifact_uri).ok_or_else(|| {
        Error::invalid(format!("The artifacts at {artifact_uri} are not in this server's object store."))
    })?;
    Ok((BUCKET.into(), path))
}
