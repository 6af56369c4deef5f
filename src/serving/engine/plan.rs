//! Typed, optimised, runnable plans. Where tract can keep the batch open there is one for every batch size; a
//! size asked for again and again gets a plan of its own, which is up to several times as fast. Where it
//! cannot, each set of input shapes has its plan, made when first asked for.

use std::collections::HashMap;
use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::*;
use tract_onnx::tract_core::ops::cast::cast;
use tract_onnx::tract_hir::infer::{DimFact, Factoid, ShapeFactoid};

use super::cache::{Plans, Shapes};
use super::spec::{BATCH, Dim, Input};
use super::{apart, guard, ops};
use crate::kernel::error::{Error, Kind, Result};

pub type Runnable = Arc<TypedRunnableModel>;

/// No value a model works out may need more bytes for one row (its weights may): beyond this the file is damaged, or no model
/// for this machine, and asking for the memory would take the server down.
const LARGEST_VALUE: usize = 256 << 20;

pub struct Planner {
    source: InferenceModel,
    style: Style,
    /// When the model allows.
    open: Option<Open>,
    one_row: Shapes,
    plans: Plans,
}

/// The model with its batch open: it serves every size, and plans for one size are made of it.
struct Open {
    model: TypedModel,
    plan: Runnable,
    /// Whether each row is answered by itself, whatever the others are.
    rows_apart: bool,
    /// Whether the rows of a batch are faster one after the other.
    one_by_one: bool,
    /// Whether a plan for one size can be faster than that for all.
    gains: bool,
    /// Bytes of the largest value that is made for one row.
    heaviest: usize,
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
        let mut planner = Self::styled(source, inputs, Style::Optimised)?;
        if planner.runs_zeros(&planner.one_row) {
            planner.close_if_it_lies(&rows(inputs, 2));
            return Ok(planner);
        }
        // A model may be right to refuse zeros: it is kept unless the plain plan shows that it need not.
        match Self::styled(planner.source.clone(), inputs, Style::Plain) {
            Ok(plain) if plain.runs_zeros(&plain.one_row) => Ok(plain),
            _ => Ok(planner),
        }
    }

    fn styled(source: InferenceModel, inputs: &[Input], style: Style) -> Result<Self> {
        let open = guard::run("No plan for an open batch", || Open::new(source.clone(), style));
        if let Err(error) = &open {
            tracing::debug!(?error, "the model is planned anew for each batch size");
        }
        let (open, one_row) = (open.ok(), rows(inputs, 1));
        let plans = Plans::new(weights(&source));
        let planner = Self { source, style, open, one_row, plans };
        if planner.open.is_none() {
            // Shape arithmetic that needs numbers: one row must work, or nothing will.
            let plan = guard::run("The model cannot be served", || planner.fixed(&planner.one_row))?;
            planner.plans.put(&planner.one_row, &plan);
        }
        Ok(planner)
    }

    fn runs_zeros(&self, shapes: &[Vec<usize>]) -> bool {
        self.for_shapes(shapes).is_ok_and(|plan| self.does_zeros(&plan, shapes))
    }

    fn does_zeros(&self, plan: &Runnable, shapes: &[Vec<usize>]) -> bool {
        let attempt = guard::run("The model fails on zeros", || {
            let zeros = shapes.iter().enumerate().map(|(index, shape)| zeros(&self.source, index, shape));
            plan.run(zeros.collect::<TractResult<TVec<TValue>>>()?)
        });
        attempt.is_ok()
    }

    /// Gives up the plan for all batch sizes where it turns out to be one for a single row: tract takes some
    /// recurrent networks for that whose first state is made by the size of the batch.
    fn close_if_it_lies(&mut self, two_rows: &[Vec<usize>]) {
        let Some(open) = self.open.as_ref().filter(|open| !open.one_by_one) else { return };
        if two_rows == self.one_row || self.does_zeros(&open.plan, two_rows) {
            return;
        }
        let fixed = guard::run("No plan for two rows", || self.fixed(two_rows));
        if fixed.is_ok_and(|plan| self.does_zeros(&plan, two_rows)) {
            self.open = None;
            self.plans = Plans::new(weights(&self.source));
        }
    }

    /// The plan for inputs of these shapes, in the model's order of inputs.
    pub fn for_shapes(&self, shapes: &[Vec<usize>]) -> Result<Runnable> {
        if let Some(open) = self.open.as_ref().filter(|open| !open.gains) {
            return Ok(Arc::clone(&open.plan));
        }
        let (known, is_due) = self.plans.find(shapes);
        let plan = match (known, &self.open) {
            (Some(plan), _) => return Ok(plan),
            (None, Some(open)) if !is_due && !open.one_by_one => return Ok(Arc::clone(&open.plan)),
            // What cannot be planned for one size is still served by the plan for all.
            (None, Some(open)) => {
                let own = guard::run("No plan for one batch size", || open.fixed(shapes, self.style));
                own.unwrap_or_else(|_| Arc::clone(&open.plan))
            }
            (None, None) => {
                guard::run("The model cannot take inputs of these shapes", || self.fixed(shapes))?
            }
        };
        self.plans.put(shapes, &plan);
        Ok(plan)
    }

    /// Whether each row of a batch is answered by itself, so that requests may share a run.
    pub fn rows_apart(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.rows_apart)
    }

    /// Whether the rows of a batch are run one after the other, which is the same and faster.
    pub fn one_by_one(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.one_by_one)
    }

    /// How many of a batch's rows may be run at once, with a bounded memory; a batch that cannot be run in parts,
    /// and would need more, is refused.
    pub fn rows_at_once(&self, rows: usize) -> Result<usize> {
        let Some(open) = &self.open else { return Ok(rows) };
        let most = (LARGEST_VALUE / open.heaviest.max(1)).max(1);
        match () {
            () if open.one_by_one => Ok(1),
            () if rows <= most => Ok(rows),
            () if open.rows_apart => Ok(most),
            () => Err(Error::new(
                Kind::TooLarge,
                format!(
                    "This model takes {most} rows in one request at most, or it would need too much memory: send them in parts."
                ),
            )),
        }
    }

    pub fn output_facts(&self) -> Result<Vec<OutputFact>> {
        let plan = self.any()?;
        guard::run("The model cannot be served", || {
            let model = plan.model();
            let facts = model.output_outlets()?.iter().map(|&outlet| model.outlet_fact(outlet));
            facts.map(|fact| Ok(self.output_fact(fact?))).collect()
        })
    }

    /// Shows the planned graph.
    pub fn look<T>(&self, look: impl FnOnce(&TypedModel) -> T) -> Result<T> {
        Ok(look(self.any()?.model()))
    }

    /// A plan whose facts leave open what is open.
    fn any(&self) -> Result<Runnable> {
        match &self.open {
            Some(open) => Ok(Arc::clone(&open.plan)),
            None => self.for_shapes(&self.one_row),
        }
    }

    /// Makes the tests take the road of models whose batch cannot stay open.
    #[cfg(test)]
    pub fn forget_open(&mut self) {
        self.open = None;
    }

    /// Makes the tests take the road of sizes that were asked for often.
    #[cfg(test)]
    pub fn plan_at_once(&mut self) {
        self.plans.due = 1;
    }

    fn output_fact(&self, fact: &TypedFact) -> OutputFact {
        let shape = || fact.shape.iter().map(|dim| dim.to_i64().unwrap_or(-1)).collect();
        let shape = self.open.is_some().then(shape);
        OutputFact { datum: fact.datum_type, rank: fact.rank(), shape }
    }

    fn fixed(&self, shapes: &[Vec<usize>]) -> TractResult<Runnable> {
        let mut model = self.source.clone();
        for (index, shape) in shapes.iter().enumerate() {
            let datum = model.input_fact(index)?.datum_type.concretize();
            let dims: TVec<TDim> = shape.iter().map(|&size| size.to_dim()).collect();
            let datum = datum.with_context(|| format!("input {index} has no type"))?;
            model.set_input_fact(index, InferenceFact::dt_shape(datum, dims))?;
        }
        finish(typed(model)?, self.style)
    }
}

