//! What is refused before s3s sees it: SigV2 in a header or a query, which s3s accepts, where it is not served;
//! signatures that are none, each with the code Amazon has for it.

use super::{
    super::access::asked::{Signature, Version},
    date, document, presigned, refuse,
    sigv2::{self, SigV2},
};
use http::{HeaderMap, Uri, header, request::Parts};
use percent_encoding::percent_decode_str;
use s3s::{S3ErrorCode, S3Result};
use std::borrow::Cow;

/// Whether a request carries an AWS signature, of whatever version, and so is for the S3 door.
pub fn is_s3_request(parts: &Parts) -> bool {
    let signed = authorization(&parts.headers).is_some_and(|value| is_v4(value) || is_v2(value));
    signed
        || query(&parts.uri)
            .any(|(name, _)| matches!(&*name, "X-Amz-Signature" | "X-Amz-Algorithm" | "AWSAccessKeyId"))
}

/// How a request says that it proves who sends it. Whether it does is seen later.
pub fn claimed(headers: &HeaderMap, uri: &Uri) -> Signature {
    // s3s too looks at the old signature's parameters first, whatever else there is.
    if query(uri).any(|(name, _)| matches!(&*name, "Signature" | "AWSAccessKeyId")) {
        return Signature::Query(Version::V2);
    }
    match authorization(headers) {
        Some(value) if is_v2(value) => Signature::Header(Version::V2),
        Some(_) => Signature::Header(Version::V4),
        None if query(uri).any(|(name, _)| name == "X-Amz-Signature") => Signature::Query(Version::V4),
        None => Signature::None,
    }
}

/// Operations that Amazon has and s3s has not: it would take them for a put or a get of the object.
const UNKNOWN: [&str; 5] =
    ["renameObject", "metadataConfiguration", "metadataInventoryTable", "metadataJournalTable", "abac"];

fn check_known(parts: &Parts) -> S3Result<()> {
    let unknown =
        |name: &str| UNKNOWN.contains(&name) || (name == "encryption" && !document::key(parts).is_empty());
    match query(&parts.uri).find(|(name, _)| unknown(name)) {
        Some((name, _)) => Err(refuse(
            S3ErrorCode::NotImplemented,
            format!("The operation that {name:?} in the query asks for is not implemented."),
        )),
        None => Ok(()),
    }
}

pub fn check(parts: &Parts, sigv2: SigV2) -> S3Result<()> {
    check_known(parts)?;
    let header = authorization(&parts.headers);
    let claimed = claimed(&parts.headers, &parts.uri);
    if matches!(claimed, Signature::Header(Version::V2) | Signature::Query(Version::V2)) {
        sigv2::check(parts, claimed, sigv2)?;
        return check_length(parts);
    }
    if let Some(value) = header {
        check_authorization(parts, value)?;
    }
    if query(&parts.uri).any(|(name, _)| name == "X-Amz-Signature") {
        if header.is_some() {
            let message = "Only one auth mechanism allowed; use the X-Amz-Signature parameter or the Authorization header.";
            return Err(refuse(S3ErrorCode::InvalidArgument, message));
        }
        presigned::check(|wanted| {
            query(&parts.uri).find(|(name, _)| name == wanted).map(|(_, value)| value)
        })?;
    }
    check_length(parts)?;
    check_signed_host(parts, header)
}

/// An object says how long it is, or that it comes in pieces; in HTTP/2 its frames do.
fn check_length(parts: &Parts) -> S3Result<()> {
    let told = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING];
    let copied = parts.headers.contains_key("x-amz-copy-source");
    let old = parts.version <= http::Version::HTTP_11;
    if old
        && !copied
        && document::is_object(parts)
        && !told.iter().any(|name| parts.headers.contains_key(name))
    {
        let message = "You must provide the Content-Length HTTP header.";
        return Err(refuse(S3ErrorCode::MissingContentLength, message));
    }
    Ok(())
}

fn check_authorization(parts: &Parts, value: &str) -> S3Result<()> {
    if value.trim().is_empty() {
        return Err(refuse(S3ErrorCode::AccessDenied, "The Authorization header is empty."));
    }
    let Some(fields) = value.strip_prefix("AWS4-HMAC-SHA256") else {
        return Err(refuse(S3ErrorCode::InvalidArgument, "Unsupported Authorization Type"));
    };
    if !["Credential=", "SignedHeaders=", "Signature="].iter().all(|part| value.contains(part)) {
        let message =
            "The authorization header is malformed: Credential, SignedHeaders and Signature are needed.";
        return Err(refuse(S3ErrorCode::AuthorizationHeaderMalformed, message));
    }
    if !field(fields, "Credential=").is_some_and(presigned::is_credential) {
        let message = "The authorization header is malformed; the Credential is mal-formed; expecting \
                       \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".";
        return Err(refuse(S3ErrorCode::AuthorizationHeaderMalformed, message));
    }
    date::check_v4(&parts.headers)
}

