//! What tract would trip over, said beforehand: operators nobody implements, names that lead nowhere,
//! tensors whose bytes do not fill their shape.

use std::collections::HashSet;

use tract_onnx::model::OnnxOpRegister;
use tract_onnx::pb::tensor_proto::{DataLocation, DataType};
use tract_onnx::pb::{AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto};

use super::ops;
use crate::kernel::error::{Error, Result};

/// Checks a model and takes out of it what only describes (`ZipMap`).
pub fn prepare(proto: &mut ModelProto, known: &OnnxOpRegister) -> Result<()> {
    let graph = proto
        .graph
        .as_mut()
        .ok_or_else(|| Error::invalid("This is not an ONNX model: it holds no graph."))?;
    unzip_maps(graph);
    check_outputs(graph)?;
    check_graph(graph, known, &HashSet::new())?;
    name_nodes(graph);
    Ok(())
}

/// Gives every node a name of its own, and its operator the name it is registered under. ONNX does not
/// ask for names; tract does, and among inputs too.
fn name_nodes(graph: &mut GraphProto) {
    for (index, node) in graph.node.iter_mut().enumerate() {
        node.name = format!("{} #{index}", node.op_type);
        node.op_type = ops::key(&node.op_type, &node.domain);
        for attribute in &mut node.attribute {
            attribute.g.iter_mut().chain(&mut attribute.graphs).for_each(name_nodes);
        }
    }
}

