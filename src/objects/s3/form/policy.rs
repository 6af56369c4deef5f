//! The policy of an upload form: when it expires, and what the form's fields must be.
//!
//! Names and operators are told apart without regard to case, values and the two members of the
//! document with it. Every field of the form must be allowed by a condition, but for a few that carry
//! the policy itself or bind nothing.

use super::super::refuse;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use chrono::{DateTime, NaiveDateTime};
use s3s::{S3Error, S3ErrorCode, S3Result};
use serde_json::{Map, Value};

/// Fields no condition need name: the file, the policy and what vouches for it. A checksum only says
/// what the file is.
const UNBOUND: &[&str] = &["file", "policy", "signature", "x-amz-signature", "awsaccesskeyid"];
const UNBOUND_PREFIXES: &[&str] = &["x-ignore-", "x-amz-checksum-"];

#[derive(Debug, PartialEq, Eq)]
pub struct Policy {
    expires_ms: i64,
    conditions: Vec<Condition>,
    /// The sizes a file may have, in bytes: all content-length-ranges together.
    pub least: u64,
    pub most: Option<u64>,
}

#[derive(Debug, PartialEq, Eq)]
struct Condition {
    /// In lower case.
    field: String,
    kind: Kind,
    value: String,
    /// As the document has it, for who asks why.
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Equals,
    StartsWith,
}

impl Policy {
    /// Reads the base64 of a form's `policy` field.
    pub fn parse(field: &str) -> S3Result<Self> {
        let compact: String = field.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let bytes = BASE64.decode(compact).map_err(|_| invalid("Invalid Policy: Invalid base64."))?;
        let text = String::from_utf8(bytes).map_err(|_| invalid("Invalid Policy: Invalid UTF-8."))?;
        let document: Map<String, Value> =
            serde_json::from_str(&unescape(&text)).map_err(|_| invalid("Invalid Policy: Invalid JSON."))?;
        let expiration = match document.get("expiration") {
            Some(Value::String(text)) => text,
            _ => return Err(invalid("Policy missing expiration.")),
        };
        let expires_ms = parse_time(expiration)
            .ok_or_else(|| invalid(format!("Invalid 'expiration' value: '{expiration}'")))?;
        let Some(Value::Array(conditions)) = document.get("conditions") else {
            return Err(invalid("Policy missing conditions."));
        };
        let mut policy = Self { expires_ms, conditions: Vec::new(), least: 0, most: None };
        conditions.iter().try_for_each(|condition| policy.add(condition))?;
        Ok(policy)
    }

    fn add(&mut self, condition: &Value) -> S3Result<()> {
        match condition {
            Value::Object(pairs) => self.add_simple(pairs, condition),
            Value::Array(items) => match items.as_slice() {
                [Value::String(operator), rest @ ..]
                    if operator.eq_ignore_ascii_case("content-length-range") =>
                {
                    self.add_range(rest)
                }
                [Value::String(operator), Value::String(field), Value::String(value)] => {
                    let kind = match operator.to_ascii_lowercase().as_str() {
                        "eq" => Kind::Equals,
                        "starts-with" => Kind::StartsWith,
                        _ => {
                            return Err(invalid(format!(
                                "Invalid Policy: Unknown condition operator '{operator}'."
                            )));
                        }
                    };
                    let field = field.strip_prefix('$').ok_or_else(|| {
                        invalid("Invalid Policy: Invalid Condition: the name of a field begins with '$'.")
                    })?;
                    self.push(field, kind, value, condition);
                    Ok(())
                }
                _ => Err(invalid("Invalid Policy: Invalid Condition: wrong number of arguments.")),
            },
            _ => Err(invalid("Invalid Policy: Invalid Condition: neither a list nor an object.")),
        }
    }

