//! Server access logs: a line for each request to a bucket, delivered in batches to another bucket.
//!
//! It mirrors Amazon's format and key names. As there, delivery is best effort: lines wait in memory
//! for at most the delivery interval, a clean stop delivers them, and a killed process loses them.
//! Buckets that log to the same place share its batches, unless their keys are partitioned.

mod collect;
pub mod line;
pub mod name;
mod permit;

pub use collect::Logs;
