//! The old signature, version 2. It covers neither the body nor most headers, and of the query a list of names
//! only; so it is refused, unless the operator lets clients in that know no other. s3s compares it then, and
//! what that comparison would leave open is closed here.

use super::{
    super::{
        access::asked::{Signature, Version, query},
        digest::decode_md5,
        error::Fault,
    },
    convert, date, gate,
    hosts::Hosts,
    place, query, refuse,
};
use chrono::{DateTime, TimeDelta, Utc};
use http::{HeaderName, HeaderValue, Uri, header, request::Parts};
use s3s::{S3ErrorCode, S3Result};
use std::collections::HashSet;

/// What becomes of requests that are signed so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigV2 {
    Refused,
    Served,
}

/// As with SigV4; Amazon itself sets no limit.
const LIFE_MAX: TimeDelta = TimeDelta::days(7);

/// Names in a query that the signature covers: they say what is asked for.
const COVERED: &[&str] = &[
    "accelerate",
    "acl",
    "cors",
    "delete",
    "lifecycle",
    "location",
    "logging",
    "notification",
    "object-lock",
    "partNumber",
    "policy",
    "replication",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
];
/// Names that it does not cover, and that change no more than which page of a listing comes.
const OPEN: &[&str] = &[
    "continuation-token",
    "delimiter",
    "encoding-type",
    "fetch-owner",
    "key-marker",
    "list-type",
    "marker",
    "max-keys",
    "max-parts",
    "max-uploads",
    "part-number-marker",
    "prefix",
    "start-after",
    "upload-id-marker",
    "version-id-marker",
];
/// What a presigned URL is signed with, besides the headers it stands for.
const PRESIGNED: [&str; 3] = ["Signature", "Expires", "AWSAccessKeyId"];
/// Headers that a presigned URL may carry as parameters, besides those that begin with `x-amz-`.
const AS_PARAMETERS: [&str; 2] = ["content-type", "content-md5"];

/// Refuses an old-style request for what is wrong with it first, and in the end for what it is, where it is
/// not served.
pub fn check(parts: &Parts, signature: Signature, sigv2: SigV2) -> S3Result<()> {
    let pairs = query(&parts.uri);
    match signature {
        Signature::Header(_) => check_header(parts)?,
        _ if sigv2 == SigV2::Served => check_presigned(&pairs, Utc::now())?,
        _ => {}
    }
    // What the token service is asked stands in the body.
    if sigv2 == SigV2::Refused || query::is_query(&parts.method, &parts.uri, &parts.headers) {
        return unsupported(
            "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256 \
             (boto3 presigns with it when told so: Config(signature_version='s3v4')).",
        );
    }
    check_scope(parts, &pairs, signature)
}

fn check_header(parts: &Parts) -> S3Result<()> {
    let value = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if !value.is_some_and(|value| value.contains(':')) {
        let message = "The Authorization header must be of the form: AWS AccessKeyId:Signature.";
        return Err(refuse(S3ErrorCode::InvalidArgument, message));
    }
    date::check_v2(&parts.headers, Utc::now())?;
    let md5 = parts.headers.get("content-md5");
    if md5.is_some_and(|text| text.to_str().ok().and_then(decode_md5).is_none()) {
        return Err(convert::error(Fault::InvalidDigest.into()));
    }
    Ok(())
}

fn check_presigned(pairs: &[(String, String)], now: DateTime<Utc>) -> S3Result<()> {
    let find = |wanted: &str| pairs.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    let [Some(_), Some(expires), Some(_)] = PRESIGNED.map(find) else {
        return denied(
            "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters",
        );
    };
    let Some(end) = expires.parse().ok().and_then(|end| DateTime::from_timestamp(end, 0)) else {
        return denied("Invalid date (should be seconds since epoch)");
    };
    if end < now {
        return denied("Request has expired");
    }
    if end - now > LIFE_MAX {
        return denied("A presigned URL lives seven days at most.");
    }
    Ok(())
}

