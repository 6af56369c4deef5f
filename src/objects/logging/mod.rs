//! Server access logs: a line for each request to a bucket, delivered in batches to another bucket.
//!
//! It mirrors Amazon's format and key names. As there, delivery is best effort: lines wait in memory
//! for at most the delivery interval, and a process that is killed loses them.

pub mod line;
pub mod name;
