//! `log-batch` on the wire, the route that is called most: a body as clients write it is read straight
//! into what is logged. Any other body is read field by field, which knows what else is allowed, and
//! the words for what is not. What MLflow calls the largest batch in bytes it compares with the number of
//! fields: a batch is bounded by its counts and lengths, and in memory by what bounds every JSON body.

use super::log::{metric_in, pair_in};
use crate::{
    auth::Editor,
    kernel::error::Result,
    tracking::{
        Service,
        model::{Double, Metric, Pair},
        service::Batch,
        wire::{Answer, Fields, JsonBody},
    },
};
use axum::{Json, extract::State};
use serde::Deserialize;
use serde_json::json;

/// A body with nothing in it that would have to be read leniently.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plain {
    run_id: String,
    #[serde(default)]
    metrics: Vec<PlainMetric>,
    #[serde(default)]
    params: Vec<PlainPair>,
    #[serde(default)]
    tags: Vec<PlainPair>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlainMetric {
    key: String,
    value: f64,
    timestamp: i64,
    #[serde(default)]
    step: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlainPair {
    key: String,
    #[serde(default)]
    value: String,
}

pub async fn batch(State(tracker): State<Service>, _: Editor, JsonBody(body): JsonBody) -> Answer {
    let (run_id, batch) = match plain(&body) {
        Some(read) => read,
        None => by_field(&body)?,
    };
    drop(body);
    tracker.batch_log(&run_id, batch).await?;
    Ok(Json(json!({})))
}

fn plain(body: &[u8]) -> Option<(String, Batch)> {
    let read: Plain = serde_json::from_slice(body).ok()?;
    let named = !read.run_id.is_empty()
        && read.metrics.iter().all(|metric| !metric.key.is_empty())
        && read.params.iter().chain(&read.tags).all(|pair| !pair.key.is_empty());
    let metric = |PlainMetric { key, value, timestamp, step }| Metric {
        key,
        value: Double(value),
        timestamp,
        step,
        ..Metric::default()
    };
    let pair = |PlainPair { key, value }| Pair { key, value };
    named.then(|| {
        let batch = Batch {
            metrics: read.metrics.into_iter().map(metric).collect(),
            params: read.params.into_iter().map(pair).collect(),
            tags: read.tags.into_iter().map(pair).collect(),
        };
        (read.run_id, batch)
    })
}

fn by_field(body: &[u8]) -> Result<(String, Batch)> {
    let mut fields = Fields::from_body(body)?;
    let run_id = fields.run_id()?.to_owned();
    let batch = Batch {
        metrics: fields.take_items("metrics")?.iter().map(metric_in).collect::<Result<_>>()?,
        params: fields.take_items("params")?.iter().map(pair_in).collect::<Result<_>>()?,
        tags: fields.take_items("tags")?.iter().map(pair_in).collect::<Result<_>>()?,
    };
    Ok((run_id, batch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_reading_say_the_same() {
        let body = r#"{"run_id": "r\u0041", "metrics": [{"key": "loss", "value": 1, "timestamp": 5},
            {"key": "a\nb", "value": -0.1, "timestamp": 6, "step": -7}], "params": [{"key": "p", "value": "\"é\""}],
            "tags": [{"key": "t"}]}"#;
        let (run, batch) = plain(body.as_bytes()).expect("nothing special is in it");
        let (same_run, same) = by_field(body.as_bytes()).expect("it is right");
        assert_eq!((run.as_str(), same_run.as_str()), ("rA", "rA"));
        assert_eq!(batch.metrics, same.metrics);
        assert_eq!((batch.params, batch.tags), (same.params, same.tags));
    }

    #[test]
    fn what_needs_leniency_or_a_refusal_is_read_by_field() {
        let metric = |rest: &str| format!(r#"{{"run_id": "r", "metrics": [{{"key": "k", {rest}}}]}}"#);
        for body in [
            metric(r#""value": "NaN", "timestamp": 1"#),
            metric(r#""value": 1, "timestamp": "1""#),
            metric(r#""value": 1, "timestamp": 1.0"#),
            metric(r#""value": 1, "timestamp": 1, "model_id": "m""#),
            metric(r#""value": null, "timestamp": 1"#),
            r#"{"runId": "r"}"#.to_owned(),
            r#"{"run_id": ""}"#.to_owned(),
            r#"{"run_id": "r", "tags": [{"key": ""}]}"#.to_owned(),
            "{".to_owned(),
        ] {
            assert!(plain(body.as_bytes()).is_none(), "{body}");
        }
    }
}
