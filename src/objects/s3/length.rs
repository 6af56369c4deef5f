//! The length of a body that HTTP sends in chunks. s3s wants it said before it checks a digest, so a
//! small body is read to learn it, and a large one must say it, as at Amazon.

use super::{document, refuse};
use axum::body::Body;
use http::{HeaderValue, header, request::Parts};
use http_body_util::{BodyExt, Limited};
use s3s::{S3ErrorCode, S3Result};

/// What is held in memory at most, before anybody knows who sends it.
const UNTOLD_MAX: usize = 1 << 20;

/// The body, and among the headers its length.
pub async fn tell(parts: &mut Parts, body: Body) -> S3Result<Body> {
    let told = parts.headers.contains_key(header::CONTENT_LENGTH) || document::is_framed(&parts.headers);
    if told || !parts.headers.contains_key(header::TRANSFER_ENCODING) || !document::is_object(parts) {
        return Ok(body);
    }
    let Ok(read) = Limited::new(body, UNTOLD_MAX).collect().await else {
        let message =
            "You must provide the Content-Length HTTP header: only a body of up to 1 MiB may leave it out.";
        return Err(refuse(S3ErrorCode::MissingContentLength, message));
    };
    let bytes = read.to_bytes();
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    Ok(Body::from(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    async fn length(size: usize) -> Option<String> {
        let request =
            Request::put("/bucket/key").header("host", "127.0.0.1").header("transfer-encoding", "chunked");
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let body = tell(&mut parts, Body::from(vec![0; size])).await.ok()?;
        assert_eq!(body.collect().await.unwrap().to_bytes().len(), size);
        Some(parts.headers[header::CONTENT_LENGTH].to_str().unwrap().to_owned())
    }

    #[tokio::test]
    async fn a_small_body_is_measured_and_a_large_one_refused() {
        assert_eq!(length(0).await.as_deref(), Some("0"));
        assert_eq!(length(300_000).await.as_deref(), Some("300000"));
        assert_eq!(length(UNTOLD_MAX + 1).await, None);
    }
}
