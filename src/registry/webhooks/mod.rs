//! Webhooks of the registry, as MLflow has them: somebody is told of new models, versions, tags and
//! aliases, and of the same for prompts.
//!
//! It mirrors MLflow 3.17: routes, payloads, headers (`X-MLflow-Signature` and beside it). Departures: a
//! notice is written in the transaction that makes the news and delivered until it is taken or a day old,
//! through restarts; a redirect is not followed. Only an administrator may register one, since it makes
//! the server send requests; where to is the administrator's to decide, private addresses included.
//!
//! Invariant: a secret is kept sealed and never shown.

mod check;
mod deliver;
mod event;
mod payload;
mod routes;
mod service;
mod store;
pub mod tell;
#[cfg(test)]
mod tests;

pub use deliver::start;
pub use routes::router;
pub use service::Webhooks;

use event::Event;

/// The word for webhooks in the outbox.
const KIND: &str = "webhook";

/// A registered webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    pub id: String,
    pub name: String,
    pub description: Option<String>,
    pub url: String,
    /// Sealed; `None` when deliveries are not signed.
    pub secret: Option<Vec<u8>>,
    pub active: bool,
    pub created_ms: i64,
    pub updated_ms: i64,
    pub events: Vec<Event>,
}
