//! The S3 door: s3s speaks the protocol; the gate in front refuses what s3s would let through, and
//! marks every answer with its request id.

mod access;
mod acl;
mod attributes;
mod bucket;
mod convert;
mod copy;
mod cors;
mod date;
mod document;
mod entries;
mod fetch;
mod form;
mod gate;
mod guard;
mod hosts;
mod iam;
mod journal;
mod length;
mod lifecycle;
mod list;
mod lock;
mod logging;
mod notification;
mod object;
mod ops;
mod place;
mod policy;
mod polish;
mod presigned;
mod query;
mod range;
mod setting;
mod signed;
mod sigv2;
mod sse;
mod sts;
mod upload;
mod website;

use super::{access::admit::Gatekeeper, asker::Asker, service::Service};
use crate::{
    auth,
    kernel::{
        http::{Peer, REQUEST_ID},
        id,
    },
};
use axum::body::Body;
use futures::future::BoxFuture;
use hosts::Hosts;
use http::{HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use s3s::{HttpError, S3Error, S3ErrorCode, service::S3Service};
use sigv2::SigV2;
use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

pub(in crate::objects) use convert::seconds;
pub use gate::is_s3_request;
pub(super) use ops::Ops;

/// The one region this server is in, as clients see it. A request signed for another is accepted
/// too. It is none of Amazon's on purpose: in their older regions boto3 presigns URLs with SigV2,
/// which is refused unless it is asked for; in one it does not know it uses SigV4.
pub const REGION: &str = "us-crannog-1";

/// What an operator decides about the door.
#[derive(Clone, Debug, Default)]
pub struct S3Settings {
    /// Whether requests signed with version 2 are served.
    pub allow_sigv2: bool,
    /// Where clients reach this door, and the main one, when that is not where they listen.
    pub public_url: Option<String>,
    pub main_url: Option<String>,
}

/// The S3 door as a service. Mount it at `/` of an authority: below a path no signature would fit.
pub fn s3_service(service: Service, auth: auth::Service, settings: &S3Settings) -> S3Door {
    let hosts = Hosts::new(settings.public_url.as_deref(), settings.main_url.as_deref());
    let sigv2 = if settings.allow_sigv2 { SigV2::Served } else { SigV2::Refused };
    let gatekeeper = Gatekeeper { service: service.clone(), auth: auth.clone() };
    let mut builder = s3s::service::S3ServiceBuilder::new(ops::Ops(service.clone(), gatekeeper.clone()));
    // s3s checks access only where it can check a signature: without this line everybody may do all.
    builder.set_auth(access::Keys(auth));
    builder.set_access(guard::Guard(gatekeeper.clone()));
    builder.set_route(query::Query(gatekeeper.clone()));
    builder.set_host(hosts.clone());
    builder.set_validation(access::Names);
    let mut unguarded = s3s::service::S3ServiceBuilder::new(ops::Ops(service.clone(), gatekeeper.clone()));
    unguarded.set_host(hosts.clone());
    unguarded.set_validation(access::Names);
    S3Door { s3: builder.build(), unguarded: unguarded.build(), objects: service, gatekeeper, hosts, sigv2 }
}

/// The operations without the door: for callers inside, who have been let in already.
pub(super) fn ops(gatekeeper: &Gatekeeper) -> Ops {
    ops::Ops(gatekeeper.service.clone(), gatekeeper.clone())
}

/// What answers on :9000, and on :5000 for requests that carry an AWS signature.
#[derive(Clone)]
pub struct S3Door {
    s3: S3Service,
    /// Checks neither signature nor access: only for requests that `s3` has checked and let in.
    unguarded: S3Service,
    objects: Service,
    /// For what does not go through s3s.
    gatekeeper: Gatekeeper,
    hosts: Hosts,
    sigv2: SigV2,
}

impl tower::Service<Request<Body>> for S3Door {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let door = self.clone();
        Box::pin(async move { Ok(answer(door, request).await) })
    }
}

