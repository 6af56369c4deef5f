//! OpenTelemetry's JSON form: camel-case names, ids in hexadecimal, 64-bit numbers as text. Fields
//! nobody here reads are passed over.

use super::{
    Refused,
    proto::{
        Any, AnyValue, ArrayValue, Event, ExportRequest, KeyValue, KeyValueList, Link, Resource,
        ResourceSpans, ScopeSpans, Span, Status,
    },
    wrong_type,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;

/// A wrong shape anywhere; which one is not told, as MLflow's server does not tell it either.
struct Malformed;

type Read<T> = Result<T, Malformed>;

pub fn read(body: &[u8]) -> Result<ExportRequest, Refused> {
    // A body that is no JSON at all was most likely sent under a wrong type.
    let value: Value = serde_json::from_slice(body)
        .map_err(|_| Refused(format!("{}; the body is not JSON", wrong_type("application/json").0)))?;
    let request = request(&value).map_err(|Malformed| Refused("Invalid OpenTelemetry format".into()))?;
    Ok(request)
}

fn request(value: &Value) -> Read<ExportRequest> {
    Ok(ExportRequest { resource_spans: list(object(value)?, "resourceSpans", resource_spans)? })
}

fn resource_spans(value: &Value) -> Read<ResourceSpans> {
    let value = object(value)?;
    let resource = match value.get("resource") {
        None | Some(Value::Null) => None,
        Some(resource) => Some(Resource { attributes: list(object(resource)?, "attributes", pair)? }),
    };
    Ok(ResourceSpans { resource, scope_spans: list(value, "scopeSpans", scope_spans)? })
}

fn scope_spans(value: &Value) -> Read<ScopeSpans> {
    Ok(ScopeSpans { spans: list(object(value)?, "spans", span)? })
}

fn span(value: &Value) -> Read<Span> {
    let value = object(value)?;
    Ok(Span {
        trace_id: id(value, "traceId")?,
        span_id: id(value, "spanId")?,
        parent_span_id: id(value, "parentSpanId")?,
        name: text(value, "name")?.to_owned(),
        start_time_unix_nano: nanos(value, "startTimeUnixNano")?,
        end_time_unix_nano: nanos(value, "endTimeUnixNano")?,
        attributes: list(value, "attributes", pair)?,
        events: list(value, "events", event)?,
        links: list(value, "links", link)?,
        status: match value.get("status") {
            None | Some(Value::Null) => None,
            Some(given) => Some(status(given)?),
        },
    })
}

fn event(value: &Value) -> Read<Event> {
    let value = object(value)?;
    Ok(Event {
        time_unix_nano: nanos(value, "timeUnixNano")?,
        name: text(value, "name")?.to_owned(),
        attributes: list(value, "attributes", pair)?,
    })
}

fn link(value: &Value) -> Read<Link> {
    let value = object(value)?;
    Ok(Link {
        trace_id: id(value, "traceId")?,
        span_id: id(value, "spanId")?,
        attributes: list(value, "attributes", pair)?,
    })
}

fn status(value: &Value) -> Read<Status> {
    let value = object(value)?;
    let code = match value.get("code") {
        None | Some(Value::Null) => 0,
        Some(Value::Number(code)) => {
            code.as_i64().and_then(|code| i32::try_from(code).ok()).ok_or(Malformed)?
        }
        Some(Value::String(name)) => match name.as_str() {
            "STATUS_CODE_UNSET" => 0,
            "STATUS_CODE_OK" => 1,
            "STATUS_CODE_ERROR" => 2,
            _ => return Err(Malformed),
        },
        Some(_) => return Err(Malformed),
    };
    Ok(Status { message: text(value, "message")?.to_owned(), code })
}

fn pair(value: &Value) -> Read<KeyValue> {
    let value = object(value)?;
    let inner = match value.get("value") {
        None | Some(Value::Null) => None,
        Some(inner) => Some(any(inner)?),
    };
    Ok(KeyValue { key: text(value, "key")?.to_owned(), value: inner })
}

fn any(value: &Value) -> Read<AnyValue> {
    let Some((kind, value)) = object(value)?.iter().find(|(_, value)| !value.is_null()) else {
        return Ok(AnyValue::default());
    };
    let wrong = || Malformed;
    let value = match kind.as_str() {
        "stringValue" => Any::Text(value.as_str().ok_or_else(wrong)?.to_owned()),
        "boolValue" => Any::Flag(value.as_bool().ok_or_else(wrong)?),
        "intValue" => Any::Int(match value {
            Value::String(digits) => digits.parse().map_err(|_| Malformed)?,
            other => other.as_i64().ok_or_else(wrong)?,
        }),
        "doubleValue" => Any::Double(match value {
            Value::String(name) => name.parse().map_err(|_| Malformed)?,
            other => other.as_f64().ok_or_else(wrong)?,
        }),
        "bytesValue" => {
            let text = value.as_str().ok_or_else(wrong)?;
            Any::Bytes(BASE64_STANDARD.decode(text).map_err(|_| Malformed)?)
        }
        "arrayValue" => Any::Array(ArrayValue { values: list(object(value)?, "values", any)? }),
        "kvlistValue" => Any::Map(KeyValueList { values: list(object(value)?, "values", pair)? }),
        _ => return Err(Malformed),
    };
    Ok(AnyValue { value: Some(value) })
}

fn object(value: &Value) -> Read<&serde_json::Map<String, Value>> {
    value.as_object().ok_or(Malformed)
}

fn list<T>(
    map: &serde_json::Map<String, Value>,
    key: &str,
    item: impl Fn(&Value) -> Read<T>,
) -> Read<Vec<T>> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) => items.iter().map(item).collect(),
        Some(_) => Err(Malformed),
    }
}

