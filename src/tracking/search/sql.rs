//! SQL text with its bound values, and the one place that turns a comparison into SQL.

use super::filter::{Op, Value};
use crate::kernel::error::{Error, Result};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A value bound to a `?`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub enum Bind {
    Null,
    Text(String),
    Int(i64),
    #[serde(serialize_with = "as_bits", deserialize_with = "from_bits")]
    Real(f64),
}

/// Every number as it is: JSON has no infinities.
fn as_bits<S: Serializer>(real: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(real.to_bits())
}

fn from_bits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    u64::deserialize(deserializer).map(f64::from_bits)
}

/// A piece of SQL. Column and table names in it are ours; every value a caller sent is bound.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sql {
    pub text: String,
    pub binds: Vec<Bind>,
}

impl From<&str> for Sql {
    fn from(text: &str) -> Self {
        Self { text: text.to_owned(), binds: Vec::new() }
    }
}

impl Sql {
    pub fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    pub fn bind(&mut self, value: Bind) -> &mut Self {
        self.text.push('?');
        self.binds.push(value);
        self
    }

    pub fn text(&mut self, value: impl Into<String>) -> &mut Self {
        self.bind(Bind::Text(value.into()))
    }

    pub fn append(&mut self, other: Sql) -> &mut Self {
        self.text.push_str(&other.text);
        self.binds.extend(other.binds);
        self
    }

    /// `(?, ?, ?)`; an empty list matches nothing, as SQLite allows `IN ()`.
    pub fn list(&mut self, values: impl IntoIterator<Item = Bind>) -> &mut Self {
        self.push("(");
        for (index, value) in values.into_iter().enumerate() {
            if index > 0 {
                self.push(", ");
            }
            self.bind(value);
        }
        self.push(")")
    }

    /// `column op value`. LIKE minds case, as it does in MLflow, and SQLite's own does not; GLOB does.
    pub fn compare(&mut self, column: &str, op: Op, value: &Value) -> Result<&mut Self> {
        self.push(column);
        let bound = match value {
            Value::Text(text) => Bind::Text(text.clone()),
            Value::Number { raw, number } => raw.parse().map_or(Bind::Real(*number), Bind::Int),
            Value::List(items) if matches!(op, Op::In | Op::NotIn) => {
                self.push(if op == Op::In { " IN " } else { " NOT IN " });
                return Ok(self.list(items.iter().cloned().map(Bind::Text)));
            }
            Value::None if op == Op::IsNull => return Ok(self.push(" IS NULL")),
            Value::None if op == Op::IsNotNull => return Ok(self.push(" IS NOT NULL")),
            other => {
                return Err(Error::invalid(format!(
                    "Invalid comparison clause. Comparator '{}' does not take the value {}",
                    op.word(),
                    other.raw()
                )));
            }
        };
        let (sign, bound) = match (op, bound) {
            (Op::Like, Bind::Text(pattern)) => (" GLOB ", Bind::Text(glob(&pattern))),
            (Op::ILike, bound) => (" LIKE ", bound),
            (Op::RLike, bound) => (" REGEXP ", bound),
            (Op::Eq, bound) => (" = ", bound),
            (Op::Ne, bound) => (" <> ", bound),
            (Op::Lt, bound) => (" < ", bound),
            (Op::Le, bound) => (" <= ", bound),
            (Op::Gt, bound) => (" > ", bound),
            (Op::Ge, bound) => (" >= ", bound),
            (op, _) => {
                return Err(Error::invalid(format!(
                    "Comparator '{}' requires a list of quoted string values",
                    op.word()
                )));
            }
        };
        Ok(self.push(sign).bind(bound))
    }
}

/// A LIKE pattern in GLOB's alphabet.
fn glob(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    for c in pattern.chars() {
        match c {
            '%' => out.push('*'),
            '_' => out.push('?'),
            '*' | '?' | '[' => {
                out.push('[');
                out.push(c);
                out.push(']');
            }
            c => out.push(c),
        }
    }
    out
}