/// A signature that does not cover the host could be replayed at another server.
fn check_signed_host(parts: &Parts, header: Option<&str>) -> S3Result<()> {
    let in_query = query(&parts.uri).find(|(name, _)| name == "X-Amz-SignedHeaders").map(|(_, value)| value);
    let in_header = header.filter(|value| is_v4(value));
    let in_header = in_header.and_then(|value| field(value, "SignedHeaders=")).map(Cow::Borrowed);
    match in_query.or(in_header) {
        Some(names) if !names.split(';').any(|name| name.eq_ignore_ascii_case("host")) => {
            Err(refuse(S3ErrorCode::AccessDenied, "The signature must cover the Host header."))
        }
        _ => Ok(()),
    }
}

pub fn authorization(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()
}

/// What an Authorization header of version 4 has behind `name`, such as `Credential=`.
pub fn field<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    value.split([',', ' ']).find_map(|item| item.trim().strip_prefix(name))
}

fn is_v4(value: &str) -> bool {
    value.starts_with("AWS4-")
}

fn is_v2(value: &str) -> bool {
    value.trim_start().starts_with("AWS ")
}

/// The query's pairs, decoded as s3s decodes them.
fn query(uri: &Uri) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    uri.query().unwrap_or_default().split('&').map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (percent_decode_str(name).decode_utf8_lossy(), percent_decode_str(value).decode_utf8_lossy())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn parts(uri: &str, authorization: Option<&str>) -> Parts {
        let mut request = Request::builder().uri(uri);
        if let Some(value) = authorization {
            let format = if is_v4(value) { "%Y%m%dT%H%M%SZ" } else { "%a, %d %b %Y %H:%M:%S GMT" };
            let date = chrono::Utc::now().format(format).to_string();
            request = request.header(header::AUTHORIZATION, value).header("x-amz-date", date);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn code(parts: &Parts) -> Option<String> {
        check(parts, SigV2::Refused).err().map(|error| error.code().as_str().to_owned())
    }

    #[test]
    fn the_old_signature_is_refused_wherever_it_stands() {
        let header = parts("/b/k", Some("AWS AKID:c2ln"));
        let query = parts("/b/k?AWSAccessKeyId=AKID&Expires=1&Signature=c2ln", None);
        let hidden = parts("/b/k?%53ignature=c2ln", None);
        for parts in [header, query, hidden] {
            assert_eq!(code(&parts).as_deref(), Some("InvalidRequest"));
        }
    }

    #[test]
    fn an_operation_nobody_knows_is_no_put() {
        for uri in ["/b/k?renameObject", "/b/k?x=1&encryption=", "/b?metadataConfiguration", "/b?%61bac"] {
            assert_eq!(code(&parts(uri, None)).as_deref(), Some("NotImplemented"), "{uri}");
        }
        for uri in ["/b?encryption", "/b/k?x-id=PutObject&mine=1"] {
            assert_eq!(code(&parts(uri, None)), None, "{uri}");
        }
    }

    #[test]
    fn a_header_that_is_no_signature_is_told_what_it_is() {
        for (value, expected) in [
            ("", "AccessDenied"),
            ("Basic YTpi", "InvalidArgument"),
            ("AWS HAHAHA", "InvalidArgument"),
            ("AWS4-HMAC-MD5 Credential=", "InvalidArgument"),
            ("AWS4-HMAC-SHA256 HAHAHA", "AuthorizationHeaderMalformed"),
            (
                "AWS4-HMAC-SHA256 Credential=AK, SignedHeaders=host, Signature=00",
                "AuthorizationHeaderMalformed",
            ),
        ] {
            assert_eq!(code(&parts("/b/k", Some(value))).as_deref(), Some(expected), "{value}");
        }
    }

    #[test]
    fn the_host_must_be_signed() {
        let value = "AWS4-HMAC-SHA256 Credential=A/20260101/r/s3/aws4_request, SignedHeaders=x-amz-date, Signature=00";
        assert_eq!(code(&parts("/b", Some(value))).as_deref(), Some("AccessDenied"));
        assert_eq!(code(&parts("/b", Some(&value.replace("=x-amz-date", "=host;x-amz-date")))), None);
    }

    #[test]
    fn requests_for_this_door_are_told_from_others() {
        assert!(is_s3_request(&parts("/", Some("AWS4-HMAC-SHA256 Credential=x"))));
        assert!(is_s3_request(&parts("/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=0", None)));
        assert!(!is_s3_request(&parts("/api/2.0/mlflow/runs/get?run_id=1", Some("Basic YTpi"))));
    }
}
