//! JSON as Python's `json.dumps` writes it. Spans keep each attribute as JSON text, and clients
//! compare such texts, so the blanks after `,` and `:` and the form of a double matter.

use serde::Serialize;
use serde_json::{Value, ser::Formatter};
use std::io;

struct Python;

impl Formatter for Python {
    fn begin_array_value<W: io::Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: io::Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn write_f64<W: io::Write + ?Sized>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        writer.write_all(repr(value).as_bytes())
    }
}

/// A finite double as Python prints it: `1e+16`, `1.5e-05`.
fn repr(value: f64) -> String {
    let text = format!("{value:?}");
    match text.split_once('e') {
        None => text,
        Some((mantissa, exponent)) => {
            let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
            format!("{mantissa}e{sign}{digits:0>2}")
        }
    }
}

pub fn dumps(value: &impl Serialize) -> String {
    let mut out = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, Python);
    // Writing to memory does not fail, and neither does any of the values this room has.
    if value.serialize(&mut serializer).is_err() {
        return "null".to_owned();
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The value a text of JSON stands for; a text that is no JSON stands for itself.
pub fn loads(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// The text behind a JSON string; anything else is taken as it is written.
pub fn plain(text: &str) -> String {
    match serde_json::from_str(text) {
        Ok(Value::String(inner)) => inner,
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn texts_are_those_of_python() {
        for (value, text) in [
            (json!({"a": [1, 2.0], "é": null}), r#"{"a": [1, 2.0], "é": null}"#),
            (json!([]), "[]"),
            (json!({}), "{}"),
            (json!(1e16), "1e+16"),
            (json!(0.000_015), "1.5e-05"),
            (json!(123_456_789.5), "123456789.5"),
            (json!("a\"\n\u{1}"), r#""a\"\n\u0001""#),
        ] {
            assert_eq!(dumps(&value), text);
        }
    }

    #[test]
    fn a_text_that_is_no_json_stands_for_itself() {
        assert_eq!(loads("{"), json!("{"));
        assert_eq!(plain("\"x\""), "x");
        assert_eq!(plain("[1]"), "[1]");
    }
}
