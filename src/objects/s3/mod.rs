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
mod polish;
mod upload;

use super::service::Service;
use crate::{
    auth,
    kernel::{http::REQUEST_ID, id},
};
use axum::body::Body;
use futures::future::BoxFuture;
use http::{HeaderValue, Request, Response, StatusCode, header};
use s3s::{S3Error, S3ErrorCode, service::S3Service};
use std::{
    convert::Infallible,
    task::{Context, Poll},
};

pub use gate::is_s3_request;
pub(super) use ops::Ops;

/// The one region this server is in, as clients see it. A request signed for another is accepted
/// too. It is none of Amazon's on purpose: in their older regions boto3 presigns URLs with SigV2,
/// which is refused here; in one it does not know it uses SigV4.
pub const REGION: &str = "us-crannog-1";

/// The S3 door as a service. Mount it at `/` of an authority: below a path no signature would fit.
pub fn s3_service(service: Service, auth: auth::Service) -> S3Door {
    let mut builder = s3s::service::S3ServiceBuilder::new(ops::Ops(service));
    // s3s checks access only where it can check a signature: without this line everybody may do all.
    builder.set_auth(access::Keys(auth));
    builder.set_access(access::Roles);
    builder.set_host(access::Hosts);
    builder.set_validation(access::Names);
    S3Door(builder.build())
}

/// The operations without the door: for callers inside, who have been let in already.
pub(super) fn ops(service: &Service) -> Ops {
    Ops(service.clone())
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
    // The doors in front have given the request its id, which the log knows.
    let given = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let request_id = given.map_or_else(id::ordered, str::to_owned);
    let resource = request.uri().path().to_owned();
    let attributes = polish::asks_attributes(request.method(), request.uri());
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
    let mut response = polish::polish(response.map(Body::new), &request_id, &resource, attributes).await;
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert("x-amz-request-id", value);
    }
    response.headers_mut().insert(header::SERVER, HeaderValue::from_static("Crannog"));
    response
}

/// An error of the S3 protocol with a sentence of ours.
fn refuse(code: S3ErrorCode, message: impl Into<std::borrow::Cow<'static, str>>) -> S3Error {
    S3Error::with_message(code, message)
}
