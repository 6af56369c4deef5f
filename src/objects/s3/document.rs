//! The body of a request that is a document, XML nearly always: it is bounded, and kept from s3s's
//! parser unless it is what was promised about it. Bodies of objects are looked after by the intake.

use super::{
    super::{
        digest::{Algorithm, Hashes, decode_md5},
        error::Fault,
    },
    convert,
    hosts::Hosts,
};
use crate::store::blob::Tap;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Method, header, request::Parts};
use http_body::{Frame, SizeHint};
use sha2::{Digest, Sha256};
use std::{
    io,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
};

/// S3's own largest document, the list of 10,000 parts, stays well below this.
pub const DOCUMENT_MAX: usize = 4 << 20;

/// What broke a document off; s3s itself would call every such thing an internal error.
#[derive(Clone, Default)]
pub struct Broken(Arc<OnceLock<Fault>>);

impl Broken {
    pub fn why(&self) -> Option<Fault> {
        self.0.get().cloned()
    }

    fn off(&self, fault: Fault) -> io::Error {
        let error = io::Error::other(fault.clone());
        // Only the first reason counts; nothing is read after it.
        let _ = self.0.set(fault);
        error
    }
}

/// The body with its watch, when it is a document; any other body as it came.
pub fn watch(parts: &Parts, body: Body) -> (s3s::Body, Broken) {
    let broken = Broken::default();
    if is_object(parts) || is_framed(&parts.headers) {
        return (s3s::Body::http_body_unsync(body), broken);
    }
    // A promise that cannot be kept is told when the body is read: after who may ask at all.
    let promised = Promised::of(parts);
    let watched = Watched { body, promised: Some(promised), size: 0, broken: broken.clone() };
    (s3s::Body::http_body_unsync(watched), broken)
}

/// Whether this puts the bytes of an object or of a part.
pub fn is_object(parts: &Parts) -> bool {
    let key = key(parts);
    let settings = ["acl", "tagging", "retention", "legal-hold", "torrent", "encryption"];
    parts.method == Method::PUT && !key.is_empty() && !settings.iter().any(|name| asks(parts, name))
}

/// The key a request names, as it was sent; empty where it names a bucket or nothing.
pub fn key(parts: &Parts) -> &str {
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let path = parts.uri.path().trim_start_matches('/');
    match Hosts::bucket_in(&parts.extensions, host) {
        Some(_) => path,
        None => path.split_once('/').map_or("", |(_, key)| key),
    }
}

fn asks(parts: &Parts, wanted: &str) -> bool {
    let query = parts.uri.query().unwrap_or_default();
    query.split('&').any(|pair| pair.split('=').next() == Some(wanted))
}

/// Whether the body comes in signed chunks, which s3s takes apart and checks.
pub fn is_framed(headers: &HeaderMap) -> bool {
    headers.get("x-amz-content-sha256").is_some_and(|kind| kind.as_bytes().starts_with(b"STREAMING-"))
}

/// What the headers say the body will be.
struct Promised {
    hashes: Hashes,
    md5: Option<[u8; 16]>,
    checksums: Vec<(Algorithm, String)>,
    signed: Option<(Sha256, [u8; 32])>,
    length: Option<usize>,
}

impl Promised {
    fn of(parts: &Parts) -> Result<Self, Fault> {
        let headers = &parts.headers;
        let md5 = match headers.get("content-md5") {
            None => None,
            Some(text) => Some(text.to_str().ok().and_then(decode_md5).ok_or(Fault::InvalidDigest)?),
        };
        // Completing an upload carries the checksum of the object, not of its list of parts.
        let checksums = match asks(parts, "uploadId") {
            true => Vec::new(),
            false => convert::given_checksums(headers)?,
        };
        let signed = headers.get("x-amz-content-sha256").and_then(|text| {
            let digest = hex::decode(text.as_bytes()).ok()?.try_into().ok()?;
            Some((Sha256::new(), digest))
        });
        let length = headers.get(header::CONTENT_LENGTH).and_then(|text| text.to_str().ok()?.parse().ok());
        let hashes = Hashes::new(checksums.iter().map(|(algorithm, _)| *algorithm));
        Ok(Self { hashes, md5, checksums, signed, length })
    }

    fn see(&mut self, bytes: &[u8]) {
        self.hashes.see(bytes);
        if let Some((digest, _)) = &mut self.signed {
            digest.update(bytes);
        }
    }

    fn kept(self, size: usize) -> Result<(), Fault> {
        if self.length.is_some_and(|length| size < length) {
            return Err(Fault::IncompleteBody);
        }
        if self.signed.is_some_and(|(digest, wanted)| *digest.finalize() != wanted) {
            return Err(Fault::BodyNotAsSigned);
        }
        let (md5, sums) = self.hashes.finish();
        if self.md5.is_some_and(|wanted| wanted != md5) {
            return Err(Fault::BadDigest("Content-MD5"));
        }
        match self.checksums.iter().find(|wanted| !sums.contains(wanted)) {
            Some((algorithm, _)) => Err(Fault::BadDigest(algorithm.name())),
            None => Ok(()),
        }
    }
}

