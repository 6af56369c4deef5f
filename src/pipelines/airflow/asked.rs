//! What a request asks: its query, where a name may stand several times, and its JSON body. What does
//! not fit is told with its place, as FastAPI does.

use super::fault::Fault;
use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Query, Request},
};
use chrono::{DateTime, NaiveDate, NaiveDateTime};
use http::{StatusCode, request::Parts};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::{Map, Value};

/// The query of a request.
#[derive(Default)]
pub(super) struct Asked(pub Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Fault> {
        let pairs = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let unreadable =
            |_| Fault::unfit(&["query"], "value_error", "The query cannot be read.", &Value::Null);
        Ok(Self(pairs.map_err(unreadable)?.0))
    }
}

impl Asked {
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
    }

    pub(super) fn one(&self, name: &str) -> Option<&str> {
        self.all(name).pop()
    }

    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Fault> {
        let Some(text) = self.one(name) else { return Ok(None) };
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" | "t" | "y" => Ok(Some(true)),
            "false" | "0" | "no" | "off" | "f" | "n" => Ok(Some(false)),
            _ => Err(unfit(name, "bool_parsing", "Input should be a valid boolean", text)),
        }
    }

    /// A whole number; airflowctl writes nothing after the name where it has none.
    pub(super) fn whole(&self, name: &str) -> Result<Option<i64>, Fault> {
        let parse = |text: &str| {
            let wrong = || unfit(name, "int_parsing", "Input should be a valid integer", text);
            text.parse().map_err(|_| wrong())
        };
        self.one(name).filter(|text| !text.is_empty()).map(parse).transpose()
    }

    /// A count of things: a whole number that is not negative.
    pub(super) fn count(&self, name: &str, default: usize) -> Result<usize, Fault> {
        let Some(number) = self.whole(name)? else { return Ok(default) };
        let wrong = || {
            unfit(
                name,
                "greater_than_equal",
                "Input should be greater than or equal to 0",
                &number.to_string(),
            )
        };
        usize::try_from(number).map_err(|_| wrong())
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<f64>, Fault> {
        let parse = |text: &str| match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => Err(unfit(name, "float_parsing", "Input should be a valid number", text)),
        };
        self.one(name).map(parse).transpose()
    }

    /// An instant, in ms since the epoch.
    pub(super) fn time(&self, name: &str) -> Result<Option<i64>, Fault> {
        let parse = |text: &str| {
            // A plus sign that nobody encoded reads as a space.
            let wrong = || unfit(name, "datetime_parsing", "Input should be a valid datetime", text);
            instant(text).or_else(|| instant(&text.replace(' ', "+"))).ok_or_else(wrong)
        };
        self.one(name).map(parse).transpose()
    }

    /// The fields of a search sent as a body, under the names the query has for them.
    pub(super) fn of_body(body: &Map<String, Value>, names: &[(&str, &str)]) -> Result<Self, Fault> {
        let mut pairs = Vec::new();
        for (key, value) in body {
            let name = names.iter().find(|(from, _)| from == key).map_or(key.as_str(), |(_, to)| to);
            let values = match value {
                Value::Null => continue,
                Value::Array(values) => values.as_slice(),
                one => std::slice::from_ref(one),
            };
            for value in values {
                pairs.push((name.to_owned(), plain(key, value)?));
            }
        }
        Ok(Self(pairs))
    }
}

fn plain(key: &str, value: &Value) -> Result<String, Fault> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        Value::Null => Ok("none".to_owned()),
        Value::Array(_) | Value::Object(_) => {
            Err(Fault::unfit(&["body", key], "string_type", "Input should be a valid string", value))
        }
    }
}

pub(super) fn unfit(name: &str, kind: &str, message: &str, input: &str) -> Fault {
    Fault::unfit(&["query", name], kind, message, &input.into())
}

/// An instant as clients write it, with or without colon in its offset; without an offset it is UTC.
pub(super) fn instant(text: &str) -> Option<i64> {
    let zoned = DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%#z"));
    if let Ok(at) = zoned {
        return Some(at.timestamp_millis());
    }
    let naive = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f");
    let naive = naive.ok().or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0));
    Some(naive?.and_utc().timestamp_millis())
}

/// A field that holds an instant, or nothing.
pub(super) fn time_field<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    let wrong = |text: &str| serde::de::Error::custom(format!("{text:?} should be a valid datetime"));
    text.map(|text| instant(&text).ok_or_else(|| wrong(&text))).transpose()
}

/// A field that may be absent, null or given: the outer `Option` tells whether it was there.
pub(super) fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    from: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(from).map(Some)
}

/// The JSON body of a request.
pub(super) struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &S) -> Result<Self, Fault> {
        let bytes = Bytes::from_request(request, state).await;
        let bytes = bytes.map_err(|why| Fault::new(why.status(), "The body cannot be read."))?;
        if bytes.is_empty() {
            return Err(Fault::unfit(&["body"], "missing", "Field required", &Value::Null));
        }
        let value: Value = serde_json::from_slice(&bytes).map_err(|why| {
            let message = format!("JSON decode error: {why}");
            Fault::unfit(&["body"], "json_invalid", &message, &Value::Null)
        })?;
        read(value).map(Self)
    }
}

/// Reads a body, or says which field does not fit.
pub(super) fn read<T: DeserializeOwned>(value: Value) -> Result<T, Fault> {
    if !value.is_object() {
        let message = "Input should be a valid dictionary or object to extract fields from";
        return Err(Fault::unfit(&["body"], "model_attributes_type", message, &value));
    }
    T::deserialize(&value).map_err(|why| {
        let why = why.to_string();
        let quoted = why.split('`').nth(1).unwrap_or_default();
        if why.starts_with("missing field") {
            Fault::unfit(&["body", quoted], "missing", "Field required", &value)
        } else if why.starts_with("unknown field") {
            let input = value.get(quoted).cloned().unwrap_or_default();
            Fault::unfit(&["body", quoted], "extra_forbidden", "Extra inputs are not permitted", &input)
        } else {
            Fault::unfit(&["body"], "value_error", &why, &value)
        }
    })
}

/// Refuses an `update_mask` that names what cannot be changed.
pub(super) fn mask<'a>(asked: &'a Asked, known: &[&str]) -> Result<Option<Vec<&'a str>>, Fault> {
    let named: Vec<&str> = asked.all("update_mask").into_iter().flat_map(|names| names.split(',')).collect();
    match named.iter().find(|name| !known.contains(name)) {
        Some(name) => {
            let message = format!("`{name}` cannot be updated; `update_mask` takes {}.", known.join(", "));
            Err(Fault::new(StatusCode::BAD_REQUEST, message))
        }
        None => Ok((!named.is_empty()).then_some(named)),
    }
}
