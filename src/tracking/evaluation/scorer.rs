//! The one thing in a serialized scorer that concerns the server: the language model it asks.

use crate::kernel::error::{Error, Result};
use serde_json::Value;

/// How a scorer names an endpoint of the gateway as its model.
const GATEWAY: &str = "gateway:/";

/// A scorer's JSON, which must be an object whose model, if it names one, is a text.
pub fn read(serialized: &str) -> Result<Value> {
    let mut scorer: Value = serde_json::from_str(serialized)
        .ok()
        .filter(Value::is_object)
        .ok_or_else(|| Error::invalid("The serialized scorer is not a JSON object."))?;
    match model_mut(&mut scorer).map(|model| &*model) {
        None | Some(Value::Null) => {}
        Some(Value::String(model)) if model.trim().is_empty() => {
            return Err(Error::invalid("Scorer model cannot be empty or contain only whitespace."));
        }
        Some(Value::String(_)) => {}
        Some(_) => return Err(Error::invalid("Scorer model must be a string.")),
    }
    Ok(scorer)
}

pub fn name_is_sound(name: &str) -> Result<()> {
    if name.trim().is_empty() {
        return Err(Error::invalid("Scorer name cannot be empty or contain only whitespace."));
    }
    Ok(())
}

/// The place of the model, where each kind of scorer keeps it.
fn model_mut(scorer: &mut Value) -> Option<&mut Value> {
    const KINDS: [&str; 4] = [
        "instructions_judge_pydantic_data",
        "builtin_scorer_pydantic_data",
        "memory_augmented_judge_data",
        "third_party_scorer_data",
    ];
    let filled =
        |kind: &str| scorer.get(kind).and_then(Value::as_object).is_some_and(|data| !data.is_empty());
    let kind = KINDS.into_iter().find(|kind| filled(kind))?;
    let data = scorer.get_mut(kind)?;
    if kind == "memory_augmented_judge_data" {
        return model_mut(data.get_mut("base_judge")?);
    }
    data.get_mut("model")
}

/// The endpoint of the gateway that the scorer's model is, as it is named there.
pub fn endpoint(scorer: &mut Value) -> Option<&str> {
    model_mut(scorer)?.as_str()?.strip_prefix(GATEWAY)
}

/// Names another endpoint as the model, or none.
pub fn set_endpoint(scorer: &mut Value, endpoint: Option<&str>) {
    if let Some(model) = model_mut(scorer) {
        *model = endpoint.map(|endpoint| format!("{GATEWAY}{endpoint}")).into();
    }
}
