//! Triton's shared memory: the routes that register regions, and the parameters by which a tensor names one. That of
//! CUDA has no place on a server without a GPU, and is refused.

use super::response::Refusal;
use crate::{
    auth,
    kernel::error::{Error, Result},
    serving::{
        Service,
        memory::{Place, Status},
        wire::body::Body,
    },
};
use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub fn router(service: Service) -> Router {
    Router::new()
        .route("/v2/systemsharedmemory/status", get(regions))
        .route("/v2/systemsharedmemory/region/{region}/status", get(region))
        .route("/v2/systemsharedmemory/unregister", post(unregister_all))
        .route("/v2/systemsharedmemory/region/{region}/unregister", post(unregister))
        .route("/v2/systemsharedmemory/region/{region}/register", post(register))
        .route("/v2/cudasharedmemory/status", get(no_regions))
        .route("/v2/cudasharedmemory/region/{region}/status", get(no_regions))
        .route("/v2/cudasharedmemory/unregister", post(forget))
        .route("/v2/cudasharedmemory/region/{region}/unregister", post(forget))
        .route("/v2/cudasharedmemory/region/{region}/register", post(refuse_cuda))
        .with_state(service)
}

#[derive(Serialize)]
struct Shown {
    name: String,
    key: String,
    offset: u64,
    byte_size: u64,
}

impl From<Status> for Shown {
    fn from(Status { name, key, offset, byte_size }: Status) -> Self {
        Self { name, key, offset, byte_size }
    }
}

async fn regions(
    auth::Viewer(who): auth::Viewer,
    State(serving): State<Service>,
) -> Result<Json<Vec<Shown>>, Refusal> {
    let found = serving.regions().status(&who, "")?;
    Ok(Json(found.into_iter().map(Shown::from).collect()))
}

async fn region(
    auth::Viewer(who): auth::Viewer,
    State(serving): State<Service>,
    Path(name): Path<String>,
) -> Result<Json<Vec<Shown>>, Refusal> {
    let found = serving.regions().status(&who, &name)?;
    Ok(Json(found.into_iter().map(Shown::from).collect()))
}

#[derive(Default, Deserialize)]
struct Wanted {
    key: Option<String>,
    #[serde(default)]
    offset: u64,
    byte_size: Option<u64>,
}

async fn register(
    auth::Viewer(who): auth::Viewer,
    State(serving): State<Service>,
    Path(name): Path<String>,
    body: Body,
) -> Result<Json<Value>, Refusal> {
    let Wanted { key, offset, byte_size } = body.settings()?;
    let without =
        |field: &str| Error::invalid(format!("Shared memory register request has no '{field}' field"));
    let key = key.ok_or_else(|| without("key"))?;
    let byte_size = byte_size.ok_or_else(|| without("byte_size"))?;
    serving.regions().register(&who, Status { name, key, offset, byte_size })?;
    Ok(Json(json!({})))
}

async fn unregister_all(
    auth::Viewer(who): auth::Viewer,
    State(serving): State<Service>,
) -> Result<Json<Value>, Refusal> {
    serving.regions().unregister(&who, "")?;
    Ok(Json(json!({})))
}

async fn unregister(
    auth::Viewer(who): auth::Viewer,
    State(serving): State<Service>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Refusal> {
    serving.regions().unregister(&who, &name)?;
    Ok(Json(json!({})))
}

async fn no_regions(_: auth::Viewer) -> Json<Value> {
    Json(json!([]))
}

async fn forget(_: auth::Viewer) -> Json<Value> {
    Json(json!({}))
}

async fn refuse_cuda(_: auth::Viewer) -> Refusal {
    Error::invalid(NO_CUDA).into()
}

pub const NO_CUDA: &str = "This server has no GPU, and so no shared memory of CUDA: register it as system shared \
                           memory, or send the tensors in the request.";

/// The value of a tensor's parameter, of the kinds that places are said in.
pub enum Said<'a> {
    Text(&'a str),
    Number(u64),
    Other,
}

/// The place in shared memory that a tensor's parameters name, if they name one.
pub fn place<'a>(tensor: &str, look: impl Fn(&str) -> Option<Said<'a>>) -> Result<Option<Place>> {
    let wrong = |key: &str, what: &str| Error::invalid(format!("{tensor}: {key} must be {what}."));
    let number = |key: &str| match look(key) {
        None => Ok(None),
        Some(Said::Number(number)) => Ok(Some(number)),
        Some(_) => Err(wrong(key, "a whole number of bytes")),
    };
    let (offset, size) = (number("shared_memory_offset")?, number("shared_memory_byte_size")?);
    match (look("shared_memory_region"), size) {
        (None, None) if offset.is_none() => Ok(None),
        (Some(Said::Text(region)), Some(byte_size)) => {
            Ok(Some(Place { region: region.to_owned(), offset: offset.unwrap_or(0), byte_size }))
        }
        (Some(Said::Number(_) | Said::Other), _) => {
            Err(wrong("shared_memory_region", "the name of a region"))
        }
        _ => Err(Error::invalid(format!(
            "{tensor}: a place in shared memory has both shared_memory_region and shared_memory_byte_size."
        ))),
    }
}

/// The same of parameters that came as JSON.
pub fn place_in_json(tensor: &str, parameters: &Map<String, Value>) -> Result<Option<Place>> {
    place(tensor, |key| {
        Some(match parameters.get(key)? {
            Value::String(text) => Said::Text(text),
            other => other.as_u64().map_or(Said::Other, Said::Number),
        })
    })
}

/// Nothing but predictions is lent any.
pub fn not_here(tensor: &str) -> Error {
    Error::invalid(format!("{tensor}: shared memory is for predictions. Send the tensors in the request."))
}
