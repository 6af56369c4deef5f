//! Spans: from OpenTelemetry's form to the content that is kept, and from there to the wire.

use super::{
    json::{dumps, loads, plain},
    keys::span as keys,
    model::Span,
    otlp::{proto, value},
    translate::{Attributes, get, translate},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Map, Value, json};

/// The longest name of a model that is kept to count by.
const MODEL_MAX: usize = 500;

/// A span cannot be one of MLflow's: an id is missing or too long, or a time is past the year 2262.
#[derive(Debug)]
pub struct Unfit;

/// The span, its trace's id, and its attributes under MLflow's names.
pub fn from_proto(span: &proto::Span) -> Result<(Span, String, Attributes), Unfit> {
    let trace = id_of::<16>(&span.trace_id)?.ok_or(Unfit)?;
    let id = id_of::<8>(&span.span_id)?.ok_or(Unfit)?;
    // A parent whose id is all zeros is none.
    let parent = id_of::<8>(&span.parent_span_id)?.filter(|id| *id != [0; 8]);
    let trace_id = format!("tr-{}", hex::encode(trace));
    let (started_ns, ended_ns) = (nanos(span.start_time_unix_nano)?, nanos(span.end_time_unix_nano)?);
    let ended_ns = Some(ended_ns).filter(|ended| *ended != 0);

    let mut attributes = Attributes::new();
    for pair in &span.attributes {
        attributes.insert(pair.key.clone(), dumped(&value::plain(pair.value.as_ref())).into());
    }
    attributes.insert(keys::REQUEST_ID.into(), dumps(&trace_id).into());
    translate(&mut attributes);

    let (status, code, message) = status_of(span.status.as_ref());
    let content = json!({
        "trace_id": BASE64_STANDARD.encode(trace),
        "span_id": BASE64_STANDARD.encode(id),
        "parent_span_id": parent.map(|parent| BASE64_STANDARD.encode(parent)),
        "name": span.name,
        "start_time_unix_nano": started_ns,
        "end_time_unix_nano": ended_ns,
        "events": span.events.iter().map(event).collect::<Vec<_>>(),
        "status": { "code": code, "message": message },
        "attributes": attributes,
        "links": span.links.iter().map(link).collect::<Result<Vec<_>, _>>()?,
    });
    let object = |key| get(&attributes, key).map(loads).filter(Value::is_object);
    let dimension = |key| get(&attributes, key).map(|text| plain(text).chars().take(MODEL_MAX).collect());
    let stored = Span {
        id: hex::encode(id),
        parent: parent.map(hex::encode),
        name: span.name.clone(),
        kind: get(&attributes, keys::TYPE).map(plain),
        status,
        started_ns,
        ended_ns,
        content: dumps(&content),
        usage: object(keys::USAGE),
        cost: object(keys::COST),
        model: dimension(keys::MODEL),
        provider: dimension(keys::PROVIDER),
    };
    Ok((stored, trace_id, attributes))
}

/// The text an attribute is kept as. A text that is itself the JSON of a text, a list or an object
/// was dumped by its sender already.
fn dumped(value: &Value) -> String {
    if let Value::String(text) = value
        && let Ok(Value::String(_) | Value::Array(_) | Value::Object(_)) = serde_json::from_str(text)
    {
        return text.clone();
    }
    dumps(value)
}

/// An id of `N` bytes, shorter ones filled up in front; `None` if there is none.
fn id_of<const N: usize>(bytes: &[u8]) -> Result<Option<[u8; N]>, Unfit> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let missing = N.checked_sub(bytes.len()).ok_or(Unfit)?;
    let mut id = [0; N];
    id[missing..].copy_from_slice(bytes);
    Ok(Some(id))
}

fn nanos(nanos: u64) -> Result<i64, Unfit> {
    i64::try_from(nanos).map_err(|_| Unfit)
}

/// MLflow's word for how a span ended, the protocol's, and what was said.
fn status_of(status: Option<&proto::Status>) -> (&'static str, &'static str, &str) {
    let message = status.map_or("", |status| status.message.as_str());
    match status.map(|status| status.code) {
        Some(1) => ("OK", "STATUS_CODE_OK", message),
        Some(2) => ("ERROR", "STATUS_CODE_ERROR", message),
        _ => ("UNSET", "STATUS_CODE_UNSET", message),
    }
}

fn event(event: &proto::Event) -> Value {
    json!({
        "name": event.name,
        "time_unix_nano": event.time_unix_nano,
        "attributes": value::attributes(&event.attributes),
    })
}

fn link(link: &proto::Link) -> Result<Value, Unfit> {
    let attributes = value::attributes(&link.attributes);
    Ok(json!({
        "trace_id": format!("tr-{}", hex::encode(id_of::<16>(&link.trace_id)?.unwrap_or_default())),
        "span_id": hex::encode(id_of::<8>(&link.span_id)?.unwrap_or_default()),
        "attributes": if attributes.is_empty() { Value::Null } else { attributes.into() },
    }))
}

