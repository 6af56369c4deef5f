//! Traces: what an application did for one request, span by span, and what people and judges say of
//! it. Clients write them in two ways that meet in one row: spans by OpenTelemetry at `/v1/traces`, as
//! they end, and what is said of the trace as a whole at its end.
//!
//! Invariants
//! - A request's spans are stored whole or not at all; a span sent again replaces itself.
//! - What the trace's maker says of it holds against what its spans show; spans fill gaps only.
//! - Tokens and costs of a trace are sums over its tree, not over the spans that came last.
//! - Spans live in this database (tag `mlflow.trace.spansLocation`); files beside a trace live where
//!   its tag `mlflow.artifactLocation` says, below the experiment's artifacts.
//!
//! It mirrors MLflow 3.17's trace API, the deprecated second version included. Departures: comparing
//! `span.attributes.x` compares that attribute's value, by any operator, where MLflow looks through the
//! span's text; the price of a span is taken from the span and never looked up, as there is no price
//! list here; a retried read of an unfinished trace waits less. Traces of a deleted experiment stay
//! until the experiment is gone for good, and go with it.
//!
//! Read in this order: `model`, `otlp`, `span`, `translate`, `ingest`, `search`, `store`, `service`,
//! `routes`.

mod assessment;
mod info;
mod ingest;
mod json;
mod keys;
mod metrics;
mod model;
mod npmi;
mod otlp;
mod preview;
mod routes;
mod search;
mod service;
mod span;
mod store;
mod time;
mod translate;
mod usage;

pub use routes::router;
