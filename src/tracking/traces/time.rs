//! Moments and spans of time as protobuf's JSON writes them: `2026-01-31T09:15:00.250Z`, `1.5s`.

use crate::{
    kernel::{clock, error::Result},
    tracking::wire::Fields,
};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;

pub fn timestamp(ms: i64) -> String {
    clock::rfc3339(ms)
}

/// The moment as Python's `isoformat` has it, `2026-01-31T09:15:00+00:00`.
pub fn iso(ms: i64) -> String {
    let moment: DateTime<Utc> = DateTime::from_timestamp_millis(ms).unwrap_or_default();
    moment.to_rfc3339_opts(SecondsFormat::AutoSi, false)
}

pub fn duration(ms: i64) -> String {
    let (sign, ms) = (if ms < 0 { "-" } else { "" }, ms.unsigned_abs());
    match ms % 1000 {
        0 => format!("{sign}{}s", ms / 1000),
        rest => format!("{sign}{}.{rest:03}s", ms / 1000),
    }
}

/// The field's moment, in milliseconds.
pub fn timestamp_in(fields: &Fields, name: &str) -> Result<Option<i64>> {
    let Some(text) = fields.text(name)? else { return Ok(None) };
    match DateTime::parse_from_rfc3339(text) {
        Ok(moment) => Ok(Some(moment.timestamp_millis())),
        Err(_) => {
            Err(fields.invalid(name, &Value::from(text), "It must be a time such as 2026-01-31T09:15:00Z."))
        }
    }
}

/// The field's length of time, in milliseconds.
pub fn duration_in(fields: &Fields, name: &str) -> Result<Option<i64>> {
    let Some(text) = fields.text(name)? else { return Ok(None) };
    let seconds = text.strip_suffix('s').and_then(|number| number.parse::<f64>().ok());
    match seconds.filter(|seconds| seconds.abs() < 315_576_000_001.0) {
        Some(seconds) => Ok(Some((seconds * 1000.0).round() as i64)),
        None => Err(fields.invalid(name, &Value::from(text), "It must be a duration such as 1.5s.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for (ms, text) in [(0, "0s"), (2000, "2s"), (3, "0.003s"), (61_250, "61.250s"), (-1500, "-1.500s")] {
            assert_eq!(duration(ms), text);
            let fields = Fields::from_body(format!("{{\"d\": \"{text}\"}}").as_bytes()).unwrap();
            assert_eq!(duration_in(&fields, "d").unwrap(), Some(ms));
        }
        assert_eq!(iso(1000), "1970-01-01T00:00:01+00:00");
        for bad in ["1", "s", "NaNs", "1e300s", "x"] {
            let fields = Fields::from_body(format!("{{\"d\": \"{bad}\"}}").as_bytes()).unwrap();
            assert!(duration_in(&fields, "d").is_err(), "{bad}");
        }
    }
}
