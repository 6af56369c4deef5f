//! The `MLmodel` file MLflow writes beside a model: where the ONNX file is, if there is one, what the columns are.

use crate::kernel::error::{Error, Result};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Default, Deserialize)]
struct File {
    #[serde(default)]
    flavors: Flavors,
    signature: Option<RawSignature>,
    saved_input_example_info: Option<ExampleInfo>,
}

#[derive(Debug, Default, Deserialize)]
struct Flavors {
    onnx: Option<Onnx>,
    python_function: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Onnx {
    data: Option<String>,
}

/// Each part is JSON inside the YAML.
#[derive(Debug, Deserialize)]
struct RawSignature {
    inputs: Option<String>,
    outputs: Option<String>,
    params: Option<String>,
}

#[derive(Debug, Deserialize)]
struct ExampleInfo {
    artifact_path: Option<String>,
    serving_input_path: Option<String>,
}

/// What serving needs of an `MLmodel` file.
#[derive(Debug, Default)]
pub struct MlModel {
    /// The ONNX file, relative to the model's folder; none where only Python can run the model.
    pub onnx: Option<String>,
    pub signature: Option<Signature>,
    /// The example as a request body, relative to the model's folder.
    pub example: Option<String>,
}

/// A model's signature: as MLflow wrote it, and the columns of its inputs if it names any.
#[derive(Clone, Debug, Default)]
pub struct Signature {
    pub json: Value,
    pub columns: Option<Vec<Column>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub is_text: bool,
    pub required: bool,
}

impl MlModel {
    pub fn parse(text: &str) -> Result<Self> {
        let file: File = serde_saphyr::from_str(text)
            .map_err(|error| Error::invalid(format!("The model's MLmodel file cannot be read: {error}")))?;
        let onnx = file.flavors.onnx.map(|onnx| onnx.data.unwrap_or_else(|| "model.onnx".into()));
        if onnx.is_none() && file.flavors.python_function.is_none() {
            return Err(Error::invalid(
                "The model has neither the onnx flavor nor python_function, so it cannot be served. Log it with \
                 mlflow.onnx.log_model, or with the flavor of its library.",
            ));
        }
        if let Some(data) = &onnx
            && (data.starts_with('/') || data.split('/').any(|part| part == ".."))
        {
            return Err(Error::invalid(format!(
                "The model's MLmodel file points outside its folder: {data}"
            )));
        }
        let signature = file.signature.map(RawSignature::read).transpose()?;
        let example = file
            .saved_input_example_info
            .and_then(|info| info.serving_input_path.or(info.artifact_path))
            .filter(|path| !path.split('/').any(|part| part == ".."));
        Ok(Self { onnx, signature, example })
    }
}

impl Signature {
    /// The names of the parameters that a prediction may come with.
    pub fn params(&self) -> impl Iterator<Item = &str> {
        let params = self.json["params"].as_array().map(Vec::as_slice).unwrap_or_default();
        params.iter().filter_map(|param| param["name"].as_str())
    }
}

impl RawSignature {
    fn read(self) -> Result<Signature> {
        let part = |text: &Option<String>| -> Result<Value> {
            match text {
                Some(text) => serde_json::from_str(text).map_err(|error| {
                    Error::invalid(format!("The model's signature cannot be read: {error}"))
                }),
                None => Ok(Value::Null),
            }
        };
        let inputs = part(&self.inputs)?;
        let columns = columns(&inputs);
        let json =
            json!({ "inputs": inputs, "outputs": part(&self.outputs)?, "params": part(&self.params)? });
        Ok(Signature { json, columns })
    }
}

/// The named columns of a signature; `None` when it describes tensors, or columns without names.
fn columns(inputs: &Value) -> Option<Vec<Column>> {
    let inputs = inputs.as_array().filter(|inputs| !inputs.is_empty())?;
    inputs
        .iter()
        .map(|input| {
            let kind = input.get("type")?.as_str()?;
            if kind == "tensor" {
                return None;
            }
            Some(Column {
                name: input.get("name")?.as_str()?.to_owned(),
                is_text: kind == "string",
                required: input.get("required").and_then(Value::as_bool).unwrap_or(true),
            })
        })
        .collect()
}
