//! Typed, optimised, runnable plans: one for every batch size where tract can keep the batch symbolic,
//! else one per set of input shapes, built when first asked for and kept in a small cache.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::cast::cast;
use tract_onnx::tract_hir::infer::{DimFact, Factoid, ShapeFactoid};

use super::guard;
use super::spec::{BATCH, Dim, Input};
use crate::kernel::error::Result;

type Runnable = Arc<TypedRunnableModel>;

/// No value a model works out may need more bytes for one row (its weights may): beyond this the file is damaged, or no model
/// for this machine, and asking for the memory would take the server down.
const LARGEST_VALUE: usize = 256 << 20;

/// Distinct sets of input shapes kept ready; a client settles on one or two.
const CACHED_PLANS: usize = 8;

pub struct Planner {
    source: InferenceModel,
    style: Style,
    /// Serves every batch size, when the model allows.
    symbolic: Option<Runnable>,
    one_row: Vec<Vec<usize>>,
    by_shape: Mutex<VecDeque<(Vec<Vec<usize>>, Runnable)>>,
}

/// How far tract may rewrite a graph.
#[derive(Clone, Copy, Debug)]
enum Style {
    Optimised,
    /// As written. The optimiser puts in operators that lack code for some element types: a square of
    /// INT64, for one.
    Plain,
}

/// What the typed model says of one output.
pub struct OutputFact {
    pub datum: DatumType,
    pub rank: usize,
    /// -1 where open; `None` when only a plan for given shapes could be made.
    pub shape: Option<Vec<i64>>,
}

impl Planner {
    /// Plans the model and runs one row of zeros through it, or says why it cannot run.
    pub fn new(mut source: InferenceModel, inputs: &[Input]) -> Result<Self> {
        guard::run("The model cannot be served", || declare(&mut source, inputs))?;
        let planner = Self::styled(source, inputs, Style::Optimised)?;
        if planner.runs_zeros() {
            return Ok(planner);
        }
        // A model may be right to refuse zeros: it is kept unless the plain plan shows that it need not.
        match Self::styled(planner.source.clone(), inputs, Style::Plain) {
            Ok(plain) if plain.runs_zeros() => Ok(plain),
            _ => Ok(planner),
        }
    }

    fn styled(source: InferenceModel, inputs: &[Input], style: Style) -> Result<Self> {
        let symbolic = guard::run("No plan for an open batch", || build(source.clone(), style));
        if let Err(error) = &symbolic {
            tracing::debug!(?error, "the model is planned anew for each batch size");
        }
        let (symbolic, one_row) = (symbolic.ok(), one_row(inputs));
        let planner = Self { source, style, symbolic, one_row, by_shape: Mutex::default() };
        if planner.symbolic.is_none() {
            // Shape arithmetic that needs numbers: one row must work, or nothing will.
            guard::run("The model cannot be served", || planner.fixed(&planner.one_row))?;
        }
        Ok(planner)
    }

    fn runs_zeros(&self) -> bool {
        let attempt = self.for_shapes(&self.one_row).and_then(|plan| {
            guard::run("The model fails on zeros", || {
                let inputs = self.one_row.iter().enumerate();
                let zeros = inputs.map(|(index, shape)| zeros(&self.source, index, shape));
                plan.run(zeros.collect::<TractResult<TVec<TValue>>>()?)
            })
        });
        attempt.is_ok()
    }

    /// The plan for inputs of these shapes, in the model's order of inputs.
    pub fn for_shapes(&self, shapes: &[Vec<usize>]) -> Result<Runnable> {
        if let Some(plan) = &self.symbolic {
            return Ok(plan.clone());
        }
        if let Some(plan) = self.cached(shapes) {
            return Ok(plan);
        }
        // Built outside the lock: a slow plan for a new batch size must not hold up the others.
        let plan = guard::run("The model cannot take inputs of these shapes", || self.fixed(shapes))?;
        let mut cache = self.by_shape.lock().unwrap_or_else(PoisonError::into_inner);
        cache.truncate(CACHED_PLANS - 1);
        cache.push_front((shapes.to_vec(), plan.clone()));
        Ok(plan)
    }

    pub fn output_facts(&self) -> Result<Vec<OutputFact>> {
        let plan = self.for_shapes(&self.one_row)?;
        guard::run("The model cannot be served", || {
            let model = plan.model();
            let facts = model.output_outlets()?.iter().map(|&outlet| model.outlet_fact(outlet));
            facts.map(|fact| Ok(self.output_fact(fact?))).collect()
        })
    }

    /// Shows the planned graph.
    pub fn look<T>(&self, look: impl FnOnce(&TypedModel) -> T) -> Result<T> {
        Ok(look(self.for_shapes(&self.one_row)?.model()))
    }

