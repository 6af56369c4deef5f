//! Assessments on the wire: feedback, expectations, and references to issues.

use super::{
    json::dumps,
    model::{ASSESSMENT_KINDS, Assessment, Pairs},
    time,
};
use crate::{
    kernel::{
        clock::now_ms,
        error::{Error, Result},
        id,
    },
    tracking::wire::Fields,
};
use serde_json::{Map, Value, json};

const SOURCE_TYPES: &[(&str, i64)] =
    &[("SOURCE_TYPE_UNSPECIFIED", 0), ("HUMAN", 1), ("LLM_JUDGE", 2), ("CODE", 3)];
const SERIALIZED: &str = "JSON_FORMAT";
const STACK_TRACE_MAX: usize = 1000;

/// The field `name`, which must be an object.
pub fn required(fields: &Fields, name: &str) -> Result<Fields> {
    fields.item(name)?.ok_or_else(|| fields.missing(name))
}

/// A whole assessment of the trace `trace_id`, as a client makes it.
pub fn read(fields: &Fields, trace_id: &str) -> Result<Assessment> {
    let (kind, value, error) = value_in(fields)?;
    let now = now_ms();
    let (source_type, source_id) = source_in(fields)?;
    let given = |name| -> Result<Option<String>> {
        Ok(fields.text(name)?.filter(|text| !text.is_empty()).map(str::to_owned))
    };
    let time = |name| -> Result<i64> {
        Ok(time::timestamp_in(fields, name)?.filter(|time| *time != 0).unwrap_or(now))
    };
    Ok(Assessment {
        id: given("assessment_id")?.unwrap_or_else(|| format!("a-{}", id::hex32())),
        trace_id: trace_id.to_owned(),
        name: fields.text_or_empty("assessment_name")?.to_owned(),
        kind,
        value,
        error,
        created_at: time("create_time")?,
        updated_at: time("last_update_time")?,
        source_type,
        source_id,
        span_id: given("span_id")?,
        rationale: given("rationale")?,
        overrides: if kind == "feedback" { given("overrides")? } else { None },
        valid: true,
        metadata: metadata_in(fields)?,
    })
}

pub fn metadata_in(fields: &Fields) -> Result<Option<Value>> {
    let map: Map<_, _> =
        string_map(fields, "metadata")?.into_iter().map(|(key, value)| (key, value.into())).collect();
    Ok((!map.is_empty()).then(|| map.into()))
}

/// A map of texts, in the order of its keys.
pub fn string_map(fields: &Fields, name: &str) -> Result<Pairs> {
    let Some(value) = fields.raw(name) else { return Ok(Pairs::new()) };
    let wrong = || fields.invalid(name, value, "It must be a map of strings.");
    let Value::Object(map) = value else { return Err(wrong()) };
    let pair = |(key, value): (&String, &Value)| match value {
        Value::String(text) => Ok((key.clone(), text.clone())),
        _ => Err(wrong()),
    };
    let mut pairs = map.iter().map(pair).collect::<Result<Pairs>>()?;
    pairs.sort();
    Ok(pairs)
}

/// What is said: which kind it is, its value, and what went wrong in finding it.
pub fn value_in(fields: &Fields) -> Result<(&'static str, Value, Option<Value>)> {
    for kind in ASSESSMENT_KINDS {
        let Some(inner) = fields.item(kind)? else { continue };
        let value = match kind {
            "expectation" => expectation(&inner)?,
            "issue" => json!({ "issue_name": inner.text_or_empty("issue_name")? }),
            _ => inner.raw("value").cloned().unwrap_or(Value::Null),
        };
        let error = if kind == "feedback" { error_in(fields, &inner)? } else { None };
        return Ok((kind, value, error));
    }
    Err(Error::invalid("Unknown assessment type: None"))
}