/// Refuses what could be changed in the request without a change of its signature. A name that stands there
/// twice is such a thing: s3s signs neither of the two.
fn check_scope(parts: &Parts, pairs: &[(String, String)], signature: Signature) -> S3Result<()> {
    let mut names = HashSet::new();
    if let Some((name, _)) = pairs.iter().find(|(name, _)| !names.insert(name) || !is_in_scope(name)) {
        return unsupported(format!(
            "Signature version 2 does not cover the parameter {name:?} here. Please use AWS4-HMAC-SHA256."
        ));
    }
    let one = ["content-md5", "content-type", "date", "x-amz-date", "authorization"];
    if one.iter().any(|name| parts.headers.get_all(*name).iter().nth(1).is_some()) {
        return unsupported("A signed header stands in the request twice.");
    }
    let text = |value: &HeaderValue| std::str::from_utf8(value.as_bytes()).is_ok();
    if parts.headers.iter().any(|(name, value)| name.as_str().starts_with("x-amz-") && !text(value)) {
        return unsupported("A signed header is not UTF-8.");
    }
    let streamed = parts.headers.get("x-amz-content-sha256");
    if streamed.is_some_and(|value| value.as_bytes().starts_with(b"STREAMING-")) {
        return unsupported("A body in signed chunks needs AWS4-HMAC-SHA256.");
    }
    if matches!(signature, Signature::Query(_)) && parts.headers.contains_key(header::AUTHORIZATION) {
        let message =
            "Only one auth mechanism allowed; use the Signature parameter or the Authorization header.";
        return Err(refuse(S3ErrorCode::InvalidArgument, message));
    }
    Ok(())
}

fn is_in_scope(name: &str) -> bool {
    let free = |name: &str| name.starts_with("x-") && name != "x-amz-signature";
    COVERED.contains(&name)
        || OPEN.contains(&name)
        || PRESIGNED.contains(&name)
        || AS_PARAMETERS.contains(&name)
        || free(&name.to_ascii_lowercase())
}

/// Makes of a request the one that was signed, as s3s looks at nothing else.
pub fn as_signed(parts: &mut Parts) {
    match gate::claimed(&parts.headers, &parts.uri) {
        Signature::Header(Version::V2) => end_bucket(parts),
        Signature::Query(Version::V2) => {
            end_bucket(parts);
            unfold(parts);
        }
        _ => {}
    }
}

/// A bucket alone is signed as `/bucket/` by every client, and asked for as `/bucket` by some, boto3 for one.
fn end_bucket(parts: &mut Parts) {
    let host = place::host(&parts.headers, &parts.uri).unwrap_or_default();
    let path = parts.uri.path();
    let alone = path.len() > 1 && !path[1..].contains('/');
    if !alone || Hosts::bucket_in(&parts.extensions, host).is_some() {
        return;
    }
    let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut uri = parts.uri.clone().into_parts();
    uri.path_and_query = format!("{path}/{query}").parse().ok();
    if let Ok(uri) = Uri::from_parts(uri) {
        parts.uri = uri;
    }
}

/// A presigned URL stands for the headers that were signed with it, whether they are sent or not.
fn unfold(parts: &mut Parts) {
    for (name, value) in query(&parts.uri) {
        let name = name.to_ascii_lowercase();
        if !name.starts_with("x-amz-") && !AS_PARAMETERS.contains(&name.as_str()) {
            continue;
        }
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(&value)) {
            parts.headers.entry(name).or_insert(value);
        }
    }
}

fn denied(message: &'static str) -> S3Result<()> {
    Err(refuse(S3ErrorCode::AccessDenied, message))
}

