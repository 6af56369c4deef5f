//! The numbers of all endpoints in Prometheus' text form.

use super::{Totals, VersionStats};
use crate::serving::{endpoint::Endpoint, model::State, service::Service};
use std::{
    fmt::{Display, Write},
    sync::Arc,
};

/// Bounds of the latency histogram: 2^7 to 2^25 microseconds, which is 0.1 ms to half a minute.
const POWERS: std::ops::RangeInclusive<u32> = 7..=25;

/// A metric, with the samples it has so far.
struct Family {
    name: &'static str,
    lines: String,
}

impl Family {
    fn new(name: &'static str, kind: &str, help: &str) -> Self {
        Self { name, lines: format!("# HELP {name} {help}\n# TYPE {name} {kind}\n") }
    }

    /// `suffix` is that of a histogram's parts; labels are pairs that are complete already.
    fn sample(&mut self, suffix: &str, labels: &str, value: impl Display) {
        // Writing to a text cannot fail.
        let _ = writeln!(self.lines, "{}{suffix}{{{labels}}} {value}", self.name);
    }
}

/// One version at one endpoint, with all that is counted of it.
struct Version {
    labels: String,
    stats: Arc<VersionStats>,
    totals: Totals,
}

impl Service {
    pub fn exposition(&self) -> String {
        let endpoints = self.endpoints();
        let versions: Vec<_> = endpoints.iter().flat_map(versions).collect();
        let mut families = vec![requests(&versions), durations(&versions)];
        families.extend([phases(&versions), rows(&versions), in_flight(&versions)]);
        families.extend([batches(&versions), shadows(&versions), shadow_rows(&versions)]);
        families.extend(of_endpoints(&endpoints));
        families.push(self.logged());
        families.into_iter().map(|family| family.lines).collect()
    }

    fn logged(&self) -> Family {
        let mut family = Family::new(
            "crannog_prediction_log_rows_total",
            "counter",
            "Rows of the prediction log: written to a bucket, or dropped as there was no room.",
        );
        let (dropped, written) = self.log().counts();
        family.sample("", "outcome=\"written\"", written);
        family.sample("", "outcome=\"dropped\"", dropped);
        family
    }
}

fn versions(endpoint: &Arc<Endpoint>) -> Vec<Version> {
    let one = |((model, version), stats): ((String, String), Arc<VersionStats>)| {
        let pairs = [("endpoint", &endpoint.name), ("model", &model), ("version", &version)];
        let labels: Vec<_> = pairs.iter().map(|(name, value)| label(name, value)).collect();
        let totals = stats.totals();
        Version { labels: labels.join(","), stats, totals }
    };
    endpoint.board.all().into_iter().map(one).collect()
}

fn requests(versions: &[Version]) -> Family {
    let mut family = Family::new(
        "crannog_inference_requests_total",
        "counter",
        "Inference requests by outcome: ok, failed by the model or its input, refused before it was run.",
    );
    for Version { labels, totals, .. } in versions {
        for (outcome, count) in
            [("ok", totals.success.count), ("failed", totals.fail.count), ("refused", totals.refused)]
        {
            family.sample("", &format!("{labels},outcome=\"{outcome}\""), count);
        }
    }
    family
}

fn durations(versions: &[Version]) -> Family {
    let mut family = Family::new(
        "crannog_inference_duration_seconds",
        "histogram",
        "Time from the arrival of a request to its answer, of those answered.",
    );
    for Version { labels, stats, .. } in versions {
        let counts = stats.latency();
        for power in POWERS {
            let bound = (1u64 << power) as f64 / 1e6;
            family.sample("_bucket", &format!("{labels},le=\"{bound}\""), counts.below(power));
        }
        family.sample("_bucket", &format!("{labels},le=\"+Inf\""), counts.total());
        family.sample("_sum", labels, stats.seconds());
        family.sample("_count", labels, counts.total());
    }
    family
}

fn phases(versions: &[Version]) -> Family {
    let mut family = Family::new(
        "crannog_inference_phase_seconds_total",
        "counter",
        "Where the time of answered requests went: queue, input, infer, output.",
    );
    for Version { labels, totals, .. } in versions {
        for (phase, timed) in [
            ("queue", totals.queue),
            ("input", totals.input),
            ("infer", totals.infer),
            ("output", totals.output),
        ] {
            family.sample("", &format!("{labels},phase=\"{phase}\""), timed.ns as f64 / 1e9);
        }
    }
    family
}

fn rows(versions: &[Version]) -> Family {
    let mut family = Family::new("crannog_inference_rows_total", "counter", "Rows answered.");
    versions.iter().for_each(|version| family.sample("", &version.labels, version.totals.rows));
    family
}

fn in_flight(versions: &[Version]) -> Family {
    let mut family =
        Family::new("crannog_inference_in_flight", "gauge", "Requests that wait or run at this moment.");
    versions.iter().for_each(|version| family.sample("", &version.labels, version.stats.in_flight()));
    family
}

fn batches(versions: &[Version]) -> Family {
    let mut family = Family::new(
        "crannog_inference_batch_total",
        "counter",
        "Runs of the model by rows; above 64 rows, by the next power of two.",
    );
    for Version { labels, totals, .. } in versions {
        for batch in &totals.batches {
            family.sample("", &format!("{labels},rows=\"{}\"", batch.size), batch.infer.count);
        }
    }
    family
}

fn shadows(versions: &[Version]) -> Family {
    let mut family = Family::new(
        "crannog_shadow_requests_total",
        "counter",
        "Requests mirrored to a version: answered, failed, or dropped as too many waited.",
    );
    for Version { labels, totals, .. } in versions {
        let mirror = totals.mirror;
        let answered = mirror.requests.saturating_sub(mirror.errors);
        for (outcome, count) in [("ok", answered), ("failed", mirror.errors), ("dropped", mirror.dropped)] {
            family.sample("", &format!("{labels},outcome=\"{outcome}\""), count);
        }
    }
    family
}

fn shadow_rows(versions: &[Version]) -> Family {
    let mut family = Family::new(
        "crannog_shadow_rows_total",
        "counter",
        "Rows that a version and the champion both answered, by whether they agreed.",
    );
    for Version { labels, totals, .. } in versions {
        let mirror = totals.mirror;
        family.sample("", &format!("{labels},agreed=\"true\""), mirror.agreed);
        family.sample("", &format!("{labels},agreed=\"false\""), mirror.rows.saturating_sub(mirror.agreed));
    }
    family
}

fn of_endpoints(endpoints: &[Arc<Endpoint>]) -> [Family; 3] {
    let mut ready =
        Family::new("crannog_endpoint_ready", "gauge", "Whether every route has the model it should have.");
    let mut unserved =
        Family::new("crannog_inference_unserved_total", "counter", "Requests that found no model to ask.");
    let mut waiting =
        Family::new("crannog_inference_waiting", "gauge", "Requests in the queue of a route at this moment.");
    for endpoint in endpoints {
        let labels = label("endpoint", &endpoint.name);
        let well = endpoint.health() == State::Ready;
        ready.sample("", &labels, u8::from(well));
        unserved.sample("", &labels, endpoint.board.unserved_count());
        for route in &endpoint.plan().routes {
            waiting.sample("", &format!("{labels},{}", label("route", &route.name)), route.gate.waiting());
        }
    }
    [ready, unserved, waiting]
}

fn label(name: &str, value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("{name}=\"{value}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_holds_any_text() {
        assert_eq!(label("model", "a\"b\\c\nd"), "model=\"a\\\"b\\\\c\\nd\"");
    }
}
