//! One line of a server access log: 26 fields, in Amazon's order.

use super::super::access::asked::{Signature, Version};
use chrono::DateTime;
use http::Method;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use std::fmt::Write;

/// A request that was answered.
#[derive(Clone, Debug, Default)]
pub struct Answered {
    pub owner: String,
    pub bucket: String,
    pub at_ms: i64,
    pub address: String,
    /// None when nobody said who they are.
    pub requester: Option<String>,
    pub request_id: String,
    pub operation: String,
    pub key: Option<String>,
    /// `GET /bucket/key?query HTTP/1.1`.
    pub request: String,
    pub status: u16,
    pub error: Option<String>,
    pub bytes_sent: Option<u64>,
    pub object_size: Option<u64>,
    pub total_ms: u64,
    pub turn_around_ms: Option<u64>,
    pub referer: Option<String>,
    pub user_agent: Option<String>,
    pub version: Option<String>,
    pub signature: Signature,
    pub host: Option<String>,
    /// Whether it was an access control list that let the request through.
    pub acl_required: bool,
}

impl Answered {
    /// The line, with its end.
    pub fn line(&self) -> String {
        let mut line = String::with_capacity(512);
        let text = |value: Option<&str>| value.filter(|value| !value.is_empty()).unwrap_or("-").to_owned();
        let number = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
        let time = DateTime::from_timestamp_millis(self.at_ms).unwrap_or_default();
        let way = match self.signature {
            Signature::Header(_) => "AuthHeader",
            Signature::Query(_) => "QueryString",
            Signature::Form(_) | Signature::None => "-",
        };
        let version = self.signature.version().map(|version| match version {
            Version::V2 => "SigV2",
            Version::V4 => "SigV4",
        });
        let fields = [
            text(Some(&self.owner)),
            text(Some(&self.bucket)),
            format!("[{}]", time.format("%d/%b/%Y:%H:%M:%S +0000")),
            text(Some(&self.address)),
            text(self.requester.as_deref()),
            text(Some(&self.request_id)),
            text(Some(&self.operation)),
            text(self.key.as_deref().map(encode).as_deref()),
            quoted(Some(&self.request)),
            self.status.to_string(),
            text(self.error.as_deref()),
            number(self.bytes_sent),
            number(self.object_size),
            self.total_ms.to_string(),
            number(self.turn_around_ms),
            quoted(self.referer.as_deref()),
            quoted(self.user_agent.as_deref()),
            text(self.version.as_deref()),
            text(Some(&self.request_id)),
            text(version),
            "-".to_owned(),
            way.to_owned(),
            text(self.host.as_deref()),
            "-".to_owned(),
            "-".to_owned(),
            text(self.acl_required.then_some("Yes")),
        ];
        let _ = writeln!(line, "{}", fields.join(" "));
        line
    }
}

/// What a client sent, between quotes it cannot leave.
fn quoted(value: Option<&str>) -> String {
    const QUOTED: AsciiSet = CONTROLS.add(b'"');
    match value {
        Some(value) => format!("\"{}\"", utf8_percent_encode(value, &QUOTED)),
        None => "\"-\"".to_owned(),
    }
}

/// A key has no spaces and quotes in a line.
fn encode(key: &str) -> String {
    const KEY: AsciiSet = CONTROLS.add(b' ').add(b'"').add(b'%').add(b'[').add(b']').add(b'\'').add(b'\\');
    utf8_percent_encode(key, &KEY).to_string()
}

