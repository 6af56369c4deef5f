//! What a model of Python takes and gives, as its MLflow signature says it.

use crate::{
    kernel::error::{Error, Result},
    serving::{engine::TensorSpec, loading::mlmodel::Signature},
};
use serde_json::Value;

/// How a model is to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manner {
    pub inputs: Vec<TensorSpec>,
    pub outputs: Vec<TensorSpec>,
    /// Whether the inputs are the columns of one table.
    pub frame: bool,
    /// The columns that are times, which travel as texts.
    pub times: Vec<String>,
}

pub fn manner(signature: Option<&Signature>) -> Result<Manner> {
    let signature = signature.ok_or_else(|| {
        Error::invalid(
            "The model has no signature, so it is not known what it takes. Log it with signature=infer_signature(...) \
             or with an input_example.",
        )
    })?;
    let inputs = parts(&signature.json["inputs"]);
    if inputs.is_empty() {
        return Err(Error::invalid(
            "The model's signature names no inputs, so there is nothing to ask it with.",
        ));
    }
    let frame = inputs.iter().all(|input| kind(input) != "tensor");
    let times =
        inputs.iter().filter(|input| kind(input) == "datetime").map(|input| name(input, "")).collect();
    let specs =
        |parts: &[Value], bare: &str| parts.iter().map(|part| spec(part, bare)).collect::<Result<Vec<_>>>();
    // Outputs are told to who asks for them, and no more: what cannot be told is left out.
    let outputs = specs(parts(&signature.json["outputs"]), super::BARE).unwrap_or_default();
    Ok(Manner { inputs: specs(inputs, "input")?, outputs, frame, times })
}

fn parts(side: &Value) -> &[Value] {
    side.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn kind(part: &Value) -> &str {
    part["type"].as_str().unwrap_or_default()
}

fn name(part: &Value, bare: &str) -> String {
    part["name"].as_str().unwrap_or(bare).to_owned()
}

fn spec(part: &Value, bare: &str) -> Result<TensorSpec> {
    let name = name(part, bare);
    let (datatype, shape) = match kind(part) {
        "tensor" => {
            let spec = &part["tensor-spec"];
            let shape =
                spec["shape"].as_array().map(|sizes| sizes.iter().filter_map(Value::as_i64).collect());
            (of_numpy(spec["dtype"].as_str().unwrap_or_default()), shape.unwrap_or_default())
        }
        "boolean" => (Some("BOOL"), vec![-1]),
        "integer" => (Some("INT32"), vec![-1]),
        "long" => (Some("INT64"), vec![-1]),
        "float" => (Some("FP32"), vec![-1]),
        "double" => (Some("FP64"), vec![-1]),
        "string" | "datetime" => (Some("BYTES"), vec![-1]),
        _ => (None, Vec::new()),
    };
    match datatype {
        Some(datatype) => Ok(TensorSpec { name, datatype: datatype.to_owned(), shape, is_map: false }),
        None => Err(Error::invalid(format!(
            "`{name}` of the model's signature is {part}, which cannot be sent as a tensor. Columns of numbers, texts, \
             booleans and times can, and so can tensors."
        ))),
    }
}

fn of_numpy(dtype: &str) -> Option<&'static str> {
    Some(match dtype {
        "bool" => "BOOL",
        "uint8" => "UINT8",
        "uint16" => "UINT16",
        "uint32" => "UINT32",
        "uint64" => "UINT64",
        "int8" => "INT8",
        "int16" => "INT16",
        "int32" => "INT32",
        "int64" => "INT64",
        "float32" => "FP32",
        "float64" => "FP64",
        "object" | "str" => "BYTES",
        _ => return None,
    })
}
