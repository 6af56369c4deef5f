//! A request's rows. `instances` and `inputs` hold rows as lists or as records, or one dictionary of columns;
//! an instance may itself be a dictionary of columns, as KServe's servers read them into a table.

use crate::{
    kernel::error::{Error, Result},
    serving::{
        doors::scoring::{feed, payload},
        engine::{NamedTensor, TensorSpec},
        loading::mlmodel::Column,
    },
};
use serde_json::{Map, Value};

const KEYS: [&str; 2] = ["inputs", "instances"];

/// The model's inputs.
pub fn inputs(body: Value, specs: &[TensorSpec], columns: Option<&[Column]>) -> Result<Vec<NamedTensor>> {
    let Value::Object(mut body) = body else { return Err(unreadable()) };
    let (key, value) = KEYS.iter().find_map(|key| Some((*key, body.remove(*key)?))).ok_or_else(unreadable)?;
    let (key, value) = match value {
        Value::Array(rows) if rows.is_empty() => {
            return Err(Error::invalid(format!("`{key}` is empty: send at least one row.")));
        }
        Value::Array(rows) if by_columns(specs, columns) => ("instances", Value::Array(rows_of(rows)?)),
        Value::Array(rows) => ("instances", Value::Array(rows)),
        Value::Object(columns) => ("inputs", Value::Object(columns)),
        _ => return Err(unreadable()),
    };
    // Names are columns, and lists go to several inputs by their places: both are tables.
    let is_named = key == "inputs" || value.get(0).is_some_and(Value::is_object);
    let table: Option<&[Column]> =
        if is_named || specs.len() > 1 { Some(columns.unwrap_or_default()) } else { columns };
    let body = Value::Object(Map::from_iter([(key.to_owned(), value)]));
    feed::tensors(&payload::read(body, table)?, specs, columns)
}

fn unreadable() -> Error {
    Error::invalid("The body must be a JSON dictionary whose `instances` or `inputs` is a list of rows.")
}

/// Whether each column is one value a row, so that a list in a record must be several rows: each is an input
/// of its own, or all are one matrix.
fn by_columns(specs: &[TensorSpec], columns: Option<&[Column]>) -> bool {
    match specs {
        [_] => columns.is_some_and(|columns| columns.len() > 1),
        _ => specs.iter().all(|spec| spec.shape.iter().skip(1).all(|size| *size == 1)),
    }
}

/// Rows, those among them taken apart that are a dictionary of columns.
fn rows_of(instances: Vec<Value>) -> Result<Vec<Value>> {
    let mut rows = Vec::with_capacity(instances.len());
    for (index, instance) in instances.into_iter().enumerate() {
        match instance {
            Value::Object(columns) if !columns.is_empty() && columns.values().all(Value::is_array) => {
                rows_of_columns(index, columns, &mut rows)?;
            }
            row => rows.push(row),
        }
    }
    Ok(rows)
}

fn rows_of_columns(index: usize, columns: Map<String, Value>, rows: &mut Vec<Value>) -> Result<()> {
    let length = columns.values().next().and_then(Value::as_array).map_or(0, Vec::len);
    if columns.values().any(|column| column.as_array().map(Vec::len) != Some(length)) {
        return Err(Error::invalid(format!("Instance {index} has columns of different lengths.")));
    }
    let mut made = vec![Map::with_capacity(columns.len()); length];
    for (name, column) in columns {
        let Value::Array(values) = column else { continue };
        for (row, value) in made.iter_mut().zip(values) {
            row.insert(name.clone(), value);
        }
    }
    rows.extend(made.into_iter().map(Value::Object));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serving::engine::TensorData;
    use serde_json::json;

    fn spec(name: &str, datatype: &str, width: i64) -> TensorSpec {
        TensorSpec { name: name.into(), datatype: datatype.into(), shape: vec![-1, width], is_map: false }
    }

    #[test]
    fn rows_come_as_lists_records_columns_or_all_at_once() {
        let specs = [spec("a", "INT64", 1), spec("b", "FP32", 1)];
        let wanted = inputs(json!({ "instances": [[1, 0.5], [2, 1.5]] }), &specs, None).expect("lists");
        assert_eq!(wanted[0].data, TensorData::I64(vec![1, 2]));
        for body in [
            json!({ "instances": [{ "a": 1, "b": 0.5 }, { "b": 1.5, "a": 2 }] }),
            json!({ "inputs": [{ "a": 1, "b": 0.5 }, { "a": 2, "b": 1.5 }] }),
            json!({ "instances": [{ "a": [1, 2], "b": [0.5, 1.5] }] }),
            json!({ "inputs": [{ "a": [1], "b": [0.5] }, { "a": 2, "b": 1.5 }] }),
            json!({ "inputs": { "a": [1, 2], "b": [0.5, 1.5] }, "signature_name": "serving_default" }),
        ] {
            let shown = body.to_string();
            assert_eq!(inputs(body, &specs, None).expect(&shown), wanted, "{shown}");
        }
    }

    #[test]
    fn a_matrix_takes_lists_of_rows() {
        let specs = [spec("X", "FP32", 3)];
        let got = inputs(json!({ "instances": [[1, 2, 3], [4, 5, 6]] }), &specs, None).expect("rows");
        assert_eq!(got[0].shape, [2, 3]);
        for body in [
            json!({ "instances": [{ "a": 1, "b": 2, "c": 3 }, { "a": 4, "b": 5, "c": 6 }] }),
            json!({ "inputs": { "a": [1, 4], "b": [2, 5], "c": [3, 6] } }),
            json!({ "inputs": { "X": [[1, 2, 3], [4, 5, 6]] } }),
            json!({ "instances": [{ "X": [1, 2, 3] }, { "X": [4, 5, 6] }] }),
        ] {
            let shown = body.to_string();
            assert_eq!(inputs(body, &specs, None).expect(&shown), got, "{shown}");
        }
    }

    #[test]
    fn what_holds_no_rows_is_refused() {
        let specs = [spec("a", "INT64", 1), spec("b", "FP32", 1)];
        for body in [
            json!([]),
            json!({}),
            json!({ "instances": 3 }),
            json!({ "instances": [] }),
            json!({ "inputs": "text" }),
            json!({ "instances": [{ "a": [1, 2], "b": [1] }] }),
            json!({ "instances": [[1]] }),
            json!({ "instances": [{ "a": 1 }] }),
        ] {
            let shown = body.to_string();
            inputs(body, &specs, None).expect_err(&shown);
        }
    }
}
