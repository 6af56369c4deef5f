//! HTTP manners shared by every door: problem documents, JSON in and out, the accept loop.

mod json;
mod problem;
mod quiet;
mod server;

pub use json::Json;
pub use problem::{Problem, say_when};
pub use server::{Limits, Peer, serve};

/// The header that carries a request's id, in both directions.
pub const REQUEST_ID: &str = "x-request-id";
