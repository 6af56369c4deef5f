//! Numbers over many traces, on the wire.

use super::traces::experiments_in;
use crate::{
    auth::Viewer,
    kernel::error::{Error, Result},
    tracking::{
        Service,
        traces::{
            metrics::{AGGREGATIONS, Aggregation, BUCKET, Question, VIEWS, View},
            store::numbers::Point,
            time,
        },
        wire::{Answer, Fields, double},
    },
};
use axum::{Json, extract::State};
use serde_json::{Map, Value, json};

const POINTS_MAX: i64 = 1000;

pub async fn query(State(tracker): State<Service>, _: Viewer, fields: Fields) -> Answer {
    let question = question_in(&fields)?;
    let points = tracker.trace_metrics(question.clone()).await?;
    let shown: Vec<_> = points.iter().filter_map(|point| shown(&question, point)).collect();
    Ok(Json(json!({ "data_points": shown })))
}

fn question_in(fields: &Fields) -> Result<Question> {
    if !fields.has("experiment_ids") {
        return Err(fields.missing("experiment_ids"));
    }
    let view = fields.choice("view_type", VIEWS)?.ok_or_else(|| fields.missing("view_type"))?;
    let aggregations = fields.items("aggregations")?;
    if aggregations.is_empty() {
        return Err(fields.missing("aggregations"));
    }
    let (from, until) = (fields.int("start_time_ms")?, fields.int("end_time_ms")?);
    let interval_s = fields.int("time_interval_seconds")?.filter(|seconds| *seconds > 0);
    if interval_s.is_some() && (from.is_none() || until.is_none()) {
        return Err(Error::invalid(
            "start_time_ms and end_time_ms are required if time_interval_seconds is set",
        ));
    }
    let limit = fields.int("max_results")?.unwrap_or(POINTS_MAX);
    if limit < 1 {
        return Err(fields.invalid("max_results", &limit.into(), "It must be a positive integer"));
    }
    Ok(Question {
        experiments: experiments_in(fields)?,
        view: View::from_number(view),
        metric: fields.required("metric_name")?.to_owned(),
        aggregations: aggregations.iter().map(aggregation_in).collect::<Result<_>>()?,
        dimensions: fields.texts("dimensions")?,
        filters: fields.texts("filters")?,
        interval_s,
        from,
        until,
        limit,
    })
}

fn aggregation_in(fields: &Fields) -> Result<Aggregation> {
    let number = fields.choice("aggregation_type", AGGREGATIONS)?;
    let word = AGGREGATIONS.iter().find(|(_, known)| Some(*known) == number).map(|(word, _)| *word);
    let word = word.ok_or_else(|| fields.missing("aggregation_type"))?;
    let percent = fields.float("percentile_value")?;
    match (word, percent) {
        ("PERCENTILE", None) => {
            Err(Error::invalid("Percentile value is required for PERCENTILE aggregation"))
        }
        ("PERCENTILE", Some(percent)) if !(0.0..=100.0).contains(&percent) => {
            Err(Error::invalid(format!("Percentile value must be between 0 and 100, got {percent}")))
        }
        (other, Some(_)) if other != "PERCENTILE" => Err(Error::invalid(format!(
            "Percentile value is only allowed for PERCENTILE aggregation type, got {other}"
        ))),
        _ => Ok(Aggregation { word, percent }),
    }
}

/// A group as the answer has it; one without any number is left out.
fn shown(question: &Question, point: &Point) -> Option<Value> {
    let mut dimensions = Map::new();
    for (name, key) in question.keys().into_iter().zip(&point.keys) {
        let text = match key.as_i64() {
            Some(ms) if name == BUCKET => time::iso(ms),
            _ => key.as_str().unwrap_or_default().to_owned(),
        };
        dimensions.insert(name.to_owned(), text.into());
    }
    let numbers = question.aggregations.iter().zip(&point.numbers);
    let values: Map<_, _> =
        numbers.filter_map(|(one, number)| Some((one.label(), double((*number)?)))).collect();
    (!values.is_empty())
        .then(|| json!({ "metric_name": question.metric, "dimensions": dimensions, "values": values }))
}