/// `REST.METHOD.RESOURCE`, from what was asked: the query's names, and whether there is a key.
pub fn operation(method: &Method, has_key: bool, query: &[&str], copies: bool) -> String {
    const BUCKET: &[(&str, &str)] = &[
        ("acl", "ACL"),
        ("accelerate", "ACCELERATE"),
        ("cors", "CORS"),
        ("encryption", "ENCRYPTION"),
        ("lifecycle", "LIFECYCLE"),
        ("location", "LOCATION"),
        ("logging", "LOGGING_STATUS"),
        ("notification", "NOTIFICATION"),
        ("object-lock", "OBJECT_LOCK_CONFIGURATION"),
        ("ownershipControls", "OWNERSHIP_CONTROLS"),
        ("policy", "BUCKETPOLICY"),
        ("policyStatus", "POLICY_STATUS"),
        ("publicAccessBlock", "PUBLIC_ACCESS_BLOCK"),
        ("requestPayment", "REQUEST_PAYMENT"),
        ("tagging", "TAGGING"),
        ("uploads", "UPLOADS"),
        ("versioning", "VERSIONING"),
        ("versions", "BUCKETVERSIONS"),
        ("website", "WEBSITE"),
        ("delete", "MULTI_OBJECT_DELETE"),
    ];
    const OBJECT: &[(&str, &str)] = &[
        ("acl", "ACL"),
        ("attributes", "OBJECT_ATTRIBUTES"),
        ("legal-hold", "OBJECT_LEGAL_HOLD"),
        ("retention", "OBJECT_RETENTION"),
        ("tagging", "OBJECT_TAGGING"),
        ("uploads", "UPLOADS"),
        ("partNumber", "PART"),
        ("uploadId", "UPLOAD"),
    ];
    let table = if has_key { OBJECT } else { BUCKET };
    let named = table.iter().find(|(name, _)| query.contains(name)).map(|(_, resource)| *resource);
    let part_of_object = named == Some("PART") && method != Method::PUT;
    let resource = named.filter(|_| !part_of_object).unwrap_or(if has_key { "OBJECT" } else { "BUCKET" });
    let verb = if copies && method == Method::PUT && resource == "PART" { "COPY" } else { method.as_str() };
    format!("REST.{verb}.{resource}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_twenty_six_fields_whatever_a_client_sends() {
        let answered = Answered {
            owner: "crannog".into(),
            bucket: "b".into(),
            address: "127.0.0.1".into(),
            request_id: "42".into(),
            operation: "REST.GET.OBJECT".into(),
            key: Some("a b\"[c]\n".into()),
            request: "GET /b/a%20b HTTP/1.1".into(),
            status: 200,
            user_agent: Some("evil\" - \n".into()),
            signature: Signature::Query(Version::V4),
            ..Answered::default()
        };
        assert_eq!(
            answered.line(),
            "crannog b [01/Jan/1970:00:00:00 +0000] 127.0.0.1 - 42 REST.GET.OBJECT a%20b%22%5Bc%5D%0A \
             \"GET /b/a%20b HTTP/1.1\" 200 - - - 0 - \"-\" \"evil%22 - %0A\" - 42 SigV4 - QueryString - - - -\n"
        );
    }

    #[test]
    fn an_operation_is_named_by_method_and_resource() {
        for (method, key, query, name) in [
            (Method::GET, false, vec![], "REST.GET.BUCKET"),
            (Method::GET, false, vec!["list-type"], "REST.GET.BUCKET"),
            (Method::PUT, false, vec!["lifecycle"], "REST.PUT.LIFECYCLE"),
            (Method::POST, false, vec!["delete"], "REST.POST.MULTI_OBJECT_DELETE"),
            (Method::HEAD, true, vec![], "REST.HEAD.OBJECT"),
            (Method::POST, true, vec!["uploads"], "REST.POST.UPLOADS"),
            (Method::PUT, true, vec!["uploadId", "partNumber"], "REST.PUT.PART"),
            (Method::GET, true, vec!["partNumber"], "REST.GET.OBJECT"),
            (Method::POST, true, vec!["uploadId"], "REST.POST.UPLOAD"),
        ] {
            assert_eq!(operation(&method, key, &query, false), name);
        }
        assert_eq!(operation(&Method::PUT, true, &["uploadId", "partNumber"], true), "REST.COPY.PART");
        assert_eq!(operation(&Method::PUT, true, &[], true), "REST.PUT.OBJECT");
    }
}
