//! JSON numbers into tensors and back, with the names of what does not fit.

use crate::{
    kernel::error::{Error, Result},
    serving::engine::{TensorData, json_number},
};
use serde_json::Value;

/// Parses JSON, and also what Python's `json` writes for NaN and the infinities.
pub fn parse(text: &[u8]) -> Result<Value> {
    let error = match serde_json::from_slice(text) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    if let Some(quoted) = quote_bare_floats(text)
        && let Ok(value) = serde_json::from_slice(&quoted)
    {
        return Ok(value);
    }
    Err(Error::invalid(format!("The body is not valid JSON: {error}.")))
}

/// Puts quotes around `NaN`, `Infinity` and `-Infinity` outside strings; `None` when there are none.
fn quote_bare_floats(text: &[u8]) -> Option<Vec<u8>> {
    const NAMES: [&[u8]; 3] = [b"-Infinity", b"Infinity", b"NaN"];
    let mut out = Vec::with_capacity(text.len() + 64);
    let (mut at, mut in_string, mut found) = (0, false, false);
    while at < text.len() {
        let name = NAMES.iter().find(|name| !in_string && text[at..].starts_with(name));
        if let Some(name) = name {
            out.push(b'"');
            out.extend_from_slice(name);
            out.push(b'"');
            at += name.len();
            found = true;
            continue;
        }
        match text[at] {
            b'\\' if in_string => {
                out.push(text[at]);
                at += 1;
            }
            b'"' => in_string = !in_string,
            _ => {}
        }
        out.extend(text.get(at));
        at += 1;
    }
    found.then_some(out)
}

/// The shape of nested lists, and their leaves in row-major order. Ragged lists are refused.
pub fn flatten<'a>(value: &'a Value, name: &str) -> Result<(Vec<usize>, Vec<&'a Value>)> {
    let mut shape = Vec::new();
    let mut inner = value;
    while let Value::Array(list) = inner {
        shape.push(list.len());
        match list.first() {
            Some(first) => inner = first,
            None => break,
        }
    }
    // Grown as they come: the shape is only what the first of each list claims.
    let mut leaves = Vec::new();
    if push_leaves(value, &shape, &mut leaves) {
        return Ok((shape, leaves));
    }
    Err(Error::invalid(format!("Input `{name}` is ragged: its lists differ in length or depth.")))
}

fn push_leaves<'a>(value: &'a Value, shape: &[usize], leaves: &mut Vec<&'a Value>) -> bool {
    match (value, shape.split_first()) {
        (Value::Array(list), Some((length, inner))) => {
            list.len() == *length && list.iter().all(|value| push_leaves(value, inner, leaves))
        }
        (Value::Array(_), None) | (_, Some(_)) => false,
        (leaf, None) => {
            leaves.push(leaf);
            true
        }
    }
}

/// All leaves of nested lists, whatever their form: the protocol allows flat data for any shape.
pub fn leaves<'a>(value: &'a Value, out: &mut Vec<&'a Value>) {
    match value {
        Value::Array(list) => list.iter().for_each(|value| leaves(value, out)),
        leaf => out.push(leaf),
    }
}

