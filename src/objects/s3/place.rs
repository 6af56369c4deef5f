//! Which bucket and key a request is about, told before (and without) s3s: for cross-origin requests,
//! access logs and websites.

use super::{super::names, hosts::Hosts};
use http::{HeaderMap, Uri, header, request::Parts};
use percent_encoding::percent_decode_str;

/// The bucket and the key; the key is empty for the bucket itself.
#[derive(Debug, PartialEq, Eq)]
pub struct Place {
    pub bucket: String,
    pub key: String,
}

/// The place a request names, if it names a bucket.
pub fn place(parts: &Parts) -> Option<Place> {
    let path = percent_decode_str(parts.uri.path()).decode_utf8().ok()?;
    let path = path.strip_prefix('/').unwrap_or(&path);
    let host = host(&parts.headers, &parts.uri);
    let in_host = |host| website_bucket(host).or_else(|| Hosts::bucket_in(&parts.extensions, host));
    if let Some(bucket) = host.and_then(in_host) {
        return Some(Place { bucket: bucket.to_owned(), key: path.to_owned() });
    }
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    let bucket = names::qualified(bucket).1;
    (!bucket.is_empty()).then(|| Place { bucket: bucket.to_owned(), key: key.to_owned() })
}

/// The host a request is for, with its port.
pub fn host<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    let header = headers.get(header::HOST).and_then(|value| value.to_str().ok());
    header.or_else(|| uri.authority().map(|authority| authority.as_str()))
}

/// The bucket whose website answers on a host: `BUCKET.s3-website.HOST`, or with a region as Amazon has
/// it, `BUCKET.s3-website-REGION.HOST`.
pub fn website_bucket(host: &str) -> Option<&str> {
    let (bucket, rest) = host.rsplit_once(".s3-website")?;
    let names_host = rest.starts_with('.') || (rest.starts_with('-') && rest.contains('.'));
    (names_host && !bucket.is_empty()).then_some(bucket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn of(host: &'static str, uri: &'static str) -> Option<(String, String)> {
        let (parts, ()) = Request::get(uri).header(header::HOST, host).body(()).unwrap().into_parts();
        place(&parts).map(|place| (place.bucket, place.key))
    }

    #[test]
    fn a_website_is_told_by_its_host() {
        assert_eq!(website_bucket("site.s3-website.localhost:9000"), Some("site"));
        assert_eq!(website_bucket("a.b.s3-website-us-crannog-1.example.org"), Some("a.b"));
        for other in
            ["site.localhost", "s3-website.localhost", ".s3-website.x", "b.s3-website", "b.s3-websites.x"]
        {
            assert_eq!(website_bucket(other), None, "{other}");
        }
    }

    #[test]
    fn a_bucket_is_in_the_path_or_in_the_host() {
        let expected = |bucket: &str, key: &str| Some((bucket.to_owned(), key.to_owned()));
        assert_eq!(of("localhost:9000", "/b/k/x%20y?acl"), expected("b", "k/x y"));
        assert_eq!(of("127.0.0.1", "/b"), expected("b", ""));
        assert_eq!(of("b.localhost:9000", "/k/x"), expected("b", "k/x"));
        assert_eq!(of("b.localhost", "/"), expected("b", ""));
        assert_eq!(of("localhost", "/"), None);
        assert_eq!(of("localhost", "/ann:b/k:x"), expected("b", "k:x"));
        assert_eq!(of("www.b.s3-website.localhost:9000", "/k/"), expected("www.b", "k/"));
    }
}