impl Open {
    fn new(source: InferenceModel, style: Style) -> TractResult<Self> {
        let mut model = typed(source)?;
        if let Style::Optimised = style {
            model.declutter()?;
        }
        let plan = finish(model.clone(), style)?;
        let rows_apart = apart::rows_are_apart(&model).unwrap_or(false);
        let one_by_one = rows_apart && model.nodes().iter().any(ops::is_convolution);
        let gains = model.nodes().iter().any(|node| apart::is_shaped_by_size(node.op()));
        let by_row = values(&model).filter(|value| value.is_open).map(|value| value.bytes);
        let heaviest = by_row.max().unwrap_or_default();
        Ok(Self { model, plan, rows_apart, one_by_one, gains, heaviest })
    }

    /// The plan for inputs of these shapes alone.
    fn fixed(&self, shapes: &[Vec<usize>], style: Style) -> TractResult<Runnable> {
        let mut sizes: HashMap<Symbol, TDim> = HashMap::new();
        for (&outlet, shape) in self.model.input_outlets()?.iter().zip(shapes) {
            for (dim, size) in self.model.outlet_fact(outlet)?.shape.iter().zip(shape) {
                if let TDim::Sym(symbol) = dim {
                    sizes.insert(symbol.clone(), size.to_dim());
                }
            }
        }
        finish(self.model.set_symbols(&sizes)?, style)
    }
}