/// Values as one tensor. `place` says where a value is, for the refusal.
pub fn tensor(datatype: &str, values: &[&Value], place: &dyn Fn(usize) -> String) -> Result<TensorData> {
    fn all<T>(
        values: &[&Value],
        place: &dyn Fn(usize) -> String,
        wanted: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Vec<T>> {
        let one =
            |(index, value): (usize, &&Value)| read(value).ok_or_else(|| wrong(value, &place(index), wanted));
        values.iter().enumerate().map(one).collect()
    }
    Ok(match datatype {
        "BOOL" => TensorData::Bool(all(values, place, "true or false", boolean)?),
        "UINT8" => TensorData::U8(all(values, place, "an integer from 0 to 255", integer)?),
        "UINT16" => TensorData::U16(all(values, place, "an integer from 0 to 65535", integer)?),
        "UINT32" => TensorData::U32(all(values, place, "an integer of 32 bits, not negative", integer)?),
        "UINT64" => TensorData::U64(all(values, place, "an integer of 64 bits, not negative", integer)?),
        "INT8" => TensorData::I8(all(values, place, "an integer from -128 to 127", integer)?),
        "INT16" => TensorData::I16(all(values, place, "an integer from -32768 to 32767", integer)?),
        "INT32" => TensorData::I32(all(values, place, "an integer of 32 bits", integer)?),
        "INT64" => TensorData::I64(all(values, place, "an integer", integer)?),
        // One rounding, from the decimal's nearest double, as numpy does it.
        "FP32" => TensorData::F32(all(values, place, "a number", |value| float(value).map(|f| f as f32))?),
        "FP64" => TensorData::F64(all(values, place, "a number", float)?),
        "BYTES" => {
            TensorData::Str(all(values, place, "a text", |value| value.as_str().map(ToOwned::to_owned))?)
        }
        other => return Err(Error::invalid(format!("{other} is not a datatype this server takes."))),
    })
}

fn wrong(value: &Value, place: &str, wanted: &str) -> Error {
    let mut shown = value.to_string();
    if shown.len() > 100 {
        shown.truncate(shown.floor_char_boundary(100));
        shown.push('…');
    }
    Error::invalid(format!("{place} must be {wanted}, not {shown}."))
}

fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::Number(number) => match number.as_f64() {
            Some(0.0) => Some(false),
            Some(1.0) => Some(true),
            _ => None,
        },
        _ => None,
    }
}

fn integer<T: TryFrom<i64> + TryFrom<u64>>(value: &Value) -> Option<T> {
    match value {
        Value::Bool(flag) => T::try_from(u64::from(*flag)).ok(),
        Value::Number(number) => {
            if let Some(int) = number.as_i64() {
                return T::try_from(int).ok();
            }
            if let Some(int) = number.as_u64() {
                return T::try_from(int).ok();
            }
            // 3.0 is 3 to pandas; beyond 2^53 a double no longer says which integer was meant.
            let float = number.as_f64().filter(|f| f.fract() == 0.0 && f.abs() <= 9_007_199_254_740_992.0)?;
            T::try_from(float as i64).ok()
        }
        _ => None,
    }
}

/// `null` is a missing value, which pandas keeps as NaN.
fn float(value: &Value) -> Option<f64> {
    if value.is_null() { Some(f64::NAN) } else { json_number(value) }
}

/// The values of a tensor; a float that JSON has no word for becomes `null`.
pub fn values(data: &TensorData) -> Vec<Value> {
    fn each<T: Copy + Into<Value>>(values: &[T]) -> Vec<Value> {
        values.iter().map(|value| (*value).into()).collect()
    }
    match data {
        TensorData::Bool(values) => each(values),
        TensorData::U8(values) => each(values),
        TensorData::U16(values) => each(values),
        TensorData::U32(values) => each(values),
        TensorData::U64(values) => each(values),
        TensorData::I8(values) => each(values),
        TensorData::I16(values) => each(values),
        TensorData::I32(values) => each(values),
        TensorData::I64(values) => each(values),
        TensorData::F32(values) => each(values),
        TensorData::F64(values) => each(values),
        TensorData::Str(values) => values.iter().map(|text| Value::String(text.clone())).collect(),
    }
}

/// Values in the nested lists of `shape`.
pub fn nested(shape: &[usize], values: Vec<Value>) -> Value {
    fn build(shape: &[usize], values: &mut std::vec::IntoIter<Value>) -> Value {
        match shape.split_first() {
            None => values.next().unwrap_or(Value::Null),
            Some((length, inner)) => Value::Array((0..*length).map(|_| build(inner, values)).collect()),
        }
    }
    build(shape, &mut values.into_iter())
}
