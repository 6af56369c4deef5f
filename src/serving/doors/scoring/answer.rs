//! Predictions in the shape MLflow's flavors give: a table answers with a record per row, tensors with a list
//! per output, and a model of Python that gave one array with that array.

use super::payload::Payload;
use crate::{
    kernel::error::{Error, Kind},
    serving::{
        doors::refusal::{self, Words},
        engine::NamedTensor,
        wire::json,
    },
    tracking::wire::failure,
};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
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

/// The cause of a refusal for which MLflow has an answer of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Data that can be read, but does not fit the model's signature.
    Unfit,
    /// A content type that is not read.
    Unread,
}

impl Cause {
    /// Marks the refusal.
    pub fn refusal(self, message: impl Into<String>) -> Error {
        Error { cause: Some(Box::new(self)), ..Error::invalid(message) }
    }

    fn of(error: &Error) -> Option<Self> {
        error.cause.as_deref().and_then(|cause| cause.downcast_ref()).copied()
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unfit => "the data does not fit the model's signature",
            Self::Unread => "the content type is not read",
        })
    }
}

impl std::error::Error for Cause {}

/// A refusal here has MLflow's shape, and the codes that its scoring server uses.
pub struct Mlflow;

pub type Refusal = refusal::Refusal<Mlflow>;

impl Words for Mlflow {
    fn refuse(error: &Error) -> Response {
        let code = match (Cause::of(error), error.kind) {
            // MLflow's own refusal of a content type is a bare sentence.
            (Some(Cause::Unread), _) => {
                return (StatusCode::UNSUPPORTED_MEDIA_TYPE, error.message.clone()).into_response();
            }
            (Some(Cause::Unfit), _) => "INVALID_PARAMETER_VALUE",
            (_, Kind::TooMany) => "REQUEST_LIMIT_EXCEEDED",
            (_, Kind::Late) => "DEADLINE_EXCEEDED",
            (_, Kind::NotFound) => "RESOURCE_DOES_NOT_EXIST",
            (_, Kind::Busy) => "TEMPORARILY_UNAVAILABLE",
            (_, Kind::Internal) => "INTERNAL_ERROR",
            _ => "BAD_REQUEST",
        };
        failure(error.kind.status(), code, &error.message)
    }
}
