//! The fields of one MLflow request, read as leniently as protobuf's JSON does: integers may be
//! strings, a query parameter stands for a field, `null` means absent, and a camel-case name is
//! as good as a snake-case one. A wrong type is refused with MLflow's words and the field's path.

use super::{wire::MlflowError, words};
use crate::kernel::error::{Error, Kind, Result};
use axum::{
    body::Bytes,
    extract::{FromRequest, Query, Request},
    http::{HeaderMap, Method, StatusCode, header, request::Parts},
    response::IntoResponse,
};
use serde_json::{Map, Value};

pub const SEE_DOCS: &str = " See the API docs for more information about request parameters.";

/// A request's fields, or those of an object inside it; `path` then says where.
#[derive(Debug, Default)]
pub struct Fields {
    map: Map<String, Value>,
    path: String,
    /// Query parameters carry no types: one value may stand for a list, and all are text.
    untyped: bool,
}

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = MlflowError;

    async fn from_request(request: Request, state: &S) -> Result<Self, MlflowError> {
        if request.method() == Method::GET && request.uri().query().is_some_and(|query| !query.is_empty()) {
            return Ok(Self::from_query(request.uri())?);
        }
        let JsonBody(body) = JsonBody::from_request(request, state).await?;
        Ok(Self::from_body(&body)?)
    }
}

/// A body that is said to be JSON, for `Fields` or for a handler that reads it by itself.
pub struct JsonBody(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = MlflowError;

    async fn from_request(request: Request, state: &S) -> Result<Self, MlflowError> {
        let typed = check_content_type(request.method(), request.headers());
        let body = Bytes::from_request(request, state).await.map_err(|rejection| {
            let kind = match rejection.status() {
                StatusCode::PAYLOAD_TOO_LARGE => Kind::TooLarge,
                _ => Kind::Invalid,
            };
            let text = rejection.body_text();
            drop(rejection.into_response());
            Error::new(kind, format!("The request body could not be read: {text}."))
        })?;
        typed?;
        Ok(Self(body))
    }
}

/// MLflow's server reads nothing but JSON from POST and PUT.
fn check_content_type(method: &Method, headers: &HeaderMap) -> Result<()> {
    if !matches!(*method, Method::POST | Method::PUT) {
        return Ok(());
    }
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Err(Error::invalid("Bad Request. Content-Type header is missing."));
    };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Error::invalid("Bad Request. Content-Type must be one of ['application/json']."))
}

impl Fields {
    /// What a handler will read from this request, for a layer that has its body.
    pub fn read(request: &Parts, body: &[u8]) -> Result<Self> {
        if request.method == Method::GET && request.uri.query().is_some_and(|query| !query.is_empty()) {
            return Self::from_query(&request.uri);
        }
        check_content_type(&request.method, &request.headers)?;
        Self::from_body(body)
    }

    /// Reads a JSON body; an empty one has no fields. Old clients encode their JSON twice.
    pub fn from_body(body: &[u8]) -> Result<Self> {
        if body.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        let malformed = |error: serde_json::Error| {
            Error::invalid(format!("The request body is not valid JSON: {error}."))
        };
        let mut value: Value = serde_json::from_slice(body).or_else(|error| match words::quoted(body) {
            Some(quoted) => serde_json::from_slice(&quoted).map_err(malformed),
            None => Err(malformed(error)),
        })?;
        if let Value::String(inner) = value {
            value = serde_json::from_str(&inner).map_err(malformed)?;
        }
        let map = match value {
            Value::Object(map) => map,
            Value::Null => Map::new(),
            other => {
                return Err(Error::invalid(format!(
                    "The request body must be a JSON object, not a value of type '{}'.",
                    type_name(&other)
                )));
            }
        };
        Ok(Self { map, ..Self::default() })
    }

