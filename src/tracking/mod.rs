//! Floor 4: experiments, runs, metrics and artifacts, as MLflow's tracking server has them.
//!
//! Invariants
//! - One request is one transaction: a batch holds as a whole or leaves nothing, and a client that
//!   repeats one changes nothing, for the same metric point is stored once and a param with the same
//!   value is no conflict.
//! - The latest point of a metric is kept beside the history, in the same transaction; it is the one
//!   with the highest step, then time, then value.
//! - Every value a caller sends reaches SQL bound, never in the text (`search`).
//! - An artifact is an object of bucket `mlflow` whose key is its path under `mlflow-artifacts:/`, so
//!   every S3 client sees it. No path leads above its root.
//! - Deleting marks; nothing a client deletes is gone before someone collects it, artifacts excepted.
//!
//! It mirrors MLflow 3.17's REST API: its routes, field names, limits, and the words of its errors,
//! which its client raises again. Departures: infinities come back as such, not as the largest
//! double; a filter may quote a quote by doubling it; a batch is atomic; presigned URLs are given for
//! what is kept here, and lead back here.
//!
//! Read in this order: `model`, `search`, `store`, `service`, `routes`; then `traces`,
//! `evaluation`, `review` and `gateway`, rooms of their own. `wire`, `fields` and `search` also serve the registry.

pub mod check;
mod evaluation;
pub mod fields;
mod gateway;
pub mod import;
pub mod model;
mod promptlab;
mod review;
mod routes;
pub mod search;
pub mod service;
pub mod store;
mod traces;
pub mod wire;
mod words;

#[cfg(test)]
mod tests;

pub use routes::{Read, links_refused, read, router, send_artifact};
pub use service::{Service, gc};
