//! How a command line names buckets and objects, and the paths of the API they stand for.

use super::{Failure, failure::Code};
use crate::kernel::config::{self, Value};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::fmt;

const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const KEY: &AsciiSet = &PLAIN.remove(b'/');

/// A place in the object store: `BUCKET`, `BUCKET/KEY` or `s3://BUCKET/KEY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub bucket: String,
    /// A key, or the beginning of keys; empty for the whole bucket.
    pub key: String,
}

/// For clap.
pub fn place(text: &str) -> Result<Place, String> {
    let rest = text.strip_prefix("s3://").unwrap_or(text);
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() || bucket.contains([':', ' ']) {
        return Err("write it as BUCKET/KEY or s3://BUCKET/KEY".into());
    }
    Ok(Place { bucket: bucket.to_owned(), key: key.to_owned() })
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

impl Place {
    pub fn with_key(&self, key: impl Into<String>) -> Self {
        Self { bucket: self.bucket.clone(), key: key.into() }
    }

    /// Whether it means everything below it rather than one object.
    pub fn is_folder(&self) -> bool {
        self.key.is_empty() || self.key.ends_with('/')
    }

    /// Of an object.
    pub fn object(&self) -> Result<&Self, Failure> {
        if self.is_folder() {
            let message = format!("{self} names no object");
            return Err(Failure::new(Code::Usage, message).hint("write it as BUCKET/KEY"));
        }
        Ok(self)
    }

    /// The API's path of this object under `room` ("objects", "details").
    pub fn path(&self, room: &str, query: &[(&str, Option<&str>)]) -> String {
        let key = utf8_percent_encode(&self.key, KEY);
        with_query(format!("{}/{key}", bucket_path(&self.bucket, room)), query)
    }

    /// The name behind the last slash.
    pub fn name(&self) -> &str {
        self.key.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
    }
}

/// The API's path of a bucket, or of a room of it.
pub fn bucket_path(bucket: &str, room: &str) -> String {
    let slash = if room.is_empty() { "" } else { "/" };
    format!("/api/crannog/v1/buckets/{}{slash}{room}", utf8_percent_encode(bucket, PLAIN))
}

/// Adds those parameters that have a value.
pub fn with_query(path: String, query: &[(&str, Option<&str>)]) -> String {
    let given = query.iter().filter_map(|(name, value)| value.map(|value| (name, value)));
    let pairs: Vec<_> =
        given.map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, PLAIN))).collect();
    if pairs.is_empty() { path } else { format!("{path}?{}", pairs.join("&")) }
}

/// A size as people write it: `500MB`, `10GiB`, or plain bytes. For clap.
pub fn size(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().map_err(|_| "write a size such as 500MB or 10GiB".to_owned())?;
    let scale = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "tb" => 1e12,
        "kib" | "k" => 1024.0,
        "mib" | "m" => 1048576.0,
        "gib" | "g" => 1073741824.0,
        "tib" | "t" => 1099511627776.0,
        other => return Err(format!("`{other}` is not a unit of size: use MB, MiB, GB, GiB, TB or TiB")),
    };
    Ok((number * scale).round() as u64)
}

/// Seconds, written as `15m`, `12h` or `7d`. For clap.
pub fn seconds(text: &str) -> Result<u64, String> {
    let span = config::Duration::parse(text).map_err(|why| format!("{why}: write 15m, 12h or 7d"))?;
    Ok(span.0.as_secs())
}

/// A number of bytes as people read it.
pub fn bytes(count: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let (mut value, mut unit) = (count as f64, None);
    for name in units {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = Some(name);
    }
    match unit {
        None => format!("{count} B"),
        Some(unit) if value < 10.0 => format!("{value:.1} {unit}"),
        Some(unit) => format!("{value:.0} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_written_with_or_without_the_scheme() {
        let found = place("s3://data/a b/ü?.csv").unwrap();
        assert_eq!(found, place("data/a b/ü?.csv").unwrap());
        assert_eq!(found.name(), "ü?.csv");
        let path = found.path("objects", &[("version", None), ("inline", Some("1"))]);
        assert_eq!(path, "/api/crannog/v1/buckets/data/objects/a%20b/%C3%BC%3F.csv?inline=1");
        assert!(place("data").unwrap().object().is_err());
        assert!(place("").is_err() && place("https://x/y").is_err());
    }

    #[test]
    fn sizes_and_spans_have_units() {
        assert_eq!(size("10GiB"), Ok(10 << 30));
        assert_eq!(size("1.5 MB"), Ok(1_500_000));
        assert_eq!(size("7"), Ok(7));
        assert!(size("ten").is_err() && size("1 furlong").is_err());
        assert_eq!(seconds("7d"), Ok(604_800));
        assert!(seconds("7").is_err());
        assert_eq!(
            (bytes(12), bytes(2048), bytes(50 << 20)),
            ("12 B".into(), "2.0 KiB".into(), "50 MiB".into())
        );
    }
}
