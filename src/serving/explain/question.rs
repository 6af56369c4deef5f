//! What is asked: rows in any form a prediction may have, and the parameters of the explanation.

use super::background::Source;
use crate::{
    kernel::error::{Error, Result},
    serving::{
        doors::{
            oip::{self, Request},
            scoring::{feed, payload},
        },
        engine::{NamedTensor, TensorSpec},
        loading::{load::Loaded, mlmodel::Column},
        wire::json,
    },
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The `parameters` of a request; others than these are other people's.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Rows to compare with, in any form rows may have.
    pub background: Option<Value>,
    /// Coalitions to sample for a row of more than 11 columns.
    pub samples: Option<usize>,
    pub seed: u64,
    /// The output to explain; `raw` for the score of trees.
    pub output: Option<String>,
}

impl Settings {
    /// The background sent along, taken out.
    pub fn sent(&mut self) -> Option<Source> {
        self.background.take().map(Source::Sent)
    }
}

/// Takes the parameters out of a body.
pub fn settings(body: &mut Value) -> Result<Settings> {
    let parameters = body.get_mut("parameters").map(Value::take).unwrap_or_default();
    match parameters {
        Value::Null => Ok(Settings::default()),
        parameters => serde_json::from_value(parameters).map_err(|error| {
            Error::invalid(format!("The explanation's parameters cannot be read: {error}."))
        }),
    }
}

/// Reads rows: tensors of the Open Inference Protocol, the forms of MLflow's scoring protocol, or a bare
/// list of rows.
pub fn inputs(value: Value, loaded: &Loaded) -> Result<Vec<NamedTensor>> {
    let body = match value {
        Value::Array(rows) if rows.iter().all(Value::is_object) => json!({ "dataframe_records": rows }),
        Value::Array(rows) => json!({ "inputs": rows }),
        Value::Object(table) if table.contains_key("data") && !table.contains_key("inputs") => {
            json!({ "dataframe_split": table })
        }
        Value::Object(mut body) if is_protocol(&body) => {
            body.retain(|key, _| key == "inputs");
            let text = Value::Object(body).to_string();
            return Ok(in_order(oip::read(text.as_bytes(), None, &[], None)?.inputs, loaded));
        }
        other => other,
    };
    let columns = columns(loaded);
    let payload = payload::read(body, columns)?;
    Ok(in_order(feed::tensors(&payload, loaded.model.inputs(), columns)?, loaded))
}

fn is_protocol(body: &Map<String, Value>) -> bool {
    let first = body.get("inputs").and_then(Value::as_array).and_then(|inputs| inputs.first());
    first.is_some_and(|first| first.get("datatype").is_some() && first.get("shape").is_some())
}

/// In the model's order. What is missing, or too much, the model says itself.
pub fn in_order(mut given: Vec<NamedTensor>, loaded: &Loaded) -> Vec<NamedTensor> {
    let place = |name: &str| loaded.model.inputs().iter().position(|spec| spec.name == name);
    given.sort_by_key(|tensor| place(&tensor.name).unwrap_or(usize::MAX));
    given
}

pub fn columns(loaded: &Loaded) -> Option<&[Column]> {
    loaded.signature.as_ref().and_then(|signature| signature.columns.as_deref())
}

/// What the values of a row are called: the signature's columns, or the inputs and their places.
pub fn features(rows: &[NamedTensor], loaded: &Loaded) -> Vec<String> {
    let widths: Vec<usize> = rows.iter().map(super::kernel::width).collect();
    if let ([width], Some(columns)) = (&widths[..], columns(loaded))
        && *width == columns.len()
    {
        return columns.iter().map(|column| column.name.clone()).collect();
    }
    let names = rows.iter().zip(widths).flat_map(|(input, width)| {
        (0..width)
            .map(move |at| if width == 1 { input.name.clone() } else { format!("{}[{at}]", input.name) })
    });
    names.collect()
}

/// Reads a body of the Open Inference Protocol's route: its JSON, and what the protocol makes of it. Rows
/// may come in another form, which the protocol's reader does not know; those stay in the JSON.
pub fn framed(bytes: &[u8], length: Option<usize>, specs: &[TensorSpec]) -> Result<(Value, Request)> {
    let text = bytes.get(..length.unwrap_or(bytes.len())).unwrap_or(bytes);
    let body = json::parse(text)?;
    let protocol = body.as_object().is_some_and(is_protocol);
    if protocol {
        return Ok((body, oip::read(bytes, length, specs, None)?));
    }
    let id = body.get("id").and_then(Value::as_str).map(str::to_owned);
    let empty =
        json!({ "id": id, "inputs": [], "outputs": body.get("outputs").cloned().unwrap_or(json!([])) });
    let request = oip::read(empty.to_string().as_bytes(), None, specs, None)?;
    Ok((body, request))
}
