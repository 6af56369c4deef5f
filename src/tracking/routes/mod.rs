//! MLflow's tracking routes. A handler reads its fields, names who may call it, calls the service
//! once and shapes the answer. Every route answers under `/api` and under `/ajax-api`.

mod artifacts;
mod batch;
mod experiments;
pub(super) mod files;
mod info;
mod jobs;
mod log;
mod metrics;
mod models;
mod pages;
mod promptlab;
mod reads;
mod runs;
mod transfers;

pub use files::send as send_artifact;
pub use reads::{Read, read};
pub use transfers::links_refused;

use super::{Service, evaluation, gateway, review, traces};
use crate::{auth, objects::Address};
use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{MethodRouter, delete, get, patch, post},
};

/// The largest JSON body: a dataset's profile alone may have 16 MiB, and a batch of 1,000 things as long as
/// they may be 20 MB once each of their characters is escaped. Artifacts are not JSON and not
/// limited here.
const BODY_MAX: usize = 32 << 20;

/// All routes of the tracker, with full paths.
pub fn router(service: Service, auth: auth::Service, address: Address) -> Router {
    let transfers = transfers::routes(transfers::Links { tracker: service.clone(), auth, address });
    let router = Router::new()
        .merge(experiment_routes())
        .merge(run_routes())
        .merge(model_routes())
        .merge(artifact_routes())
        .merge(super::import::router())
        .merge(traces::router())
        .merge(evaluation::router())
        .merge(review::router())
        .merge(gateway::router())
        .merge(info::routes())
        .merge(jobs::routes())
        .merge(pages::routes());
    router.with_state(service).merge(transfers).layer(DefaultBodyLimit::max(BODY_MAX))
}

/// `path` under both of MLflow's prefixes for one version of its API.
pub(super) fn both(
    router: Router<Service>,
    version: u8,
    path: &str,
    method: MethodRouter<Service>,
) -> Router<Service> {
    router
        .route(&format!("/api/{version}.0{path}"), method.clone())
        .route(&format!("/ajax-api/{version}.0{path}"), method)
}

fn all(routes: impl IntoIterator<Item = (&'static str, MethodRouter<Service>)>) -> Router<Service> {
    routes.into_iter().fold(Router::new(), |router, (path, method)| both(router, 2, path, method))
}

fn experiment_routes() -> Router<Service> {
    all([
        ("/mlflow/experiments/create", post(experiments::create)),
        ("/mlflow/experiments/get", get(experiments::get)),
        ("/mlflow/experiments/get-by-name", get(experiments::get_by_name)),
        ("/mlflow/experiments/search", get(experiments::search).post(experiments::search)),
        ("/mlflow/experiments/update", post(experiments::update)),
        ("/mlflow/experiments/delete", post(experiments::delete)),
        ("/mlflow/experiments/restore", post(experiments::restore)),
        ("/mlflow/experiments/set-experiment-tag", post(experiments::set_tag)),
        ("/mlflow/experiments/delete-experiment-tag", post(experiments::delete_tag)),
        ("/mlflow/experiments/search-datasets", post(experiments::search_datasets)),
        // The protocol's own typing error, which its clients share.
        ("mlflow/experiments/search-datasets", post(experiments::search_datasets)),
    ])
}

fn run_routes() -> Router<Service> {
    all([
        ("/mlflow/runs/create", post(runs::create)),
        ("/mlflow/runs/get", get(runs::get)),
        ("/mlflow/runs/update", post(runs::update)),
        ("/mlflow/runs/delete", post(runs::delete)),
        ("/mlflow/runs/restore", post(runs::restore)),
        ("/mlflow/runs/search", post(runs::search)),
        // Not of the protocol: a table says how many rows it will have.
        ("/mlflow/runs/count", post(runs::count)),
        ("/mlflow/runs/log-metric", post(log::metric)),
        ("/mlflow/runs/log-parameter", post(log::param)),
        ("/mlflow/runs/set-tag", post(log::set_tag)),
        ("/mlflow/runs/delete-tag", post(log::delete_tag)),
        ("/mlflow/runs/log-batch", post(batch::batch)),
        ("/mlflow/runs/log-model", post(log::model)),
        ("/mlflow/runs/log-inputs", post(log::inputs)),
        ("/mlflow/runs/outputs", post(log::outputs)),
        ("/mlflow/runs/create-promptlab-run", post(promptlab::create)),
        ("/mlflow/metrics/get-history", get(metrics::history)),
        ("/mlflow/metrics/get-history-bulk", get(metrics::history_bulk)),
        ("/mlflow/metrics/get-history-bulk-interval", get(metrics::history_bulk_interval)),
    ])
}

fn model_routes() -> Router<Service> {
    all([
        ("/mlflow/logged-models", post(models::create)),
        ("/mlflow/logged-models/search", post(models::search)),
        ("/mlflow/logged-models/{model_id}", get(models::get).patch(models::finalize).delete(models::delete)),
        ("/mlflow/logged-models/{model_id}/params", post(models::log_params)),
        ("/mlflow/logged-models/{model_id}/tags", patch(models::set_tags)),
        ("/mlflow/logged-models/{model_id}/tags/{tag_key}", delete(models::delete_tag)),
        ("/mlflow/logged-models/{model_id}/artifacts/directories", get(artifacts::list_of_model)),
        ("/mlflow/logged-models/{model_id}/artifacts/files", get(artifacts::file_of_model)),
    ])
}

fn artifact_routes() -> Router<Service> {
    let router = all([
        ("/mlflow/artifacts/list", get(artifacts::list_of_run)),
        ("/mlflow/upload-artifact", post(artifacts::upload_small)),
        ("/mlflow-artifacts/artifacts", get(artifacts::list)),
        (
            "/mlflow-artifacts/artifacts/{*path}",
            get(artifacts::download).put(artifacts::upload).delete(artifacts::delete),
        ),
    ]);
    router.route("/get-artifact", get(artifacts::file_of_run))
}
