//! Writing an inference answer, and refusals in this protocol's shape.

use super::{HEADER_LENGTH, binary, packing::Packing, request::Request};
use crate::{
    kernel::error::{Error, Result},
    serving::{
        doors::refusal::{self, Words},
        engine::{NamedTensor, TensorData},
        loading::load::Loaded,
        wire::json,
    },
};
use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, header};
use serde_json::{Map, Value, json};

/// A refusal here is `{"error": "..."}`.
pub struct Oip;

pub type Refusal = refusal::Refusal<Oip>;

impl Words for Oip {
    fn refuse(error: &Error) -> Response {
        (error.kind.status(), Json(json!({ "error": error.message }))).into_response()
    }
}

/// The outputs asked for, in the order asked, each as JSON or as bytes behind it.
pub fn write(model: &str, loaded: &Loaded, request: &Request, results: &[NamedTensor]) -> Result<Answer> {
    write_with(model, loaded, request, results, None)
}

/// The same, with parameters that say something of the whole answer.
pub fn write_with(
    model: &str,
    loaded: &Loaded,
    request: &Request,
    results: &[NamedTensor],
    parameters: Option<Map<String, Value>>,
) -> Result<Answer> {
    let mut tail = Vec::new();
    let mut outputs = Vec::with_capacity(request.outputs.len());
    for wanted in &request.outputs {
        let Some(result) = wanted.pick(results)? else { continue };
        outputs.push(match &wanted.memory {
            Some(span) => {
                let mut bytes = Vec::new();
                binary::write(&result.data, &mut bytes);
                span.write(&result.name, &bytes)?;
                described(&result)
            }
            None => output(&result, wanted.binary.then_some(&mut tail)),
        });
    }
    let mut answer = json!({ "model_name": model, "model_version": loaded.version, "outputs": outputs });
    if let Some(id) = &request.id {
        answer["id"] = id.as_str().into();
    }
    if let Some(parameters) = parameters {
        answer["parameters"] = parameters.into();
    }
    let mut body = answer.to_string().into_bytes();
    let json_length = (!tail.is_empty()).then_some(body.len());
    body.append(&mut tail);
    Ok(Answer { body, json_length, packing: Packing::None })
}

/// An answer's body, and how much of it is JSON where there are tensors behind that.
pub struct Answer {
    body: Vec<u8>,
    json_length: Option<usize>,
    packing: Packing,
}

impl Answer {
    /// Compressed, if the caller asked for it.
    pub fn packed(self, packing: Packing) -> Result<Self> {
        Ok(Self { body: packing.pack(self.body)?, packing, ..self })
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let kind = if self.json_length.is_some() { "application/octet-stream" } else { "application/json" };
        let mut response =
            ([(header::CONTENT_TYPE, HeaderValue::from_static(kind))], self.body).into_response();
        let headers = response.headers_mut();
        if let Some(length) = self.json_length {
            headers.insert(HeaderName::from_static(HEADER_LENGTH), HeaderValue::from(length));
        }
        if let Some(name) = self.packing.name() {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
        }
        response
    }
}

/// What is told of an output wherever its values are.
fn described(result: &NamedTensor) -> Value {
    json!({ "name": result.name, "datatype": TensorData::datatype(&result.data), "shape": result.shape })
}

fn output(result: &NamedTensor, tail: Option<&mut Vec<u8>>) -> Value {
    let mut out = described(result);
    match tail {
        Some(tail) => {
            let size = binary::write(&result.data, tail);
            out["parameters"] = json!({ "binary_data_size": size });
        }
        None => out["data"] = Value::Array(json::values(&result.data)),
    }
    out
}
