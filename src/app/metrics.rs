//! `/metrics`: what the planes count, in Prometheus' text form, for whoever may see the house.

use crate::{auth::Viewer, backup, kernel::VERSION, serving};
use axum::{Router, extract::State, response::IntoResponse, routing::get};
use http::{HeaderValue, header};

const FORMAT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

type Counting = (serving::Service, backup::Service);

pub fn router(serving: serving::Service, backup: backup::Service) -> Router {
    Router::new().route("/metrics", get(metrics)).with_state((serving, backup))
}

async fn metrics(_: Viewer, State((serving, backup)): State<Counting>) -> impl IntoResponse {
    let build = format!(
        "# HELP crannog_build_info The version that runs.\n# TYPE crannog_build_info gauge\n\
         crannog_build_info{{version=\"{VERSION}\"}} 1\n"
    );
    ([(header::CONTENT_TYPE, FORMAT)], build + &serving.exposition() + &backup.exposition())
}