    fn add_simple(&mut self, pairs: &Map<String, Value>, condition: &Value) -> S3Result<()> {
        let mut pairs = pairs.iter();
        let (Some((field, value)), None) = (pairs.next(), pairs.next()) else {
            return Err(invalid(
                "Invalid Policy: Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.",
            ));
        };
        let Value::String(value) = value else {
            return Err(invalid("Invalid Policy: Invalid Simple-Condition: value must be a string."));
        };
        self.push(field, Kind::Equals, value, condition);
        Ok(())
    }

    fn push(&mut self, field: &str, kind: Kind, value: &str, condition: &Value) {
        let (field, value, text) = (field.to_ascii_lowercase(), value.to_owned(), condition.to_string());
        self.conditions.push(Condition { field, kind, value, text });
    }

    fn add_range(&mut self, bounds: &[Value]) -> S3Result<()> {
        let bound = |value: &Value| match value {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        let bounds: Option<Vec<u64>> = bounds.iter().map(bound).collect();
        let Some(&[least, most]) = bounds.as_deref() else {
            return Err(invalid(
                "Invalid Policy: Invalid Content-Length-Range: two numbers of bytes are expected.",
            ));
        };
        self.least = self.least.max(least);
        self.most = Some(self.most.map_or(most, |known| known.min(most)));
        Ok(())
    }

    /// Whether a form with these fields, lower-case name and value, may be used now.
    pub fn check<'a>(
        &self,
        fields: impl Iterator<Item = (&'a str, &'a str)> + Clone,
        now_ms: i64,
    ) -> S3Result<()> {
        if self.expires_ms <= now_ms {
            return Err(denied("Invalid according to Policy: Policy expired."));
        }
        for condition in &self.conditions {
            let value = fields.clone().find(|(name, _)| *name == condition.field).map_or("", |(_, v)| v);
            if !condition.holds(value) {
                let text = &condition.text;
                return Err(denied(format!("Invalid according to Policy: Policy Condition failed: {text}")));
            }
        }
        let bound = |name: &str| self.conditions.iter().any(|condition| condition.field == name);
        match fields.map(|(name, _)| name).find(|name| !is_unbound(name) && !bound(name)) {
            Some(name) => Err(denied(format!("Invalid according to Policy: Extra input fields: {name}"))),
            None => Ok(()),
        }
    }
}

impl Condition {
    fn holds(&self, value: &str) -> bool {
        match self.kind {
            Kind::Equals => value == self.value,
            // A list of types is allowed if each of them is.
            Kind::StartsWith if self.field == "content-type" => {
                value.split(',').all(|one| one.trim().starts_with(&self.value))
            }
            Kind::StartsWith => value.starts_with(&self.value),
        }
    }
}

fn is_unbound(name: &str) -> bool {
    UNBOUND.contains(&name) || UNBOUND_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Amazon's policies may write `\$` and `\v` in strings, which JSON does not know.
fn unescape(text: &str) -> String {
    let (mut out, mut chars) = (String::with_capacity(text.len()), text.chars());
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('$') => out.push('$'),
            Some('v') => out.push_str("\\u000b"),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out
}

/// ISO 8601 in UTC, to the second or finer, or with an offset.
fn parse_time(text: &str) -> Option<i64> {
    if !text.contains('T') {
        return None;
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.timestamp_millis());
    }
    let utc = text.strip_suffix('Z')?;
    NaiveDateTime::parse_from_str(utc, "%Y-%m-%dT%H:%M:%S%.f").ok().map(|t| t.and_utc().timestamp_millis())
}

fn invalid(message: impl Into<std::borrow::Cow<'static, str>>) -> S3Error {
    refuse(S3ErrorCode::InvalidPolicyDocument, message)
}

