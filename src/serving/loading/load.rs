//! From an address to a model in memory: the files are found, read and compiled here, off the
//! request path.

use super::{
    example,
    follower::Sources,
    mlmodel::{Column, MlModel, Signature},
    runner::Runner,
};
use crate::{
    kernel::{
        clock::now_ms,
        error::{Error, Kind, Result},
    },
    objects,
    registry::Resolved,
    serving::{
        engine::{Draft, Model},
        predict::gather::Queue,
        wire::json,
    },
};
use serde_json::Value;
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

/// protobuf itself cannot hold more.
const MOST_MODEL_BYTES: usize = 2 << 30;
const MOST_MLMODEL_BYTES: usize = 4 << 20;
const MOST_EXAMPLE_BYTES: usize = 8 << 20;
/// A larger example would only be in the way of the page that shows it.
const MOST_SHOWN_BYTES: usize = 256 << 10;

/// A model, ready to answer, and what is known of it. Never changes: a swap replaces the whole.
pub struct Loaded {
    pub name: String,
    pub version: String,
    pub model: Arc<Runner>,
    pub signature: Option<Signature>,
    /// A request body the model's author gave as an example.
    pub example: Option<Value>,
    pub loaded_ms: i64,
    /// How long reading and compiling it took.
    pub took: Duration,
    /// What the bytes were, to tell whether they are still the same.
    pub origin: Origin,
    /// The size of its files. In memory it is of this order.
    pub bytes: usize,
    /// Requests that wait for a core to run it.
    pub queue: Arc<Queue>,
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

impl Found {
    /// Whether the engine runs it; else it needs Python.
    pub fn is_onnx(&self) -> bool {
        self.about.onnx.is_some()
    }

    pub fn has_example(&self) -> bool {
        self.about.example.is_some()
    }

    /// Where the answer to its example would lie.
    pub fn answer_key(&self) -> String {
        format!("{}/{}", self.prefix, example::ANSWER_FILE)
    }

    pub fn signature(&self) -> Option<&Signature> {
        self.about.signature.as_ref()
    }
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
    let began = Instant::now();
    let Found { about, prefix, origin } = found;
    let objects = &from.objects;
    let (model, bytes) = match about.onnx {
        Some(_) => onnx(objects, &origin).await?,
        None => from.python.load(objects, at, about.signature.clone()).await?,
    };
    let model = Arc::new(model);
    let example = match &about.example {
        Some(path) => example(objects, &origin.bucket, &format!("{prefix}/{path}")).await,
        None => None,
    };
    let columns = about.signature.as_ref().and_then(|signature| signature.columns.clone());
    check_example(objects, &origin.bucket, &prefix, &model, columns, example.as_ref()).await?;
    let example = example.filter(|(_, size)| *size <= MOST_SHOWN_BYTES).map(|(example, _)| example);
    Ok(Loaded {
        name: at.name.clone(),
        version: at.version.clone(),
        model,
        signature: about.signature,
        example,
        loaded_ms: now_ms(),
        took: began.elapsed(),
        origin,
        bytes,
        queue: Arc::default(),
    })
}

/// The model of an ONNX file and of those beside it that hold its tensors, and their size.
async fn onnx(objects: &objects::Service, origin: &Origin) -> Result<(Runner, usize)> {
    let (draft, size) = draft(objects, origin).await?;
    let model = tokio::task::spawn_blocking(|| Model::build(draft)).await.map_err(Error::internal)??;
    Ok((Runner::Onnx(Box::new(model)), size))
}

/// An ONNX file with the tensors that lie beside it, and the size of all.
pub async fn draft(objects: &objects::Service, origin: &Origin) -> Result<(Draft, usize)> {
    let bytes = objects.get_bytes(&origin.bucket, &origin.key, MOST_MODEL_BYTES).await?;
    let mut size = bytes.len();
    let work = move || {
        let mut draft = Draft::read(&bytes)?;
        Ok::<_, Error>((draft.files()?, draft))
    };
    let (names, mut draft) = tokio::task::spawn_blocking(work).await.map_err(Error::internal)??;
    let folder = origin.key.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut files = HashMap::new();
    for name in names {
        let key = format!("{folder}/{name}");
        let bytes = match objects.get_bytes(&origin.bucket, &key, MOST_MODEL_BYTES - size).await {
            Err(error) if error.kind == Kind::NotFound => {
                return Err(Error::not_found(format!(
                    "The model's files are not complete: there is no object {key} in bucket {}, which holds tensors of it.",
                    origin.bucket
                )));
            }
            read => read?,
        };
        size += bytes.len();
        files.insert(name, bytes);
    }
    let fill = move || draft.fill(&files).map(|()| draft);
    Ok((tokio::task::spawn_blocking(fill).await.map_err(Error::internal)??, size))
}

/// The example and the bytes of its text. One that cannot be read is no reason not to serve.
async fn example(objects: &objects::Service, bucket: &str, key: &str) -> Option<(Value, usize)> {
    let text = objects.get_bytes(bucket, key, MOST_EXAMPLE_BYTES).await.ok()?;
    Some((json::parse(&text).ok()?, text.len()))
}

/// Refuses a model that answers its example otherwise than its author wrote down.
async fn check_example(
    objects: &objects::Service,
    bucket: &str,
    prefix: &str,
    model: &Arc<Runner>,
    columns: Option<Vec<Column>>,
    example: Option<&(Value, usize)>,
) -> Result<()> {
    let key = format!("{prefix}/{}", example::ANSWER_FILE);
    let text = match objects.get_bytes(bucket, &key, MOST_EXAMPLE_BYTES).await {
        Ok(text) => text,
        Err(error) if error.kind == Kind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let logged = json::parse(&text).map_err(|error| {
        Error::invalid(format!(
            "The answer that was logged, {}, cannot be read: {}",
            example::ANSWER_FILE,
            error.message
        ))
    })?;
    let Some((example, _)) = example else {
        return Err(Error::invalid(format!(
            "The model has {} and no input example that it is the answer to, or a larger one than {} MiB.",
            example::ANSWER_FILE,
            MOST_EXAMPLE_BYTES >> 20
        )));
    };
    let (model, example) = (Arc::clone(model), example.clone());
    let check = move || example::check(&model, columns.as_deref(), example, &logged);
    tokio::task::spawn_blocking(check).await.map_err(Error::internal)?
}
