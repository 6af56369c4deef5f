//! Predictions in the shape MLflow's ONNX flavor gives: a table answers with a record per row, tensors
//! answer with a list per output.

use super::payload::Payload;
use crate::{
    kernel::error::{Error, Kind},
    serving::{engine::NamedTensor, json},
    tracking::wire::failure,
};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

pub fn predictions(payload: &Payload, results: &[NamedTensor]) -> Value {
    let predictions = match payload {
        Payload::Frame(frame) if results.iter().all(|result| result.shape.first() == Some(&frame.rows)) => {
            records(frame.rows, results)
        }
        _ => {
            let lists = results
                .iter()
                .map(|result| (result.name.clone(), json::nested(&result.shape, json::values(&result.data))));
            Value::Object(lists.collect())
        }
    };
    json!({ "predictions": predictions })
}

/// A record per row: a value for an output with one value a row, a list for one with more.
pub fn records(rows: usize, results: &[NamedTensor]) -> Value {
    let mut records = vec![Map::with_capacity(results.len()); rows];
    for result in results {
        let inner = &result.shape[1..];
        let per_row: usize = inner.iter().product();
        let mut values = json::values(&result.data).into_iter();
        for record in &mut records {
            let row: Vec<Value> = values.by_ref().take(per_row).collect();
            // MLflow flattens what has one value a row, whatever its dimensions.
            let shape = if per_row == 1 { &[] } else { inner };
            record.insert(result.name.clone(), json::nested(shape, row));
        }
    }
    records.into_iter().map(Value::Object).collect()
}

/// A refusal in MLflow's shape, with the codes its scoring server uses.
pub struct Refusal(pub StatusCode, pub Error);

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self(error.kind.status(), error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(status, error) = self;
        if error.kind == Kind::Internal {
            tracing::error!(?error, "an inference request failed");
        }
        let code = match (status, error.kind) {
            (_, Kind::TooMany) => "REQUEST_LIMIT_EXCEEDED",
            (_, Kind::Late) => "DEADLINE_EXCEEDED",
            (_, Kind::NotFound) => "RESOURCE_DOES_NOT_EXIST",
            (_, Kind::Busy) => "TEMPORARILY_UNAVAILABLE",
            (_, Kind::Internal) => "INTERNAL_ERROR",
            _ => "BAD_REQUEST",
        };
        let mut response = failure(status, code, &error.message);
        if error.may_pass() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
