//! From a request to the model's inputs: columns go to inputs by name, or side by side into one.

use super::{
    answer::Cause,
    payload::{Frame, Payload},
};
use crate::{
    kernel::error::{Error, Result},
    serving::{
        engine::{NamedTensor, TensorData, TensorSpec},
        loading::mlmodel::Column,
        wire::json,
    },
};
use serde_json::Value;

pub fn tensors(
    payload: &Payload,
    specs: &[TensorSpec],
    signature: Option<&[Column]>,
) -> Result<Vec<NamedTensor>> {
    match payload {
        Payload::Frame(frame) => from_frame(frame, specs, signature),
        // Names that are not the input's are the keys of its maps.
        Payload::Named(keys)
            if let [only] = specs
                && only.is_map
                && keys.iter().all(|(name, _)| *name != only.name) =>
        {
            let frame = Frame::from_columns(keys.iter().cloned().collect())?;
            from_frame(&frame, specs, signature)
        }
        Payload::Named(inputs) => {
            inputs.iter().map(|(name, value)| from_lists(name, value, spec(specs, name)?)).collect()
        }
        Payload::Single(value) => match specs {
            [only] => Ok(vec![from_lists(&only.name, value, only)?]),
            _ => Err(Error::invalid(format!(
                "The model takes several inputs, so one list does not say which it is. Send a dictionary with {}.",
                names(specs)
            ))),
        },
    }
}

fn spec<'a>(specs: &'a [TensorSpec], name: &str) -> Result<&'a TensorSpec> {
    specs
        .iter()
        .find(|spec| spec.name == name)
        .ok_or_else(|| Error::invalid(format!("The model has no input `{name}`. It takes {}.", names(specs))))
}

fn names(specs: &[TensorSpec]) -> String {
    specs.iter().map(|spec| format!("`{}`", spec.name)).collect::<Vec<_>>().join(", ")
}

/// One input from nested lists.
fn from_lists(name: &str, value: &Value, spec: &TensorSpec) -> Result<NamedTensor> {
    if spec.is_map {
        let mut leaves = Vec::new();
        json::leaves(value, &mut leaves);
        return maps(name, &leaves);
    }
    let (mut shape, leaves) = json::flatten(value, name)?;
    // A list of values is a column, where a column is what the input takes.
    if shape.len() + 1 == spec.shape.len() && matches!(spec.shape.last(), Some(1 | -1)) {
        shape.push(1);
    }
    let data = json::tensor(&spec.datatype, &leaves, &|index| format!("Input `{name}`, value {index},"))?;
    Ok(NamedTensor { name: name.to_owned(), shape, data })
}

/// A column of maps, as the texts the engine takes.
fn maps(name: &str, values: &[&Value]) -> Result<NamedTensor> {
    let text = |(row, value): (usize, &&Value)| match value {
        Value::Object(map) => Ok(text_of(map.iter().map(|(key, value)| (key.as_str(), value)))),
        Value::String(text) => Ok(text.clone()),
        other => Err(Error::invalid(format!(
            "Input `{name}`, row {row}, must be a record of keys and values, not {other}."
        ))),
    };
    let texts = values.iter().enumerate().map(text).collect::<Result<Vec<_>>>()?;
    Ok(NamedTensor { name: name.to_owned(), shape: vec![texts.len(), 1], data: TensorData::Str(texts) })
}

/// A map as text. What is missing is not in it.
fn text_of<'a>(entries: impl Iterator<Item = (&'a str, &'a Value)>) -> String {
    let there = entries.filter(|(_, value)| !value.is_null());
    Value::Object(there.map(|(key, value)| (key.to_owned(), value.clone())).collect()).to_string()
}

