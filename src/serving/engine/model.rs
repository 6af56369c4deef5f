//! A loaded model: what it takes, what it gives, and one call that runs it.

use tract_onnx::pb::GraphProto;
use tract_onnx::prelude::*;

use super::plan::Planner;
use super::spec::{self, Input};
use super::tensor::{datatype_name, from_tract, into_tract};
use super::{Draft, NamedTensor, TensorSpec, Trees, check, guard, maps, ops};
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
    /// Reads an ONNX file that is whole by itself.
    pub fn load(bytes: &[u8]) -> Result<Self> {
        Self::build(Draft::read(bytes)?)
    }

    /// Makes a model of a file. Whatever is wrong with it is said here, not at the first request.
    pub fn build(draft: Draft) -> Result<Self> {
        let framework = ops::framework();
        let Draft { mut proto, maps } = draft;
        // Read before the graph is prepared: that takes out ZipMap, which may be the only one to name them.
        let classes = proto.graph.as_ref().map(spec::classes).unwrap_or_default();
        maps::lay_out(proto.graph.as_mut().ok_or_else(no_graph)?, &maps)?;
        check::prepare(&mut proto, &framework.op_register)?;
        let graph = proto.graph.as_ref().ok_or_else(no_graph)?;
        let declared = spec::inputs(graph)?;
        let parsed = guard::run("The model cannot be served", || framework.parse(&proto, None))?;
        let planner = Planner::new(parsed.model, &declared)?;
        let outputs = output_specs(graph, &planner)?;
        let inputs = declared
            .iter()
            .map(|input| TensorSpec { is_map: maps.contains_key(&input.name), ..input.spec() });
        let inputs = inputs.collect();
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
        self.planner.forget_open();
        self
    }

    #[cfg(test)]
    pub fn planned_at_once(mut self) -> Self {
        self.planner.plan_at_once();
        self
    }

    /// Whether each row of a batch is answered by itself, so that rows of several requests may share a run, and
    /// that run takes less than theirs would.
    pub fn gains_by_batches(&self) -> bool {
        self.planner.rows_apart() && !self.planner.one_by_one()
    }

    /// Runs the model. Inputs go by name, in any order; all outputs come back, in the model's order.
    pub fn infer(&self, inputs: Vec<NamedTensor>) -> Result<Vec<NamedTensor>> {
        let bound = spec::bind(&self.declared, inputs)?;
        let rows = bound.first().and_then(|tensor| tensor.shape.first().copied()).unwrap_or(1);
        let at_once = self.planner.rows_at_once(rows)?;
        let values = bound.into_iter().zip(&self.declared);
        let values = values.map(|(tensor, input)| Ok(into_tract(tensor, input.datum)?.into_tvalue()));
        let values = values.collect::<Result<TVec<TValue>>>()?;
        let results = if at_once < rows { self.in_parts(&values, rows, at_once)? } else { self.run(values)? };
        self.outputs.iter().zip(&results).map(|(spec, result)| from_tract(&spec.name, result)).collect()
    }

    fn run(&self, values: TVec<TValue>) -> Result<TVec<TValue>> {
        let shapes: Vec<_> = values.iter().map(|value| value.shape().to_vec()).collect();
        let plan = self.planner.for_shapes(&shapes)?;
        guard::run("The model failed on this input", || plan.run(values))
    }

    /// Some rows after the others, of a model that answers each by itself.
    fn in_parts(&self, values: &[TValue], rows: usize, at_once: usize) -> Result<TVec<TValue>> {
        let mut parts: Vec<Vec<TValue>> = vec![Vec::new(); self.outputs.len()];
        for start in (0..rows).step_by(at_once.max(1)) {
            let end = rows.min(start + at_once);
            let some = guard::run("The model failed on this input", || {
                values.iter().map(|value| Ok(value.slice(0, start, end)?.into_tvalue())).collect()
            })?;
            parts.iter_mut().zip(self.run(some)?).for_each(|(part, result)| part.push(result));
        }
        guard::run("The model failed on this input", || {
            parts.iter().map(|part| Ok(Tensor::stack_tensors(0, part)?.into_tvalue())).collect()
        })
    }
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
        Ok(TensorSpec { name, datatype: datatype.to_owned(), shape, is_map: false })
    });
    specs.collect()
}