    /// Makes the tests take the road of models whose batch cannot stay open.
    #[cfg(test)]
    pub fn forget_symbolic(&mut self) {
        self.symbolic = None;
    }

    fn output_fact(&self, fact: &TypedFact) -> OutputFact {
        let shape = || fact.shape.iter().map(|dim| dim.to_i64().unwrap_or(-1)).collect();
        let shape = self.symbolic.is_some().then(shape);
        OutputFact { datum: fact.datum_type, rank: fact.rank(), shape }
    }

    fn cached(&self, shapes: &[Vec<usize>]) -> Option<Runnable> {
        let mut cache = self.by_shape.lock().unwrap_or_else(PoisonError::into_inner);
        let at = cache.iter().position(|(known, _)| known == shapes)?;
        let entry = cache.remove(at)?;
        let plan = entry.1.clone();
        cache.push_front(entry);
        Some(plan)
    }

    fn fixed(&self, shapes: &[Vec<usize>]) -> TractResult<Runnable> {
        let mut model = self.source.clone();
        for (index, shape) in shapes.iter().enumerate() {
            let datum = model.input_fact(index)?.datum_type.concretize();
            let dims: TVec<TDim> = shape.iter().map(|&size| size.to_dim()).collect();
            let datum = datum.with_context(|| format!("input {index} has no type"))?;
            model.set_input_fact(index, InferenceFact::dt_shape(datum, dims))?;
        }
        build(model, self.style)
    }
}

/// An input of zeros, or of empty strings.
fn zeros(model: &InferenceModel, index: usize, shape: &[usize]) -> TractResult<TValue> {
    let datum = model.input_fact(index)?.datum_type.concretize();
    let datum = datum.with_context(|| format!("input {index} has no type"))?;
    let tensor = if datum == DatumType::String {
        tract_ndarray::ArrayD::<String>::default(shape).into_tensor()
    } else {
        Tensor::zero_dt(datum, shape)?
    };
    Ok(tensor.into_tvalue())
}

/// Tells tract each input's shape, the unnamed first dimension under one name for all of them: unnamed,
/// each would be a stranger to the others, and most shapes could not be worked out.
fn declare(model: &mut InferenceModel, inputs: &[Input]) -> TractResult<()> {
    let batch = model.symbols.sym(BATCH);
    for (index, input) in inputs.iter().enumerate() {
        let parsed = model.input_fact(index)?.shape.clone();
        let dims = input.dims.iter().enumerate().map(|(axis, dim)| match dim {
            Dim::Fixed(size) => DimFact::from(size.to_dim()),
            Dim::Named(name) if name == BATCH => DimFact::from(TDim::from(batch.clone())),
            Dim::Named(_) => parsed.dim(axis).unwrap_or_default(),
            Dim::Open => DimFact::default(),
        });
        let shape = ShapeFactoid::closed(dims.collect());
        model.set_input_fact(index, InferenceFact::dt_shape(input.datum, shape))?;
    }
    Ok(())
}

fn one_row(inputs: &[Input]) -> Vec<Vec<usize>> {
    let size = |dim: &Dim| if let Dim::Fixed(size) = dim { *size } else { 1 };
    inputs.iter().map(|input| input.dims.iter().map(size).collect()).collect()
}

/// Open dimensions count as one.
fn check_sizes(model: &TypedModel) -> TractResult<()> {
    for (node, fact) in
        model.nodes().iter().flat_map(|node| node.outputs.iter().map(move |out| (node, &out.fact)))
    {
        let sizes = fact.shape.iter().map(|dim| dim.to_usize().unwrap_or(1));
        let bytes = sizes.fold(fact.datum_type.size_of(), usize::saturating_mul);
        ensure!(
            fact.konst.is_some() || bytes <= LARGEST_VALUE,
            "{} makes a value of {} MB for one row",
            node.op.name(),
            bytes >> 20
        );
    }
    Ok(())
}

fn build(model: InferenceModel, style: Style) -> TractResult<Runnable> {
    let mut typed = model.into_typed()?;
    check_sizes(&typed)?;
    // Symbolic integers become numbers before they leave, while the run still knows the symbols.
    let mut outputs = typed.output_outlets()?.to_vec();
    for (index, outlet) in outputs.iter_mut().enumerate() {
        if typed.outlet_fact(*outlet)?.datum_type == DatumType::TDim {
            *outlet =
                typed.wire_node(format!("output {index} as numbers"), cast(DatumType::I64), &[*outlet])?[0];
        }
    }
    typed.select_output_outlets(&outputs)?;
    match style {
        Style::Optimised => typed.into_optimized()?.into_runnable(),
        Style::Plain => typed.into_runnable(),
    }
}
