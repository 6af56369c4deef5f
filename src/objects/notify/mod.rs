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

pub mod filter;
pub mod record;
