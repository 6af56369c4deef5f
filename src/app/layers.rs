//! What every request passes on its way in, whatever room answers it: an id, a log line, a net under
//! panics, and the choice between the S3 service and everything else.

use super::door::Gate;
use crate::kernel::{
    error::{Error, Kind},
    http::{Peer, Problem, REQUEST_ID},
    id,
};
use crate::objects::is_s3_request;
use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use http::{HeaderName, HeaderValue, header};
use std::{any::Any, time::Instant};
use tower::ServiceExt;
use tracing::Instrument;

/// Gives the request an id (or keeps a sane one it came with), logs it, and answers with the id.
pub async fn identify(mut request: Request, next: Next) -> Response {
    let name = HeaderName::from_static(REQUEST_ID);
    let given = request.headers().get(&name).filter(|value| is_sane(value)).cloned();
    let value =
        given.unwrap_or_else(|| HeaderValue::try_from(id::ordered()).expect("hexadecimal is a header"));
    request.headers_mut().insert(name.clone(), value.clone());
    let id = value.to_str().unwrap_or_default().to_owned();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let started = Instant::now();
    let span = tracing::info_span!("request", id);
    let mut response = next.run(request).instrument(span).await;
    let (status, elapsed_ms) = (response.status().as_u16(), started.elapsed().as_millis() as u64);
    if response.status().is_server_error() {
        tracing::warn!(id, %method, path, status, elapsed_ms, "answered with a failure");
    } else {
        tracing::debug!(id, %method, path, status, elapsed_ms, "answered");
    }
    response.headers_mut().insert(name, value);
    response
}

fn is_sane(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    (1..=64).contains(&bytes.len()) && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
}

/// A cookie that came over TLS never leaves in clear.
pub async fn secure_cookies(request: Request, next: Next) -> Response {
    let tls = request.extensions().get::<Peer>().is_some_and(|peer| peer.tls);
    let mut response = next.run(request).await;
    if tls && let Some(cookie) = response.headers_mut().get_mut(header::SET_COOKIE) {
        let secure = [cookie.as_bytes(), b"; Secure"].concat();
        *cookie = HeaderValue::from_bytes(&secure).unwrap_or_else(|_| cookie.clone());
    }
    response
}

/// A panic is our bug: the caller hears 500, the log hears what it said, the server goes on.
pub fn panicked(cause: Box<dyn Any + Send + 'static>) -> Response {
    let said = cause
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| cause.downcast_ref::<&str>().copied())
        .unwrap_or("nothing");
    Problem(Error::internal(format!("a handler panicked: {said}"))).into_response()
}

/// No room answers this path. One with empty parts is sent to the path without them, which is what its
/// caller meant: an address was joined to a path that begins with a slash.
pub async fn nowhere(request: Request) -> Response {
    let path = request.uri().path();
    if path.contains("//") {
        let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
        let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
        return Redirect::permanent(&format!("/{}{query}", parts.join("/"))).into_response();
    }
    let message = format!("Nothing answers {} {path}.", request.method());
    Problem(Error::new(Kind::NotFound, message)).into_response()
}

/// Sends requests that carry an AWS signature to the S3 service, so that one open port is enough.
pub async fn signed_to_s3(State(s3): State<Gate>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let signed = is_s3_request(&parts);
    let request = Request::from_parts(parts, body);
    if !signed {
        return next.run(request).await;
    }
    let Ok(response) = s3.oneshot(request).await;
    response
}
