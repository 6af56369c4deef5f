//! Errors as Airflow answers them: `{"detail": ...}`, a sentence or FastAPI's list of what is wrong.

use crate::kernel::error::{Error, Kind};
use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

pub(super) type Answer = Result<Json<Value>, Fault>;

pub(super) struct Fault {
    status: StatusCode,
    detail: Value,
}

impl Fault {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: Value::String(detail.into()) }
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// A part of the request that does not fit, as FastAPI tells it.
    pub(super) fn unfit(place: &[&str], kind: &str, message: &str, input: &Value) -> Self {
        let one = json!({ "type": kind, "loc": place, "msg": message, "input": input });
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, detail: json!([one]) }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        if let Some(cause) = error.cause.as_ref().filter(|_| error.kind == Kind::Internal) {
            tracing::error!(%cause, "a request failed");
        }
        Self::new(error.kind.status(), error.message)
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(json!({ "detail": self.detail }))).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
