//! MLflow's routes for traces: the third version of the API, the second where it still answers, and
//! OpenTelemetry's own door.

mod assessments;
mod files;
mod metrics;
mod otlp;
mod traces;
mod v2;

use crate::tracking::Service;
use axum::{
    Router,
    routing::{MethodRouter, get, patch, post},
};

pub fn router() -> Router<Service> {
    let v2: [(&str, MethodRouter<Service>); 8] = [
        ("", get(v2::search).post(v2::start)),
        ("/delete-traces", post(traces::delete)),
        ("/link-to-run", post(traces::link_to_run)),
        ("/link-prompts", post(traces::link_prompts)),
        ("/{trace_id}", patch(v2::end)),
        ("/{trace_id}/info", get(v2::info)),
        ("/{trace_id}/tags", patch(traces::set_tag).delete(traces::delete_tag)),
        ("/calculate-filter-correlation", post(traces::correlation)),
    ];
    let v3: [(&str, MethodRouter<Service>); 12] = [
        ("", post(traces::put)),
        ("/search", post(traces::search)),
        ("/metrics", post(metrics::query)),
        ("/get", get(traces::get_whole)),
        ("/batchGet", get(traces::batch)),
        ("/batchGetInfos", post(traces::batch_infos)),
        ("/delete-traces", post(traces::delete)),
        ("/calculate-filter-correlation", post(traces::correlation)),
        ("/{trace_id}", get(traces::info)),
        ("/{trace_id}/tags", patch(traces::set_tag).delete(traces::delete_tag)),
        ("/{trace_id}/assessments", post(assessments::create)),
        (
            "/{trace_id}/assessments/{assessment_id}",
            get(assessments::get).patch(assessments::update).delete(assessments::delete),
        ),
    ];
    let both = crate::tracking::routes::both;
    let router = v2.into_iter().fold(Router::new(), |router, (path, method)| {
        both(router, 2, &format!("/mlflow/traces{path}"), method)
    });
    let router = v3
        .into_iter()
        .fold(router, |router, (path, method)| both(router, 3, &format!("/mlflow/traces{path}"), method));
    router
        .route("/ajax-api/2.0/mlflow/get-trace-artifact", get(files::send))
        .route("/ajax-api/3.0/mlflow/get-trace-artifact", get(files::send))
        .route("/v1/traces", post(otlp::export))
}
