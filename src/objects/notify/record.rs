//! The JSON an event is told in: Amazon's event record, version 2.1.

use crate::kernel::clock::rfc3339;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

/// What happened to which object.
#[derive(Clone, Debug, Default)]
pub struct Happening<'a> {
    /// As a configuration names it: `s3:ObjectCreated:Put`.
    pub event: &'a str,
    pub bucket: &'a str,
    pub owner: &'a str,
    pub key: &'a str,
    /// Nothing for a bucket that never kept versions.
    pub version: Option<String>,
    /// Absent where the object is gone.
    pub size: Option<u64>,
    pub etag: Option<&'a str>,
    pub at_ms: i64,
    /// Grows with every event on a key: the greater one happened later.
    pub sequencer: u64,
    pub principal: &'a str,
    pub address: &'a str,
    pub request_id: &'a str,
}

/// The record for one destination, whose configuration has this id.
pub fn record(happening: &Happening<'_>, configuration: &str, region: &str) -> Value {
    let mut object = json!({ "key": encode(happening.key) });
    if let Some(size) = happening.size {
        object["size"] = size.into();
    }
    if let Some(etag) = happening.etag {
        object["eTag"] = etag.into();
    }
    if let Some(version) = &happening.version {
        object["versionId"] = version.as_str().into();
    }
    object["sequencer"] = format!("{:016X}", happening.sequencer).into();
    json!({
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": region,
        "eventTime": rfc3339(happening.at_ms),
        "eventName": happening.event.strip_prefix("s3:").unwrap_or(happening.event),
        "userIdentity": { "principalId": happening.principal },
        "requestParameters": { "sourceIPAddress": happening.address },
        "responseElements": {
            "x-amz-request-id": happening.request_id,
            "x-amz-id-2": happening.request_id,
        },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": configuration,
            "bucket": {
                "name": happening.bucket,
                "ownerIdentity": { "principalId": happening.owner },
                "arn": format!("arn:aws:s3:::{}", happening.bucket),
            },
            "object": object,
        },
    })
}

/// What a destination hears when it is named in a configuration for the first time.
pub fn test(bucket: &str, at_ms: i64, request_id: &str) -> Value {
    json!({
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": rfc3339(at_ms),
        "Bucket": bucket,
        "RequestId": request_id,
        "HostId": request_id,
    })
}

/// As in a form: what is not plain is percent-encoded, a space is `+`.
fn encode(key: &str) -> String {
    const PLAIN: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'*').remove(b'/');
    utf8_percent_encode(key, &PLAIN).to_string().replace("%20", "+")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_as_amazon_writes_it() {
        let happening = Happening {
            event: "s3:ObjectCreated:Put",
            bucket: "b",
            owner: "crannog",
            key: "a dir/ü+.csv",
            version: Some("null".into()),
            size: Some(3),
            etag: Some("abc"),
            at_ms: 0,
            sequencer: 255,
            principal: "ann",
            address: "127.0.0.1",
            request_id: "42",
        };
        let record = record(&happening, "mine", "us-crannog-1");
        assert_eq!(record["eventName"], "ObjectCreated:Put");
        assert_eq!(record["eventTime"], "1970-01-01T00:00:00.000Z");
        assert_eq!(record["s3"]["configurationId"], "mine");
        assert_eq!(record["s3"]["bucket"]["arn"], "arn:aws:s3:::b");
        assert_eq!(
            record["s3"]["object"],
            json!({"key": "a+dir/%C3%BC%2B.csv", "size": 3, "eTag": "abc", "versionId": "null", "sequencer": "00000000000000FF"})
        );
    }

    #[test]
    fn what_is_gone_has_neither_size_nor_etag() {
        let record = record(&Happening { key: "k", ..Happening::default() }, "", "r");
        assert_eq!(record["s3"]["object"], json!({"key": "k", "sequencer": "0000000000000000"}));
    }
}
