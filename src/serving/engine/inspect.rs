//! What a model file holds and whether it can be served, told without serving it.

use std::collections::BTreeMap;

use tract_onnx::pb::{GraphProto, ModelProto};

use super::{Draft, Model, TensorSpec, ops};

/// One operator of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// `ai.onnx` for ONNX's own.
    pub domain: String,
    pub name: String,
    /// In how many nodes it stands, those of inner graphs counted too.
    pub nodes: usize,
    /// Whether the engine has it at all; a node may still ask what it cannot do.
    pub known: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Report {
    pub producer: String,
    /// Operator sets and their versions.
    pub opsets: Vec<(String, i64)>,
    /// By domain and name.
    pub operators: Vec<Operator>,
    /// Empty where the model is refused.
    pub inputs: Vec<TensorSpec>,
    pub outputs: Vec<TensorSpec>,
    /// Why the model cannot be served.
    pub refused: Option<String>,
}

/// Looks a file over and loads it as an endpoint would.
pub fn inspect(draft: Draft) -> Report {
    let (framework, proto) = (ops::framework(), &draft.proto);
    let mut report = Report {
        producer: format!("{} {}", proto.producer_name, proto.producer_version).trim().to_owned(),
        opsets: proto.opset_import.iter().map(|set| (domain(&set.domain), set.version)).collect(),
        operators: operators(proto, |key| framework.op_register.0.contains_key(key)),
        ..Report::default()
    };
    match Model::build(draft) {
        Ok(model) => {
            report.inputs = model.inputs().to_vec();
            report.outputs = model.outputs().to_vec();
        }
        Err(error) => report.refused = Some(error.message),
    }
    report
}

fn operators(proto: &ModelProto, known: impl Fn(&str) -> bool) -> Vec<Operator> {
    let mut counts = BTreeMap::new();
    let mut open: Vec<&GraphProto> = proto.graph.iter().collect();
    while let Some(graph) = open.pop() {
        for node in &graph.node {
            *counts.entry((domain(&node.domain), node.op_type.clone())).or_insert(0) += 1;
            open.extend(
                node.attribute.iter().flat_map(|attribute| attribute.g.iter().chain(&attribute.graphs)),
            );
        }
    }
    let listed = counts.into_iter().map(|((domain, name), nodes)| {
        let known = known(&ops::key(&name, &domain)) || ops::is_taken_apart(&name, &domain);
        Operator { domain, name, nodes, known }
    });
    listed.collect()
}

fn domain(name: &str) -> String {
    if name.is_empty() { "ai.onnx".to_owned() } else { name.to_owned() }
}
