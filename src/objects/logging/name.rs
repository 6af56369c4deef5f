//! Where a batch of lines is written to: the bucket's setting, and the key the batch is given.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What a bucket says about its log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logging {
    pub bucket: String,
    pub prefix: String,
    #[serde(default)]
    pub partition: Option<DateSource>,
    /// When it was last changed.
    pub changed_ms: i64,
}

/// Which day the folders of a partitioned log are named after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DateSource {
    EventTime,
    DeliveryTime,
}

impl DateSource {
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "EventTime" => Some(Self::EventTime),
            "DeliveryTime" => Some(Self::DeliveryTime),
            _ => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::EventTime => "EventTime",
            Self::DeliveryTime => "DeliveryTime",
        }
    }
}

/// The bucket a batch tells about.
pub struct Source<'a> {
    pub account: &'a str,
    pub region: &'a str,
    pub bucket: &'a str,
}

/// The key of a batch: `PREFIX2026-01-31-09-15-00-UNIQUE`, below folders when partitioned.
pub fn key(logging: &Logging, source: &Source<'_>, event_ms: i64, now_ms: i64, unique: &str) -> String {
    let time = |ms: i64| -> DateTime<Utc> { DateTime::from_timestamp_millis(ms).unwrap_or_default() };
    let prefix = &logging.prefix;
    let Some(date_source) = logging.partition else {
        return format!("{prefix}{}-{unique}", time(now_ms).format("%Y-%m-%d-%H-%M-%S"));
    };
    let Source { account, region, bucket } = source;
    let stamp = match date_source {
        DateSource::DeliveryTime => time(now_ms).format("%Y/%m/%d/%Y-%m-%d-%H-%M-%S").to_string(),
        DateSource::EventTime => time(event_ms).format("%Y/%m/%d/%Y-%m-%d-00-00-00").to_string(),
    };
    format!("{prefix}{account}/{region}/{bucket}/{stamp}-{unique}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyed(partition: Option<DateSource>) -> String {
        let logging = Logging { bucket: "t".into(), prefix: "log/".into(), partition, changed_ms: 0 };
        let source = Source { account: "crannog", region: "r", bucket: "b" };
        key(&logging, &source, 5_000, 86_400_000 + 61_000, "U")
    }

    #[test]
    fn a_key_is_named_as_amazon_names_it() {
        assert_eq!(keyed(None), "log/1970-01-02-00-01-01-U");
        assert_eq!(keyed(Some(DateSource::DeliveryTime)), "log/crannog/r/b/1970/01/02/1970-01-02-00-01-01-U");
        assert_eq!(keyed(Some(DateSource::EventTime)), "log/crannog/r/b/1970/01/01/1970-01-01-00-00-00-U");
    }
}
