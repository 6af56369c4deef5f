//! Conditions of a statement: what they are, and whether a request meets them.

use super::{
    Malformed, keys,
    pattern::{self, Reading, Variables},
};
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::Value;
use std::net::IpAddr;

/// What the request says under a key; none when it says nothing.
pub type Lookup<'a> = dyn Fn(&str) -> Option<Vec<String>> + 'a;

#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    pub operator: Operator,
    /// `StringNotEquals` and the like: met where no value fits.
    pub negated: bool,
    /// `...IfExists`: met where the request does not carry the key.
    pub if_exists: bool,
    pub quantifier: Quantifier,
    pub key: String,
    pub values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantifier {
    None,
    ForAny,
    ForAll,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    StringEquals,
    StringEqualsIgnoreCase,
    StringLike,
    Numeric(Order),
    Date(Order),
    Bool,
    Binary,
    Ip,
    Arn,
    Null,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Equal,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

impl Order {
    fn holds<T: PartialOrd>(self, left: &T, right: &T) -> bool {
        match self {
            Self::Equal => left == right,
            Self::Less => left < right,
            Self::LessEqual => left <= right,
            Self::Greater => left > right,
            Self::GreaterEqual => left >= right,
        }
    }
}

/// `{"Operator": {"key": value or values}}`.
pub fn parse(value: &Value) -> Result<Vec<Condition>, Malformed> {
    let operators = value.as_object().ok_or_else(|| Malformed::new("Conditions must be an object"))?;
    let mut conditions = Vec::new();
    for (name, entries) in operators {
        let entries =
            entries.as_object().ok_or_else(|| Malformed::new(format!("{name} must hold an object")))?;
        for (key, values) in entries {
            conditions.push(parse_one(name, key, values)?);
        }
    }
    Ok(conditions)
}

fn parse_one(name: &str, key: &str, values: &Value) -> Result<Condition, Malformed> {
    let (quantifier, rest) = match name.split_once(':') {
        Some(("ForAnyValue", rest)) => (Quantifier::ForAny, rest),
        Some(("ForAllValues", rest)) => (Quantifier::ForAll, rest),
        _ => (Quantifier::None, name),
    };
    let (rest, if_exists) = match rest.strip_suffix("IfExists") {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    let (operator, negated) = operator(rest)
        .filter(|(operator, _)| *operator != Operator::Null || !if_exists)
        .ok_or_else(|| Malformed::new(format!("Invalid Condition type : {name}")))?;
    let key = keys::normal(key)
        .ok_or_else(|| Malformed::new(format!("Policy has an invalid condition key: {key}")))?;
    let invalid = || Malformed::new(format!("Invalid value for {name} on {key}"));
    let values: Vec<String> = scalars(values).ok_or_else(invalid)?;
    if values.is_empty() || !values.iter().all(|value| operator.takes(value)) {
        return Err(invalid());
    }
    Ok(Condition { operator, negated, if_exists, quantifier, key, values })
}

/// A text, number or truth value, or a list of them, as texts.
fn scalars(value: &Value) -> Option<Vec<String>> {
    let one = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    match value {
        Value::Array(values) => values.iter().map(one).collect(),
        other => one(other).map(|text| vec![text]),
    }
}

fn operator(name: &str) -> Option<(Operator, bool)> {
    let ordered = |rest: &str| {
        Some(match rest {
            "Equals" => (Order::Equal, false),
            "NotEquals" => (Order::Equal, true),
            "LessThan" => (Order::Less, false),
            "LessThanEquals" => (Order::LessEqual, false),
            "GreaterThan" => (Order::Greater, false),
            "GreaterThanEquals" => (Order::GreaterEqual, false),
            _ => return None,
        })
    };
    if let Some(rest) = name.strip_prefix("Numeric") {
        return ordered(rest).map(|(order, negated)| (Operator::Numeric(order), negated));
    }
    if let Some(rest) = name.strip_prefix("Date") {
        return ordered(rest).map(|(order, negated)| (Operator::Date(order), negated));
    }
    Some(match name {
        "StringEquals" => (Operator::StringEquals, false),
        "StringNotEquals" => (Operator::StringEquals, true),
        "StringEqualsIgnoreCase" => (Operator::StringEqualsIgnoreCase, false),
        "StringNotEqualsIgnoreCase" => (Operator::StringEqualsIgnoreCase, true),
        "StringLike" => (Operator::StringLike, false),
        "StringNotLike" => (Operator::StringLike, true),
        "Bool" => (Operator::Bool, false),
        "BinaryEquals" => (Operator::Binary, false),
        "IpAddress" => (Operator::Ip, false),
        "NotIpAddress" => (Operator::Ip, true),
        "ArnEquals" | "ArnLike" => (Operator::Arn, false),
        "ArnNotEquals" | "ArnNotLike" => (Operator::Arn, true),
        "Null" => (Operator::Null, false),
        _ => return None,
    })
}

impl Operator {
    /// Whether a policy may compare with `value`.
    fn takes(self, value: &str) -> bool {
        match self {
            Self::Numeric(_) => number(value).is_some(),
            Self::Date(_) => date(value).is_some(),
            Self::Bool | Self::Null => truth(value).is_some(),
            Self::Ip => Network::parse(value).is_some(),
            _ => true,
        }
    }

    fn fits(self, wanted: &str, found: &str, variables: Option<&Variables<'_>>) -> bool {
        let reading = |wildcards| Reading { wildcards, variables };
        match self {
            Self::StringEquals | Self::Binary => pattern::fits(wanted, found, reading(false)),
            Self::StringEqualsIgnoreCase => {
                pattern::fits(&wanted.to_lowercase(), &found.to_lowercase(), reading(false))
            }
            Self::StringLike => pattern::fits(wanted, found, reading(true)),
            Self::Numeric(order) => both(number, found, wanted, order),
            Self::Date(order) => both(date, found, wanted, order),
            Self::Bool => truth(wanted).is_some_and(|wanted| truth(found) == Some(wanted)),
            Self::Ip => Network::parse(wanted)
                .zip(found.parse().ok())
                .is_some_and(|(network, address)| network.holds(address)),
            Self::Arn => arn_fits(wanted, found, reading(true)),
            Self::Null => false,
        }
    }
}

fn both<T: PartialOrd>(read: fn(&str) -> Option<T>, found: &str, wanted: &str, order: Order) -> bool {
    read(found).zip(read(wanted)).is_some_and(|(found, wanted)| order.holds(&found, &wanted))
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse::<f64>().ok().filter(|number| number.is_finite())
}

/// Milliseconds since 1970, from ISO 8601 or from seconds.
fn date(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<i64>() {
        return seconds.checked_mul(1000);
    }
    if let Ok(date) = DateTime::parse_from_rfc3339(text) {
        return Some(date.timestamp_millis());
    }
    let minutes = DateTime::parse_from_str(&text.replace('Z', "+00:00"), "%Y-%m-%dT%H:%M%:z").ok();
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().and_then(|day| day.and_hms_opt(0, 0, 0));
    minutes
        .map(|date| date.with_timezone(&Utc))
        .or_else(|| day.map(|day| day.and_utc()))
        .map(|date| date.timestamp_millis())
}

fn truth(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        return Some(true);
    }
    text.eq_ignore_ascii_case("false").then_some(false)
}

/// Each of the six fields of an ARN on its own, so that a `*` does not reach into the next.
fn arn_fits(wanted: &str, found: &str, reading: Reading<'_>) -> bool {
    let (wanted, found): (Vec<_>, Vec<_>) = (wanted.splitn(6, ':').collect(), found.splitn(6, ':').collect());
    wanted.len() == found.len() && wanted.iter().zip(&found).all(|(w, f)| pattern::fits(w, f, reading))
}

/// An address, or a range of them in CIDR form.
pub struct Network {
    bits: u128,
    pub prefix: u32,
    pub v6: bool,
}

impl Network {
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.trim().split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u32>().ok()?)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().ok()?;
        let width = if address.is_ipv6() { 128 } else { 32 };
        let prefix = prefix.unwrap_or(width);
        (prefix <= width).then(|| Self { bits: bits(address), prefix, v6: address.is_ipv6() })
    }

    fn holds(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let width = if self.v6 { 128 } else { 32 };
        address.is_ipv6() == self.v6
            && (self.prefix == 0 || (self.bits ^ bits(address)) >> (width - self.prefix) == 0)
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

impl Condition {
    pub fn met(&self, lookup: &Lookup<'_>, variables: Option<&Variables<'_>>) -> bool {
        let found = lookup(&self.key);
        if self.operator == Operator::Null {
            let absent = found.is_none();
            return self.values.iter().any(|value| truth(value) == Some(absent));
        }
        let fits = |found: &String| {
            self.negated != self.values.iter().any(|wanted| self.operator.fits(wanted, found, variables))
        };
        match (found, self.quantifier) {
            (None, Quantifier::ForAll) => true,
            (None, Quantifier::ForAny) => self.if_exists,
            (None, Quantifier::None) => self.if_exists || self.negated,
            (Some(found), Quantifier::ForAll) => found.iter().all(fits),
            (Some(found), Quantifier::None) if self.negated => found.iter().all(fits),
            (Some(found), _) => found.iter().any(fits),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn met(condition: Value, key: &str, found: Option<&[&str]>) -> bool {
        let lookup = |asked: &str| {
            found.filter(|_| asked == key).map(|found| found.iter().map(|text| (*text).to_owned()).collect())
        };
        parse(&condition).unwrap().iter().all(|condition| condition.met(&lookup, None))
    }

    #[test]
    fn texts_compare_by_case_pattern_and_negation() {
        let prefix = |condition, found: Option<&[&str]>| met(condition, "s3:prefix", found);
        assert!(prefix(json!({"StringEquals": {"s3:prefix": ["a", "b"]}}), Some(&["b"])));
        assert!(!prefix(json!({"StringEquals": {"s3:prefix": "B"}}), Some(&["b"])));
        assert!(prefix(json!({"StringEqualsIgnoreCase": {"S3:Prefix": "B"}}), Some(&["b"])));
        assert!(!prefix(json!({"StringEquals": {"s3:prefix": "a*"}}), Some(&["ab"])));
        assert!(prefix(json!({"StringLike": {"s3:prefix": "a*"}}), Some(&["ab"])));
        assert!(!prefix(json!({"StringNotLike": {"s3:prefix": ["x", "a*"]}}), Some(&["ab"])));
        assert!(prefix(json!({"StringNotEquals": {"s3:prefix": "a"}}), None), "absent is not equal");
        assert!(!prefix(json!({"StringEquals": {"s3:prefix": "a"}}), None));
        assert!(prefix(json!({"StringEqualsIfExists": {"s3:prefix": "a"}}), None));
        assert!(!prefix(json!({"StringEqualsIfExists": {"s3:prefix": "a"}}), Some(&["b"])));
        assert!(prefix(json!({"Null": {"s3:prefix": "true"}}), None));
        assert!(prefix(json!({"Null": {"s3:prefix": false}}), Some(&[""])));
    }

    #[test]
    fn sets_are_quantified() {
        let tags = |condition, found: Option<&[&str]>| met(condition, "s3:requestobjecttagkeys", found);
        let any = || json!({"ForAnyValue:StringEquals": {"s3:RequestObjectTagKeys": ["a", "b"]}});
        let all = || json!({"ForAllValues:StringEquals": {"s3:RequestObjectTagKeys": ["a", "b"]}});
        assert!(tags(any(), Some(&["x", "a"])) && !tags(any(), Some(&["x"])) && !tags(any(), None));
        assert!(tags(all(), Some(&["b", "a"])) && !tags(all(), Some(&["x", "a"])) && tags(all(), None));
        let none = json!({"ForAllValues:StringNotEquals": {"s3:RequestObjectTagKeys": ["a"]}});
        assert!(tags(none.clone(), Some(&["x"])) && !tags(none, Some(&["x", "a"])));
    }

    #[test]
    fn numbers_dates_addresses_and_arns_compare_as_what_they_are() {
        assert!(met(json!({"NumericLessThanEquals": {"s3:max-keys": "10"}}), "s3:max-keys", Some(&["9"])));
        assert!(!met(json!({"NumericLessThan": {"s3:max-keys": 10}}), "s3:max-keys", Some(&["10"])));
        assert!(!met(json!({"NumericEquals": {"s3:max-keys": 10}}), "s3:max-keys", Some(&["ten"])));
        let now = "2026-11-21T07:00:00Z";
        for wanted in ["2026-11-22T00:00:00Z", "2026-11-22", "2026-11-21T07:01Z", "1795244401"] {
            let condition = json!({"DateLessThan": {"aws:CurrentTime": wanted}});
            assert!(met(condition, "aws:currenttime", Some(&[now])), "{wanted}");
        }
        let ip = |wanted: &str, found: &str| {
            met(json!({"IpAddress": {"aws:SourceIp": wanted}}), "aws:sourceip", Some(&[found]))
        };
        assert!(ip("10.0.0.0/8", "10.2.3.4") && !ip("10.0.0.0/8", "11.2.3.4"));
        assert!(ip("10.2.3.4", "10.2.3.4") && ip("10.0.0.0/8", "::ffff:10.1.1.1"));
        assert!(ip("2001:db8::/32", "2001:db8::1") && !ip("2001:db8::/32", "10.0.0.1"));
        assert!(ip("0.0.0.0/0", "10.0.0.1") && !ip("::/0", "10.0.0.1"));
        let arn = |wanted: &str| {
            met(json!({"ArnLike": {"aws:SourceArn": wanted}}), "aws:sourcearn", Some(&["arn:aws:s3:::b"]))
        };
        assert!(arn("arn:aws:s3:::*") && arn("arn:*:s3:::b") && !arn("arn:*:b") && !arn("arn:aws:s3:::c"));
        assert!(met(
            json!({"Bool": {"aws:SecureTransport": "false"}}),
            "aws:securetransport",
            Some(&["false"])
        ));
    }

    #[test]
    fn a_condition_that_cannot_be_decided_is_refused() {
        for condition in [
            json!({"StringSame": {"s3:prefix": "a"}}),
            json!({"StringEquals": {"s3:prefx": "a"}}),
            json!({"StringEquals": {"s3:prefix": []}}),
            json!({"StringEquals": {"s3:prefix": {"a": 1}}}),
            json!({"StringEquals": "a"}),
            json!({"NumericEquals": {"s3:max-keys": "ten"}}),
            json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/33"}}),
            json!({"DateLessThan": {"aws:CurrentTime": "tomorrow"}}),
            json!({"NullIfExists": {"s3:prefix": "true"}}),
            json!({"ForSomeValues:StringEquals": {"s3:prefix": "a"}}),
            json!([]),
        ] {
            assert!(parse(&condition).is_err(), "{condition}");
        }
    }
}
