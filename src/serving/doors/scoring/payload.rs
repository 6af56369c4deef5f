//! The four shapes a request may have, brought down to three: a table, tensors by name, one tensor.

use crate::{
    kernel::error::{Error, Kind, Result},
    serving::loading::mlmodel::Column,
};
use serde_json::{Map, Value};
use std::collections::HashMap;

/// Records may leave columns out, so a small body could ask for a huge table.
const MOST_CELLS: usize = 1 << 24;

const FORMATS: [&str; 4] = ["dataframe_split", "dataframe_records", "instances", "inputs"];

#[derive(Debug, PartialEq)]
pub enum Payload {
    Frame(Frame),
    Named(Vec<(String, Value)>),
    Single(Value),
}

/// A table, by column. Its columns may be without names, as in a list of lists.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frame {
    pub names: Option<Vec<String>>,
    pub columns: Vec<Vec<Value>>,
    pub rows: usize,
}

/// Reads a request body. With a signature of columns every shape is a table, as it is to MLflow.
pub fn read(body: Value, signature: Option<&[Column]>) -> Result<Payload> {
    let Value::Object(mut body) = body else {
        let what = if body.is_array() { "a list" } else { "something else" };
        return Err(Error::invalid(format!("{} Received {what}.", required())));
    };
    let given: Vec<&str> = FORMATS.into_iter().filter(|format| body.contains_key(*format)).collect();
    let [format] = given[..] else {
        let keys: Vec<_> = body.keys().map(String::as_str).collect();
        return Err(Error::invalid(format!(
            "{} Received dictionary with input fields: [{}].",
            required(),
            keys.join(", ")
        )));
    };
    let value = body.remove(format).unwrap_or_default();
    match format {
        "dataframe_split" => Ok(Payload::Frame(split(value)?)),
        "dataframe_records" => Ok(Payload::Frame(records(value, format)?)),
        "instances" => instances(value, signature.is_some()),
        _ => inputs(value, signature.is_some()),
    }
}

fn required() -> String {
    format!(
        "The input must be a JSON dictionary with exactly one of the input fields {{{}}}.",
        FORMATS.join(", ")
    )
}

fn split(value: Value) -> Result<Frame> {
    let Value::Object(mut value) = value else {
        return Err(Error::invalid("Dataframe split format must be a dictionary."));
    };
    let extra = value.keys().find(|key| !matches!(key.as_str(), "columns" | "data" | "index"));
    if !value.contains_key("data") || extra.is_some() {
        let keys: Vec<_> = value.keys().map(String::as_str).collect();
        return Err(Error::invalid(format!(
            "Dataframe split format must have 'data' field and optionally 'columns' and 'index' fields. Got [{}].",
            keys.join(", ")
        )));
    }
    let names = match value.remove("columns").unwrap_or_default() {
        Value::Null => None,
        Value::Array(names) => Some(names.iter().map(column_name).collect::<Result<Vec<_>>>()?),
        _ => return Err(Error::invalid("dataframe_split: 'columns' must be a list of column names.")),
    };
    let Value::Array(rows) = value.remove("data").unwrap_or_default() else {
        return Err(Error::invalid("dataframe_split: 'data' must be a list of rows."));
    };
    Frame::from_rows(names, rows, "dataframe_split")
}

fn column_name(value: &Value) -> Result<String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        // pandas numbers the columns of a table without names.
        Value::Number(number) => Ok(number.to_string()),
        other => Err(Error::invalid(format!("dataframe_split: {other} cannot name a column."))),
    }
}

