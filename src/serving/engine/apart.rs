//! Whether a model answers each row by itself: then rows of several requests may share a run, and the rows of one
//! may be run one after the other, with the same answers.
//!
//! The batch is followed from the inputs through the graph, by what each operator says of its axes. It must reach
//! every output as its first axis, and end nowhere: an operator that adds up over it, reverses it or says nothing
//! of it ends it.

use std::collections::HashMap;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::array::MultiBroadcastTo;
use tract_onnx::tract_core::ops::cnn::{Conv, Deconv, MaxPool, SumPool};
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::scan::Scan;

/// Of a model whose batch is open.
pub fn rows_are_apart(model: &TypedModel) -> TractResult<bool> {
    let (inputs, outputs) = (model.input_outlets()?, model.output_outlets()?);
    let Some(TDim::Sym(batch)) = first_dim(model, inputs.first())? else { return Ok(false) };
    for outlet in inputs.iter().chain(outputs) {
        let shape = &model.outlet_fact(*outlet)?.shape;
        // In no other place, or an answer would be as wide as the batch is long.
        let is_elsewhere = shape.iter().skip(1).any(|dim| dim.symbols().contains(&batch));
        if is_elsewhere || first_dim(model, Some(outlet))? != Some(TDim::Sym(batch.clone())) {
            return Ok(false);
        }
    }
    if counts_rows(model, &batch) {
        return Ok(false);
    }
    let mut places: HashMap<OutletId, usize> = inputs.iter().map(|&outlet| (outlet, 0)).collect();
    for node in model.eval_order()? {
        if !follow(model, node, &mut places)? {
            return Ok(false);
        }
    }
    Ok(outputs.iter().all(|outlet| places.get(outlet) == Some(&0)))
}

/// Whether a plan made for one size can be faster: an operator that tract lays out by its sizes.
pub fn is_shaped_by_size(op: &dyn Op) -> bool {
    let is_convolution = op.is::<Conv>() || op.is::<Deconv>() || op.is::<MaxPool>() || op.is::<SumPool>();
    op.is::<EinSum>() || op.is::<Scan>() || is_convolution
}

fn first_dim(model: &TypedModel, outlet: Option<&OutletId>) -> TractResult<Option<TDim>> {
    let Some(&outlet) = outlet else { return Ok(None) };
    Ok(model.outlet_fact(outlet)?.shape.first().cloned())
}

/// Notes on which axis of a node's outputs the batch is; whether it is on all of them, if it comes in at all.
fn follow(model: &TypedModel, id: usize, places: &mut HashMap<OutletId, usize>) -> TractResult<bool> {
    let node = model.node(id);
    let mut entries = node.inputs.iter().enumerate();
    let Some((slot, axis)) = entries.find_map(|(slot, outlet)| Some((slot, *places.get(outlet)?))) else {
        return Ok(true);
    };
    let (inputs, outputs) = model.node_facts(id)?;
    let axes = node.op.axes_mapping(&inputs, &outputs)?;
    let batch = axes.axis((InOut::In(slot), axis))?;
    for (outlet, taken) in node.inputs.iter().zip(&batch.inputs) {
        let fits = match (places.get(outlet), taken.as_slice()) {
            (Some(place), [axis]) => place == axis,
            (Some(_), _) => false,
            (None, []) => true,
            (None, axes) => axes.iter().all(|&axis| is_alike(model, *outlet, axis)),
        };
        if !fits {
            return Ok(false);
        }
    }
    for (slot, given) in batch.outputs.iter().enumerate() {
        let &[axis] = given.as_slice() else { return Ok(false) };
        places.insert(OutletId::new(id, slot), axis);
    }
    Ok(true)
}

/// Whether a value that no input goes into is one for all rows.
fn is_alike(model: &TypedModel, outlet: OutletId, axis: usize) -> bool {
    let is_one = |fact: &TypedFact| fact.shape.get(axis).is_some_and(TDim::is_one);
    model.node(outlet.node).op_is::<MultiBroadcastTo>() || model.outlet_fact(outlet).is_ok_and(is_one)
}

/// Whether the number of rows goes into the graph as a number: a mean over all rows would be made of it.
fn counts_rows(model: &TypedModel, batch: &Symbol) -> bool {
    let mentions = |tensor: &Tensor| {
        let dims = tensor.try_as_plain_ram().ok().and_then(|tensor| tensor.as_slice::<TDim>().ok());
        dims.is_some_and(|dims| dims.iter().any(|dim| dim.symbols().contains(batch)))
    };
    let mut facts = model.nodes().iter().flat_map(|node| &node.outputs).map(|output| &output.fact);
    facts.any(|fact| fact.konst.as_deref().or(fact.uniform.as_deref()).is_some_and(mentions))
}
