//! The date of a signed request, as far as s3s leaves it to us: one that is missing or cannot be read
//! is a denied request and no mere slip of syntax, and SigV2's requests are dated too.

use super::refuse;
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use http::HeaderMap;
use s3s::{S3ErrorCode, S3Result};

/// How far a request's clock may be off.
const SKEW_MAX: TimeDelta = TimeDelta::minutes(15);

/// Refuses a request signed in its headers that says no time anybody could read.
pub fn check_v4(headers: &HeaderMap) -> S3Result<()> {
    let date = headers.get("x-amz-date").and_then(|value| value.to_str().ok()).unwrap_or_default();
    match NaiveDateTime::parse_from_str(date, "%Y%m%dT%H%M%SZ") {
        Ok(_) => Ok(()),
        Err(_) => denied(),
    }
}

/// Refuses an old-style request whose date is missing, unreadable or far from now.
pub fn check_v2(headers: &HeaderMap, now: DateTime<Utc>) -> S3Result<()> {
    let date = headers.get("x-amz-date").or_else(|| headers.get("date"));
    let date = date.and_then(|value| value.to_str().ok()).unwrap_or_default();
    // The name of the weekday is for people; not even S3's own tests get it right.
    let date = date.split_once(", ").map_or(date, |(_, rest)| rest);
    match NaiveDateTime::parse_from_str(date, "%d %b %Y %H:%M:%S GMT").map(|date| date.and_utc()) {
        Ok(date) if date < DateTime::UNIX_EPOCH => denied(),
        Ok(date) if (now - date).abs() > SKEW_MAX => Err(refuse(
            S3ErrorCode::RequestTimeTooSkewed,
            "The difference between the request time and the server's time is too large.",
        )),
        Ok(_) => Ok(()),
        Err(_) => denied(),
    }
}

fn denied() -> S3Result<()> {
    let message = "AWS authentication requires a valid Date or x-amz-date header";
    Err(refuse(S3ErrorCode::AccessDenied, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(date: &str, check: impl Fn(&HeaderMap) -> S3Result<()>) -> Option<String> {
        let headers = HeaderMap::from_iter([("x-amz-date".parse().unwrap(), date.parse().unwrap())]);
        check(&headers).err().map(|error| error.code().as_str().to_owned())
    }

    #[test]
    fn a_date_is_readable_and_near() {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        for (date, expected) in [
            ("Tue, 14 Nov 2023 22:13:20 GMT", None),
            ("Mon, 14 Nov 2023 22:20:20 GMT", None),
            ("Tue, 07 Jul 9999 21:53:04 GMT", Some("RequestTimeTooSkewed")),
            ("Tue, 07 Jul 2010 21:53:04 GMT", Some("RequestTimeTooSkewed")),
            ("Tue, 07 Jul 1950 21:53:04 GMT", Some("AccessDenied")),
            ("Bad Date", Some("AccessDenied")),
            ("", Some("AccessDenied")),
        ] {
            assert_eq!(code(date, |headers| check_v2(headers, now)).as_deref(), expected, "{date}");
        }
        assert_eq!(code("20231114T221320Z", check_v4), None);
        assert_eq!(code("yesterday", check_v4).as_deref(), Some("AccessDenied"));
    }
}
