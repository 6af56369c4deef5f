//! From an address to a model in memory: the files are found, read and compiled here, off the
//! request path.

use super::{
    follower::Sources,
    mlmodel::{MlModel, Signature},
    runner::Runner,
};
use crate::{
    kernel::{
        clock::now_ms,
        error::{Error, Kind, Result},
    },
    objects,
    registry::Resolved,
    serving::{engine::Model, wire::json},
};
use serde_json::Value;

/// protobuf itself cannot hold more.
const MOST_MODEL_BYTES: usize = 2 << 30;
const MOST_MLMODEL_BYTES: usize = 4 << 20;
/// A larger example would only be in the way of the page that shows it.
const MOST_EXAMPLE_BYTES: usize = 256 << 10;

/// A model, ready to answer, and what is known of it. Never changes: a swap replaces the whole.
pub struct Loaded {
    pub name: String,
    pub version: String,
    pub model: Runner,
    pub signature: Option<Signature>,
    /// A request body the model's author gave as an example.
    pub example: Option<Value>,
    pub loaded_ms: i64,
    /// What the bytes were, to tell whether they are still the same.
    pub origin: Origin,
    /// The size of its files. In memory it is of this order.
    pub bytes: usize,
}

impl Loaded {
    pub fn is(&self, at: &Resolved, origin: &Origin) -> bool {
        self.origin == *origin && self.name == at.name && self.version == at.version
    }
}

/// The file a model was read from: its ONNX file, or what describes a model of Python.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub bucket: String,
    pub key: String,
    pub etag: String,
}

/// The files behind an address, before the costly part.
pub struct Found {
    about: MlModel,
    prefix: String,
    pub origin: Origin,
}

/// Finds the file a model is read from, and reads what is written about it.
pub async fn find(objects: &objects::Service, at: &Resolved) -> Result<Found> {
    let about_key = format!("{}/MLmodel", at.source_prefix);
    let about = match objects.get_bytes(&at.bucket, &about_key, MOST_MLMODEL_BYTES).await {
        Ok(text) => MlModel::parse(&String::from_utf8_lossy(&text))?,
        Err(error) if error.kind == Kind::NotFound => {
            MlModel { onnx: Some("model.onnx".into()), ..MlModel::default() }
        }
        Err(error) => return Err(error),
    };
    let key = match &about.onnx {
        _ if at.source_prefix.ends_with(".onnx") => at.source_prefix.clone(),
        Some(file) => format!("{}/{file}", at.source_prefix),
        None => about_key,
    };
    let info = objects.head(&at.bucket, &key).await.map_err(|error| match error.kind {
        Kind::NotFound => Error::not_found(format!(
            "The model's files are not complete: there is no object {key} in bucket {}.",
            at.bucket
        )),
        _ => error,
    })?;
    let origin = Origin { bucket: at.bucket.clone(), key, etag: info.etag };
    Ok(Found { about, prefix: at.source_prefix.clone(), origin })
}

/// Reads and compiles the model.
pub async fn load(from: &Sources, at: &Resolved, found: Found) -> Result<Loaded> {
    let Found { about, prefix, origin } = found;
    let objects = &from.objects;
    let (model, bytes) = match about.onnx {
        Some(_) => onnx(objects, &origin).await?,
        None => from.python.load(objects, at, about.signature.clone()).await?,
    };
    let example = match &about.example {
        Some(path) => example(objects, &origin.bucket, &format!("{prefix}/{path}")).await,
        None => None,
    };
    Ok(Loaded {
        name: at.name.clone(),
        version: at.version.clone(),
        model,
        signature: about.signature,
        example,
        loaded_ms: now_ms(),
        origin,
        bytes,
    })
}

/// The model of an ONNX file, and the file's size.
async fn onnx(objects: &objects::Service, origin: &Origin) -> Result<(Runner, usize)> {
    let bytes = objects.get_bytes(&origin.bucket, &origin.key, MOST_MODEL_BYTES).await?;
    let size = bytes.len();
    let model = tokio::task::spawn_blocking(move || Model::load(&bytes)).await.map_err(Error::internal)??;
    Ok((Runner::Onnx(Box::new(model)), size))
}

/// An example that cannot be read is no reason not to serve.
async fn example(objects: &objects::Service, bucket: &str, key: &str) -> Option<Value> {
    let text = objects.get_bytes(bucket, key, MOST_EXAMPLE_BYTES).await.ok()?;
    json::parse(&text).ok()
}
