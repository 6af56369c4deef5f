//! A table as CSV, the way pandas writes one: a header, quotes doubled inside quotes.

use super::payload::Frame;
use crate::{
    kernel::error::{Error, Result},
    serving::loading::mlmodel::Column,
};
use serde_json::{Number, Value};

/// Reads a table. A column that the signature calls text stays text; otherwise what reads as a number is one.
pub fn read(text: &str, signature: Option<&[Column]>) -> Result<Frame> {
    let mut lines = records(text)?.into_iter();
    let names: Vec<String> = lines
        .next()
        .ok_or_else(|| Error::invalid("The CSV is empty: its first line must name the columns."))?
        .into_iter()
        .map(|field| field.text)
        .collect();
    let is_text: Vec<bool> = names
        .iter()
        .map(|name| signature.into_iter().flatten().any(|column| column.name == *name && column.is_text))
        .collect();
    let rows = lines.map(|line| {
        let cells = line.into_iter().enumerate();
        Value::Array(cells.map(|(at, field)| field.value(is_text.get(at) == Some(&true))).collect())
    });
    Frame::from_rows(Some(names), rows.collect(), "CSV")
}

#[derive(Default)]
struct Field {
    text: String,
    quoted: bool,
}

impl Field {
    fn value(self, is_text: bool) -> Value {
        if self.text.is_empty() && !self.quoted {
            return Value::Null;
        }
        if is_text || self.quoted {
            return Value::String(self.text);
        }
        if let Ok(int) = self.text.parse::<i64>() {
            return int.into();
        }
        match self.text.as_str() {
            "True" | "true" | "TRUE" => Value::Bool(true),
            "False" | "false" | "FALSE" => Value::Bool(false),
            "NaN" | "nan" => Value::Null,
            text => match text.parse().ok().and_then(Number::from_f64) {
                Some(number) => Value::Number(number),
                None => Value::String(self.text),
            },
        }
    }
}

fn records(text: &str) -> Result<Vec<Vec<Field>>> {
    let (mut out, mut line, mut field) = (Vec::new(), Vec::new(), Field::default());
    let mut in_quotes = false;
    let mut chars = text.strip_prefix('\u{feff}').unwrap_or(text).chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if in_quotes && chars.peek() == Some(&'"') => {
                chars.next();
                field.text.push('"');
            }
            '"' if in_quotes => in_quotes = false,
            '"' if field.text.is_empty() => (in_quotes, field.quoted) = (true, true),
            ',' if !in_quotes => line.push(std::mem::take(&mut field)),
            '\r' if !in_quotes && chars.peek() == Some(&'\n') => {}
            '\n' if !in_quotes => {
                line.push(std::mem::take(&mut field));
                out.push(std::mem::take(&mut line));
            }
            c => field.text.push(c),
        }
    }
    if in_quotes {
        return Err(Error::invalid("The CSV ends inside quotes."));
    }
    if !line.is_empty() || !field.text.is_empty() || field.quoted {
        line.push(field);
        out.push(line);
    }
    // A blank line is no record.
    out.retain(|line| line.len() > 1 || line.iter().any(|field| !field.text.is_empty() || field.quoted));
    Ok(out)
}
