//! How MLflow talks: errors as `{error_code, message}`, doubles that may be NaN, and requests whose
//! fields arrive as JSON or as query parameters (`Fields`). The registry speaks the same way.

use crate::kernel::{
    error::{Error, Kind},
    http::say_when,
};
use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

pub use super::fields::{Fields, JsonBody};

/// A failure in MLflow's shape. This is the one place that maps a `Kind` to MLflow's codes.
#[derive(Debug)]
pub struct MlflowError(pub Error);

/// What a handler of an MLflow route returns.
pub type Answer = Result<Json<Value>, MlflowError>;

impl<E: Into<Error>> From<E> for MlflowError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for MlflowError {
    fn into_response(self) -> Response {
        let (status, code) = code_of(self.0.kind);
        if self.0.kind == Kind::Internal {
            tracing::error!(error = ?self.0, "an MLflow request failed");
        }
        let mut response = failure(status, code, &self.0.message);
        if status == StatusCode::BAD_REQUEST {
            // Python's clients show the phrase, and scripts look for it as MLflow's server writes it.
            response.extensions_mut().insert(hyper::ext::ReasonPhrase::from_static(b"BAD REQUEST"));
        }
        say_when(&self.0, response.headers_mut());
        response
    }
}

/// MLflow's code for each kind, with the status its own server sends beside it. A taken name is 400,
/// not 409: the client tells the two apart by the code alone.
fn code_of(kind: Kind) -> (StatusCode, &'static str) {
    match kind {
        Kind::Invalid => (StatusCode::BAD_REQUEST, "INVALID_PARAMETER_VALUE"),
        Kind::Unauthenticated => (StatusCode::UNAUTHORIZED, "UNAUTHENTICATED"),
        Kind::Forbidden => (StatusCode::FORBIDDEN, "PERMISSION_DENIED"),
        Kind::NotFound => (StatusCode::NOT_FOUND, "RESOURCE_DOES_NOT_EXIST"),
        Kind::Exists => (StatusCode::BAD_REQUEST, "RESOURCE_ALREADY_EXISTS"),
        Kind::Conflict => (StatusCode::CONFLICT, "INVALID_STATE"),
        Kind::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "INVALID_PARAMETER_VALUE"),
        Kind::Busy => (StatusCode::SERVICE_UNAVAILABLE, "TEMPORARILY_UNAVAILABLE"),
        Kind::TooMany => (StatusCode::TOO_MANY_REQUESTS, "REQUEST_LIMIT_EXCEEDED"),
        Kind::Late => (StatusCode::GATEWAY_TIMEOUT, "DEADLINE_EXCEEDED"),
        Kind::Full => (StatusCode::INSUFFICIENT_STORAGE, "RESOURCE_EXHAUSTED"),
        Kind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR"),
    }
}

/// An error answer whose code has no `Kind`, such as `NOT_IMPLEMENTED`, which makes the client
/// fall back to a plain upload.
pub fn failure(status: StatusCode, code: &str, message: &str) -> Response {
    (status, Json(json!({ "error_code": code, "message": message }))).into_response()
}

/// A double as protobuf's JSON writes it: NaN and the infinities are strings.
pub fn double(value: f64) -> Value {
    if value.is_nan() {
        "NaN".into()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity".into() } else { "-Infinity".into() }
    } else {
        value.into()
    }
}

/// `[{"key": .., "value": ..}, ..]`, MLflow's shape for tags and params.
pub fn pairs(pairs: &[(String, String)]) -> Value {
    pairs.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect()
}
