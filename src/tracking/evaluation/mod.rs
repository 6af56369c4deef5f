//! What MLflow keeps for the evaluation of language models: datasets of records, scorers with their
//! versions, and issues found in traces. Stored and answered only: no scorer ever runs here.
//!
//! Invariants
//! - A dataset holds one record for each set of inputs; the same inputs again change that record.
//! - A dataset's count of records, its schema and its digest change in the transaction of its records.
//! - Records come back in the order in which they were added, and pages neither repeat nor skip one.
//!
//! Departures from MLflow's server: a dataset is added only to experiments that are there, and a
//! record's inputs are a JSON object or the request is refused, where MLflow fails with a 500.
//!
//! Read in this order: `model`, `record`, `scorer`, `search`, `store`, `service`, `routes`.

mod model;
mod record;
mod routes;
mod scorer;
mod search;
mod service;
mod store;

#[cfg(test)]
mod tests;

pub use routes::router;
