//! Errors of our own API as RFC 9457 problem documents.

use crate::kernel::error::{Error, Kind};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};

/// Tells a caller when to come again, if that may help.
pub fn say_when(error: &Error, headers: &mut HeaderMap) {
    if let Some(seconds) = error.wait_s() {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
}

/// Answers an `Error` as `application/problem+json`; the cause goes to the log, never to the caller.
pub struct Problem(pub Error);

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl Kind {
    /// The HTTP status this kind of failure has on doors that have no code of their own for it.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Invalid => StatusCode::BAD_REQUEST,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Exists | Self::Conflict => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::Late => StatusCode::GATEWAY_TIMEOUT,
            Self::Full => StatusCode::INSUFFICIENT_STORAGE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self(error) = self;
        // A refusal may carry a cause too, for another door to read; only our own failures are logged.
        if let Some(cause) = error.cause.as_ref().filter(|_| error.kind == Kind::Internal) {
            tracing::error!(%cause, "a request failed");
        }
        let status = error.kind.status();
        let body = serde_json::json!({
            "type": "about:blank",
            "title": status.canonical_reason().unwrap_or("Error"),
            "status": status.as_u16(),
            "detail": error.message,
        });
        let mut response = (status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        say_when(&error, headers);
        response
    }
}
