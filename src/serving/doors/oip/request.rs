//! Reading an inference request: JSON, and the bytes behind it.

use super::{Wanted, binary, shared};
use crate::{
    kernel::error::{Error, Result},
    serving::{
        engine::{NamedTensor, TensorSpec},
        memory::Lent,
        wire::{body, json, leaves::Leaves},
    },
};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::time::Duration;

#[derive(Debug, Deserialize)]
struct Wire {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    parameters: Map<String, Value>,
    inputs: Vec<WireInput>,
    #[serde(default)]
    outputs: Vec<WireOutput>,
}

#[derive(Debug, Deserialize)]
struct WireInput {
    name: String,
    shape: Vec<usize>,
    datatype: String,
    #[serde(default)]
    parameters: Map<String, Value>,
    #[serde(default)]
    data: Option<Leaves>,
}

#[derive(Debug, Deserialize)]
struct WireOutput {
    name: String,
    #[serde(default)]
    parameters: Map<String, Value>,
}

/// What a caller asks for.
#[derive(Debug)]
pub struct Request {
    pub id: Option<String>,
    pub inputs: Vec<NamedTensor>,
    pub outputs: Vec<Wanted>,
    /// For how long the caller waits, as Triton's clients say it.
    pub timeout: Option<Duration>,
    pub parameters: Map<String, Value>,
}

/// Reads a body whose first `json_length` bytes are JSON; all of them, if none is said. Its tensors may be in the
/// shared memory that the caller is lent.
pub fn read(
    bytes: &[u8],
    json_length: Option<usize>,
    outputs: &[TensorSpec],
    lent: Option<&Lent>,
) -> Result<Request> {
    let (text, mut tail) = bytes.split_at_checked(json_length.unwrap_or(bytes.len())).ok_or_else(|| {
        Error::invalid(format!(
            "Inference-Header-Content-Length is {}, but the body has {} bytes.",
            json_length.unwrap_or_default(),
            bytes.len()
        ))
    })?;
    let wire = wire(text)?;
    let inputs = wire.inputs.into_iter().map(|input| input.read(&mut tail, lent)).collect::<Result<_>>()?;
    if !tail.is_empty() {
        return Err(Error::invalid(format!(
            "The body has {} bytes of tensor data that no input's binary_data_size speaks of.",
            tail.len()
        )));
    }
    let outputs = wanted(&wire.parameters, &wire.outputs, outputs, lent)?;
    let timeout = timeout(&wire.parameters);
    Ok(Request { id: wire.id, inputs, outputs, timeout, parameters: wire.parameters })
}

/// The parameter `timeout`, in microseconds; 0 says nothing.
fn timeout(parameters: &Map<String, Value>) -> Option<Duration> {
    let micros = parameters.get("timeout")?;
    let micros = micros.as_u64().or_else(|| micros.as_str()?.parse().ok())?;
    (micros > 0).then(|| Duration::from_micros(micros))
}

/// What is not read at once, such as Python's bare NaN, is read with more patience, and refused in words.
fn wire(text: &[u8]) -> Result<Wire> {
    body::few_values(text, b",[{")?;
    serde_json::from_slice(text).or_else(|_| {
        serde_json::from_value(body::json(text)?)
            .map_err(|error| Error::invalid(format!("The body is not an inference request: {error}.")))
    })
}

impl WireInput {
    /// Takes the input's data from the JSON, or its bytes from the tail or from shared memory.
    fn read(self, tail: &mut &[u8], lent: Option<&Lent>) -> Result<NamedTensor> {
        let Self { name, shape, datatype, parameters, data } = self;
        let tensor = format!("Input `{name}`");
        if let Some(place) = shared::place_in_json(&tensor, &parameters)? {
            if data.is_some() || parameters.contains_key("binary_data_size") {
                return Err(Error::invalid(format!(
                    "{tensor} is in shared memory: it cannot have `data` or `binary_data_size` as well."
                )));
            }
            let bytes = lent.ok_or_else(|| shared::not_here(&tensor))?.read(&place)?;
            return Ok(NamedTensor { data: binary::read(&name, &datatype, &bytes)?, name, shape });
        }
        let data = match (parameters.get("binary_data_size"), data) {
            (Some(size), None) => binary::read(&name, &datatype, take(&name, size, tail)?)?,
            (Some(_), Some(_)) => {
                return Err(Error::invalid(format!(
                    "Input `{name}` has both `data` and `binary_data_size`: send one of them."
                )));
            }
            (None, Some(data)) => {
                let leaves: Vec<&Value> = data.0.iter().collect();
                json::tensor(&datatype, &leaves, &|index| format!("Input `{name}`, value {index},"))?
            }
            (None, None) => {
                return Err(Error::invalid(format!(
                    "Input `{name}` has neither `data` nor `binary_data_size`."
                )));
            }
        };
        Ok(NamedTensor { name, shape, data })
    }
}

fn take<'a>(name: &str, size: &Value, tail: &mut &'a [u8]) -> Result<&'a [u8]> {
    let wrong = || {
        Error::invalid(format!(
            "Input `{name}` has binary_data_size {size}, but {} bytes of tensor data are left in the body.",
            tail.len()
        ))
    };
    let size = size.as_u64().and_then(|size| usize::try_from(size).ok()).ok_or_else(wrong)?;
    let (bytes, rest) = tail.split_at_checked(size).ok_or_else(wrong)?;
    *tail = rest;
    Ok(bytes)
}

fn wanted(
    parameters: &Map<String, Value>,
    asked: &[WireOutput],
    all: &[TensorSpec],
    lent: Option<&Lent>,
) -> Result<Vec<Wanted>> {
    let flag = |map: &Map<String, Value>, key: &str| map.get(key).and_then(Value::as_bool);
    let by_default = flag(parameters, "binary_data_output").unwrap_or(false);
    if asked.is_empty() {
        return Ok(Wanted::all(all, by_default));
    }
    let one = |output: &WireOutput| {
        let classes = match output.parameters.get("classification") {
            Some(classes) => Some(classes.as_i64().ok_or_else(|| {
                Error::invalid(format!("Output `{}`: classification must be an integer.", output.name))
            })?),
            None => None,
        };
        let binary = flag(&output.parameters, "binary_data");
        let wanted = Wanted::named(all, &output.name, classes)?;
        let wanted = Wanted { binary: binary.unwrap_or(by_default), ..wanted };
        match shared::place_in_json(&format!("Output `{}`", output.name), &output.parameters)? {
            Some(_) if binary == Some(true) => Err(Error::invalid(format!(
                "Output `{}` can't set both 'shared_memory_region' and 'binary_data'.",
                output.name
            ))),
            Some(place) => wanted.into_memory(&place, lent),
            None => Ok(wanted),
        }
    };
    asked.iter().map(one).collect()
}
