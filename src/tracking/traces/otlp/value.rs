//! Attribute values: from OpenTelemetry's form to plain JSON, and from JSON to the form in which
//! protobuf's JSON writes them.

use super::proto::{Any, AnyValue, KeyValue};
use crate::tracking::wire;
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Map, Value, json};

/// The plain JSON of a value. NaN and the infinities have no number in JSON and become their names,
/// bytes become base64.
pub fn plain(value: Option<&AnyValue>) -> Value {
    match value.and_then(|value| value.value.as_ref()) {
        None => Value::Null,
        Some(Any::Text(text)) => text.as_str().into(),
        Some(Any::Flag(flag)) => (*flag).into(),
        Some(Any::Int(int)) => (*int).into(),
        Some(Any::Double(double)) => wire::double(*double),
        Some(Any::Array(array)) => array.values.iter().map(|value| plain(Some(value))).collect(),
        Some(Any::Map(map)) => Value::Object(attributes(&map.values)),
        Some(Any::Bytes(bytes)) => BASE64_STANDARD.encode(bytes).into(),
    }
}

/// The last of several values with one key holds.
pub fn attributes(pairs: &[KeyValue]) -> Map<String, Value> {
    pairs.iter().map(|pair| (pair.key.clone(), plain(pair.value.as_ref()))).collect()
}

/// `{"string_value": ..}` and so on.
pub fn tagged(value: &Value) -> Value {
    match value {
        Value::Null => json!({}),
        Value::Bool(flag) => json!({ "bool_value": flag }),
        Value::String(text) => json!({ "string_value": text }),
        Value::Number(number) if number.is_i64() => json!({ "int_value": number }),
        Value::Number(number) => json!({ "double_value": number }),
        Value::Array(items) => {
            json!({ "array_value": { "values": items.iter().map(tagged).collect::<Vec<_>>() } })
        }
        Value::Object(map) => json!({ "kvlist_value": { "values": tagged_pairs(map) } }),
    }
}

/// `[{"key": .., "value": {..}}]`.
pub fn tagged_pairs(map: &Map<String, Value>) -> Value {
    map.iter().map(|(key, value)| json!({ "key": key, "value": tagged(value) })).collect()
}
