//! Explanations as the protocols carry them: tensors for the Open Inference Protocol, a list by row for
//! KServe's first.

use super::{Explanation, How};
use crate::serving::engine::{NamedTensor, TensorData, TensorSpec};
use serde_json::{Map, Value, json};

/// The tensors of an answer, by name and type.
const TENSORS: [(&str, &str, &[i64]); 5] = [
    ("attributions", "FP64", &[-1, -1, -1]),
    ("base_values", "FP64", &[-1]),
    ("values", "FP64", &[-1, -1]),
    ("feature_names", "BYTES", &[-1]),
    ("output_names", "BYTES", &[-1]),
];

/// What a request of the Open Inference Protocol may ask for.
pub fn specs() -> Vec<TensorSpec> {
    let spec = |(name, datatype, shape): (&str, &str, &[i64])| TensorSpec {
        name: name.to_owned(),
        datatype: datatype.to_owned(),
        shape: shape.to_vec(),
        is_map: false,
    };
    TENSORS.into_iter().map(spec).collect()
}

impl Explanation {
    pub fn tensors(self) -> Vec<NamedTensor> {
        let (rows, features, outputs) = (self.rows, self.features.len(), self.outputs.len());
        let tensor = |name: &str, shape: &[usize], data| NamedTensor {
            name: name.to_owned(),
            shape: shape.to_vec(),
            data,
        };
        vec![
            tensor("attributions", &[rows, features, outputs], TensorData::F64(self.attributions)),
            tensor("base_values", &[outputs], TensorData::F64(self.base)),
            tensor("values", &[rows, outputs], TensorData::F64(self.values)),
            tensor("feature_names", &[features], TensorData::Str(self.features)),
            tensor("output_names", &[outputs], TensorData::Str(self.outputs)),
        ]
    }

    /// By row: what each feature added, and the value explained, both by output.
    pub fn listed(&self) -> Value {
        let (features, outputs) = (self.features.len(), self.outputs.len());
        let one = |row: usize| {
            let shares = self.attributions[row * features * outputs..].chunks_exact(outputs);
            let named = self.features.iter().zip(shares);
            let attributions: Map<String, Value> =
                named.map(|(name, shares)| (name.clone(), json!(shares))).collect();
            json!({ "values": &self.values[row * outputs..][..outputs], "attributions": attributions })
        };
        json!({
            "explanations": (0..self.rows).map(one).collect::<Vec<_>>(),
            "base_values": self.base,
            "output_names": self.outputs,
            "parameters": self.how.parameters(),
        })
    }
}

impl How {
    /// As every answer tells it.
    pub fn parameters(&self) -> Map<String, Value> {
        let mut said = Map::new();
        said.insert("method".into(), self.method.name().into());
        said.insert("explained".into(), self.explained.as_str().into());
        if let Some((background, rows)) = self.background {
            said.insert("background".into(), background.into());
            said.insert("background_rows".into(), rows.into());
        }
        if let Some((samples, seed)) = self.sample {
            said.insert("samples".into(), samples.into());
            said.insert("seed".into(), seed.into());
        }
        said
    }
}
