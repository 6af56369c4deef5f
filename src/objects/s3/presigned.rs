//! The query of a presigned URL, checked before s3s reads it: s3s tells of every flaw that a field is
//! missing, and does not limit how long a URL lives.

use super::refuse;
use chrono::NaiveDateTime;
use http::StatusCode;
use s3s::{S3ErrorCode, S3Result};

/// A presigned URL lives at most seven days.
const EXPIRES_MAX_S: u64 = 604_800;
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const REQUIRED: [&str; 5] =
    ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Signature"];

/// Checks what stands in the query, by the names of its parameters.
pub fn check<'a>(find: impl Fn(&str) -> Option<std::borrow::Cow<'a, str>>) -> S3Result<()> {
    // First what every URL is asked for: its life, which a client may have chosen wrongly.
    check_expires(find("X-Amz-Expires").as_deref())?;
    let [Some(algorithm), Some(credential), Some(date), Some(_), Some(signature)] = REQUIRED.map(&find)
    else {
        return malformed(
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, \
             X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
        );
    };
    if algorithm != ALGORITHM {
        return malformed("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"");
    }
    if !is_credential(&credential) {
        return malformed(
            "Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting \
             \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".",
        );
    }
    if NaiveDateTime::parse_from_str(&date, "%Y%m%dT%H%M%SZ").is_err() {
        return malformed("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"");
    }
    if signature.len() != 64 || !signature.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(refuse(
            S3ErrorCode::SignatureDoesNotMatch,
            "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
        ));
    }
    Ok(())
}

/// Whether a text has the shape of a credential: key, day, region, service, and the word at its end. The region may be
/// empty: clients of the identity service, which is in none, write it so.
pub fn is_credential(text: &str) -> bool {
    let parts: Vec<&str> = text.rsplitn(5, '/').collect();
    matches!(parts[..], ["aws4_request", service, _, day, key]
        if !service.is_empty() && !key.is_empty()
            && day.len() == 8 && day.bytes().all(|byte| byte.is_ascii_digit()))
}

fn check_expires(expires: Option<&str>) -> S3Result<()> {
    let Some(expires) = expires else {
        return unlivable("A presigned URL must carry X-Amz-Expires.");
    };
    match expires.parse::<u64>() {
        Ok(1..=EXPIRES_MAX_S) => Ok(()),
        Ok(0) => expired(),
        Ok(_) => unlivable(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds",
        ),
        Err(_) if expires.parse::<i64>().is_ok_and(i64::is_negative) => expired(),
        Err(_) => unlivable("X-Amz-Expires should be a number of seconds."),
    }
}

fn expired() -> S3Result<()> {
    Err(refuse(S3ErrorCode::AccessDenied, "Request has expired"))
}

fn malformed(message: &'static str) -> S3Result<()> {
    Err(refuse(S3ErrorCode::AuthorizationQueryParametersError, message))
}

/// A life no URL can have is refused with the status of one that is over.
fn unlivable(message: &'static str) -> S3Result<()> {
    let mut refusal = refuse(S3ErrorCode::AuthorizationQueryParametersError, message);
    refusal.set_status_code(StatusCode::FORBIDDEN);
    Err(refusal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Vec<(&'static str, String)> {
        vec![
            ("X-Amz-Algorithm", ALGORITHM.into()),
            ("X-Amz-Credential", "AK/20260101/r/s3/aws4_request".into()),
            ("X-Amz-Date", "20260101T000000Z".into()),
            ("X-Amz-SignedHeaders", "host".into()),
            ("X-Amz-Signature", "0a".repeat(32)),
            ("X-Amz-Expires", "60".into()),
        ]
    }

    /// The refusal of a good URL in which one parameter is another, or is not.
    fn code(name: &str, value: Option<&str>) -> Option<String> {
        let mut pairs = good();
        pairs.retain(|(known, _)| *known != name);
        let find = |wanted: &str| match wanted == name {
            true => value.map(Into::into),
            false => pairs.iter().find(|(known, _)| *known == wanted).map(|(_, value)| value.clone().into()),
        };
        check(find).err().map(|error| error.code().as_str().to_owned())
    }

    #[test]
    fn each_flaw_has_its_code() {
        let (bad, expired) = (Some("AuthorizationQueryParametersError"), Some("AccessDenied"));
        for (name, _) in good() {
            assert_eq!(code(name, None).as_deref(), bad, "{name}");
        }
        for (name, value, expected) in [
            ("X-Amz-Expires", "1", None),
            ("X-Amz-Expires", "604800", None),
            ("X-Amz-Expires", "604801", bad),
            ("X-Amz-Expires", "0", expired),
            ("X-Amz-Expires", "-1", expired),
            ("X-Amz-Expires", "x", bad),
            ("X-Amz-Algorithm", "AWS4-HMAC-MD5", bad),
            ("X-Amz-Credential", "AK/today/r/s3/aws4_request", bad),
            ("X-Amz-Credential", "AK", bad),
            ("X-Amz-Credential", "a/b/20260101/r/s3/aws4_request", None),
            ("X-Amz-Date", "today", bad),
            ("X-Amz-Signature", "0a", Some("SignatureDoesNotMatch")),
            ("X-Amz-Signature", &"zz".repeat(32), Some("SignatureDoesNotMatch")),
        ] {
            assert_eq!(code(name, Some(value)).as_deref(), expected, "{name}={value}");
        }
    }
}
