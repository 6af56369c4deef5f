//! MLflow's scoring protocol: what `mlflow models serve` answers at `/invocations`, for ONNX models.

pub mod answer;
pub mod csv;
mod deployments;
pub mod feed;
pub mod payload;
mod routes;

use crate::serving::Service;
use axum::Router;

pub fn router(service: Service) -> Router {
    Router::new().merge(routes::router(service.clone())).merge(deployments::router(service))
}
