//! Floor 4: experiments, runs, metrics and artifacts, as MLflow's tracking server has them.

pub mod check;
pub mod fields;
pub mod model;
mod routes;
pub mod search;
pub mod service;
mod store;
pub mod wire;

pub use routes::router;
pub use service::Service;