/// `ZipMap` turns a tensor of scores into a list of maps, one per row. The tensor goes on under the
/// map's name instead; its columns are the classes in the order of the labels.
fn unzip_maps(graph: &mut GraphProto) {
    for node in &mut graph.node {
        if ops::is_taken_apart(&node.op_type, &node.domain) {
            node.op_type = "Identity".to_owned();
            node.domain.clear();
            node.attribute.clear();
            let made = graph.output.iter_mut().filter(|output| node.output.contains(&output.name));
            made.for_each(|output| output.r#type = None);
        }
    }
}

/// Refuses outputs that no protocol has a form for.
fn check_outputs(graph: &GraphProto) -> Result<()> {
    if graph.output.is_empty() {
        return Err(Error::invalid("The model has no output."));
    }
    // A type that is no tensor's is left unread by tract.
    let strange =
        graph.output.iter().find(|output| output.r#type.as_ref().is_some_and(|kind| kind.value.is_none()));
    if let Some(output) = strange {
        return Err(Error::invalid(format!(
            "Output `{}` is a sequence, a map or an optional value; only tensors can be served. Export the model \
             with tensor outputs.",
            output.name
        )));
    }
    Ok(())
}

fn check_graph(graph: &GraphProto, known: &OnnxOpRegister, outer: &HashSet<&str>) -> Result<()> {
    for tensor in &graph.initializer {
        check_tensor(tensor)?;
    }
    if !graph.sparse_initializer.is_empty() {
        return Err(Error::invalid("The model holds sparse tensors. Export it with dense ones."));
    }
    let mut named: HashSet<&str> = outer.clone();
    if let Some(twice) = graph.input.iter().find(|info| !named.insert(&info.name)) {
        return Err(Error::invalid(format!("The model declares the input `{}` twice.", twice.name)));
    }
    named.extend(graph.initializer.iter().map(|tensor| tensor.name.as_str()));
    for node in &graph.node {
        check_node(node, known)?;
        if let Some(unknown) =
            node.input.iter().find(|input| !input.is_empty() && !named.contains(input.as_str()))
        {
            return Err(Error::invalid(format!(
                "{} reads `{unknown}`, which no earlier node makes.",
                describe(node)
            )));
        }
        for attribute in &node.attribute {
            check_attribute(attribute, known, &named)?;
        }
        let outputs = node.output.iter().filter(|output| !output.is_empty());
        for output in outputs {
            if !named.insert(output) {
                return Err(Error::invalid(format!("{} makes `{output}` a second time.", describe(node))));
            }
        }
    }
    match graph.output.iter().find(|output| !named.contains(output.name.as_str())) {
        Some(lost) => Err(Error::invalid(format!("No node makes the output `{}`.", lost.name))),
        None => Ok(()),
    }
}

fn check_node(node: &NodeProto, known: &OnnxOpRegister) -> Result<()> {
    if known.0.contains_key(&ops::key(&node.op_type, &node.domain)) {
        return Ok(());
    }
    let domain = if node.domain.is_empty() { "ai.onnx" } else { &node.domain };
    Err(Error::invalid(format!(
        "{} cannot be served: operator {} of domain {domain} is not supported. {}",
        describe(node),
        node.op_type,
        ops::instead_of(&node.op_type, domain)
    )))
}

/// No tensor has this many dimensions; tract would walk them one by one.
const MOST_AXES: u64 = 64;

fn check_attribute(attribute: &AttributeProto, known: &OnnxOpRegister, outer: &HashSet<&str>) -> Result<()> {
    if matches!(attribute.name.as_str(), "axis" | "axes") {
        let mut axes = attribute.ints.iter().chain([&attribute.i]);
        if let Some(axis) = axes.find(|axis| axis.unsigned_abs() > MOST_AXES) {
            return Err(Error::invalid(format!("A node works along axis {axis}, which no tensor has.")));
        }
    }
    for tensor in attribute.t.iter().chain(&attribute.tensors) {
        check_tensor(tensor)?;
    }
    for graph in attribute.g.iter().chain(&attribute.graphs) {
        check_graph(graph, known, outer)?;
    }
    Ok(())
}

fn check_tensor(tensor: &TensorProto) -> Result<()> {
    let name = &tensor.name;
    if tensor.data_location == Some(DataLocation::External as i32) {
        return Err(Error::invalid(format!(
            "Tensor `{name}` lies in a file of its own, which is missing here. Keep that file beside the model, or save both as one: onnx.save(model, path, save_as_external_data=False)."
        )));
    }
    if let Some(kind) = DataType::try_from(tensor.data_type).ok().filter(|kind| is_too_narrow(*kind)) {
        return Err(Error::invalid(format!(
            "Tensor `{name}` is of type {}, which cannot be served. Export the model in FLOAT or FLOAT16.",
            kind.as_str_name()
        )));
    }
    let mut sizes = tensor.dims.iter().map(|&size| usize::try_from(size).ok());
    let elements = sizes.try_fold(1usize, |product, size| product.checked_mul(size?));
    let (Some(elements), Some(held)) = (elements, elements_held(tensor)) else {
        return Err(Error::invalid(format!("Tensor `{name}` has a shape or type that cannot be served.")));
    };
    if elements != held {
        return Err(Error::invalid(format!(
            "Tensor `{name}` holds {held} values, which its shape {:?} does not: the file is damaged.",
            tensor.dims
        )));
    }
    Ok(())
}

/// Types that tract can carry and hardly compute with.
fn is_too_narrow(kind: DataType) -> bool {
    ["BFLOAT16", "FLOAT8", "FLOAT4", "INT4", "UINT4"].iter().any(|name| kind.as_str_name().starts_with(name))
}

/// How many elements the tensor's fields hold; `None` for a type nobody reads.
fn elements_held(tensor: &TensorProto) -> Option<usize> {
    let kind = DataType::try_from(tensor.data_type).ok()?;
    let (width, listed) = match kind {
        DataType::Bool | DataType::Uint8 | DataType::Int8 => (1, tensor.int32_data.len()),
        DataType::Uint16 | DataType::Int16 | DataType::Float16 => (2, tensor.int32_data.len()),
        DataType::Int32 => (4, tensor.int32_data.len()),
        // tract reads these two from fields the standard does not use, and would find nothing.
        DataType::Uint32 => (4, if tensor.uint64_data.is_empty() { 0 } else { return None }),
        DataType::Uint64 => (8, if tensor.uint64_data.is_empty() { 0 } else { return None }),
        DataType::Int64 => (8, tensor.int64_data.len()),
        DataType::Float => (4, tensor.float_data.len()),
        DataType::Double => (8, tensor.double_data.len()),
        DataType::String => return tensor.raw_data.is_empty().then_some(tensor.string_data.len()),
        _ => return None,
    };
    if tensor.raw_data.is_empty() {
        return Some(listed);
    }
    tensor.raw_data.len().is_multiple_of(width).then_some(tensor.raw_data.len() / width)
}

fn describe(node: &NodeProto) -> String {
    let first_output = node.output.first().map_or("", String::as_str);
    let name = if node.name.is_empty() { first_output } else { &node.name };
    format!("Node `{name}` ({})", node.op_type)
}
