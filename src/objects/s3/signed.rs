//! The signature of a form to the identity service: of version 4, in the headers, for a service that s3s does not know.

use super::{access, date, form::Claim, gate, refuse};
use crate::{auth, objects::access::decide::Caller};
use http::{header, request::Parts};
use s3s::{S3ErrorCode, S3Result, auth::S3Auth};
use sha2::{Digest, Sha256};

/// What a credential names as the service it is for.
const SERVICE: &str = "iam";

/// Whether a request is signed for the identity service.
pub fn is_for_identity(parts: &Parts) -> bool {
    gate::authorization(&parts.headers).and_then(Credential::of).is_some_and(|found| found.service == SERVICE)
}

/// Who signed this form, if its signature holds.
pub async fn caller(auth: &auth::Service, parts: &Parts, body: &[u8]) -> S3Result<Caller> {
    let malformed = || {
        let message = "The authorization header is malformed; the Credential or the Signature is.";
        refuse(S3ErrorCode::AuthorizationHeaderMalformed, message)
    };
    let value = gate::authorization(&parts.headers).ok_or_else(malformed)?;
    let found = Credential::of(value).ok_or_else(malformed)?;
    let field = |name| gate::field(value, name).ok_or_else(malformed);
    let (names, signature) = (field("SignedHeaders=")?, field("Signature=")?);
    let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let time = text("x-amz-date").unwrap_or_default();
    date::check_skew(time)?;
    if !time.starts_with(found.date) || parts.uri.query().is_some_and(|query| !query.is_empty()) {
        return Err(malformed());
    }
    let hash = hex::encode(Sha256::digest(body));
    let told = text("x-amz-content-sha256").unwrap_or(&hash);
    if told != hash {
        let message = "The provided 'x-amz-content-sha256' header does not match what was computed.";
        return Err(refuse(S3ErrorCode::SignatureDoesNotMatch, message));
    }
    let Credential { key, date, region, service } = found;
    let canonical = format!("{}\n/\n\n{}\n{names}\n{hash}", parts.method, lines(parts, names));
    let digest = hex::encode(Sha256::digest(canonical));
    let signed = format!("AWS4-HMAC-SHA256\n{time}\n{date}/{region}/{service}/aws4_request\n{digest}");
    let claim = Claim::V4 { access_key: key, date, region, service, signature };
    let secret = access::Keys(auth.clone()).get_secret_key(key).await?;
    claim.check(secret.expose(), &signed)?;
    access::caller(key, text("x-amz-security-token"))
}

/// The signed headers, each on its line. One that is missing has an empty value, which nobody signed.
fn lines(parts: &Parts, names: &str) -> String {
    let value = |name: &str| -> String {
        let values = parts.headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        let joined = values.map(|value| value.split_whitespace().collect::<Vec<_>>().join(" "));
        let joined = joined.collect::<Vec<_>>().join(",");
        match parts.uri.authority().filter(|_| joined.is_empty() && name == header::HOST.as_str()) {
            Some(authority) => authority.to_string(),
            None => joined,
        }
    };
    names.split(';').map(|name| format!("{name}:{}\n", value(name))).collect()
}

/// The parts of `KEY/DAY/REGION/SERVICE/aws4_request`.
struct Credential<'a> {
    key: &'a str,
    date: &'a str,
    region: &'a str,
    service: &'a str,
}

impl<'a> Credential<'a> {
    /// The one in an Authorization header.
    fn of(value: &'a str) -> Option<Self> {
        let [_, service, region, date, key] =
            gate::field(value, "Credential=")?.rsplitn(5, '/').collect::<Vec<_>>()[..]
        else {
            return None;
        };
        Some(Self { key, date, region, service })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    #[test]
    fn the_service_is_told_by_the_credential() {
        let parts = |credential: &str| {
            let value = format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=00");
            Request::post("/").header(header::AUTHORIZATION, value).body(()).unwrap().into_parts().0
        };
        assert!(is_for_identity(&parts("AK/20260101//iam/aws4_request")));
        assert!(is_for_identity(&parts("A/K/20260101/us-east-1/iam/aws4_request")));
        for other in ["AK/20260101/us-east-1/sts/aws4_request", "iam/aws4_request", ""] {
            assert!(!is_for_identity(&parts(other)), "{other}");
        }
    }

    #[test]
    fn signed_headers_are_written_as_amazon_has_them() {
        let request = Request::post("http://lab:9000/").header("x-a", "  b   c ").header("x-a", "d");
        let parts = request.body(()).unwrap().into_parts().0;
        assert_eq!(lines(&parts, "host;x-a;x-none"), "host:lab:9000\nx-a:b c,d\nx-none:\n");
    }
}
