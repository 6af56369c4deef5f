//! Predictions in the shape MLflow's flavors give: a table answers with a record per row, tensors with a list
//! per output, and a model of Python that gave one array with that array.

use super::payload::Payload;
use crate::{
    kernel::error::{Error, Kind},
    serving::{engine::NamedTensor, wire::json},
    tracking::wire::failure,
};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};
use std::fmt;

pub fn predictions(payload: &Payload, results: &[NamedTensor], bare: bool) -> Value {
    let list = |result: &NamedTensor| json::nested(&result.shape, json::values(&result.data));
    let predictions = match (payload, results) {
        (_, [only]) if bare => list(only),
        (Payload::Frame(frame), _)
            if results.iter().all(|result| result.shape.first() == Some(&frame.rows)) =>
        {
            records(frame.rows, results)
        }
        _ => Value::Object(results.iter().map(|result| (result.name.clone(), list(result))).collect()),
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

/// The cause of a refusal of data that can be read but does not fit the signature: MLflow has a code of its
/// own for that.
#[derive(Debug)]
pub struct Unfit;

impl Unfit {
    /// Marks the refusal.
    pub fn refusal(message: String) -> Error {
        Error { cause: Some(Box::new(Self)), ..Error::invalid(message) }
    }

    fn is_cause_of(error: &Error) -> bool {
        error.cause.as_deref().is_some_and(|cause| cause.is::<Self>())
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the data does not fit the model's signature")
    }
}

impl std::error::Error for Unfit {}

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
        // MLflow's own refusal of a content type is a bare sentence.
        if status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            return (status, error.message).into_response();
        }
        let code = match (status, error.kind) {
            _ if Unfit::is_cause_of(&error) => "INVALID_PARAMETER_VALUE",
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
