//! Floor 8: the composition root. `serve` is the start list read from top to bottom; `house` is the
//! one list of rooms; `door`, `health`, `lock` and `signals` are what the lists are made of.

mod door;
mod health;
mod house;
mod layers;
pub mod lock;
mod metrics;
mod serve;
mod signals;
mod starts;

pub use serve::serve;

/// The bucket of artifacts and model files, made at the first start.
pub const ARTIFACT_BUCKET: &str = "mlflow";
