//! The Open Inference Protocol v2 over REST, with the binary tensor data extension: what tritonclient
//! and KServe's clients speak. An endpoint is a model here, under the endpoint's name.
//!
//! Departure: classification and shared memory are refused, as parameters this server does not know.

mod binary;
mod request;
mod response;
mod routes;

pub use request::{Request, read};
pub use response::{Refusal, write_with};
pub use routes::{json_length, router};

/// How many bytes of a body are JSON; the rest are tensors.
const HEADER_LENGTH: &str = "inference-header-content-length";
