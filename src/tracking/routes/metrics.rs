//! Metric histories on the wire. The answers are written straight from the points: a history may
//! have a hundred thousand.

use crate::{
    auth::Viewer,
    kernel::error::{Error, Result},
    tracking::{
        Service,
        fields::SEE_DOCS,
        model::{Double, Point},
        wire::{Fields, MlflowError},
    },
};
use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use serde::{Serialize, Serializer, ser::SerializeSeq};

/// Points of a bulk answer at most, and runs one may ask about.
const BULK_POINTS: i64 = 25_000;
const BULK_RUNS: usize = 100;
/// Points per run of a sampled answer.
const SAMPLES: i64 = 2500;

#[derive(Serialize)]
pub struct Histories {
    metrics: Points,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

/// One metric's points, each with the run it belongs to when there are several.
struct Points {
    key: String,
    named: bool,
    runs: Vec<(String, Vec<Point>)>,
}

#[derive(Serialize)]
struct WirePoint<'a> {
    key: &'a str,
    value: Double,
    timestamp: i64,
    step: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<&'a str>,
}

impl Serialize for Points {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let count = self.runs.iter().map(|(_, points)| points.len()).sum();
        let mut list = serializer.serialize_seq(Some(count))?;
        for (run_id, points) in &self.runs {
            for point in points {
                list.serialize_element(&WirePoint {
                    key: &self.key,
                    value: Double(point.value),
                    timestamp: point.timestamp,
                    step: point.step,
                    run_id: self.named.then_some(run_id),
                })?;
            }
        }
        list.end()
    }
}

type Reply = Result<Json<Histories>, MlflowError>;

pub async fn history(
    State(tracker): State<Service>,
    _: Viewer,
    fields: Fields,
) -> Result<Response, MlflowError> {
    let (run_id, key) = (fields.run_id()?, fields.required("metric_key")?);
    let limit = match fields.int("max_results")? {
        Some(limit) if limit <= 0 => {
            return Err(Error::invalid(format!(
                "Invalid value {limit} for parameter 'max_results' supplied. It must be a positive integer."
            ))
            .into());
        }
        limit => limit.and_then(|limit| usize::try_from(limit).ok()),
    };
    let page = tracker.metric_history(run_id, key, limit, fields.text_or_empty("page_token")?).await?;
    // About the size of the answer: a text of megabytes is not to be moved each time it grows.
    let mut text = Vec::with_capacity(100 + page.items.len() * (key.len() + 80));
    let runs = vec![(run_id.to_owned(), page.items)];
    let metrics = Points { key: key.to_owned(), named: false, runs };
    let histories = Histories { metrics, next_page_token: page.next };
    serde_json::to_writer(&mut text, &histories).map_err(Error::internal)?;
    Ok(([(header::CONTENT_TYPE, "application/json")], text).into_response())
}

pub async fn history_bulk(State(tracker): State<Service>, _: Viewer, fields: Fields) -> Reply {
    let run_ids = fields.texts("run_id")?;
    if run_ids.is_empty() {
        return Err(Error::invalid("GetMetricHistoryBulk request must specify at least one run_id.").into());
    }
    if run_ids.len() > BULK_RUNS {
        return Err(Error::invalid(format!(
            "GetMetricHistoryBulk request cannot specify more than {BULK_RUNS} run_ids. Received {} run_ids.",
            run_ids.len()
        ))
        .into());
    }
    let key = fields
        .text("metric_key")?
        .ok_or_else(|| Error::invalid("GetMetricHistoryBulk request must specify a metric_key."))?;
    let limit = fields.int("max_results")?.unwrap_or(BULK_POINTS).clamp(0, BULK_POINTS);
    let runs = tracker.metric_history_bulk(run_ids, key, limit as usize).await?;
    let metrics = Points { key: key.to_owned(), named: true, runs };
    Ok(Json(Histories { metrics, next_page_token: None }))
}

pub async fn history_bulk_interval(State(tracker): State<Service>, _: Viewer, fields: Fields) -> Reply {
    let run_ids = fields.texts("run_ids")?;
    if run_ids.is_empty() {
        return Err(fields.missing("run_ids").into());
    }
    if run_ids.len() > BULK_RUNS {
        return Err(Error::invalid(format!(
            "GetMetricHistoryBulkInterval request must specify at most {BULK_RUNS} run_ids. \
             Received {} run_ids.{SEE_DOCS}",
            run_ids.len()
        ))
        .into());
    }
    let key = fields.required("metric_key")?;
    let limit = fields.int("max_results")?.unwrap_or(SAMPLES);
    if !(1..=SAMPLES).contains(&limit) {
        return Err(Error::invalid(format!("max_results must be between 1 and {SAMPLES}.{SEE_DOCS}")).into());
    }
    let steps = steps_in(&fields)?;
    let runs = tracker.metric_history_sampled(run_ids, key, steps, limit as usize).await?;
    let metrics = Points { key: key.to_owned(), named: true, runs };
    Ok(Json(Histories { metrics, next_page_token: None }))
}

/// The range of steps asked for: both ends or neither.
fn steps_in(fields: &Fields) -> Result<Option<(i64, i64)>> {
    match (fields.int("start_step")?, fields.int("end_step")?) {
        (None, None) => Ok(None),
        (Some(start), Some(end)) if start > end => Err(Error::invalid(format!(
            "end_step must be greater than start_step. Found start_step={start} and end_step={end}."
        ))),
        (Some(start), Some(end)) => Ok(Some((start, end))),
        _ => Err(Error::invalid("If either start step or end step are specified, both must be specified.")),
    }
}