    /// Reads query parameters; one that occurs more than once becomes a list.
    pub fn from_query(uri: &axum::http::Uri) -> Result<Self> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|error| Error::invalid(format!("The query string could not be read: {error}.")))?;
        let mut map = Map::new();
        for (name, value) in pairs {
            match map.entry(name).or_insert_with(|| Value::Array(Vec::new())) {
                Value::Array(values) => values.push(Value::String(value)),
                _ => unreachable!("only lists are put into a query's map"),
            }
        }
        Ok(Self { map, untyped: true, ..Self::default() })
    }

    /// Fields that another protocol brought.
    pub fn from_map(map: Map<String, Value>) -> Self {
        Self { map, ..Self::default() }
    }

    /// Sets a field that came in the path, where MLflow's messages carry it as a field as well.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.map.insert(name.to_owned(), Value::String(value.to_owned()));
        self
    }

    /// The field as it came, unless absent or null.
    pub fn raw(&self, name: &str) -> Option<&Value> {
        let found = self.map.get(name).or_else(|| name.contains('_').then(|| self.map.get(&camel(name)))?);
        found.filter(|value| !value.is_null())
    }

    pub fn has(&self, name: &str) -> bool {
        self.raw(name).is_some()
    }

    /// The single value of a field: the first of a repeated query parameter.
    fn single(&self, name: &str) -> Option<&Value> {
        match self.raw(name)? {
            Value::Array(values) if self.untyped => values.first(),
            value => Some(value),
        }
    }

    pub fn text(&self, name: &str) -> Result<Option<&str>> {
        match self.single(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong_type(name, other)),
        }
    }

    /// A text field where absent and empty are the same, as they are in protobuf.
    pub fn text_or_empty(&self, name: &str) -> Result<&str> {
        Ok(self.text(name)?.unwrap_or_default())
    }

    /// A text field that must be there and not empty.
    pub fn required(&self, name: &str) -> Result<&str> {
        self.text(name)?.filter(|text| !text.is_empty()).ok_or_else(|| self.missing(name))
    }

    /// The id of a run, under its present name or its first one.
    pub fn run_id(&self) -> Result<&str> {
        match self.text("run_id")?.filter(|id| !id.is_empty()) {
            Some(id) => Ok(id),
            None => self.text("run_uuid")?.filter(|id| !id.is_empty()).ok_or_else(|| self.missing("run_id")),
        }
    }

    /// A 64-bit integer, as a number or as digits in a string.
    pub fn int(&self, name: &str) -> Result<Option<i64>> {
        let Some(value) = self.single(name) else { return Ok(None) };
        let int = match value {
            Value::Number(number) => number.as_i64().or_else(|| number.as_f64().and_then(whole)),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        int.map(Some).ok_or_else(|| self.wrong_type(name, value))
    }

    /// A double, as a number, digits in a string, `NaN`, `Infinity` or `-Infinity`.
    pub fn float(&self, name: &str) -> Result<Option<f64>> {
        let Some(value) = self.single(name) else { return Ok(None) };
        let float = match value {
            Value::Number(number) => number.as_f64(),
            // Rust reads the same names of NaN and the infinities as protobuf writes.
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        float.map(Some).ok_or_else(|| self.wrong_type(name, value))
    }

    pub fn flag(&self, name: &str) -> Result<Option<bool>> {
        match self.single(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(Value::String(text)) if self.untyped => match text.to_ascii_lowercase().as_str() {
                "true" => Ok(Some(true)),
                "false" => Ok(Some(false)),
                _ => {
                    Err(Error::invalid(format!("Invalid boolean value: {text}, must be 'true' or 'false'.")))
                }
            },
            Some(other) => Err(self.wrong_type(name, other)),
        }
    }

    /// A list of texts; absent is empty.
    pub fn texts(&self, name: &str) -> Result<Vec<String>> {
        let text = |value: &Value| match value {
            Value::String(text) => Ok(text.clone()),
            _ => Err(self.wrong_type(name, self.raw(name).unwrap_or(value))),
        };
        self.list(name)?.iter().map(text).collect()
    }

    /// A list of objects; absent is empty. Their paths read `name[index]`.
    pub fn items(&self, name: &str) -> Result<Vec<Fields>> {
        let item = |(index, value): (usize, &Value)| match value {
            Value::Object(map) => {
                Ok(Self { map: map.clone(), path: format!("{}[{index}]", self.at(name)), ..Self::default() })
            }
            _ => Err(self.wrong_type(name, self.raw(name).unwrap_or(value))),
        };
        self.list(name)?.iter().enumerate().map(item).collect()
    }

    /// Like `items`, but takes the objects out instead of copying them: for batches.
    pub fn take_items(&mut self, name: &str) -> Result<Vec<Fields>> {
        if !matches!(self.map.get(name), Some(Value::Array(items)) if items.iter().all(Value::is_object)) {
            return self.items(name);
        }
        let path = self.at(name);
        let Some(Value::Array(items)) = self.map.remove(name) else { return Ok(Vec::new()) };
        let item = |(index, value)| match value {
            Value::Object(map) => Some(Self { map, path: format!("{path}[{index}]"), ..Self::default() }),
            _ => None,
        };
        Ok(items.into_iter().enumerate().filter_map(item).collect())
    }

    /// An object inside this one.
    pub fn item(&self, name: &str) -> Result<Option<Fields>> {
        match self.raw(name) {
            None => Ok(None),
            Some(Value::Object(map)) => {
                Ok(Some(Self { map: map.clone(), path: self.at(name), ..Self::default() }))
            }
            Some(other) => Err(self.wrong_type(name, other)),
        }
    }

    /// `[{key, value}]`, MLflow's shape for tags and params. Every key must be there.
    pub fn pairs(&self, name: &str) -> Result<Vec<(String, String)>> {
        let pair =
            |item: &Fields| Ok((item.required("key")?.to_owned(), item.text_or_empty("value")?.to_owned()));
        self.items(name)?.iter().map(pair).collect()
    }

    /// An enumeration, by name or by its number in the protocol. Answers the number.
    pub fn choice(&self, name: &str, choices: &[(&str, i64)]) -> Result<Option<i64>> {
        let Some(value) = self.single(name) else { return Ok(None) };
        let number = match value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => match choices.iter().find(|(choice, _)| choice == text) {
                Some((_, number)) => return Ok(Some(*number)),
                None => text.parse().ok(),
            },
            _ => None,
        };
        match number.filter(|number| choices.iter().any(|(_, known)| known == number)) {
            Some(number) => Ok(Some(number)),
            None => {
                let names: Vec<_> = choices.iter().map(|(choice, _)| *choice).collect();
                Err(self.invalid(name, value, &format!("It must be one of {}.", names.join(", "))))
            }
        }
    }

    fn list(&self, name: &str) -> Result<&[Value]> {
        match self.raw(name) {
            None => Ok(&[]),
            Some(Value::Array(values)) => Ok(values),
            Some(other) => Err(self.wrong_type(name, other)),
        }
    }

    /// The field's full path, e.g. `metrics[3].key`.
    pub fn at(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    pub fn missing(&self, name: &str) -> Error {
        Error::invalid(format!("Missing value for required parameter '{}'.{SEE_DOCS}", self.at(name)))
    }

    /// An integer no larger than `most`, in the words MLflow has for that.
    pub fn int_at_most(&self, name: &str, most: i64) -> Result<Option<i64>> {
        match (self.int(name)?, self.single(name)) {
            (Some(int), Some(value)) if int > most => Err(self.wrong_type(name, value)),
            (int, _) => Ok(int),
        }
    }

    fn wrong_type(&self, name: &str, value: &Value) -> Error {
        self.invalid(name, value, &format!(" Hint: Value was of type '{}'.{SEE_DOCS}", type_name(value)))
    }

    /// MLflow's sentence for a value it does not accept.
    pub fn invalid(&self, name: &str, value: &Value, why: &str) -> Error {
        invalid_value(&self.at(name), value, why)
    }
}

/// MLflow's sentence for a value it does not accept, with the value cut at a length one can read.
pub fn invalid_value(path: &str, value: &Value, why: &str) -> Error {
    const LONGEST: usize = 1000;
    let mut shown = value.to_string();
    if shown.len() > LONGEST {
        shown.truncate(shown.floor_char_boundary(LONGEST));
        shown.push('…');
    }
    Error::invalid(format!("Invalid value {shown} for parameter '{path}' supplied: {why}"))
}

/// The integer a double stands for, if it is one exactly.
fn whole(value: f64) -> Option<i64> {
    // 2^63 itself is out of range; every double below it that is whole fits.
    (value.fract() == 0.0 && value.abs() < 9_223_372_036_854_775_808.0).then_some(value as i64)
}

fn camel(name: &str) -> String {
    let mut upper = false;
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '_' => upper = true,
            c if upper => {
                out.extend(c.to_uppercase());
                upper = false;
            }
            c => out.push(c),
        }
    }
    out
}

