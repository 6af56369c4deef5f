//! Artifacts on the wire: the proxy MLflow's client talks to, and the listings of runs and models.

use super::files;
use crate::{
    auth::{Editor, Viewer},
    kernel::error::{Error, Result},
    tracking::{
        Service,
        service::{Entry, path_is_safe, prefix_of},
        wire::{Answer, Fields, MlflowError},
    },
};
use axum::{
    Json,
    body::{Body, Bytes},
    extract::{Path, State},
    http::{HeaderMap, Uri},
    response::Response,
};
use futures::TryStreamExt;
use serde_json::{Value, json};

type File = Result<Response, MlflowError>;

/// Bytes the UI may send in one `upload-artifact`.
const SMALL_UPLOAD_MAX: usize = 10 << 20;

/// Streams a file into the store; it is there, whole, once this answers.
pub async fn upload(
    State(tracker): State<Service>,
    _: Editor,
    Path(path): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    let stream = Box::pin(body.into_data_stream().map_err(std::io::Error::other));
    tracker.artifact_put(&path, stream, Some(files::type_for(&path, &headers))).await?;
    Ok(Json(json!({})))
}

pub async fn download(
    State(tracker): State<Service>,
    _: Viewer,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> File {
    Ok(files::send(&tracker, &path, &headers).await?)
}

pub async fn delete(State(tracker): State<Service>, _: Editor, Path(path): Path<String>) -> Answer {
    tracker.artifact_delete(&path).await?;
    Ok(Json(json!({})))
}

/// The proxy's listing names entries within the folder asked for.
pub async fn list(State(tracker): State<Service>, _: Viewer, fields: Fields) -> Answer {
    let entries = tracker.artifact_list(fields.text_or_empty("path")?).await?;
    Ok(Json(json!({ "files": files_json(&entries, "") })))
}

/// A run's listing names entries from the run's root.
pub async fn list_of_run(State(tracker): State<Service>, _: Viewer, fields: Fields) -> Answer {
    let root = tracker.run_info(fields.run_id()?).await?.artifact_uri;
    list_under(&tracker, &root, fields.text_or_empty("path")?).await
}

pub async fn list_of_model(
    State(tracker): State<Service>,
    _: Viewer,
    Path(id): Path<String>,
    fields: Fields,
) -> Answer {
    let root = tracker.logged_model_get(&id, false).await?.info.artifact_uri;
    list_under(&tracker, &root, fields.text_or_empty("artifact_directory_path")?).await
}

async fn list_under(tracker: &Service, root: &str, path: &str) -> Answer {
    let path = path_is_safe(path)?;
    let entries = tracker.artifact_list(&joined(root, &path)?).await?;
    Ok(Json(json!({ "root_uri": root, "files": files_json(&entries, &path) })))
}

pub(super) fn joined(root: &str, path: &str) -> Result<String> {
    let root = prefix_of(root)?;
    Ok(if path.is_empty() { root } else { format!("{root}/{path}") })
}

fn files_json(entries: &[Entry], folder: &str) -> Value {
    let file = |entry: &Entry| {
        let path = if folder.is_empty() { entry.name.clone() } else { format!("{folder}/{}", entry.name) };
        match entry.size {
            Some(size) => json!({ "path": path, "is_dir": false, "file_size": size }),
            None => json!({ "path": path, "is_dir": true }),
        }
    };
    entries.iter().map(file).collect()
}

pub async fn file_of_run(
    State(tracker): State<Service>,
    _: Viewer,
    headers: HeaderMap,
    fields: Fields,
) -> File {
    let path = path_is_safe(fields.required("path")?)?;
    let root = tracker.run_info(fields.run_id()?).await?.artifact_uri;
    Ok(files::send(&tracker, &joined(&root, &path)?, &headers).await?)
}

pub async fn file_of_model(
    State(tracker): State<Service>,
    _: Viewer,
    Path(id): Path<String>,
    headers: HeaderMap,
    fields: Fields,
) -> File {
    let path = fields.text_or_empty("artifact_file_path")?;
    if path.is_empty() {
        let message = "Request must include the \"artifact_file_path\" query parameter.";
        return Err(Error::invalid(message).into());
    }
    let path = path_is_safe(path)?;
    let root = tracker.logged_model_get(&id, false).await?.info.artifact_uri;
    Ok(files::send(&tracker, &joined(&root, &path)?, &headers).await?)
}

/// The UI's upload of one small file into a run.
pub async fn upload_small(
    State(tracker): State<Service>,
    _: Editor,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let fields = Fields::from_query(&uri)?;
    let run_id = fields.text_or_empty("run_uuid")?;
    if run_id.is_empty() {
        return Err(Error::invalid("Request must specify run_uuid.").into());
    }
    let path = fields.text_or_empty("path")?;
    if path.is_empty() {
        return Err(Error::invalid("Request must specify path.").into());
    }
    let path = path_is_safe(path)?;
    if body.len() > SMALL_UPLOAD_MAX {
        return Err(Error::invalid("Artifact size is too large. Max size is 10MB.").into());
    }
    if body.is_empty() {
        return Err(Error::invalid("Request must specify data.").into());
    }
    let root = tracker.run_info(run_id).await?.artifact_uri;
    let content_type = files::type_for(&path, &headers);
    let stream = futures::stream::iter([Ok(body)]);
    tracker.artifact_put(&joined(&root, &path)?, stream, Some(content_type)).await?;
    Ok(Json(json!({})))
}
