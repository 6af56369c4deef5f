//! The S3 door: s3s speaks the protocol; the gate in front refuses what s3s would let through, and
//! marks every answer with its request id.

mod access;
mod bucket;
mod convert;
mod copy;
mod gate;
mod list;
mod object;
mod ops;
mod upload;

use super::service::Service;
use crate::{auth, kernel::id};
use axum::body::Body;
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use s3s::{S3Error, S3ErrorCode, service::S3Service};
use std::{
    convert::Infallible,
    task::{Context, Poll},
};

pub use gate::is_s3_request;

/// The one region this server is in, as clients see it.
pub const REGION: &str = "us-east-1";

/// An error document is small; s3s writes it whole.
const ERROR_MAX: usize = 64 << 10;

/// The S3 door as a service. Mount it at `/` of an authority: below a path no signature would fit.
pub fn s3_service(service: Service, auth: auth::Service) -> S3Door {
    let mut builder = s3s::service::S3ServiceBuilder::new(ops::Ops(service));
    // s3s checks access only where it can check a signature: without this line everybody may do all.
    builder.set_auth(access::Keys(auth));
    builder.set_access(access::Roles);
    builder.set_host(access::Hosts);
    S3Door(builder.build())
}

/// What answers on :9000, and on :5000 for requests that carry an AWS signature.
#[derive(Clone)]
pub struct S3Door(S3Service);

impl tower::Service<Request<Body>> for S3Door {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let service = self.0.clone();
        Box::pin(async move { Ok(answer(service, request).await) })
    }
}

async fn answer(service: S3Service, request: Request<Body>) -> Response<Body> {
    let request_id = id::ordered();
    let resource = request.uri().path().to_owned();
    let (parts, body) = request.into_parts();
    let response = match gate::check(&parts) {
        Err(refusal) => refusal.to_http_response().map_err(|error| s3s::HttpError::new(Box::new(error))),
        Ok(()) => {
            let request = Request::from_parts(parts, s3s::Body::http_body_unsync(body));
            access::with_caller(service.call(request)).await
        }
    };
    let response = response.unwrap_or_else(|error| {
        tracing::error!(?error, request_id, "the S3 door failed to shape an answer");
        let mut response = Response::new(s3s::Body::empty());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    });
    let mut response = sign_off(response.map(Body::new), &request_id, &resource).await;
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert("x-amz-request-id", value);
    }
    response.headers_mut().insert(header::SERVER, HeaderValue::from_static("Crannog"));
    response
}

/// Writes the request id and the resource into an error document, where support and clients look for them.
async fn sign_off(response: Response<Body>, request_id: &str, resource: &str) -> Response<Body> {
    let status = response.status();
    if status == StatusCode::NOT_MODIFIED {
        return response.map(|_| Body::empty());
    }
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let document =
        Limited::new(body, ERROR_MAX).collect().await.map(|all| all.to_bytes()).unwrap_or_default();
    let document = match document.strip_suffix(b"</Error>".as_slice()) {
        None => document,
        Some(head) => {
            let tail = format!(
                "<Resource>{}</Resource><RequestId>{request_id}</RequestId></Error>",
                escape(resource)
            );
            Bytes::from([head, tail.as_bytes()].concat())
        }
    };
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(document))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// An error of the S3 protocol with a sentence of ours.
fn refuse(code: S3ErrorCode, message: impl Into<std::borrow::Cow<'static, str>>) -> S3Error {
    S3Error::with_message(code, message)
}
