//! Notifications: who is told that an object of a bucket came or went.
//!
//! It mirrors Amazon's configuration and event records. A destination is a webhook that an
//! administrator has registered, or a pipeline: `arn:crannog:sqs:::webhook/NAME`,
//! `arn:crannog:sqs:::pipeline/NAME` (`sns` and `lambda` in place of `sqs` mean the same).
//!
//! Invariants
//! - The notice is a row written in the transaction that changed the object: both are durable or neither.
//! - A notice is delivered at least once, and tried again with growing pauses until it is too old.
//! - A destination that does not answer delays its own notices only.

mod deliver;
pub mod filter;
pub mod record;
mod service;
mod sign;
mod teller;
mod webhook;

pub use deliver::{Pipelines, Starter};
pub use filter::Destination;
pub use service::Bell;
pub use teller::{Fact, tell, tell_removed};
pub use webhook::{SECRET_PREFIX, Webhook};

/// Something to be told, as it waits in the queue.
#[derive(Clone, Debug)]
pub struct Notice {
    pub id: i64,
    /// JSON: an event record, or the test event.
    pub body: String,
    pub created_ms: i64,
    pub attempts: u32,
}

/// What waits for one destination.
#[derive(Clone, Debug)]
pub struct Waiting {
    pub kind: String,
    pub name: String,
    pub count: u64,
    pub oldest_ms: i64,
    pub attempts: u32,
    /// Why the last attempt failed.
    pub error: Option<String>,
}
