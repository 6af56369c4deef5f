//! The date of a signed request, as far as s3s leaves it to us: one that is missing or cannot be read
//! is a denied request and no mere slip of syntax, and SigV2's requests are dated too.

use super::refuse;
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use http::{HeaderMap, HeaderValue, header};
use s3s::{S3ErrorCode, S3Result};

/// ISO 8601's basic format, which SigV4 signs.
const BASIC: &str = "%Y%m%dT%H%M%SZ";
/// How far a request's clock may be off.
const SKEW_MAX: TimeDelta = TimeDelta::minutes(15);

/// Gives a request that is dated in HTTP's way only the date s3s looks for. Both are in the signature's
/// text, whichever header it came in.
pub fn complete(headers: &mut HeaderMap) {
    let v4 = headers.get(header::AUTHORIZATION).is_some_and(|value| value.as_bytes().starts_with(b"AWS4-"));
    if !v4 || headers.contains_key("x-amz-date") {
        return;
    }
    let date = headers.get(header::DATE).and_then(|value| value.to_str().ok()).and_then(http_date);
    let date = date.and_then(|date| HeaderValue::from_str(&date.format(BASIC).to_string()).ok());
    if let Some(date) = date {
        headers.insert("x-amz-date", date);
    }
}

/// Refuses a request signed in its headers that says no time anybody could read.
pub fn check_v4(headers: &HeaderMap) -> S3Result<()> {
    let date = headers.get("x-amz-date").and_then(|value| value.to_str().ok()).unwrap_or_default();
    match NaiveDateTime::parse_from_str(date, BASIC) {
        Ok(_) => Ok(()),
        Err(_) => denied(),
    }
}

/// Refuses an old-style request whose date is missing, unreadable or far from now.
pub fn check_v2(headers: &HeaderMap, now: DateTime<Utc>) -> S3Result<()> {
    let date = headers.get("x-amz-date").or_else(|| headers.get("date"));
    let date = date.and_then(|value| value.to_str().ok()).unwrap_or_default();
    match http_date(date) {
        Some(date) if date < DateTime::UNIX_EPOCH => denied(),
        Some(date) => near(date, now),
        None => denied(),
    }
}

/// Refuses a SigV4 date that is unreadable or far from now; s3s does so for what goes through it.
pub fn check_skew(date: &str) -> S3Result<()> {
    match NaiveDateTime::parse_from_str(date, BASIC) {
        Ok(date) => near(date.and_utc(), Utc::now()),
        Err(_) => denied(),
    }
}

fn near(date: DateTime<Utc>, now: DateTime<Utc>) -> S3Result<()> {
    if (now - date).abs() <= SKEW_MAX {
        return Ok(());
    }
    let message = "The difference between the request time and the server's time is too large.";
    Err(refuse(S3ErrorCode::RequestTimeTooSkewed, message))
}

fn http_date(date: &str) -> Option<DateTime<Utc>> {
    // The name of the weekday is for people; not even S3's own tests get it right.
    let date = date.split_once(", ").map_or(date, |(_, rest)| rest);
    // Python's mail library, which boto3 asks for the date, says that it is in no zone: -0000.
    let (time, zone) = date.rsplit_once(' ')?;
    let time = NaiveDateTime::parse_from_str(time, "%d %b %Y %H:%M:%S").ok()?;
    matches!(zone, "GMT" | "UTC" | "+0000" | "-0000").then(|| time.and_utc())
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
            ("Tue, 14 Nov 2023 22:13:20 -0000", None),
            ("Tue, 07 Jul 9999 21:53:04 GMT", Some("RequestTimeTooSkewed")),
            ("Tue, 07 Jul 2010 21:53:04 GMT", Some("RequestTimeTooSkewed")),
            ("Tue, 07 Jul 1950 21:53:04 GMT", Some("AccessDenied")),
            ("Bad Date", Some("AccessDenied")),
            ("", Some("AccessDenied")),
        ] {
            assert_eq!(code(date, |headers| check_v2(headers, now)).as_deref(), expected, "{date}");
        }
        let date = (header::DATE, HeaderValue::from_static("Tue, 14 Nov 2023 22:13:20 GMT"));
        let mut headers =
            HeaderMap::from_iter([date, (header::AUTHORIZATION, HeaderValue::from_static("AWS4-"))]);
        complete(&mut headers);
        assert_eq!(headers["x-amz-date"], "20231114T221320Z");
        assert_eq!(code("20231114T221320Z", check_v4), None);
        assert_eq!(code("yesterday", check_v4).as_deref(), Some("AccessDenied"));
    }
}
