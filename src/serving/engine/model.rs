//! A loaded model: what it takes, what it gives, and one call that runs it.

use tract_onnx::pb::{GraphProto, ModelProto};
use tract_onnx::prelude::*;

use super::plan::Planner;
use super::spec::{self, Input};
use super::tensor::{datatype_name, from_tract, into_tract};
use super::{NamedTensor, TensorSpec, Trees, check, guard, ops};
use crate::kernel::error::{Error, Result};

/// Immutable and shared freely between threads.
pub struct Model {
    declared: Vec<Input>,
    inputs: Vec<TensorSpec>,
    outputs: Vec<TensorSpec>,
    planner: Planner,
    trees: Option<Trees>,
    classes: Vec<String>,
}

impl Model {
    /// Reads an ONNX file. Whatever is wrong with it is said here, not at the first request.
    pub fn load(bytes: &[u8]) -> Result<Self> {
        let framework = ops::framework();
        let mut proto = decode(&framework, bytes)?;
        // Read before the graph is prepared: that takes out ZipMap, which may be the only one to name them.
        let classes = proto.graph.as_ref().map(spec::classes).unwrap_or_default();
        check::prepare(&mut proto, &framework.op_register)?;
        let graph = proto.graph.as_ref().ok_or_else(no_graph)?;
        let declared = spec::inputs(graph)?;
        let parsed = guard::run("The model cannot be served", || framework.parse(&proto, None))?;
        let planner = Planner::new(parsed.model, &declared)?;
        let outputs = output_specs(graph, &planner)?;
        let inputs = declared.iter().map(Input::spec).collect();
        let trees = planner.look(Trees::find)?;
        Ok(Self { declared, inputs, outputs, planner, trees, classes })
    }

    pub fn inputs(&self) -> &[TensorSpec] {
        &self.inputs
    }

    pub fn outputs(&self) -> &[TensorSpec] {
        &self.outputs
    }

    /// The tree ensemble that all of this model is, if it is one.
    pub fn trees(&self) -> Option<&Trees> {
        self.trees.as_ref()
    }

    /// The classes the file names; none if the model is no classifier, or does not say.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    #[cfg(test)]
    pub fn planned_for_each_shape(mut self) -> Self {
        self.planner.forget_symbolic();
        self
    }

    /// Runs the model. Inputs go by name, in any order; all outputs come back, in the model's order.
    pub fn infer(&self, inputs: Vec<NamedTensor>) -> Result<Vec<NamedTensor>> {
        let bound = spec::bind(&self.declared, inputs)?;
        let shapes: Vec<_> = bound.iter().map(|tensor| tensor.shape.clone()).collect();
        let plan = self.planner.for_shapes(&shapes)?;
        let values = bound.into_iter().zip(&self.declared);
        let values = values.map(|(tensor, input)| Ok(into_tract(tensor, input.datum)?.into_tvalue()));
        let values = values.collect::<Result<TVec<TValue>>>()?;
        let results = guard::run("The model failed on this input", || plan.run(values))?;
        self.outputs.iter().zip(&results).map(|(spec, result)| from_tract(&spec.name, result)).collect()
    }
}

pub fn decode(framework: &tract_onnx::Onnx, bytes: &[u8]) -> Result<ModelProto> {
    framework.proto_model_for_read(&mut &*bytes).map_err(|error| {
        let mut failure =
            Error::invalid("This is not an ONNX model: the file is cut short, damaged or something else.");
        failure.cause = Some(format!("{error:#}").into());
        failure
    })
}

fn no_graph() -> Error {
    Error::invalid("This is not an ONNX model: it holds no graph.")
}

fn output_specs(graph: &GraphProto, planner: &Planner) -> Result<Vec<TensorSpec>> {
    let facts = planner.output_facts()?;
    let specs = graph.output.iter().zip(facts).map(|(info, fact)| {
        let name = info.name.clone();
        let Some(datatype) = datatype_name(fact.datum) else {
            return Err(Error::invalid(format!(
                "Output `{name}` is of type {:?}, which cannot be served.",
                fact.datum
            )));
        };
        let shape = fact.shape.or_else(|| spec::declared_shape(info)).unwrap_or_else(|| vec![-1; fact.rank]);
        Ok(TensorSpec { name, datatype: datatype.to_owned(), shape })
    });
    specs.collect()
}
