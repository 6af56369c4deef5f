//! What is to be told to somebody outside: notices, written in the transaction that makes the news, and
//! delivered later, as often as it takes. Every database that has news has a table `notice`, and whoever
//! owns it starts a `Courier` with a `Carrier` of its own.
//!
//! Invariants
//! - A notice is delivered at least once, and tried again with growing pauses until it is too old.
//! - One destination hears its notices one after the other, in their order.
//! - A destination that does not answer delays its own notices only.

mod courier;
mod queue;

pub use courier::{Bell, Carrier, Courier, Outcome};
pub use queue::{forget, put, waiting};

/// Who is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct To {
    /// A word of whoever owns the queue, such as `webhook`.
    pub kind: String,
    pub name: String,
}

/// Something to be told, as it waits in the queue.
#[derive(Clone, Debug)]
pub struct Notice {
    pub id: i64,
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
