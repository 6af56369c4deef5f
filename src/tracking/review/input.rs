//! What the answer to a question may be: passed or failed, one or several of a list, a number, a text.

use crate::{
    kernel::error::{Error, Result},
    tracking::wire::{Fields, double},
};
use serde_json::{Map, Value, json};
use std::collections::HashSet;

const LABEL_MAX: usize = 64;
const OPTIONS_MAX: usize = 10;

/// The kinds of input, as the protocol and as MLflow's messages call them.
const KINDS: [(&str, &str); 4] = [
    ("pass_fail", "InputPassFail"),
    ("categorical", "InputCategorical"),
    ("numeric", "InputNumeric"),
    ("text", "InputText"),
];

/// Reads the field `input`, checks it, and answers it as it is kept.
pub fn read(fields: &Fields) -> Result<Value> {
    let input = fields.item("input")?.unwrap_or_default();
    for (kind, _) in KINDS {
        let Some(given) = input.item(kind)? else { continue };
        let checked = match kind {
            "pass_fail" => pass_fail(&given)?,
            "categorical" => categorical(&given)?,
            "numeric" => numeric(&given)?,
            _ => text(&given)?,
        };
        return Ok(json!({ kind: checked }));
    }
    Err(Error::invalid(
        "Label schema `input` must have exactly one of `pass_fail`, `categorical`, `numeric`, or `text` set; \
         got an empty oneof.",
    ))
}

/// A free text without a limit.
pub fn any_text() -> Value {
    json!({ "text": {} })
}

/// Refuses a text that is empty or longer than a label may be.
fn label(what: &str, noun: &str, text: &str) -> Result<()> {
    if text.is_empty() {
        return Err(Error::invalid(format!("{what} must be {noun}; got ''.")));
    }
    let count = text.chars().count();
    if count > LABEL_MAX {
        return Err(Error::invalid(format!("{what} must be at most {LABEL_MAX} characters; got {count}.")));
    }
    Ok(())
}

fn pass_fail(given: &Fields) -> Result<Value> {
    let (positive, negative) =
        (given.text_or_empty("positive_label")?, given.text_or_empty("negative_label")?);
    label("`InputPassFail.positive_label`", "a non-empty string", positive)?;
    label("`InputPassFail.negative_label`", "a non-empty string", negative)?;
    if positive == negative {
        return Err(Error::invalid(format!(
            "`InputPassFail.positive_label` and `negative_label` must be distinct; got '{positive}' for both."
        )));
    }
    Ok(json!({ "positive_label": positive, "negative_label": negative }))
}

fn categorical(given: &Fields) -> Result<Value> {
    let options = given.texts("options")?;
    if options.is_empty() {
        return Err(Error::invalid("`InputCategorical.options` must be a non-empty list; got []."));
    }
    if options.len() > OPTIONS_MAX {
        return Err(Error::invalid(format!(
            "`InputCategorical.options` must have at most {OPTIONS_MAX} entries; got {}.",
            options.len()
        )));
    }
    let mut seen = HashSet::new();
    for option in &options {
        label("`InputCategorical.options` entries", "non-empty strings", option)?;
        if !seen.insert(option) {
            return Err(Error::invalid(format!(
                "`InputCategorical.options` must be deduplicated; '{option}' appears twice."
            )));
        }
    }
    let several = given.flag("multi_select")?.unwrap_or(false);
    Ok(json!({ "options": options, "multi_select": several }))
}

fn numeric(given: &Fields) -> Result<Value> {
    let (least, most) = (given.float("min_value")?, given.float("max_value")?);
    if let (Some(least), Some(most)) = (least, most)
        && least >= most
    {
        return Err(Error::invalid(format!(
            "`InputNumeric.min_value` must be strictly less than `max_value`; got min={least:?}, max={most:?}."
        )));
    }
    let bounds = [("min_value", least), ("max_value", most)];
    let given = bounds.into_iter().filter_map(|(name, value)| Some((name.to_owned(), double(value?))));
    Ok(Value::Object(given.collect::<Map<_, _>>()))
}

fn text(given: &Fields) -> Result<Value> {
    match given.int("max_length")? {
        None => Ok(json!({})),
        Some(most) if most < 1 => {
            Err(Error::invalid(format!("`InputText.max_length` must be at least 1; got {most}.")))
        }
        Some(most) => Ok(json!({ "max_length": most })),
    }
}

fn kind_of(input: &Value) -> &'static str {
    let found = KINDS.iter().find(|(kind, _)| input.get(kind).is_some());
    found.map_or("", |(_, name)| name)
}

/// Refuses another kind of answer for a question: it would make nonsense of the answers there are.
pub fn may_become(now: &Value, next: &Value) -> Result<()> {
    let (old, new) = (kind_of(now), kind_of(next));
    if old != new {
        return Err(Error::invalid(format!(
            "A label schema's input type cannot be changed after creation (existing: {old}, got: {new})."
        )));
    }
    if now.pointer("/categorical/multi_select") != next.pointer("/categorical/multi_select") {
        return Err(Error::invalid("`InputCategorical.multi_select` cannot be changed after creation."));
    }
    Ok(())
}
