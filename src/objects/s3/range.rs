//! A Range nobody can make one range of: misspelt, backwards, or several at once. As at Amazon the whole
//! object is the answer, where s3s would refuse.
//!
//! The header may be signed, so that it cannot be taken away before s3s has checked the signature. s3s
//! refuses it after that, and after the guard let the request in: then the request is asked again
//! without it, of a service that leaves both checks out.

use super::super::access::admit::Admitted;
use http::{Extensions, HeaderMap, Method, Request, Response, StatusCode, Uri, header, request::Parts};
use s3s::dto::Range;
use std::sync::{Arc, OnceLock};

/// Whether the headers hold a Range of which nothing can be made.
pub fn is_unreadable(headers: &HeaderMap) -> bool {
    let mut given = headers.get_all(header::RANGE).iter().filter(|value| !value.is_empty());
    let Some(first) = given.next() else { return false };
    given.next().is_some() || first.to_str().ok().and_then(|text| Range::parse(text).ok()).is_none()
}

/// What the guard leaves here when it lets such a request in.
#[derive(Clone, Default)]
struct Passed(Arc<OnceLock<Admitted>>);

/// Called by the guard for every request it lets in.
pub fn passed(extensions: &Extensions, admitted: &Admitted) {
    if let Some(passed) = extensions.get::<Passed>() {
        // The guard is asked once a request.
        let _ = passed.0.set(admitted.clone());
    }
}

/// A request to be asked again when s3s refuses it for its Range.
pub struct Again {
    parts: Parts,
    passed: Passed,
}

impl Again {
    /// Of most requests nothing.
    pub fn of(parts: &mut Parts) -> Option<Self> {
        if !matches!(parts.method, Method::GET | Method::HEAD) || !is_unreadable(&parts.headers) {
            return None;
        }
        let passed = Passed::default();
        parts.extensions.insert(passed.clone());
        Some(Self { parts: parts.clone(), passed })
    }

    /// The request without the Range and without its signature; none when it was refused for anything
    /// but its headers, or not at all.
    pub fn instead_of<T>(mut self, answer: &Response<T>) -> Option<Request<s3s::Body>> {
        let admitted = self.passed.0.get().filter(|_| answer.status() == StatusCode::BAD_REQUEST)?;
        self.parts.extensions.insert(admitted.clone());
        self.parts.headers.remove(header::RANGE);
        self.parts.headers.remove(header::AUTHORIZATION);
        self.parts.uri = unsigned(&self.parts.uri)?;
        Some(Request::from_parts(self.parts, s3s::Body::empty()))
    }
}

/// The address without the parameters of a presigned URL.
fn unsigned(uri: &Uri) -> Option<Uri> {
    let of_signature = |pair: &&str| !pair.to_ascii_lowercase().starts_with("x-amz-");
    let kept: Vec<&str> = uri.query().unwrap_or_default().split('&').filter(of_signature).collect();
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(format!("{}?{}", uri.path(), kept.join("&")).parse().ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn one_range_is_read_and_anything_else_is_not() {
        for (text, expected) in [
            ("bytes=0-4", false),
            ("bytes=5-", false),
            ("bytes=-3", false),
            ("", false),
            ("bytes=4-2", true),
            ("bytes=0-1,4-5", true),
            ("bytes=a-b", true),
            ("lines=1-2", true),
            ("0-4", true),
        ] {
            let headers = HeaderMap::from_iter([(header::RANGE, HeaderValue::from_static(text))]);
            assert_eq!(is_unreadable(&headers), expected, "{text}");
        }
        assert!(!is_unreadable(&HeaderMap::new()));
    }

    #[test]
    fn only_a_request_that_was_let_in_is_asked_again() {
        let uri = "/b/k?versionId=v&X-Amz-Signature=00&X-Amz-Expires=1&response-expires=x";
        let request = Request::get(uri).header(header::RANGE, "x").header(header::AUTHORIZATION, "y");
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let mut refusal = Response::new(());
        *refusal.status_mut() = StatusCode::BAD_REQUEST;
        assert!(Again::of(&mut parts).unwrap().instead_of(&refusal).is_none());
        let again = Again::of(&mut parts).unwrap();
        passed(&parts.extensions, &Admitted::default());
        let request = again.instead_of(&refusal).unwrap();
        assert_eq!(request.uri(), "/b/k?versionId=v&response-expires=x");
        assert!(request.headers().is_empty() && request.extensions().get::<Admitted>().is_some());
        let again = Again::of(&mut parts).unwrap();
        passed(&parts.extensions, &Admitted::default());
        assert!(again.instead_of(&Response::new(())).is_none());
    }
}
