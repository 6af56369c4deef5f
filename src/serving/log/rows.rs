//! Rows of the prediction log, and the file they become.

use super::Entry;
use crate::serving::{
    engine::NamedTensor,
    wire::{
        json,
        parquet::write::{Values, write},
    },
};
use serde_json::{Map, Value};

/// Rows of one endpoint on their way to one file.
#[derive(Default)]
pub struct Rows {
    times: Vec<i64>,
    request_ids: Vec<String>,
    endpoints: Vec<String>,
    routes: Vec<String>,
    models: Vec<String>,
    versions: Vec<String>,
    statuses: Vec<i32>,
    latencies: Vec<f64>,
    inputs: Vec<Option<String>>,
    outputs: Vec<Option<String>>,
    pub bytes: usize,
}

impl Rows {
    /// Adds an entry; answers how many bytes it takes as a row.
    pub fn add(&mut self, entry: Entry) -> usize {
        let (inputs, outputs) = (text(entry.inputs.as_deref()), text(entry.outputs.as_deref()));
        let texts = [&inputs, &outputs].map(|text| text.as_ref().map_or(0, String::len));
        let size = size_of::<Entry>() + texts.iter().sum::<usize>();
        self.times.push(entry.at_ms);
        self.request_ids.push(entry.request_id);
        self.endpoints.push(entry.endpoint);
        self.routes.push(entry.route.to_string());
        self.models.push(entry.model);
        self.versions.push(entry.version);
        self.statuses.push(i32::from(entry.status));
        self.latencies.push(entry.latency_ms);
        self.inputs.push(inputs);
        self.outputs.push(outputs);
        self.bytes += size;
        size
    }

    pub fn len(&self) -> usize {
        self.times.len()
    }

    pub fn began_ms(&self) -> i64 {
        self.times.first().copied().unwrap_or_default()
    }

    pub fn file(self) -> Vec<u8> {
        write(&[
            ("time", Values::Times(self.times)),
            ("request_id", Values::Texts(self.request_ids)),
            ("endpoint", Values::Texts(self.endpoints)),
            ("route", Values::Texts(self.routes)),
            ("model", Values::Texts(self.models)),
            ("version", Values::Texts(self.versions)),
            ("status", Values::Integers(self.statuses)),
            ("latency_ms", Values::Doubles(self.latencies)),
            ("inputs", Values::MaybeTexts(self.inputs)),
            ("outputs", Values::MaybeTexts(self.outputs)),
        ])
    }
}

/// Tensors as JSON: nested lists by name.
fn text(tensors: Option<&Vec<NamedTensor>>) -> Option<String> {
    let one =
        |tensor: &NamedTensor| (tensor.name.clone(), json::nested(&tensor.shape, json::values(&tensor.data)));
    tensors.map(|tensors| Value::Object(tensors.iter().map(one).collect::<Map<_, _>>()).to_string())
}