fn expectation(fields: &Fields) -> Result<Value> {
    let value = match fields.item("serialized_value")? {
        None => fields.raw("value").cloned().unwrap_or(Value::Null),
        Some(serialized) => {
            let format = serialized.text_or_empty("serialization_format")?;
            if format != SERIALIZED {
                return Err(Error::invalid(format!(
                    "Unknown serialization format: {format}. Only {SERIALIZED} is supported."
                )));
            }
            let text = serialized.text_or_empty("value")?;
            serde_json::from_str(text)
                .map_err(|_| serialized.invalid("value", &text.into(), "It must be valid JSON."))?
        }
    };
    if value.is_null() {
        return Err(Error::invalid("The `value` field must be specified."));
    }
    Ok(value)
}

/// Old clients tell the error beside the feedback, not in it.
fn error_in(fields: &Fields, feedback: &Fields) -> Result<Option<Value>> {
    let Some(error) = feedback.item("error")?.or(fields.item("error")?) else { return Ok(None) };
    let mut kept = Map::new();
    kept.insert("error_code".into(), error.text_or_empty("error_code")?.into());
    for name in ["error_message", "stack_trace"] {
        let mut text = error.text_or_empty(name)?.to_owned();
        if name == "stack_trace" && text.chars().count() > STACK_TRACE_MAX {
            const CUT: &str = "[Stack trace is truncated]\n...\n";
            let skipped = text.chars().count() - (STACK_TRACE_MAX - CUT.len());
            text = CUT.chars().chain(text.chars().skip(skipped)).collect();
        }
        if !text.is_empty() {
            kept.insert(name.into(), text.into());
        }
    }
    Ok(Some(kept.into()))
}

fn source_in(fields: &Fields) -> Result<(String, String)> {
    let Some(source) = fields.item("source")? else {
        return Ok((SOURCE_TYPES[0].0.to_owned(), String::new()));
    };
    let number = source.choice("source_type", SOURCE_TYPES)?.unwrap_or(0);
    let word = SOURCE_TYPES.iter().find(|(_, known)| *known == number).map_or("", |(word, _)| *word);
    Ok((word.to_owned(), source.text_or_empty("source_id")?.to_owned()))
}

impl Assessment {
    /// The wire's form.
    pub fn to_wire(&self) -> Value {
        let mut wire = json!({
            "assessment_id": self.id,
            "assessment_name": self.name,
            "trace_id": self.trace_id,
            "source": { "source_type": self.source_type, "source_id": self.source_id },
            "create_time": time::timestamp(self.created_at),
            "last_update_time": time::timestamp(self.updated_at),
            "valid": self.valid,
        });
        let texts =
            [("span_id", &self.span_id), ("rationale", &self.rationale), ("overrides", &self.overrides)];
        for (name, text) in texts {
            if let Some(text) = text {
                wire[name] = text.as_str().into();
            }
        }
        if let Some(metadata) = &self.metadata {
            wire["metadata"] = metadata.clone();
        }
        wire[self.kind] = match self.kind {
            "feedback" => {
                let mut feedback = json!({ "value": self.value });
                if let Some(error) = &self.error {
                    feedback["error"] = error.clone();
                }
                feedback
            }
            "expectation" if self.value.is_array() || self.value.is_object() => json!({
                "serialized_value": { "serialization_format": SERIALIZED, "value": dumps(&self.value) },
            }),
            "expectation" => json!({ "value": self.value }),
            _ => self.value.clone(),
        };
        wire
    }

    /// What the value counts as where values are averaged, and whether it is a number itself.
    pub fn number(&self) -> (Option<f64>, bool) {
        match &self.value {
            Value::Bool(flag) => (Some(f64::from(u8::from(*flag))), false),
            Value::Number(number) => {
                let number = number.as_f64().filter(|number| number.is_finite());
                (number, number.is_some())
            }
            Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
                "yes" => (Some(1.0), false),
                "no" => (Some(0.0), false),
                _ => (None, false),
            },
            _ => (None, false),
        }
    }
}
