//! Inputs that are maps, as `DictVectorizer` and `CastMap` take them. No protocol carries a map: one comes as the
//! text of a JSON object, one for each row, and is told apart from other texts here, before tract sees the graph.
//!
//! onnxruntime runs one map at a time; a batch here answers each of its rows as that does.

use std::collections::{HashMap, HashSet};

use prost::Message;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension::Value as DimValue};
use tract_onnx::pb::type_proto::{Tensor, Value};
use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto, TensorShapeProto, TypeProto, attribute_proto};

use super::ops;
use super::spec::BATCH;
use crate::kernel::error::{Error, Result};

/// The types of a map's keys and values, in ONNX's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapType {
    pub key: i32,
    pub value: i32,
}

/// The inputs that are maps. tract's messages leave their type unread, so the file is read once more for it alone.
pub fn inputs(bytes: &[u8]) -> HashMap<String, MapType> {
    let inputs = File::decode(bytes).ok().and_then(|file| file.graph).map(|graph| graph.inputs);
    let kind = |info: Info| {
        let map = info.kind?.map?;
        Some((info.name, MapType { key: map.key, value: map.value?.tensor?.elements }))
    };
    inputs.unwrap_or_default().into_iter().filter_map(kind).collect()
}

/// Declares the maps among a graph's inputs as texts, and tells the nodes that read one what is in it.
pub fn lay_out(graph: &mut GraphProto, maps: &HashMap<String, MapType>) -> Result<()> {
    for info in &mut graph.input {
        if maps.contains_key(&info.name) {
            let dim = |value| Dimension { value: Some(value), ..Dimension::default() };
            let row = [DimValue::DimParam(BATCH.to_owned()), DimValue::DimValue(1)];
            let shape = TensorShapeProto { dim: row.map(dim).into() };
            let texts = Tensor { elem_type: DataType::String as i32, shape: Some(shape) };
            info.r#type = Some(TypeProto { value: Some(Value::TensorType(texts)), ..TypeProto::default() });
        }
    }
    if let Some(output) = graph.output.iter().find(|output| maps.contains_key(&output.name)) {
        return Err(Error::invalid(format!(
            "Output `{}` is a map that the model was given; only tensors can be served.",
            output.name
        )));
    }
    tell(graph, maps)
}

fn tell(graph: &mut GraphProto, maps: &HashMap<String, MapType>) -> Result<()> {
    let own: HashSet<_> = graph.node.iter().flat_map(|node| node.output.iter().cloned()).collect();
    for node in &mut graph.node {
        node.attribute.retain(|attribute| !ATTRIBUTES.contains(&attribute.name.as_str()));
        let given = node.input.iter().filter(|name| !own.contains(*name));
        let map = given.filter_map(|name| maps.get(name)).next();
        match (map, ops::takes_a_map(&node.op_type, &node.domain)) {
            (Some(map), true) => {
                let number = |(name, number): (&str, i32)| AttributeProto {
                    name: name.to_owned(),
                    r#type: attribute_proto::AttributeType::Int as i32,
                    i: i64::from(number),
                    ..AttributeProto::default()
                };
                node.attribute.extend(ATTRIBUTES.into_iter().zip([map.key, map.value]).map(number));
            }
            (None, false) => {}
            (Some(_), false) => {
                return Err(wrong(node, "reads a map, which only DictVectorizer and CastMap can"));
            }
            (None, true) => {
                return Err(wrong(
                    node,
                    "reads no map that is an input of the model; one made within it cannot be served",
                ));
            }
        }
        for attribute in &mut node.attribute {
            attribute.g.iter_mut().chain(&mut attribute.graphs).try_for_each(|inner| tell(inner, maps))?;
        }
    }
    Ok(())
}

/// What a node is told of the map it reads. A file's own attributes of these names are taken away.
pub const ATTRIBUTES: [&str; 2] = ["map key", "map value"];

fn wrong(node: &NodeProto, what: &str) -> Error {
    let name = node.output.first().map_or("", String::as_str);
    Error::invalid(format!("The node of `{name}` ({}) {what}.", node.op_type))
}

#[derive(Clone, PartialEq, Message)]
struct File {
    #[prost(message, optional, tag = "7")]
    graph: Option<Graph>,
}

#[derive(Clone, PartialEq, Message)]
struct Graph {
    #[prost(message, repeated, tag = "11")]
    inputs: Vec<Info>,
}

#[derive(Clone, PartialEq, Message)]
struct Info {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    kind: Option<Kind>,
}

#[derive(Clone, PartialEq, Message)]
struct Kind {
    #[prost(message, optional, tag = "1")]
    tensor: Option<Elements>,
    #[prost(message, optional, boxed, tag = "5")]
    map: Option<Box<Map>>,
}

#[derive(Clone, PartialEq, Message)]
struct Elements {
    #[prost(int32, tag = "1")]
    elements: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Map {
    #[prost(int32, tag = "1")]
    key: i32,
    #[prost(message, optional, boxed, tag = "2")]
    value: Option<Box<Kind>>,
}
