//! An endpoint's numbers as the API and the page show them, and as Prometheus reads them.

use super::{Totals, VersionStats};
use crate::serving::endpoint::Endpoint;
use serde_json::{Value, json};

/// All versions with their numbers and their last hour, and the last failures.
pub fn stats(endpoint: &Endpoint) -> Value {
    let versions: Vec<_> = endpoint
        .board
        .all()
        .iter()
        .map(|((model, version), stats)| of_version(model, version, stats))
        .collect();
    json!({
        "versions": versions,
        "unserved": endpoint.board.unserved_count(),
        "failures": endpoint.board.failures.list(),
    })
}

fn of_version(model: &str, version: &str, stats: &VersionStats) -> Value {
    let totals = stats.totals();
    let (rate, minute) = stats.minute();
    let mirror = totals.mirror;
    json!({
        "model": model,
        "version": version,
        "requests": totals.success.count + totals.fail.count + totals.refused,
        "errors": totals.fail.count,
        "refused": totals.refused,
        "in_flight": stats.in_flight(),
        "requests_per_s": rate,
        "latency_ms": stats.latency().latency(),
        "minute_latency_ms": minute.latency(),
        "queue_ms": mean_ms(&totals),
        "rows": totals.rows,
        "batches": totals.batches.iter().map(|batch| json!({ "size": batch.size, "count": batch.infer.count })).collect::<Vec<_>>(),
        "shadow": {
            "requests": mirror.requests,
            "errors": mirror.errors,
            "dropped": mirror.dropped,
            "rows": mirror.rows,
            "agreed": mirror.agreed,
            "agreement": (mirror.rows > 0).then(|| mirror.agreed as f64 / mirror.rows as f64),
            "latency_ms": stats.mirror_latency().latency(),
        },
        "series": stats.series(),
    })
}

/// The mean time in the queue.
fn mean_ms(totals: &Totals) -> Option<f64> {
    let queue = totals.queue;
    (queue.count > 0).then(|| queue.ns as f64 / queue.count as f64 / 1e6)
}
