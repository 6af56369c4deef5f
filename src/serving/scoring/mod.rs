//! MLflow's scoring protocol: what `mlflow models serve` answers at `/invocations`, for ONNX models.

pub(super) mod answer;
pub(super) mod csv;
pub(super) mod feed;
pub(super) mod payload;
mod routes;

pub use routes::router;
