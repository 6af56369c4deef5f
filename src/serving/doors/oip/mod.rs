//! The Open Inference Protocol v2 over REST, with the binary tensor data extension: what tritonclient
//! and KServe's clients speak. An endpoint is a model here, under the endpoint's name.
//!
//! What REST and gRPC have in common is here: the messages, what they say of server and models, the tensors' bytes
//! and places in shared memory, the outputs a caller may ask for.

pub mod about;
pub mod binary;
mod classify;
mod extras;
pub mod messages;
mod packing;
pub mod repository;
mod request;
mod response;
mod routes;
pub mod settings;
pub mod shared;
pub mod statistics;
mod wanted;

pub use request::{Request, read};
pub use response::{Refusal, write_with};
pub use routes::json_length;
pub use wanted::Wanted;

use crate::serving::Service;
use axum::Router;

pub fn router(service: Service) -> Router {
    Router::new()
        .merge(routes::router(service.clone()))
        .merge(repository::router(service.clone()))
        .merge(statistics::router(service.clone()))
        .merge(shared::router(service.clone()))
        .merge(extras::router(service))
}

/// How many bytes of a body are JSON; the rest are tensors.
const HEADER_LENGTH: &str = "inference-header-content-length";
