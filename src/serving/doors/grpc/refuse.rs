//! Refusals as gRPC's clients read them: a code and words in headers of their own.

use crate::kernel::error::{Error, Kind};
use axum::{
    body::{Body, to_bytes},
    extract::Request,
    middleware::Next,
    response::Response,
};
use http::{HeaderMap, StatusCode, header};
use serde_json::Value;
use tonic::{
    Code, Status,
    metadata::{MetadataMap, MetadataValue},
};

/// A refusal in another protocol's words is not read further than this.
const MOST_WORDS: usize = 64 << 10;

/// When to come again, in milliseconds: clients with a policy of retries keep to it.
const PUSHBACK: &str = "grpc-retry-pushback-ms";

pub fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

pub fn status(error: Error) -> Status {
    if error.kind == Kind::Internal {
        tracing::error!(?error, "an inference request failed");
    }
    let code = match error.kind {
        Kind::Invalid => Code::InvalidArgument,
        Kind::Unauthenticated => Code::Unauthenticated,
        Kind::Forbidden => Code::PermissionDenied,
        Kind::NotFound => Code::NotFound,
        Kind::Exists => Code::AlreadyExists,
        Kind::Conflict => Code::FailedPrecondition,
        Kind::TooLarge | Kind::Full => Code::ResourceExhausted,
        // The one code after which clients try again by themselves.
        Kind::Busy | Kind::TooMany => Code::Unavailable,
        Kind::Late => Code::DeadlineExceeded,
        Kind::Internal => Code::Internal,
    };
    let mut metadata = MetadataMap::new();
    if let Some(seconds) = error.wait_s() {
        metadata.insert(PUSHBACK, MetadataValue::from(seconds * 1000));
    }
    Status::with_metadata(code, error.message, metadata)
}

/// What the guard or another room refused in JSON to a caller that speaks gRPC is put where it is looked for.
pub async fn refuse_in_grpc(request: Request, next: Next) -> Response {
    if !is_grpc(request.headers()) {
        return next.run(request).await;
    }
    let response = next.run(request).await;
    if is_grpc(response.headers()) {
        return response;
    }
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, MOST_WORDS).await.unwrap_or_default();
    let mut refusal = Status::new(code(parts.status), words(&body)).into_http::<Body>();
    // The request's id is there, and what else the outer layers look for.
    for (name, value) in &parts.headers {
        if *name != header::CONTENT_TYPE && *name != header::CONTENT_LENGTH {
            refusal.headers_mut().insert(name, value.clone());
        }
    }
    refusal
}

fn words(body: &[u8]) -> String {
    let json: Option<Value> = serde_json::from_slice(body).ok();
    let said = ["message", "detail", "error"]
        .iter()
        .find_map(|key| json.as_ref()?.get(key)?.as_str().map(Into::into));
    said.unwrap_or_else(|| String::from_utf8_lossy(body).trim().to_owned())
}

fn code(status: StatusCode) -> Code {
    match status.as_u16() {
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::Unimplemented,
        413 => Code::ResourceExhausted,
        429 | 502 | 503 => Code::Unavailable,
        504 => Code::DeadlineExceeded,
        500 => Code::Internal,
        _ => Code::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_in_every_protocols_refusal() {
        for body in
            [r#"{"error_code": "X", "message": "no"}"#, r#"{"detail": "no"}"#, r#"{"error": "no"}"#, "no\n"]
        {
            assert_eq!(words(body.as_bytes()), "no", "{body}");
        }
    }
}
