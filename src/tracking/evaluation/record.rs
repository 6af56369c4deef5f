//! A dataset's records as a caller sends them: read, told apart by their inputs, and merged into
//! what is there.

use super::model::{Record, USER_TAG, as_text};
use crate::kernel::error::{Error, Result};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// The kinds of source a record can name.
const SOURCES: &[&str] = &["UNSPECIFIED", "TRACE", "HUMAN", "DOCUMENT", "CODE"];

/// A record about to be added, or merged into the one with the same inputs.
#[derive(Clone, Debug)]
pub struct NewRecord {
    pub inputs: Map<String, Value>,
    /// Absent when the caller sent none; a null that was sent is one.
    pub outputs: Option<Value>,
    pub expectations: Option<Map<String, Value>>,
    pub tags: Map<String, Value>,
    pub source: Option<Source>,
}

/// Where a record was taken from.
#[derive(Clone, Debug)]
pub struct Source {
    pub kind: String,
    pub data: Map<String, Value>,
}

impl Source {
    /// The id by which the source is found again: a trace's, or the one its data names.
    pub fn id(&self) -> Option<&str> {
        let name = if self.kind == "TRACE" { "trace_id" } else { "source_id" };
        self.data.get(name)?.as_str()
    }

    pub fn json(&self) -> Value {
        json!({ "source_type": self.kind, "source_data": self.data })
    }
}

/// The records of one request, which carries them as a JSON text.
pub fn read_all(text: &str) -> Result<Vec<NewRecord>> {
    let malformed =
        |why: String| Error::invalid(format!("Invalid value for parameter 'records' supplied: {why}"));
    let value: Value = serde_json::from_str(text).map_err(|error| malformed(format!("{error}.")))?;
    let Value::Array(items) = value else { return Err(malformed("It must be a list of records.".into())) };
    let read = |(index, item)| match item {
        Value::Object(map) => read(map).map_err(|error| malformed(format!("[{index}] {error}"))),
        _ => Err(malformed(format!("[{index}] must be an object."))),
    };
    items.into_iter().enumerate().map(read).collect()
}

fn read(mut map: Map<String, Value>) -> Result<NewRecord> {
    Ok(NewRecord {
        inputs: object(&mut map, "inputs")?.unwrap_or_default(),
        outputs: map.remove("outputs"),
        expectations: object(&mut map, "expectations")?,
        tags: object(&mut map, "tags")?.unwrap_or_default(),
        source: object(&mut map, "source")?.filter(|source| !source.is_empty()).map(source).transpose()?,
    })
}

/// A field that is an object, absent or null.
fn object(map: &mut Map<String, Value>, name: &str) -> Result<Option<Map<String, Value>>> {
    match map.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object)),
        Some(_) => Err(Error::invalid(format!("'{name}' must be an object."))),
    }
}

fn source(mut map: Map<String, Value>) -> Result<Source> {
    let kind = match map.remove("source_type") {
        Some(Value::String(kind)) => kind.to_uppercase(),
        _ => "UNSPECIFIED".to_owned(),
    };
    if !SOURCES.contains(&kind.as_str()) {
        let known: Vec<_> = SOURCES.iter().map(|source| format!("'{source}'")).collect();
        return Err(Error::invalid(format!(
            "Invalid dataset record source type: {kind}. Valid source types: [{}]",
            known.join(", ")
        )));
    }
    Ok(Source { kind, data: object(&mut map, "source_data")?.unwrap_or_default() })
}

impl NewRecord {
    /// What tells records apart: the digest of the inputs, whatever the order of their keys.
    pub fn fingerprint(&self) -> String {
        hex::encode(Sha256::digest(as_text(&sorted(&Value::Object(self.inputs.clone())))))
    }

    /// Who the caller acts for, if the record's tags say so.
    pub fn user(&self) -> Option<&str> {
        self.tags.get(USER_TAG)?.as_str()
    }

    /// Merges this record into one that has the same inputs: outputs are replaced, expectations and
    /// tags are added to.
    pub fn merge_into(&self, there: &mut Record) {
        if let Some(outputs) = &self.outputs {
            there.outputs = Some(outputs.clone()).filter(|outputs| !outputs.is_null());
        }
        if let Some(expectations) = self.expectations.as_ref().filter(|new| !new.is_empty()) {
            let mut all = there.expectations.take().unwrap_or_default();
            extend(&mut all, expectations);
            there.expectations = Some(all);
        }
        extend(&mut there.tags, &self.tags);
        if let Some(user) = self.user() {
            there.last_updated_by = Some(user.to_owned());
        }
    }
}

fn extend(object: &mut Value, more: &Map<String, Value>) {
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    if let Value::Object(object) = object {
        object.extend(more.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
}

/// The same value with the keys of every object in order.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(sorted).collect(),
        Value::Object(map) => {
            let mut pairs: Vec<_> = map.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
            pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
            Value::Object(pairs.into_iter().collect())
        }
        other => other.clone(),
    }
}

/// A dataset's schema with the fields of these records added. A field keeps the type it came with first.
pub fn grown_schema(schema: Option<&str>, records: &[NewRecord]) -> Option<String> {
    if schema.is_none() && records.is_empty() {
        return None;
    }
    let mut schema = schema
        .and_then(|text| serde_json::from_str(text).ok())
        .filter(Value::is_object)
        .unwrap_or_else(|| json!({ "inputs": {}, "outputs": {}, "expectations": {}, "version": "1.0" }));
    for record in records {
        note_fields(&mut schema["inputs"], &record.inputs);
        match &record.outputs {
            None | Some(Value::Null) => {}
            Some(Value::Object(outputs)) => note_fields(&mut schema["outputs"], outputs),
            Some(other) => {
                if schema["outputs"].as_object().is_some_and(Map::is_empty) {
                    schema["outputs"] = type_of(other).into();
                }
            }
        }
        if let Some(expectations) = &record.expectations {
            note_fields(&mut schema["expectations"], expectations);
        }
    }
    Some(as_text(&schema))
}

fn note_fields(known: &mut Value, fields: &Map<String, Value>) {
    // Outputs that came as a plain value first stay described as such.
    let Some(known) = known.as_object_mut() else { return };
    for (name, value) in fields {
        known.entry(name.clone()).or_insert_with(|| type_of(value).into());
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
