//! Notifications: who is told that an object of a bucket came or went.
//!
//! It mirrors Amazon's configuration and event records. A destination is a webhook that an
//! administrator has registered, or a pipeline: `arn:crannog:sqs:::webhook/NAME`,
//! `arn:crannog:sqs:::pipeline/NAME` (`sns` and `lambda` in place of `sqs` mean the same).
//!
//! Invariants
//! - The notice is a row written in the transaction that changed the object: both are durable or neither.
//! - It is delivered as `store::outbox` says.
//! - A pipeline's own triggers are heard without any configuration of the bucket; what it is told has a key, by
//!   which it knows a notice that comes again.

mod deliver;
pub mod filter;
pub mod record;
mod service;
mod teller;
mod webhook;

pub use deliver::{Hearing, Pipelines, Starter};
pub use filter::Destination;
pub use teller::{Fact, tell, tell_removed};
pub use webhook::{SECRET_PREFIX, Webhook};