fn records(value: Value, what: &str) -> Result<Frame> {
    let Value::Array(rows) = value else {
        return Err(Error::invalid("Dataframe records format must be a list of records."));
    };
    let mut frame = Frame { rows: rows.len(), ..Frame::default() };
    let (mut names, mut places) = (Vec::new(), HashMap::new());
    for (index, row) in rows.into_iter().enumerate() {
        let Value::Object(row) = row else {
            return Err(Error::invalid(format!("{what}: row {index} is not a record.")));
        };
        for (name, value) in row {
            let at = *places.entry(name).or_insert_with_key(|name| {
                names.push(name.clone());
                frame.columns.push(Vec::new());
                names.len() - 1
            });
            if names.len() > MOST_CELLS / frame.rows {
                return Err(Error::new(
                    Kind::TooLarge,
                    format!("{what}: {} rows that differ in their columns are too many cells.", frame.rows),
                ));
            }
            // A record may leave a column out: the gap is a missing value.
            frame.columns[at].resize(index, Value::Null);
            frame.columns[at].push(value);
        }
    }
    frame.names = Some(names);
    for column in &mut frame.columns {
        column.resize(frame.rows, Value::Null);
    }
    Ok(frame)
}

fn instances(value: Value, table: bool) -> Result<Payload> {
    let Value::Array(list) = &value else {
        return Err(Error::invalid("'instances' must be a list."));
    };
    let objects = list.iter().filter(|item| item.is_object()).count();
    if objects == 0 || list.is_empty() {
        return inputs(value, table);
    }
    if objects < list.len() {
        return Err(Error::invalid("'instances' must be records throughout, or values throughout."));
    }
    let frame = records(value, "instances")?;
    if table {
        return Ok(Payload::Frame(frame));
    }
    let names = frame.names.unwrap_or_default();
    Ok(Payload::Named(names.into_iter().zip(frame.columns.into_iter().map(Value::Array)).collect()))
}

fn inputs(value: Value, table: bool) -> Result<Payload> {
    match value {
        Value::Object(columns) if table => Ok(Payload::Frame(Frame::from_columns(columns)?)),
        Value::Object(columns) => Ok(Payload::Named(columns.into_iter().collect())),
        Value::Array(list) if !list.is_empty() && list.iter().all(Value::is_object) => {
            Ok(Payload::Frame(records(Value::Array(list), "inputs")?))
        }
        Value::Array(list) if table => {
            let rows = list.into_iter().map(|row| if row.is_array() { row } else { Value::Array(vec![row]) });
            Ok(Payload::Frame(Frame::from_rows(None, rows.collect(), "inputs")?))
        }
        Value::Array(_) => Ok(Payload::Single(value)),
        _ => Err(Error::invalid("'inputs' must be a list, or a dictionary of lists.")),
    }
}

impl Frame {
    pub fn from_rows(names: Option<Vec<String>>, rows: Vec<Value>, what: &str) -> Result<Self> {
        let width = match (&names, rows.first()) {
            (Some(names), _) => names.len(),
            (None, Some(Value::Array(row))) => row.len(),
            (None, _) => 0,
        };
        let mut frame =
            Self { names, columns: vec![Vec::with_capacity(rows.len()); width], rows: rows.len() };
        for (index, row) in rows.into_iter().enumerate() {
            let Value::Array(row) = row else {
                return Err(Error::invalid(format!("{what}: row {index} is not a list of values.")));
            };
            if row.len() != width {
                return Err(Error::invalid(format!(
                    "{what}: row {index} has {} values where there are {width} columns.",
                    row.len()
                )));
            }
            for (column, value) in frame.columns.iter_mut().zip(row) {
                column.push(value);
            }
        }
        Ok(frame)
    }

    /// Columns as lists of one length, or single values, which make one row.
    pub fn from_columns(columns: Map<String, Value>) -> Result<Self> {
        let mut frame = Self { names: Some(Vec::new()), ..Self::default() };
        for (name, value) in columns {
            let column = if let Value::Array(values) = value { values } else { vec![value] };
            if !frame.columns.is_empty() && column.len() != frame.rows {
                return Err(Error::invalid(format!(
                    "inputs: column {name} has {} values where the columns before it have {}.",
                    column.len(),
                    frame.rows
                )));
            }
            frame.rows = column.len();
            frame.names.get_or_insert_default().push(name);
            frame.columns.push(column);
        }
        Ok(frame)
    }

    /// A column by name.
    pub fn column(&self, name: &str) -> Option<&[Value]> {
        let at = self.names.as_ref()?.iter().position(|known| known == name)?;
        self.columns.get(at).map(Vec::as_slice)
    }
}
