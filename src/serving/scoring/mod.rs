//! MLflow's scoring protocol: what `mlflow models serve` answers at `/invocations`, for ONNX models.

pub(super) mod answer;
pub(super) mod csv;
mod deployments;
pub(super) mod feed;
pub(super) mod payload;
mod routes;

use super::Service;
use axum::Router;

pub fn router(service: Service) -> Router {
    Router::new().merge(routes::router(service.clone())).merge(deployments::router(service))
}
