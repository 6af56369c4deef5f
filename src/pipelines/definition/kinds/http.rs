//! `http`: one request, made by the server itself.

use super::Complaints;
use serde::Deserialize;
use serde_json::{Value, json};
use serde_saphyr::{Location, Spanned};
use std::collections::BTreeMap;

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// A request; its texts may hold templates, secrets among them.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub url: String,
    pub headers: BTreeMap<String, String>,
    pub body: Option<Body>,
    /// None given: any 2xx.
    pub status: Vec<u16>,
}

#[derive(Clone, Debug)]
pub enum Body {
    Text(String),
    /// The texts in it may hold templates.
    Json(Value),
}

impl Request {
    /// Its texts, secrets and all.
    pub fn texts(&self) -> Vec<&str> {
        let mut found: Vec<&str> =
            self.headers.values().map(String::as_str).chain([self.url.as_str()]).collect();
        match &self.body {
            Some(Body::Text(text)) => found.push(text),
            Some(Body::Json(value)) => texts_in(value, &mut found),
            None => {}
        }
        found
    }

    /// Whether making it twice does what making it once does, as HTTP has it.
    pub fn is_repeatable(&self) -> bool {
        !matches!(self.method.as_str(), "POST" | "PATCH")
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::pipelines::definition) struct File {
    url: Spanned<String>,
    #[serde(default)]
    method: Option<Spanned<String>>,
    #[serde(default)]
    headers: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    body: Option<Spanned<String>>,
    #[serde(default)]
    json: Option<Spanned<Value>>,
    #[serde(default)]
    status: Vec<Spanned<u16>>,
}

impl File {
    pub fn texts(&self) -> Vec<(&str, Location)> {
        let body = self.body.iter().chain(self.headers.values()).chain([&self.url]);
        let mut found: Vec<_> = body.map(|text| (text.value.as_str(), text.referenced)).collect();
        if let Some(json) = &self.json {
            let mut inner = Vec::new();
            texts_in(&json.value, &mut inner);
            found.extend(inner.into_iter().map(|text| (text, json.referenced)));
        }
        found
    }
}

/// Every text in a JSON value.
fn texts_in<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(items) => items.iter().for_each(|item| texts_in(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| texts_in(field, found)),
        _ => {}
    }
}

pub(super) fn check(file: &File, complain: &mut Complaints<'_>) -> Request {
    complain.url("http: url", &file.url);
    let has_body = file.body.is_some() || file.json.is_some();
    let method = match &file.method {
        None => if has_body { "POST" } else { "GET" }.to_owned(),
        Some(given) => {
            let method = given.value.to_ascii_uppercase();
            if !METHODS.contains(&method.as_str()) {
                let message = format!("http: method {:?} is not one of {}", given.value, METHODS.join(", "));
                complain.at(given.referenced, message);
            }
            method
        }
    };
    if let (Some(_), Some(json)) = (&file.body, &file.json) {
        complain.at(json.referenced, "http: give either body or json");
    }
    for (name, value) in &file.headers {
        if http::HeaderName::try_from(name.as_str()).is_err() {
            complain.at(value.referenced, format!("http: {name:?} cannot be a header"));
        }
    }
    for one in file.status.iter().filter(|one| !(100..=599).contains(&one.value)) {
        complain.at(one.referenced, format!("{} is not a status of HTTP", one.value));
    }
    let text = file.body.as_ref().map(|body| Body::Text(body.value.clone()));
    Request {
        method,
        url: file.url.value.clone(),
        headers: file.headers.iter().map(|(name, value)| (name.clone(), value.value.clone())).collect(),
        body: text.or_else(|| file.json.as_ref().map(|json| Body::Json(json.value.clone()))),
        status: file.status.iter().map(|one| one.value).collect(),
    }
}

pub(super) fn schema() -> Value {
    let text = json!({ "type": "string" });
    json!({
        "type": "object", "additionalProperties": false, "required": ["url"],
        "description": "One request, made without a process",
        "properties": {
            "url": text, "method": { "enum": METHODS },
            "headers": { "type": "object", "additionalProperties": text },
            "body": text, "json": {},
            "status": { "type": "array", "items": { "type": "integer", "minimum": 100, "maximum": 599 } },
        },
    })
}