/// One request: who asks is noted, the answer is polished, marked for its origin, and told to the log.
async fn answer(door: S3Door, request: Request<Body>) -> Response<Body> {
    // The doors in front have given the request its id, which the log knows.
    let given = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let request_id = given.map_or_else(id::ordered, str::to_owned);
    let (mut parts, body) = request.into_parts();
    parts.extensions.insert(door.hosts.clone());
    let address =
        parts.extensions.get::<Peer>().map(|peer| peer.address.ip().to_string()).unwrap_or_default();
    let asker = Arc::new(Asker::of_request(&parts.method, &request_id, address));
    let grant = cors::granted(&door.objects, &parts).await;
    let entry = journal::Entry::begin(&door.objects, &parts, &asker).await;
    let host = place::host(&parts.headers, &parts.uri);
    let website = host.and_then(place::website_bucket).filter(|_| parts.method != Method::OPTIONS);
    let mut response = match website {
        // In a box, as the form below: every request would be as large as the largest of its kinds.
        Some(bucket) => Arc::clone(&asker).asks(Box::pin(website::answer(&door, &parts, bucket))).await,
        None => Arc::clone(&asker).asks(speak(&door, parts, body, &request_id)).await,
    };
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert("x-amz-request-id", value);
    }
    response.headers_mut().insert(header::SERVER, HeaderValue::from_static("Crannog"));
    if let Some(grant) = grant {
        cors::mark(response.headers_mut(), &grant);
    }
    if let Some(entry) = entry {
        entry.end(&door.objects, &response, &asker);
    }
    response
}

/// The S3 protocol itself.
async fn speak(door: &S3Door, mut parts: Parts, body: Body, request_id: &str) -> Response<Body> {
    date::complete(&mut parts.headers);
    let resource = parts.uri.path().to_owned();
    let attributes = polish::asks_attributes(&parts.method, &parts.uri);
    let is_query = query::is_query(&parts.method, &parts.uri, &parts.headers);
    let response = access::with_caller(respond(door, parts, body)).await;
    let response = response.unwrap_or_else(|error| {
        tracing::error!(?error, request_id, "the S3 door failed to shape an answer");
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    });
    match is_query && !response.status().is_success() {
        true => polish::rewrite(response, |document| query::framed(document, request_id)).await,
        false => polish::polish(response, request_id, &resource, attributes).await,
    }
}

async fn respond(door: &S3Door, mut parts: Parts, body: Body) -> Result<Response<Body>, HttpError> {
    if parts.method == Method::OPTIONS {
        let answer = cors::preflight(&door.objects, &parts).await;
        return answer.map(|answer| answer.map(Body::new)).or_else(error_document);
    }
    if let Err(refusal) = gate::check(&parts, door.sigv2) {
        return error_document(refusal);
    }
    if query::is_query(&parts.method, &parts.uri, &parts.headers) && signed::is_for_identity(&parts) {
        return Box::pin(query::identity(&door.gatekeeper, &parts, body)).await.or_else(error_document);
    }
    sigv2::as_signed(&mut parts);
    if form::is_form(&parts) {
        return Box::pin(form::post(&door.gatekeeper, &parts, body)).await.or_else(error_document);
    }
    let body = match length::tell(&mut parts, body).await {
        Ok(body) => body,
        Err(refusal) => return error_document(refusal),
    };
    let (body, broken) = document::watch(&parts, body);
    let again = range::Again::of(&mut parts);
    let mut answer = door.s3.call(Request::from_parts(parts, body)).await;
    let refused = answer.as_ref().ok().zip(again);
    if let Some(request) = refused.and_then(|(answer, again)| again.instead_of(answer)) {
        answer = door.unguarded.call(request).await;
    }
    match broken.why() {
        Some(fault) => error_document(convert::error(fault.into())),
        None => Ok(entries::splice(answer?.map(Body::new)).await),
    }
}

/// An error whose code s3s has no name for.
fn refuse_as(
    code: &'static str,
    status: StatusCode,
    message: impl Into<std::borrow::Cow<'static, str>>,
) -> S3Error {
    let mut refusal = refuse(S3ErrorCode::Custom(code.into()), message);
    refusal.set_status_code(status);
    refusal
}

fn error_document(error: S3Error) -> Result<Response<Body>, HttpError> {
    let error = convert::with_status(error, StatusCode::BAD_REQUEST);
    let response = error.to_http_response().map_err(|error| HttpError::new(Box::new(error)))?;
    Ok(response.map(Body::new))
}

/// An error of the S3 protocol with a sentence of ours.
fn refuse(code: S3ErrorCode, message: impl Into<std::borrow::Cow<'static, str>>) -> S3Error {
    S3Error::with_message(code, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size<A, B, F: Future>(_: impl Fn(A, B) -> F) -> usize {
        size_of::<F>()
    }

    /// It is allocated, moved and touched for each request: at 140 KiB, as it once was, that was a
    /// twentieth of the price of a small one.
    #[test]
    fn what_a_request_needs_while_it_runs_is_small() {
        let (door, put, get) = (size(answer), size(object::put), size(fetch::get));
        assert!(door < 16 << 10, "{door} bytes");
        assert!(put < 16 << 10 && get < 16 << 10, "{put} and {get} bytes");
    }
}
