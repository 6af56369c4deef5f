//! Triton's statistics, from what an endpoint counts of each version since the server started.

use super::{
    messages::{BatchStatistics, Duration, InferStatistics, ModelStatistics, Statistics},
    response::Refusal,
};
use crate::{
    auth,
    kernel::error::Result,
    serving::{
        Service,
        endpoint::Endpoint,
        stats::{Batch, Timed, Totals},
    },
};
use axum::{
    Json, Router,
    extract::{Path, State},
    routing::get,
};
use serde::Deserialize;

pub fn router(service: Service) -> Router {
    Router::new()
        .route("/v2/models/stats", get(all))
        .route("/v2/models/{name}/stats", get(one))
        .route("/v2/models/{name}/versions/{version}/stats", get(one))
        .with_state(service)
}

#[derive(Default, Deserialize)]
struct Which {
    #[serde(default)]
    name: String,
    version: Option<String>,
}

async fn all(_: auth::Viewer, State(serving): State<Service>) -> Result<Json<Statistics>, Refusal> {
    Ok(Json(statistics(&serving, "", None)?))
}

async fn one(
    _: auth::Viewer,
    State(serving): State<Service>,
    Path(which): Path<Which>,
) -> Result<Json<Statistics>, Refusal> {
    Ok(Json(statistics(&serving, &which.name, which.version.as_deref())?))
}

/// Of one endpoint, or of all where no name is given; of one version, or of all that were asked or can be.
pub fn statistics(serving: &Service, name: &str, version: Option<&str>) -> Result<Statistics> {
    let endpoints = if name.is_empty() { serving.endpoints() } else { vec![serving.endpoint(name)?] };
    let mut model_stats = Vec::new();
    for endpoint in endpoints {
        of_endpoint(&endpoint, version, &mut model_stats)?;
    }
    Ok(Statistics { model_stats })
}

fn of_endpoint(endpoint: &Endpoint, version: Option<&str>, out: &mut Vec<ModelStatistics>) -> Result<()> {
    let before = out.len();
    for ((_, counted), stats) in endpoint.board.all() {
        if version.is_none_or(|version| version == counted) {
            out.push(of_version(&endpoint.name, counted, &stats.totals()));
        }
    }
    let versions = match version {
        Some(version) if out.len() == before => vec![endpoint.version(version)?.version.clone()],
        Some(_) => Vec::new(),
        None => endpoint.versions(),
    };
    for version in versions {
        if !out[before..].iter().any(|known| known.version == version) {
            out.push(of_version(&endpoint.name, version, &Totals::default()));
        }
    }
    Ok(())
}

fn of_version(name: &str, version: String, totals: &Totals) -> ModelStatistics {
    // Requests that were turned away took no time of the model's.
    let fail = Timed { count: totals.fail.count + totals.refused, ..totals.fail };
    let inference_stats = InferStatistics {
        success: duration(totals.success),
        fail: duration(fail),
        queue: duration(totals.queue),
        compute_input: duration(totals.input),
        compute_infer: duration(totals.infer),
        compute_output: duration(totals.output),
        cache_hit: duration(Timed::default()),
        cache_miss: duration(Timed::default()),
    };
    let batch = |batch: &Batch| BatchStatistics {
        batch_size: batch.size as u64,
        compute_input: duration(batch.input),
        compute_infer: duration(batch.infer),
        compute_output: duration(batch.output),
    };
    ModelStatistics {
        name: name.to_owned(),
        version,
        last_inference: totals.last_ms.and_then(|last| u64::try_from(last).ok()).unwrap_or_default(),
        inference_count: totals.rows,
        execution_count: totals.executions,
        inference_stats: Some(inference_stats),
        batch_stats: totals.batches.iter().map(batch).collect(),
    }
}

fn duration(timed: Timed) -> Option<Duration> {
    Some(Duration { count: timed.count, ns: timed.ns })
}