fn from_frame(frame: &Frame, specs: &[TensorSpec], signature: Option<&[Column]>) -> Result<Vec<NamedTensor>> {
    let table = Table::new(frame, specs, signature)?;
    match specs {
        [only] if only.is_map && !table.has(&only.name) => table.maps(only),
        // One input by the name of a column takes that column; else it takes all, side by side.
        [only] if table.columns.len() > 1 => Ok(vec![table.matrix(only)?]),
        [only] => {
            let (name, _) =
                *table.columns.first().ok_or_else(|| Error::invalid("The table has no columns."))?;
            Ok(vec![table.column(name, only)?])
        }
        _ => {
            // What the signature lets a caller leave out, the model may do without.
            let optional = |name: &str| {
                let known = signature.unwrap_or_default().iter().find(|column| column.name == name);
                known.is_some_and(|column| !column.required)
            };
            let asked = specs.iter().filter(|spec| table.has(&spec.name) || !optional(&spec.name));
            asked.map(|spec| table.column(&spec.name, spec)).collect()
        }
    }
}

/// A frame whose columns have names, in the order the model was trained with.
struct Table<'a> {
    columns: Vec<(&'a str, &'a [Value])>,
    rows: usize,
}

impl<'a> Table<'a> {
    fn new(frame: &'a Frame, specs: &'a [TensorSpec], signature: Option<&'a [Column]>) -> Result<Self> {
        let columns = match (signature, &frame.names) {
            (Some(signature), Some(_)) => {
                require(frame, signature)?;
                let named = signature
                    .iter()
                    .filter_map(|column| Some((column.name.as_str(), frame.column(&column.name)?)));
                named.collect()
            }
            (Some(signature), None) => {
                positional(frame, signature.iter().map(|column| column.name.as_str()))?
            }
            (None, Some(names)) => {
                names.iter().map(String::as_str).zip(frame.columns.iter().map(Vec::as_slice)).collect()
            }
            (None, None) if specs.len() > 1 => {
                positional(frame, specs.iter().map(|spec| spec.name.as_str()))?
            }
            (None, None) => frame.columns.iter().map(|column| ("", column.as_slice())).collect(),
        };
        let table = Self { columns, rows: frame.rows };
        if let Some(signature) = signature {
            table.check_texts(signature)?;
        }
        Ok(table)
    }

    /// A number where the signature has a text, or the other way round, would run and mean nothing.
    fn check_texts(&self, signature: &[Column]) -> Result<()> {
        for (name, values) in &self.columns {
            let Some(column) = signature.iter().find(|column| column.name == *name) else { continue };
            let wrong = |value: &&Value| match value {
                Value::String(text) => {
                    !column.is_text && !matches!(text.as_str(), "NaN" | "Infinity" | "-Infinity")
                }
                Value::Number(_) | Value::Bool(_) => column.is_text,
                _ => false,
            };
            if let Some(row) = values.iter().position(|value| wrong(&value)) {
                let wanted = if column.is_text { "texts" } else { "numbers" };
                return Err(Error::invalid(format!(
                    "Incompatible input types for column {name}. It takes {wanted}, but row {row} has {}.",
                    values[row]
                )));
            }
        }
        Ok(())
    }

    fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|(known, _)| *known == name)
    }

    /// One column as one input.
    fn column(&self, name: &str, spec: &TensorSpec) -> Result<NamedTensor> {
        let Some((_, values)) = self.columns.iter().find(|(known, _)| *known == name) else {
            return Err(missing(&[name], &[]));
        };
        if spec.is_map {
            return maps(&spec.name, &values.iter().collect::<Vec<_>>());
        }
        let (mut leaves, mut shape) = (Vec::with_capacity(self.rows), vec![self.rows]);
        if values.iter().any(Value::is_array) {
            // A column of lists: each row is a list of one length.
            for (row, value) in values.iter().enumerate() {
                let (inner, mut found) = json::flatten(value, name)?;
                if row > 0 && shape[1..] != inner[..] {
                    return Err(Error::invalid(format!(
                        "Column {name}: row {row} has another shape than row 0."
                    )));
                }
                shape = [&[self.rows], &inner[..]].concat();
                leaves.append(&mut found);
            }
        } else {
            leaves.extend(values.iter());
            // A rank-2 input takes one column as [rows, 1].
            shape.resize(spec.shape.len().max(1), 1);
        }
        let per_row = shape[1..].iter().product::<usize>().max(1);
        let data = json::tensor(&spec.datatype, &leaves, &|index| {
            format!("Column {name}, row {},", index / per_row)
        })?;
        Ok(NamedTensor { name: spec.name.clone(), shape, data })
    }

    /// The rows as maps, whose keys are the columns.
    fn maps(&self, spec: &TensorSpec) -> Result<Vec<NamedTensor>> {
        if self.columns.iter().any(|(name, _)| name.is_empty()) {
            return Err(Error::invalid(format!(
                "Input `{}` takes maps, so the columns must have names: send records.",
                spec.name
            )));
        }
        let row = |row: usize| text_of(self.columns.iter().map(|(name, values)| (*name, &values[row])));
        let texts: Vec<String> = (0..self.rows).map(row).collect();
        let shape = vec![texts.len(), 1];
        Ok(vec![NamedTensor { name: spec.name.clone(), shape, data: TensorData::Str(texts) }])
    }

    /// All columns side by side as one input.
    fn matrix(&self, spec: &TensorSpec) -> Result<NamedTensor> {
        let width = self.columns.len();
        if spec.shape.len() != 2 {
            return Err(Error::invalid(format!(
                "Input `{}` has {} dimensions, so a table cannot be one. Send it as 'inputs'.",
                spec.name,
                spec.shape.len()
            )));
        }
        if spec.shape[1] >= 0 && spec.shape[1] != width as i64 {
            return Err(Error::invalid(format!(
                "Input `{}` takes {} columns, but the table has {width}: {}.",
                spec.name,
                spec.shape[1],
                self.columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
            )));
        }
        let cells = (0..self.rows).flat_map(|row| self.columns.iter().map(move |(_, values)| &values[row]));
        let cells: Vec<&Value> = cells.collect();
        let place = |index: usize| {
            let (row, column) = (index / width, index % width);
            format!("Column {}, row {row},", self.columns[column].0)
        };
        let data = json::tensor(&spec.datatype, &cells, &place)?;
        Ok(NamedTensor { name: spec.name.clone(), shape: vec![self.rows, width], data })
    }
}

fn require(frame: &Frame, signature: &[Column]) -> Result<()> {
    let absent = |column: &&Column| column.required && frame.column(&column.name).is_none();
    let gone: Vec<&str> = signature.iter().filter(absent).map(|column| column.name.as_str()).collect();
    if gone.is_empty() {
        return Ok(());
    }
    let is_extra = |name: &&str| !signature.iter().any(|column| column.name == **name);
    let given = frame.names.iter().flatten().map(String::as_str);
    let extra: Vec<&str> = given.filter(is_extra).collect();
    Err(missing(&gone, &extra))
}

fn missing(gone: &[&str], extra: &[&str]) -> Error {
    let list = |names: &[&str]| names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
    let mut message = format!("Model is missing inputs [{}].", list(gone));
    if !extra.is_empty() {
        message.push_str(&format!(" Note that there were extra inputs: [{}].", list(extra)));
    }
    Cause::Unfit.refusal(message)
}

fn positional<'a>(
    frame: &'a Frame,
    names: impl Iterator<Item = &'a str>,
) -> Result<Vec<(&'a str, &'a [Value])>> {
    let names: Vec<&str> = names.collect();
    if names.len() != frame.columns.len() {
        return Err(Error::invalid(format!(
            "The table has {} columns without names, but the model takes {}: {}.",
            frame.columns.len(),
            names.len(),
            names.join(", ")
        )));
    }
    Ok(names.into_iter().zip(frame.columns.iter().map(Vec::as_slice)).collect())
}