/// The bytes of what the model holds of its own.
fn weights(model: &InferenceModel) -> usize {
    let facts = model.nodes().iter().flat_map(|node| &node.outputs).map(|output| &output.fact);
    let values = facts.filter_map(|fact| fact.value.concretize());
    values.map(|value| value.len().saturating_mul(value.datum_type().size_of())).sum()
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

/// Shapes of so many rows: what is called as the first dimension is, is as long; other open sizes are one.
fn rows(inputs: &[Input], count: usize) -> Shapes {
    let batch = inputs.first().and_then(|input| input.dims.first());
    let size = |dim: &Dim| match dim {
        Dim::Fixed(size) => *size,
        Dim::Named(_) if Some(dim) == batch => count,
        _ => 1,
    };
    inputs.iter().map(|input| input.dims.iter().map(size).collect()).collect()
}

/// A value that the model works out.
struct Value<'a> {
    node: &'a TypedNode,
    /// For one row: open dimensions count as one.
    bytes: usize,
    is_open: bool,
}

fn values(model: &TypedModel) -> impl Iterator<Item = Value<'_>> {
    let facts = model.nodes().iter().flat_map(|node| node.outputs.iter().map(move |out| (node, &out.fact)));
    facts.filter(|(_, fact)| fact.konst.is_none()).map(|(node, fact)| {
        let sizes = fact.shape.iter().map(|dim| dim.to_usize().unwrap_or(1));
        let bytes = sizes.fold(fact.datum_type.size_of(), usize::saturating_mul);
        Value { node, bytes, is_open: !fact.shape.is_concrete() }
    })
}

fn check_sizes(model: &TypedModel) -> TractResult<()> {
    for Value { node, bytes, .. } in values(model) {
        let megabytes = bytes >> 20;
        ensure!(bytes <= LARGEST_VALUE, "{} makes a value of {megabytes} MB for one row", node.op.name());
    }
    Ok(())
}

fn typed(model: InferenceModel) -> TractResult<TypedModel> {
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
    Ok(typed)
}

fn finish(model: TypedModel, style: Style) -> TractResult<Runnable> {
    match style {
        Style::Optimised => model.into_optimized()?.into_runnable(),
        Style::Plain => model.into_runnable(),
    }
}
