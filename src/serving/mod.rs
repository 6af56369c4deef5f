//! Floor 6: endpoints that follow an alias, and the inference protocols.
//!
//! An endpoint is a name, and routes to `models:/` addresses (`rollout::definition`). A route's follower
//! (`loading`) loads what its address means, off the request path, and swaps it in whole; a definition becomes a
//! `rollout::plan`, which is swapped in whole too: a request uses the plan and the model it started with, the
//! next one uses the new. Every prediction of every protocol passes through `Service::predict`, to the engine or
//! to a Python worker (`loading::runner`). Invariants: a model that fails to load leaves the one before it
//! serving, and says so; an address that means nothing any more serves nothing; work on the CPU is bounded, and
//! so is the queue before it, of the machine and of each route (429 with Retry-After past it); shadows and the
//! prediction log can neither delay nor change an answer.
//!
//! Protocols (`doors`): Open Inference Protocol v2 over REST with Triton's extensions (`oip`) and over gRPC
//! (`grpc`), KServe's first protocol (`kserve`), and the scoring protocol of `mlflow models serve` (`scoring`).
//! NaN and the infinities leave as `null` in JSON, which has no word for them, and exactly in binary; `null` and
//! the texts `NaN`, `Infinity` and `-Infinity` are read where a float is wanted, and so are Python's bare `NaN`
//! tokens. Departure from MLflow: an output with several values a row becomes a list in the row's record,
//! where MLflow fails.

pub mod engine;

mod doors;
mod endpoint;
mod evaluate;
mod explain;
mod inspected;
mod inspection;
mod loading;
mod log;
mod memory;
mod model;
mod predict;
mod python;
mod rollout;
mod routes;
mod service;
mod stats;
mod store;
#[cfg(test)]
mod tests;
mod wire;

pub use doors::grpc::refuse_in_grpc;
pub use evaluate::{Evaluation, Question};
pub use inspection::report_as_json;
pub use memory::Regions;
pub use model::{EndpointInfo, State};
pub use python::Host as PythonHost;
pub use rollout::canary::{Became as CanaryBecame, Listener as CanaryListener, News as CanaryNews};
pub use service::Service;

use axum::{Router, extract::DefaultBodyLimit};

/// Largest inference request.
const MOST_BYTES: usize = 64 << 20;

pub fn router(service: Service) -> Router {
    let explainer = explain::Explainer::new(service.clone());
    Router::new()
        .merge(doors::oip::router(service.clone()))
        .merge(doors::grpc::router(service.clone()))
        .merge(doors::kserve::router(service.clone(), explainer.clone()))
        .merge(doors::scoring::router(service.clone()))
        .merge(explain::router(explainer))
        .layer(DefaultBodyLimit::max(MOST_BYTES))
        .merge(routes::router(service))
}
