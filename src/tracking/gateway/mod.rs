//! The stored configuration of MLflow's gateway to language models: credentials, model definitions,
//! endpoints with their models and tags, and what is bound to them.
//!
//! Invariants
//! - No request goes to a provider: what would be one is declined with `NOT_IMPLEMENTED`.
//! - A credential is sealed with the master key before it is stored, bound to its id, and never
//!   answered; what is shown of it was masked when it came in.
//! - A model definition in use by an endpoint cannot be deleted; one whose credential was deleted
//!   stays, without it.
//!
//! Departures from MLflow's server: the lists of providers and models are short and built in, for a
//! catalogue would have to be fetched; a name that is taken is told as such for endpoints too.
//!
//! Read in this order: `model`, `mask`, `providers`, `store`, `service`, `routes`.

mod mask;
mod model;
mod providers;
mod routes;
mod service;
pub mod store;

#[cfg(test)]
mod tests;

pub use model::{Binding, SCORER};
pub use routes::router;
