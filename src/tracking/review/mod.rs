//! Review by people: the questions an experiment asks about its traces (MLflow's label schemas), and
//! queues of traces that wait for the answers. The answers themselves are assessments of the traces.
//!
//! Invariants
//! - A queue's name is taken whatever its case, and its questions stay as they are while a trace waits in it.
//! - A trace waits only in queues of its own experiment; where it is deleted, it leaves them.
//! - Every experiment has one question nobody can change or delete, made when its questions are first listed.
//!
//! Who an answer is marked as completed by is who is signed in, whatever the request says, as in MLflow.
//!
//! Read in this order: `model`, `input`, `names`, `store`, `service`, `routes`.

mod input;
mod model;
mod names;
mod routes;
mod service;
mod store;

#[cfg(test)]
mod tests;

pub use routes::router;
