//! Cross-origin access: the setting of a bucket, the browser's preflight question, which s3s has no
//! answer to, and the headers that let a page read the answer to what it then sends.

use super::{
    super::{
        cors::{self, Grant},
        service::Service,
        settings::Setting,
    },
    place::place,
    refuse, refuse_as, setting,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header, request::Parts};
use s3s::{S3Error, S3ErrorCode, S3Result, dto::*};

impl Setting for CORSConfiguration {
    const NAME: &'static str = "cors";
}

pub async fn get(service: &Service, input: GetBucketCorsInput) -> S3Result<GetBucketCorsOutput> {
    let config = setting::get::<CORSConfiguration>(service, &input.bucket).await?;
    let config = config.ok_or_else(|| {
        refuse(S3ErrorCode::NoSuchCORSConfiguration, "The CORS configuration does not exist")
    })?;
    Ok(GetBucketCorsOutput { cors_rules: Some(config.cors_rules.clone()) })
}

pub async fn put(service: &Service, input: PutBucketCorsInput) -> S3Result<PutBucketCorsOutput> {
    cors::check(&input.cors_configuration).map_err(|message| refuse(S3ErrorCode::InvalidRequest, message))?;
    setting::put(service, &input.bucket, &input.cors_configuration).await?;
    Ok(PutBucketCorsOutput::default())
}

pub async fn delete(service: &Service, input: DeleteBucketCorsInput) -> S3Result<DeleteBucketCorsOutput> {
    setting::delete::<CORSConfiguration>(service, &input.bucket).await?;
    Ok(DeleteBucketCorsOutput::default())
}

/// Answers a preflight. It carries no signature, and needs none: all it learns is what the rules say.
pub async fn preflight(service: &Service, parts: &Parts) -> S3Result<Response<s3s::Body>> {
    let text = |name: HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let Some(origin) = text(header::ORIGIN) else {
        let message = "Insufficient information. Origin request header needed.";
        return Err(refuse_as("BadRequest", StatusCode::BAD_REQUEST, message));
    };
    let method = text(header::ACCESS_CONTROL_REQUEST_METHOD).unwrap_or_default();
    if !["GET", "PUT", "HEAD", "POST", "DELETE"].contains(&method) {
        let shown = if method.is_empty() { "null" } else { method };
        let message = format!("Invalid Access-Control-Request-Method: {shown}");
        return Err(refuse_as("BadRequest", StatusCode::BAD_REQUEST, message));
    }
    let Some(config) = configuration(service, parts).await else {
        return Err(forbidden("CORSResponse: CORS is not enabled for this bucket."));
    };
    let asked = cors::header_names(text(header::ACCESS_CONTROL_REQUEST_HEADERS).unwrap_or_default());
    let grant = cors::grant(&config, origin, method, &asked).ok_or_else(|| {
        forbidden(
            "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, \
             request method / Access-Control-Request-Method or Access-Control-Request-Headers are not \
             whitelisted by the resource's CORS spec.",
        )
    })?;
    let mut response = Response::new(s3s::Body::empty());
    mark(response.headers_mut(), &grant);
    Ok(response)
}

fn forbidden(message: &'static str) -> S3Error {
    refuse_as("AccessForbidden", StatusCode::FORBIDDEN, message)
}

/// What the rules grant to a page that sends this request, to be marked on whatever the answer is.
pub async fn granted(service: &Service, parts: &Parts) -> Option<Grant> {
    let origin = parts.headers.get(header::ORIGIN)?.to_str().ok()?;
    if parts.method == Method::OPTIONS {
        return None;
    }
    let config = configuration(service, parts).await?;
    let asked = parts.headers.get(header::ACCESS_CONTROL_REQUEST_METHOD);
    let method = asked.and_then(|value| value.to_str().ok()).unwrap_or(parts.method.as_str());
    cors::grant(&config, origin, method, &[])
}

async fn configuration(service: &Service, parts: &Parts) -> Option<std::sync::Arc<CORSConfiguration>> {
    let place = place(parts)?;
    // A bucket that is missing, or cannot be read, lets nobody in.
    service.bucket(&place.bucket).await.ok()?.settings.get().ok()?
}

/// Writes the grant into an answer. Another origin may get another one: caches must not mix them up.
pub fn mark(headers: &mut HeaderMap, grant: &Grant) {
    const VARY: HeaderValue =
        HeaderValue::from_static("Origin, Access-Control-Request-Headers, Access-Control-Request-Method");
    let credentials = (!grant.any_origin()).then(|| "true".to_owned());
    let age = grant.max_age_s.map(|seconds| seconds.to_string());
    let fields = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, Some(grant.origin.clone())),
        (header::ACCESS_CONTROL_ALLOW_METHODS, Some(grant.methods.clone())),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, grant.headers.clone()),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, grant.expose.clone()),
        (header::ACCESS_CONTROL_MAX_AGE, age),
        (header::ACCESS_CONTROL_ALLOW_CREDENTIALS, credentials),
    ];
    for (name, value) in fields {
        if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
            headers.insert(name, value);
        }
    }
    headers.append(header::VARY, VARY);
}
