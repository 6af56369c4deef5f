//! The SQL of evaluation, by what it touches.

pub mod datasets;
pub mod issues;
pub mod records;
pub mod scorers;

use serde_json::Value;

/// A JSON column. What we wrote ourselves is JSON; anything else would be shown as the text it is.
fn json(text: String) -> Value {
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}
