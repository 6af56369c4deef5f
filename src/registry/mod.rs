//! Floor 5: registered models, versions, aliases: the registry, as MLflow speaks it.
//!
//! Invariants: a version's number is given once, even after deletion; an alias points at a version
//! that exists; an event is published only after its change is durable. The files of a version are
//! never copied: it names the place in the object store where the tracker put them.
//!
//! The protocol is the registry half of MLflow 3.17's REST API. Departures, all additions: a version
//! carries the user who made it, and versions inside a model's answer list their aliases.

mod gc;
mod graphql;
pub mod import;
mod listener;
mod model;
mod names;
mod routes;
mod search;
mod service;
mod source;
mod store;
#[cfg(test)]
mod tests;
mod tracker;
pub mod webhooks;

pub use listener::{Listener, News};
pub use model::{ModelVersion, Resolved, Stage};
pub use names::{ModelUri, Pick};
pub use routes::router;
pub use service::Service;
pub use source::{Logged, RunUri, Tracker, artifact_path};