/// A kept span as protobuf's JSON writes OpenTelemetry's.
pub fn to_wire(content: &str) -> Value {
    let span = loads(content);
    let mut wire = Map::new();
    let mut put = |key: &str, value: Value| {
        let empty =
            value.is_null() || value == "" || value == 0 || value.as_array().is_some_and(Vec::is_empty);
        if !empty {
            wire.insert(key.to_owned(), value);
        }
    };
    for key in ["trace_id", "span_id", "parent_span_id", "name", "start_time_unix_nano", "end_time_unix_nano"]
    {
        put(key, span[key].clone());
    }
    let attributes = span["attributes"].as_object().into_iter().flatten();
    let decoded = attributes.map(|(key, text)| (key.clone(), text.as_str().map_or(Value::Null, loads)));
    put("attributes", value::tagged_pairs(&decoded.collect()));
    put("events", span["events"].as_array().into_iter().flatten().map(event_to_wire).collect());
    put("links", span["links"].as_array().into_iter().flatten().map(link_to_wire).collect());
    let mut status = Map::new();
    if let Some(message) = span["status"]["message"].as_str().filter(|message| !message.is_empty()) {
        status.insert("message".into(), message.into());
    }
    if let Some(code) = span["status"]["code"].as_str().filter(|code| *code != "STATUS_CODE_UNSET") {
        status.insert("code".into(), code.into());
    }
    wire.insert("status".into(), status.into());
    wire.into()
}

fn event_to_wire(event: &Value) -> Value {
    let attributes = event["attributes"].as_object().map(value::tagged_pairs).unwrap_or_else(|| json!([]));
    json!({ "time_unix_nano": event["time_unix_nano"], "name": event["name"], "attributes": attributes })
}

fn link_to_wire(link: &Value) -> Value {
    let bytes = |key: &str| {
        let text = link[key].as_str().unwrap_or_default();
        BASE64_STANDARD.encode(hex::decode(text.trim_start_matches("tr-")).unwrap_or_default())
    };
    let attributes = link["attributes"].as_object().map(value::tagged_pairs).unwrap_or_else(|| json!([]));
    json!({ "trace_id": bytes("trace_id"), "span_id": bytes("span_id"), "attributes": attributes })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(key: &str, value: proto::Any) -> proto::KeyValue {
        proto::KeyValue { key: key.into(), value: Some(proto::AnyValue { value: Some(value) }) }
    }

    fn sent() -> proto::Span {
        proto::Span {
            trace_id: vec![1; 16],
            span_id: vec![2; 8],
            name: "n".into(),
            start_time_unix_nano: 5,
            end_time_unix_nano: 9,
            attributes: vec![
                pair("text", proto::Any::Text("a\"b".into())),
                pair("dumped", proto::Any::Text(r#"{"k": 1}"#.into())),
                pair("digits", proto::Any::Text("7".into())),
                pair("nan", proto::Any::Double(f64::NAN)),
            ],
            events: vec![proto::Event { time_unix_nano: 6, name: "e".into(), attributes: Vec::new() }],
            links: vec![proto::Link { trace_id: vec![3; 16], span_id: vec![4; 8], attributes: Vec::new() }],
            status: Some(proto::Status { message: "m".into(), code: 2 }),
            ..proto::Span::default()
        }
    }

    #[test]
    fn a_span_is_kept_as_mlflow_writes_it() {
        let (span, trace_id, attributes) = from_proto(&sent()).unwrap();
        assert_eq!(trace_id, format!("tr-{}", "01".repeat(16)));
        assert_eq!((span.id.as_str(), span.parent, span.status), ("0202020202020202", None, "ERROR"));
        assert_eq!(get(&attributes, "text"), Some(r#""a\"b""#));
        assert_eq!(get(&attributes, "dumped"), Some(r#"{"k": 1}"#));
        assert_eq!(get(&attributes, "digits"), Some("\"7\""));
        assert!(span.content.starts_with(r#"{"trace_id": "AQEB"#), "{}", span.content);
        assert!(span.content.contains(r#""parent_span_id": null, "name": "n", "start_time_unix_nano": 5"#));
    }

    #[test]
    fn and_given_back_as_protobuf_writes_it() {
        let wire = to_wire(&from_proto(&sent()).unwrap().0.content);
        let attributes = wire["attributes"].as_array().unwrap();
        assert!(attributes.contains(&json!({ "key": "text", "value": { "string_value": "a\"b" } })));
        let map = json!({ "values": [{ "key": "k", "value": { "int_value": 1 } }] });
        assert!(attributes.contains(&json!({ "key": "dumped", "value": { "kvlist_value": map } })));
        assert_eq!(wire["status"], json!({ "message": "m", "code": "STATUS_CODE_ERROR" }));
        assert_eq!(wire["links"][0]["span_id"], "BAQEBAQEBAQ=");
        assert_eq!((&wire["end_time_unix_nano"], wire.get("parent_span_id")), (&json!(9), None));
    }

    #[test]
    fn what_is_no_span_is_told() {
        for wrong in [
            proto::Span { trace_id: Vec::new(), ..sent() },
            proto::Span { trace_id: vec![1; 17], ..sent() },
            proto::Span { span_id: Vec::new(), ..sent() },
            proto::Span { start_time_unix_nano: u64::MAX, ..sent() },
        ] {
            assert!(from_proto(&wrong).is_err());
        }
        let root = proto::Span { parent_span_id: vec![0; 8], ..sent() };
        assert_eq!(from_proto(&root).unwrap().0.parent, None);
    }
}