fn text<'a>(map: &'a serde_json::Map<String, Value>, key: &str) -> Read<&'a str> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(Malformed),
    }
}

fn id(map: &serde_json::Map<String, Value>, key: &str) -> Read<Vec<u8>> {
    hex::decode(text(map, key)?).map_err(|_| Malformed)
}

fn nanos(map: &serde_json::Map<String, Value>, key: &str) -> Read<u64> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(0),
        Some(Value::String(digits)) => digits.parse().map_err(|_| Malformed),
        Some(other) => other.as_u64().ok_or(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_in_json() {
        let body = br#"{"resourceSpans": [{"resource": {"attributes": [{"key": "service.name",
            "value": {"stringValue": "s"}}]}, "scopeSpans": [{"scope": {"name": "x"}, "spans": [{
            "traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331", "name": "n", "kind": 1,
            "startTimeUnixNano": "1000", "endTimeUnixNano": 2000, "status": {"code": 2, "message": "m"},
            "attributes": [{"key": "i", "value": {"intValue": "7"}}, {"key": "l", "value": {"arrayValue":
            {"values": [{"boolValue": true}, {"doubleValue": 0.5}]}}}]}]}]}]}"#;
        let request = read(body).unwrap();
        let span = &request.resource_spans[0].scope_spans[0].spans[0];
        assert_eq!((span.trace_id.len(), span.span_id.len(), span.parent_span_id.len()), (16, 8, 0));
        assert_eq!((span.start_time_unix_nano, span.end_time_unix_nano), (1000, 2000));
        assert_eq!(span.status.as_ref().map(|status| status.code), Some(2));
        assert_eq!(span.attributes[0].value.as_ref().unwrap().value, Some(Any::Int(7)));
    }

    #[test]
    fn wrong_shapes_are_refused() {
        for body in [
            r#"{"resourceSpans": {}}"#,
            r#"{"resourceSpans": [1]}"#,
            r#"{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "xyz"}]}]}]}"#,
            r#"{"resourceSpans": [{"scopeSpans": [{"spans": [{"startTimeUnixNano": -1}]}]}]}"#,
            r#"{"resourceSpans": [{"resource": {"attributes": [{"key": "k", "value": {"intValue": "x"}}]}}]}"#,
        ] {
            assert_eq!(read(body.as_bytes()).unwrap_err().0, "Invalid OpenTelemetry format", "{body}");
        }
    }
}
