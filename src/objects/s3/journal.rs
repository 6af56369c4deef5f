//! What the access log of a bucket is told about a request to it.

use super::{
    super::{
        asker::Asker,
        logging::{
            line::{Answered, operation},
            name::Logging,
        },
        model::Bucket,
        service::Service,
    },
    gate,
    place::{host, place, website_bucket},
    polish::ErrorCode,
};
use crate::kernel::clock::now_ms;
use axum::body::Body;
use http::{HeaderMap, HeaderName, Method, Response, header, request::Parts};
use percent_encoding::percent_decode_str;
use std::{sync::Arc, time::Instant};

/// A request to a bucket whose log is kept, from its head to its answer.
pub struct Entry {
    bucket: Arc<Bucket>,
    logging: Arc<Logging>,
    begun: Instant,
    answered: Answered,
    method: Method,
    announced: Option<u64>,
}

impl Entry {
    /// Begins an entry, if the bucket the request is about has a log.
    pub async fn begin(service: &Service, parts: &Parts, asker: &Asker) -> Option<Self> {
        let place = place(parts)?;
        // A bucket that is missing has no log; one that cannot be read is told by the request itself.
        let bucket = service.bucket(&place.bucket).await.ok()?;
        let logging = bucket.settings.get::<Logging>().ok()??;
        let text = |name: HeaderName| parts.headers.get(name)?.to_str().ok().map(str::to_owned);
        let number = |name: &str| parts.headers.get(name)?.to_str().ok()?.parse::<u64>().ok();
        let host = host(&parts.headers, &parts.uri);
        let names = query_names(parts);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let copies = parts.headers.contains_key("x-amz-copy-source");
        let operation = operation(&parts.method, !place.key.is_empty(), &names, copies);
        let website = host.is_some_and(|host| website_bucket(host).is_some());
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let answered = Answered {
            owner: bucket.owner.clone(),
            bucket: bucket.name.clone(),
            at_ms: now_ms(),
            address: asker.address().to_owned(),
            request_id: asker.request_id().to_owned(),
            operation: if website { operation.replacen("REST", "WEBSITE", 1) } else { operation },
            key: Some(place.key).filter(|key| !key.is_empty()),
            request: format!("{} {path} {:?}", parts.method, parts.version),
            referer: text(header::REFERER),
            user_agent: text(header::USER_AGENT),
            signature: gate::claimed(&parts.headers, &parts.uri),
            host: host.map(str::to_owned),
            ..Answered::default()
        };
        Some(Self {
            announced: number("x-amz-decoded-content-length").or_else(|| number("content-length")),
            begun: Instant::now(),
            method: parts.method.clone(),
            bucket,
            logging,
            answered,
        })
    }

    /// Writes the entry when the answer is known, and one for each key of a list of deletions.
    pub fn end(self, service: &Service, response: &Response<Body>, asker: &Asker) {
        let Self { bucket, logging, begun, mut answered, method, announced } = self;
        let headers = response.headers();
        let sent = length(headers).or_else(|| response_size(response));
        answered.requester = asker.principal();
        answered.status = response.status().as_u16();
        answered.error = response.extensions().get::<ErrorCode>().map(|code| code.0.clone());
        answered.bytes_sent = sent.filter(|_| method != Method::HEAD && response.status().as_u16() != 304);
        answered.object_size = match method {
            Method::GET | Method::HEAD if answered.key.is_some() => whole(headers).or(sent),
            Method::PUT | Method::POST => announced,
            _ => None,
        };
        answered.version =
            headers.get("x-amz-version-id").and_then(|value| value.to_str().ok()).map(str::to_owned);
        answered.total_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        answered.turn_around_ms = Some(answered.total_ms);
        let mut lines = vec![answered.clone()];
        for deleted in asker.deleted() {
            lines.push(Answered {
                operation: "BATCH.DELETE.OBJECT".into(),
                key: Some(deleted.key),
                version: deleted.version,
                status: if deleted.error.is_none() { 204 } else { 403 },
                error: deleted.error,
                bytes_sent: None,
                object_size: None,
                ..answered.clone()
            });
        }
        service.logs().add(&bucket, &logging, &lines);
    }
}

fn query_names(parts: &Parts) -> Vec<String> {
    let pairs = parts.uri.query().unwrap_or_default().split('&');
    let name = |pair: &str| {
        let name = pair.split('=').next().unwrap_or(pair);
        percent_decode_str(name).decode_utf8_lossy().into_owned()
    };
    pairs.map(name).collect()
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn response_size(response: &Response<Body>) -> Option<u64> {
    http_body::Body::size_hint(response.body()).exact()
}

/// The size of the object a range was taken from.
fn whole(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_RANGE)?.to_str().ok()?.rsplit_once('/')?.1.parse().ok()
}