/// What Python calls the type, because MLflow's messages do.
fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &str) -> Fields {
        Fields::from_body(text.as_bytes()).expect("the test's JSON is an object")
    }

    #[test]
    fn integers_come_as_numbers_or_text() {
        let fields = body(r#"{"a": 5, "b": "6", "c": 7.0, "d": 7.5, "e": true, "f": null}"#);
        assert_eq!(fields.int("a").unwrap(), Some(5));
        assert_eq!(fields.int("b").unwrap(), Some(6));
        assert_eq!(fields.int("c").unwrap(), Some(7));
        assert_eq!(fields.int("f").unwrap(), None);
        assert!(fields.int("d").unwrap_err().message.contains("'d'"));
        assert!(fields.int("e").unwrap_err().message.contains("'bool'"));
    }

    #[test]
    fn doubles_keep_nan_and_infinity() {
        let fields = body(r#"{"a": "NaN", "b": "-Infinity", "c": 1e400}"#.replace("1e400", "1e300").as_str());
        assert!(fields.float("a").unwrap().unwrap().is_nan());
        assert_eq!(fields.float("b").unwrap(), Some(f64::NEG_INFINITY));
        assert_eq!(fields.float("c").unwrap(), Some(1e300));
    }

    #[test]
    fn wrong_types_name_the_path() {
        let fields = body(r#"{"run_id": 12, "tags": [{"key": "k"}, {"value": "v"}], "metrics": {}}"#);
        let message = fields.run_id().unwrap_err().message;
        assert!(message.starts_with("Invalid value 12 for parameter 'run_id' supplied:"), "{message}");
        assert!(fields.pairs("tags").unwrap_err().message.contains("'tags[1].key'"));
        assert!(fields.items("metrics").unwrap_err().message.contains("'dict'"));
    }

    #[test]
    fn a_query_is_as_good_as_a_body() {
        let uri = "/x?run_id=a%20b&path=p+q&many=1&many=2&max_results=10&flag=True".parse().unwrap();
        let fields = Fields::from_query(&uri).unwrap();
        assert_eq!(fields.run_id().unwrap(), "a b");
        assert_eq!(fields.text("path").unwrap(), Some("p q"));
        assert_eq!(fields.texts("many").unwrap(), ["1", "2"]);
        assert_eq!(fields.int("max_results").unwrap(), Some(10));
        assert_eq!(fields.flag("flag").unwrap(), Some(true));
    }

    #[test]
    fn a_body_may_be_encoded_twice_or_in_camel_case() {
        assert_eq!(body(r#""{\"run_id\": \"r\"}""#).run_id().unwrap(), "r");
        assert_eq!(body(r#"{"runId": "r"}"#).run_id().unwrap(), "r");
        assert!(Fields::from_body(b"[1]").unwrap_err().message.contains("'list'"));
        assert!(Fields::from_body(b"{").unwrap_err().message.contains("not valid JSON"));
    }
}
