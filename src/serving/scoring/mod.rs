//! MLflow's scoring protocol: what `mlflow models serve` answers at `/invocations`, for ONNX models.

mod answer;
mod csv;
mod feed;
mod payload;
mod routes;

pub use routes::router;