fn unsupported(message: impl Into<std::borrow::Cow<'static, str>>) -> S3Result<()> {
    Err(refuse(S3ErrorCode::InvalidRequest, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    const SIGNED: &str = "AWSAccessKeyId=AKID&Signature=c2ln";

    fn presigned(uri: &str, ends_in_s: i64) -> Parts {
        let joint = if uri.contains('?') { '&' } else { '?' };
        let uri = format!("{uri}{joint}{SIGNED}&Expires={}", Utc::now().timestamp() + ends_in_s);
        Request::builder().uri(uri).body(()).unwrap().into_parts().0
    }

    fn in_header(uri: &str) -> Parts {
        let date = Utc::now().format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let request = Request::builder().uri(uri).header("authorization", "AWS AKID:c2ln");
        request.header("date", date).body(()).unwrap().into_parts().0
    }

    fn code(parts: &Parts) -> Option<String> {
        let signature = gate::claimed(&parts.headers, &parts.uri);
        check(parts, signature, SigV2::Served).err().map(|error| error.code().as_str().to_owned())
    }

    #[test]
    fn what_the_signature_does_not_cover_chooses_nothing() {
        for uri in [
            "/b/k",
            "/b/k?acl",
            "/b?prefix=a%2Fb&list-type=2",
            "/b/k?partNumber=1&uploadId=x&x-id=UploadPart",
        ] {
            assert_eq!(code(&presigned(uri, 60)), None, "{uri}");
            assert_eq!(code(&in_header(uri)), None, "{uri}");
        }
        for uri in
            ["/b/k?retention", "/b?encryption", "/b/k?acl&acl", "/b/k?%61cl&acl=", "/b/k?X-Amz-Signature=0"]
        {
            assert_eq!(code(&presigned(uri, 60)).as_deref(), Some("InvalidRequest"), "{uri}");
        }
        let mut chunked = in_header("/b/k");
        chunked.headers.insert("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER".parse().unwrap());
        assert_eq!(code(&chunked).as_deref(), Some("InvalidRequest"));
        let mut twice = in_header("/b/k");
        twice.headers.append("content-type", "a/b".parse().unwrap());
        twice.headers.append("content-type", "c/d".parse().unwrap());
        assert_eq!(code(&twice).as_deref(), Some("InvalidRequest"));
        let mut both = presigned("/b/k", 60);
        both.headers.insert("authorization", "AWS4-HMAC-SHA256 Credential=x".parse().unwrap());
        let both = check(&both, Signature::Query(Version::V2), SigV2::Served);
        assert_eq!(both.unwrap_err().code().as_str(), "InvalidArgument");
    }

    #[test]
    fn a_presigned_url_ends_and_within_a_week() {
        let week = LIFE_MAX.num_seconds();
        for (ends_in_s, expected) in
            [(60, None), (week - 5, None), (-5, Some("AccessDenied")), (week + 60, Some("AccessDenied"))]
        {
            assert_eq!(code(&presigned("/b/k", ends_in_s)).as_deref(), expected, "{ends_in_s}");
        }
        for query in
            [SIGNED.to_owned(), format!("{SIGNED}&Expires=soon"), "Signature=c2ln&Expires=1".to_owned()]
        {
            let parts = Request::builder().uri(format!("/b/k?{query}")).body(()).unwrap().into_parts().0;
            assert_eq!(code(&parts).as_deref(), Some("AccessDenied"), "{query}");
        }
    }

    #[test]
    fn a_presigned_url_stands_for_its_headers() {
        let mut parts = presigned("/b/k?x-amz-acl=private&content-type=text%2Fplain&prefix=a", 60);
        parts.headers.insert("content-type", "a/b".parse().unwrap());
        as_signed(&mut parts);
        assert_eq!(parts.headers["x-amz-acl"], "private");
        assert_eq!(parts.headers["content-type"], "a/b");
        assert_eq!(parts.headers.len(), 2);
        let mut parts = in_header("/b/k?x-amz-acl=private");
        as_signed(&mut parts);
        assert!(!parts.headers.contains_key("x-amz-acl"));
    }

    #[test]
    fn a_bucket_alone_is_asked_for_as_it_was_signed() {
        for (host, uri, signed) in [
            ("localhost", "/b?prefix=a%2Fb", "/b/?prefix=a%2Fb"),
            ("localhost", "/b", "/b/"),
            ("localhost", "/b/", "/b/"),
            ("localhost", "/b/k", "/b/k"),
            ("localhost", "/", "/"),
            ("b.localhost", "/k", "/k"),
        ] {
            let mut parts = in_header(uri);
            parts.headers.insert("host", host.parse().unwrap());
            as_signed(&mut parts);
            assert_eq!(parts.uri.to_string(), signed);
        }
    }
}