struct Watched {
    body: Body,
    /// None once the body has ended, well or not.
    promised: Option<Result<Promised, Fault>>,
    size: usize,
    broken: Broken,
}

impl Watched {
    fn take(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.size += bytes.len();
        match &mut self.promised {
            _ if self.size > DOCUMENT_MAX => return Err(Fault::DocumentTooLong(DOCUMENT_MAX)),
            Some(Ok(promised)) => promised.see(bytes),
            Some(Err(fault)) => return Err(fault.clone()),
            None => {}
        }
        // With its last byte at hand: s3s does not wait for the end either.
        let ends = |promised: &Promised| promised.length == Some(self.size);
        match self.promised.as_ref().is_some_and(|promised| promised.as_ref().is_ok_and(ends)) {
            true => self.end(),
            false => Ok(()),
        }
    }

    fn end(&mut self) -> Result<(), Fault> {
        match self.promised.take() {
            Some(promised) => promised?.kept(self.size),
            None => Ok(()),
        }
    }

    fn judge(&mut self, next: Option<Result<Frame<Bytes>, axum::Error>>) -> Option<io::Result<Frame<Bytes>>> {
        let outcome = match &next {
            Some(Ok(frame)) => frame.data_ref().map_or(Ok(()), |bytes| self.take(bytes)),
            Some(Err(_)) => Err(Fault::IncompleteBody),
            None => self.end(),
        };
        match outcome {
            Ok(()) => next.map(|frame| frame.map_err(io::Error::other)),
            Err(fault) => {
                self.promised = None;
                Some(Err(self.broken.off(fault)))
            }
        }
    }
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.promised.is_none() {
            return Poll::Ready(None);
        }
        let next = ready!(Pin::new(&mut self.body).poll_frame(context));
        Poll::Ready(self.judge(next))
    }

    /// An empty body has promises to keep too.
    fn is_end_stream(&self) -> bool {
        self.promised.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn parts(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    async fn read(parts: &Parts, body: &'static str) -> Option<Fault> {
        let (mut body, broken) = watch(parts, Body::from(body));
        let read = body.store_all_limited(usize::MAX).await;
        assert_eq!(read.is_err(), broken.why().is_some());
        broken.why()
    }

    #[test]
    fn bodies_of_objects_are_told_from_documents() {
        for (method, uri, host, expected) in [
            ("PUT", "/bucket/key", "127.0.0.1:9000", true),
            ("PUT", "/bucket/key?partNumber=1&uploadId=x", "localhost:9000", true),
            ("PUT", "/key", "bucket.localhost:9000", true),
            ("PUT", "/", "bucket.localhost:9000", false),
            ("PUT", "/bucket", "localhost:9000", false),
            ("PUT", "/bucket/", "localhost:9000", false),
            ("PUT", "/bucket/key?tagging", "localhost:9000", false),
            ("PUT", "/bucket/key?acl=", "localhost:9000", false),
            ("POST", "/bucket/key?uploadId=x", "localhost:9000", false),
            ("POST", "/bucket?delete", "localhost:9000", false),
        ] {
            assert_eq!(is_object(&parts(method, uri, &[("host", host)])), expected, "{method} {host} {uri}");
        }
    }

    #[tokio::test]
    async fn a_document_is_what_was_promised() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        for (header, value, expected) in [
            ("content-md5", "XUFAKrxLKna5cZ2REBfFkg==", None),
            ("content-md5", "rL0Y20xC+Fzt72VPzMSk2A==", Some(Fault::BadDigest("Content-MD5"))),
            ("content-md5", "nonsense", Some(Fault::InvalidDigest)),
            ("x-amz-checksum-crc32", "NhCmhg==", None),
            ("x-amz-checksum-crc32", "AAAAAA==", Some(Fault::BadDigest("CRC32"))),
            ("x-amz-content-sha256", "UNSIGNED-PAYLOAD", None),
            ("x-amz-content-sha256", empty, Some(Fault::BodyNotAsSigned)),
            ("content-length", "9", Some(Fault::IncompleteBody)),
        ] {
            let parts = parts("POST", "/bucket?delete", &[(header, value)]);
            assert_eq!(read(&parts, "hello").await, expected, "{header}: {value}");
        }
    }

    #[tokio::test]
    async fn a_document_without_end_is_cut_off() {
        let parts = parts("POST", "/bucket?delete", &[]);
        let (mut body, broken) = watch(&parts, Body::from(vec![b'a'; DOCUMENT_MAX + 1]));
        assert!(body.store_all_limited(usize::MAX).await.is_err());
        assert_eq!(broken.why(), Some(Fault::DocumentTooLong(DOCUMENT_MAX)));
    }
}
