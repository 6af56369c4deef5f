//! Websites: the setting of a bucket, and what answers on `BUCKET.s3-website.HOST`: pages for
//! everybody whom the bucket lets read, an error page for what is missing, redirects.

use super::{
    super::{
        service::Service,
        settings::Setting,
        website::{self, Asked, Sent},
    },
    S3Door, access, place,
    polish::ErrorCode,
    range, refuse, setting,
};
use crate::kernel::{error::Kind, http::Peer};
use axum::body::Body;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use s3s::{S3ErrorCode, S3Result, dto::*};
use std::sync::Arc;

impl Setting for WebsiteConfiguration {
    const NAME: &'static str = "website";
}

pub async fn get(service: &Service, input: GetBucketWebsiteInput) -> S3Result<GetBucketWebsiteOutput> {
    let config = setting::get::<WebsiteConfiguration>(service, &input.bucket).await?;
    let config = config.ok_or_else(|| {
        let message = "The specified bucket does not have a website configuration";
        refuse(S3ErrorCode::NoSuchWebsiteConfiguration, message)
    })?;
    let config = (*config).clone();
    Ok(GetBucketWebsiteOutput {
        error_document: config.error_document,
        index_document: config.index_document,
        redirect_all_requests_to: config.redirect_all_requests_to,
        routing_rules: config.routing_rules,
    })
}

pub async fn put(service: &Service, input: PutBucketWebsiteInput) -> S3Result<PutBucketWebsiteOutput> {
    website::check(&input.website_configuration).map_err(setting::argument)?;
    setting::put(service, &input.bucket, &input.website_configuration).await?;
    Ok(PutBucketWebsiteOutput::default())
}

pub async fn delete(
    service: &Service,
    input: DeleteBucketWebsiteInput,
) -> S3Result<DeleteBucketWebsiteOutput> {
    setting::delete::<WebsiteConfiguration>(service, &input.bucket).await?;
    Ok(DeleteBucketWebsiteOutput::default())
}

/// Answers a request to the host of a website. Pages are read as anybody reads an object, through the
/// same door and past the same guard: ranges, conditions and refusals are those of S3.
pub async fn answer(door: &S3Door, parts: &Parts, bucket: &str) -> Response<Body> {
    if parts.method != Method::GET && parts.method != Method::HEAD {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed");
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let config = match door.objects.bucket(bucket).await.and_then(|bucket| bucket.settings.get()) {
        Ok(Some(config)) => config,
        Ok(None) => return plain(StatusCode::NOT_FOUND, "NoSuchWebsiteConfiguration"),
        Err(error) if error.kind == Kind::NotFound => return plain(StatusCode::NOT_FOUND, "NoSuchBucket"),
        Err(error) => {
            tracing::error!(?error, bucket, "a website could not be read");
            return plain(StatusCode::INTERNAL_SERVER_ERROR, "InternalError");
        }
    };
    let Ok(path) = percent_decode_str(parts.uri.path()).decode_utf8() else {
        return plain(StatusCode::BAD_REQUEST, "InvalidURI");
    };
    let key = path.strip_prefix('/').unwrap_or(&path);
    let host = place::host(&parts.headers, &parts.uri).unwrap_or_default();
    Visit { door, parts, bucket, config, asked: Asked { host, key } }.answer().await
}

/// One request to one website.
struct Visit<'a> {
    door: &'a S3Door,
    parts: &'a Parts,
    bucket: &'a str,
    config: Arc<WebsiteConfiguration>,
    asked: Asked<'a>,
}

impl Visit<'_> {
    async fn answer(&self) -> Response<Body> {
        let elsewhere = website::redirect_all(&self.config, self.asked);
        if let Some(sent) = elsewhere.or_else(|| website::routed(&self.config, self.asked, None)) {
            return send(&sent);
        }
        let found = self.read(&website::page(&self.config, self.asked.key)).await;
        let status = found.status();
        if !status.is_client_error() && !status.is_server_error() {
            return redirected(found);
        }
        if status == StatusCode::RANGE_NOT_SATISFIABLE || status == StatusCode::PRECONDITION_FAILED {
            return found;
        }
        if let Some(page) = website::folder_page(&self.config, self.asked.key)
            && self.read(&page).await.status().is_success()
        {
            let location = format!("/{}/", website::encode(self.asked.key));
            return send(&Sent { status: 302, location });
        }
        match website::routed(&self.config, self.asked, Some(status.as_u16())) {
            Some(sent) => send(&sent),
            None => self.failed(status).await,
        }
    }

    /// The site's own error page, or a plain one.
    async fn failed(&self, status: StatusCode) -> Response<Body> {
        if let Some(document) = &self.config.error_document {
            let mut page = self.read(&document.key).await;
            if page.status().is_success() {
                *page.status_mut() = status;
                page.headers_mut().remove(header::CONTENT_RANGE);
                return page;
            }
        }
        plain(status, if status == StatusCode::NOT_FOUND { "NoSuchKey" } else { "AccessDenied" })
    }

    /// Reads an object as anybody may.
    async fn read(&self, key: &str) -> Response<Body> {
        const PASSED: [HeaderName; 6] = [
            header::RANGE,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            header::IF_MODIFIED_SINCE,
            header::IF_UNMODIFIED_SINCE,
            header::REFERER,
        ];
        let path = utf8_percent_encode(key, NON_ALPHANUMERIC);
        let mut request = Request::builder()
            .method(self.parts.method.clone())
            .uri(format!("/{}/{path}", self.bucket))
            .header(header::HOST, "localhost");
        let unreadable = range::is_unreadable(&self.parts.headers);
        for name in PASSED.into_iter().filter(|name| !(unreadable && *name == header::RANGE)) {
            if let Some(value) = self.parts.headers.get(&name) {
                request = request.header(name, value);
            }
        }
        if let Some(peer) = self.parts.extensions.get::<Peer>() {
            request = request.extension(*peer);
        }
        let Ok(request) = request.body(s3s::Body::empty()) else {
            return plain(StatusCode::BAD_REQUEST, "InvalidURI");
        };
        match access::with_caller(self.door.s3.call(request)).await {
            Ok(response) => response.map(Body::new),
            Err(error) => {
                tracing::error!(?error, bucket = self.bucket, "a page of a website could not be read");
                plain(StatusCode::INTERNAL_SERVER_ERROR, "InternalError")
            }
        }
    }
}

/// An object may say that it is elsewhere.
fn redirected(found: Response<Body>) -> Response<Body> {
    let location = found.headers().get("x-amz-website-redirect-location");
    match location.and_then(|value| value.to_str().ok()) {
        Some(location) => send(&Sent { status: 301, location: location.to_owned() }),
        None => found,
    }
}

fn send(sent: &Sent) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::from_u16(sent.status).unwrap_or(StatusCode::MOVED_PERMANENTLY);
    if let Ok(location) = HeaderValue::from_str(&sent.location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

fn plain(status: StatusCode, code: &'static str) -> Response<Body> {
    let page = format!(
        "<!doctype html>\n<title>{status}</title>\n<h1>{status}</h1>\n<ul><li>Code: {code}</li></ul>\n"
    );
    let mut response = Response::new(Body::from(page));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response.extensions_mut().insert(ErrorCode(code.to_owned()));
    response
}
