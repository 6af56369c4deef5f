//! What the protocol tells of the server and its models, for REST and gRPC alike.

use super::messages::{
    DataType, ModelConfig, ModelIndex, ModelInput, ModelMetadata, ModelOutput, ServerMetadata, Tensor,
};
use crate::{
    kernel::VERSION,
    serving::{EndpointInfo, engine::TensorSpec, loading::load::Loaded},
};

/// What Triton's extensions are called, of those that are always here.
const EXTENSIONS: [&str; 7] = [
    "classification",
    "model_repository",
    "model_configuration",
    "binary_tensor_data",
    "statistics",
    "trace",
    "logging",
];

pub fn server(takes_shared_memory: bool) -> ServerMetadata {
    let shared = takes_shared_memory.then_some("system_shared_memory");
    ServerMetadata {
        name: "crannog".into(),
        version: VERSION.into(),
        extensions: EXTENSIONS.into_iter().chain(shared).map(Into::into).collect(),
    }
}

pub fn metadata(name: &str, versions: Vec<String>, loaded: &Loaded) -> ModelMetadata {
    let tensors = |specs: &[TensorSpec]| {
        let one = |spec: &TensorSpec| Tensor {
            name: spec.name.clone(),
            datatype: spec.datatype.clone(),
            shape: spec.shape.clone(),
        };
        specs.iter().map(one).collect()
    };
    ModelMetadata {
        name: name.to_owned(),
        versions,
        platform: loaded.model.platform().into(),
        inputs: tensors(loaded.model.inputs()),
        outputs: tensors(loaded.model.outputs()),
    }
}

pub fn config(name: &str, loaded: &Loaded) -> ModelConfig {
    let input = |spec: &TensorSpec| ModelInput {
        name: spec.name.clone(),
        data_type: DataType::of(&spec.datatype).into(),
        dims: spec.shape.clone(),
    };
    let output = |spec: &TensorSpec| ModelOutput {
        name: spec.name.clone(),
        data_type: DataType::of(&spec.datatype).into(),
        dims: spec.shape.clone(),
    };
    ModelConfig {
        name: name.to_owned(),
        platform: loaded.model.platform().into(),
        backend: "crannog".into(),
        max_batch_size: 0,
        input: loaded.model.inputs().iter().map(input).collect(),
        output: loaded.model.outputs().iter().map(output).collect(),
    }
}

/// Every endpoint with the versions it answers with; those that answer only, if `ready` is asked for.
pub fn index(endpoints: Vec<EndpointInfo>, ready: bool) -> Vec<ModelIndex> {
    let mut models: Vec<ModelIndex> = Vec::new();
    for info in endpoints {
        let before = models.len();
        for version in info.routes.into_iter().filter_map(|route| route.version) {
            if !models[before..].iter().any(|known| known.version == version) {
                let (name, reason) = (info.name.clone(), String::new());
                models.push(ModelIndex { name, version, state: "READY".into(), reason });
            }
        }
        if models.len() == before && !ready {
            let (version, reason) = (String::new(), info.error.unwrap_or_default());
            models.push(ModelIndex { name: info.name, version, state: "UNAVAILABLE".into(), reason });
        }
    }
    models
}
