//! Wall-clock time as the product stores it: milliseconds since the Unix epoch, UTC.

use chrono::{DateTime, SecondsFormat, Utc};

/// Milliseconds since the Unix epoch.
pub fn now_ms() -> i64 {
    Utc::now().timestamp_millis()
}

/// `2026-01-31 09:15:00.000000`, as MLflow's clients write a model's time.
pub fn utc_text(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms).unwrap_or_default().format("%Y-%m-%d %H:%M:%S%.6f").to_string()
}

/// RFC 3339 with milliseconds and `Z`, e.g. `2026-01-31T09:15:00.000Z`, for JSON answers.
pub fn rfc3339(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Millis, true)
}