fn denied(message: impl Into<std::borrow::Cow<'static, str>>) -> S3Error {
    refuse(S3ErrorCode::AccessDenied, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000_000;

    fn parse(document: &str) -> S3Result<Policy> {
        Policy::parse(&BASE64.encode(document))
    }

    fn policy(conditions: &str) -> S3Result<Policy> {
        parse(&format!(r#"{{"expiration": "2036-01-01T00:00:00Z", "conditions": [{conditions}]}}"#))
    }

    fn check(conditions: &str, fields: &[(&str, &str)]) -> Option<String> {
        let checked = policy(conditions).and_then(|policy| policy.check(fields.iter().copied(), NOW));
        checked.err().map(|error| error.code().as_str().to_owned())
    }

    #[test]
    fn a_document_that_is_not_one_is_told_from_one_that_forbids() {
        let invalid = Some("InvalidPolicyDocument");
        for document in [
            "",
            "[]",
            r#"{"conditions": []}"#,
            r#"{"EXPIRATION": "2036-01-01T00:00:00Z", "conditions": []}"#,
            r#"{"expiration": "2036-01-01 00:00:00+00:00", "conditions": []}"#,
            r#"{"expiration": "2036-01-01T00:00:00Z"}"#,
            r#"{"expiration": "2036-01-01T00:00:00Z", "CONDITIONS": []}"#,
        ] {
            assert_eq!(parse(document).err().map(|e| e.code().as_str().to_owned()).as_deref(), invalid);
        }
        for conditions in [
            "{}",
            "7",
            r#"{"a": "1", "b": "2"}"#,
            r#"{"a": 1}"#,
            r#"["eq", "key", "x"]"#,
            r#"["ends-with", "$key", "x"]"#,
            r#"["eq", "$key"]"#,
            r#"["content-length-range", 0]"#,
            r#"["content-length-range", -1, 0]"#,
        ] {
            assert_eq!(check(conditions, &[]).as_deref(), invalid, "{conditions}");
        }
        assert!(Policy::parse("%%%").is_err());
    }

    #[test]
    fn fields_must_be_as_the_conditions_say_and_no_more() {
        let conditions = r#"{"bUcKeT": "b"}, ["StArTs-WiTh", "$KeY", "foo"], ["eq", "$acl", "private"]"#;
        let good = [("bucket", "b"), ("key", "foo.txt"), ("acl", "private"), ("x-ignore-me", "1")];
        assert_eq!(check(conditions, &good), None);
        assert_eq!(
            check(conditions, &[("file", ""), ("bucket", "b"), ("key", "foo"), ("acl", "private")]),
            None
        );
        let denied = Some("AccessDenied");
        let mut extra = good.to_vec();
        extra.push(("x-amz-meta-a", "1"));
        assert_eq!(check(conditions, &extra).as_deref(), denied);
        assert_eq!(check(conditions, &good[..2]).as_deref(), denied);
        assert_eq!(check(conditions, &[("bucket", "B"), good[1], good[2]]).as_deref(), denied);
        assert_eq!(check(conditions, &[good[0], ("key", "Foo"), good[2]]).as_deref(), denied);
        assert_eq!(check("", &[("bucket", "b")]).as_deref(), denied);
    }

    #[test]
    fn a_list_of_types_needs_each_of_them_allowed() {
        let conditions = r#"["starts-with", "$Content-Type", "image/"]"#;
        assert_eq!(check(conditions, &[("content-type", "image/png, image/gif")]), None);
        assert!(check(conditions, &[("content-type", "image/png, text/html")]).is_some());
        assert_eq!(check(r#"["starts-with", "$tagging", ""]"#, &[]), None);
    }

    #[test]
    fn a_policy_ends_when_it_says() {
        let expiring = parse(r#"{"expiration": "2027-01-15T08:00:00.000Z", "conditions": []}"#).unwrap();
        let empty = || std::iter::empty::<(&str, &str)>();
        assert!(expiring.check(empty(), NOW - 1).is_ok());
        assert!(expiring.check(empty(), NOW).is_err());
    }

    #[test]
    fn ranges_narrow_one_another_and_dollars_may_be_escaped() {
        let policy =
            policy(r#"["content-length-range", 1, 10], ["Content-Length-Range", "5", "20"]"#).unwrap();
        assert_eq!((policy.least, policy.most), (5, Some(10)));
        assert_eq!(check(r#"["eq", "$key", "\$a\\$b"]"#, &[("key", r"$a\$b")]), None);
    }
}
