//! The routes of evaluation, all of version 3 of MLflow's API.

mod datasets;
mod issues;
mod scorers;

use crate::tracking::{Service, routes::both};
use axum::{
    Router,
    routing::{MethodRouter, delete, get, patch, post, put},
};

pub fn router() -> Router<Service> {
    let routes = dataset_routes().into_iter().chain(scorer_routes()).chain(issue_routes());
    routes.fold(Router::new(), |router, (path, method)| both(router, 3, path, method))
}

type Route = (&'static str, MethodRouter<Service>);

fn dataset_routes() -> Vec<Route> {
    vec![
        ("/mlflow/datasets/create", post(datasets::create)),
        ("/mlflow/datasets/search", get(datasets::search).post(datasets::search)),
        ("/mlflow/datasets/{dataset_id}", get(datasets::get).delete(datasets::delete)),
        ("/mlflow/datasets/{dataset_id}/tags", patch(datasets::set_tags)),
        ("/mlflow/datasets/{dataset_id}/tags/{key}", delete(datasets::delete_tag)),
        (
            "/mlflow/datasets/{dataset_id}/records",
            get(datasets::records).post(datasets::upsert_records).delete(datasets::delete_records),
        ),
        ("/mlflow/datasets/{dataset_id}/experiment-ids", get(datasets::experiments)),
        ("/mlflow/datasets/{dataset_id}/add-experiments", post(datasets::join)),
        ("/mlflow/datasets/{dataset_id}/remove-experiments", post(datasets::leave)),
    ]
}

fn scorer_routes() -> Vec<Route> {
    vec![
        ("/mlflow/scorers/register", post(scorers::register)),
        ("/mlflow/scorers/list", get(scorers::list)),
        ("/mlflow/scorers/versions", get(scorers::versions)),
        ("/mlflow/scorers/get", get(scorers::get)),
        ("/mlflow/scorers/delete", delete(scorers::delete)),
        ("/mlflow/scorers/online-config", put(scorers::sample)),
        ("/mlflow/scorers/online-configs", get(scorers::samplings)),
    ]
}

fn issue_routes() -> Vec<Route> {
    vec![
        ("/mlflow/issues", post(issues::create)),
        ("/mlflow/issues/search", post(issues::search)),
        ("/mlflow/issues/{issue_id}", get(issues::get).patch(issues::update)),
    ]
}
