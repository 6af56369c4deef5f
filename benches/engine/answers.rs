//! Runs ONNX files on given inputs: one JSON request a line on standard input, one answer a line on
//! standard output. `scripts/onnx_node_tests.py` holds the answers against the expected ones.
//!
//! A tensor is its name, datatype, shape, and its bytes in hex, row-major and little-endian; texts are a list.

use std::io::{BufRead, Write};

use crannog::serving::engine::{Model, NamedTensor, TensorData};
use serde_json::{Value, json};

fn main() {
    let (input, mut output) = (std::io::stdin().lock(), std::io::stdout().lock());
    for line in input.lines() {
        let Ok(line) = line else { return };
        let answer =
            answer(&line).unwrap_or_else(|(stage, message)| json!({ "stage": stage, "error": message }));
        if writeln!(output, "{answer}").and_then(|()| output.flush()).is_err() {
            return;
        }
    }
}

/// What went wrong, and whether in the request, at load or in the run.
type Failed = (&'static str, String);

fn answer(line: &str) -> Result<Value, Failed> {
    let wrong = |message: String| ("request", message);
    let request: Value = serde_json::from_str(line).map_err(|error| wrong(error.to_string()))?;
    let path = request["model"].as_str().unwrap_or_default();
    let bytes = fs_err::read(path).map_err(|error| wrong(error.to_string()))?;
    let inputs = request["inputs"].as_array().map_or(&[][..], Vec::as_slice).iter().map(decode);
    let inputs =
        inputs.collect::<Option<Vec<_>>>().ok_or_else(|| wrong("an input cannot be read".to_owned()))?;
    let model = Model::load(&bytes).map_err(|error| ("load", error.message))?;
    let outputs = model.infer(inputs).map_err(|error| ("run", error.message))?;
    Ok(json!({ "outputs": outputs.iter().map(encode).collect::<Vec<_>>() }))
}

/// The element types whose bytes are their values.
macro_rules! plain {
    ($apply:ident) => {
        $apply! { U8 u8, U16 u16, U32 u32, U64 u64, I8 i8, I16 i16, I32 i32, I64 i64, F32 f32, F64 f64 }
    };
}

fn decode(tensor: &Value) -> Option<NamedTensor> {
    let sizes = tensor["shape"].as_array()?.iter();
    let shape = sizes.map(|size| Some(size.as_u64()? as usize)).collect::<Option<_>>()?;
    let datatype = tensor["datatype"].as_str()?;
    let data = if datatype == "BYTES" {
        let texts = tensor["data"].as_array()?.iter();
        TensorData::Str(texts.map(|text| text.as_str().map(str::to_owned)).collect::<Option<_>>()?)
    } else {
        numbers(datatype, &hex::decode(tensor["data"].as_str()?).ok()?)?
    };
    Some(NamedTensor { name: tensor["name"].as_str()?.to_owned(), shape, data })
}

fn numbers(datatype: &str, bytes: &[u8]) -> Option<TensorData> {
    macro_rules! read {
        ($($kind:ident $of:ty),*) => {
            match datatype {
                "BOOL" => Some(TensorData::Bool(bytes.iter().map(|&byte| byte != 0).collect())),
                $(name if name == TensorData::$kind(Vec::new()).datatype() => {
                    let values = bytes.chunks_exact(size_of::<$of>());
                    let values = values.map(|value| Some(<$of>::from_le_bytes(value.try_into().ok()?)));
                    Some(TensorData::$kind(values.collect::<Option<_>>()?))
                })*
                _ => None,
            }
        };
    }
    plain!(read)
}

fn encode(tensor: &NamedTensor) -> Value {
    macro_rules! write {
        ($($kind:ident $of:ty),*) => {
            match &tensor.data {
                TensorData::Str(texts) => json!(texts),
                TensorData::Bool(values) => json!(hex::encode(values.iter().map(|&v| u8::from(v)).collect::<Vec<_>>())),
                $(TensorData::$kind(values) => {
                    json!(hex::encode(values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>()))
                })*
            }
        };
    }
    let data = plain!(write);
    json!({ "name": tensor.name, "datatype": tensor.data.datatype(), "shape": tensor.shape, "data": data })
}
