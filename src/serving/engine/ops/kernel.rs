//! The shape of one operator of ours, and its way into tract.
//!
//! A kernel says what comes out for what goes in, and computes it: `KernelOp` carries it through tract's
//! three stages (inference, typed, runnable) unchanged. All kernels are functions of their inputs.

use std::fmt::Debug;
use std::sync::{Arc, LazyLock};

use tract_onnx::model::{OnnxOpRegister, ParsingContext};
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_hir::internal::*;

use super::tree::Sum;

/// Element type and shape of a value.
#[derive(Clone, Debug)]
pub struct Fact {
    pub datum: DatumType,
    pub shape: TVec<TDim>,
}

impl Fact {
    pub fn new(datum: DatumType, shape: impl IntoIterator<Item = TDim>) -> Self {
        Self { datum, shape: shape.into_iter().collect() }
    }

    /// Rows and columns as `ai.onnx.ml` counts them: a vector is one row.
    pub fn rows(&self) -> TractResult<(TDim, TDim)> {
        match self.shape.as_slice() {
            [columns] => Ok((1.to_dim(), columns.clone())),
            [rows, columns] => Ok((rows.clone(), columns.clone())),
            other => bail!("the input must have one or two dimensions, not {}", other.len()),
        }
    }
}

pub trait Kernel: Debug + Send + Sync + 'static {
    fn name(&self) -> &'static str;
    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>>;
    fn eval(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>>;

    /// The same with its weights laid out for good, where inputs are known before the first run.
    fn settled(&self, _inputs: &[Option<&Tensor>]) -> TractResult<Option<Arc<dyn Kernel>>> {
        Ok(None)
    }

    /// The same with the next operator's work done along, of which this one's output is the only input not known.
    fn joined(&self, _next: &TypedBinOp, _other: &Tensor) -> TractResult<Option<Arc<dyn Kernel>>> {
        Ok(None)
    }

    /// What of its inputs goes where, as far as that is told.
    fn spread(&self) -> Spread {
        Spread::Unknown
    }

    /// The sum of leaves this is, where it is one: what can be explained leaf by leaf.
    fn sum(&self) -> Option<Sum<'_>> {
        None
    }
}

/// Which values of its inputs one value of an output is made of: what tells whether rows are answered apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// Of any.
    Unknown,
    /// Of the one in the same place.
    Cell,
    /// Of the same row of the first input, and of the whole of the others. A vector is one row, and no table.
    Row,
    /// Of the same row of all inputs.
    RowOfAll,
    /// Of the line along the last axis of the only input.
    Line,
    /// Of the column of the first input that the second names, in the order of the names.
    Column,
    /// Of the same place of the second axis of the first input and of the states behind the weights, which is the
    /// last but one of the outputs: a batch of sequences.
    Lane,
}

impl Spread {
    /// The axes that go through to an output, as (input, its axis, the output's axis).
    fn links(self, inputs: &[&TypedFact], output: usize) -> Vec<(usize, usize, usize)> {
        let ranks: Vec<usize> = inputs.iter().map(|fact| fact.rank()).collect();
        let tables = |count: usize| ranks.iter().take(count).all(|&rank| rank > 1);
        match (self, ranks.as_slice()) {
            (Self::Cell, [rank]) => (0..*rank).map(|axis| (0, axis, axis)).collect(),
            (Self::Line, [rank]) => (0..rank.saturating_sub(1)).map(|axis| (0, axis, axis)).collect(),
            (Self::Row, _) if tables(1) => vec![(0, 0, 0)],
            (Self::RowOfAll, _) if tables(ranks.len()) => (0..ranks.len()).map(|at| (at, 0, 0)).collect(),
            (Self::Column, [values, names]) => {
                let rows = (0..values.saturating_sub(1)).map(|axis| (0, axis, axis));
                let is_list = *names > 0 && inputs[1].shape.iter().skip(1).all(TDim::is_one);
                // A vector comes out as one row.
                rows.chain(is_list.then_some((1, 0, (*values).max(2) - 1))).collect()
            }
            (Self::Lane, _) if output > 1 => {
                let lane = |(at, rank): (usize, &usize)| match (at, rank) {
                    (1 | 2, _) => None,
                    (_, 1) => Some((at, 0, output - 2)),
                    (_, 3) => Some((at, 1, output - 2)),
                    _ => None,
                };
                ranks.iter().enumerate().filter_map(lane).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// The kernel of a planned node, where the node is one of ours.
pub fn of(op: &dyn Op) -> Option<Arc<dyn Kernel>> {
    op.downcast_ref::<KernelOp>().map(|op| Arc::clone(&op.kernel))
}

/// What a register entry gives back.
pub type Built = TractResult<(Box<dyn InferenceOp>, Vec<String>)>;

/// Hands a kernel to tract. A node may leave trailing outputs unnamed; tract counts the named only.
pub fn wrap(node: &NodeProto, kernel: impl Kernel) -> Built {
    let named = node.output.iter().enumerate().filter(|(_, name)| !name.is_empty());
    let keep = named.map(|(index, _)| index).collect();
    Ok((expand(KernelOp { kernel: Arc::new(kernel), keep }), vec![]))
}

/// A kernel that takes the place of tract's own operator where it fits.
pub trait Instead: Clone + Debug + Send + Sync + 'static {
    type Kernel: Kernel;

    /// The kernel for inputs of these facts, and how many of the inputs it takes; `None` where tract's stays.
    fn kernel(&self, facts: &[&TypedFact]) -> TractResult<Option<(Self::Kernel, usize)>>;
}

/// Hands tract its own operator, with a kernel of one output in its place where that fits.
pub fn instead(ctx: &ParsingContext, node: &NodeProto, ours: impl Instead) -> Built {
    let build = TRACTS.0.get(&node.op_type).with_context(|| format!("tract has no {}", node.op_type))?;
    // tract counts an input at the end that has no name, and then finds it missing.
    let mut node = node.clone();
    while node.input.last().is_some_and(String::is_empty) {
        node.input.pop();
    }
    let (op, outer) = build(ctx, &node)?;
    let Some(tracts) = op.as_op().downcast_ref::<Box<dyn Expansion>>() else { return Ok((op, outer)) };
    Ok((expand(Replaced { tracts: tracts.clone(), ours }), outer))
}

static TRACTS: LazyLock<OnnxOpRegister> = LazyLock::new(|| tract_onnx::onnx().op_register);

#[derive(Clone, Debug)]
struct Replaced<T> {
    tracts: Box<dyn Expansion>,
    ours: T,
}

impl<T: Instead> Expansion for Replaced<T> {
    fn name(&self) -> StaticName {
        self.tracts.name()
    }

    fn nboutputs(&self) -> TractResult<usize> {
        InferenceRulesOp::nboutputs(&self.tracts)
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        self.tracts.rules(solver, inputs, outputs)
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let facts = inputs.iter().map(|&input| model.outlet_fact(input)).collect::<TractResult<Vec<_>>>()?;
        match self.ours.kernel(&facts)? {
            Some((kernel, count)) => wrap_typed(prefix, model, &inputs[..count], kernel),
            None => self.tracts.wire(prefix, model, inputs),
        }
    }
}

/// Puts a one-output kernel straight into a typed model.
pub fn wrap_typed(
    prefix: &str,
    model: &mut TypedModel,
    inputs: &[OutletId],
    kernel: impl Kernel,
) -> TractResult<TVec<OutletId>> {
    model.wire_node(prefix, KernelOp { kernel: Arc::new(kernel), keep: tvec!(0) }, inputs)
}

#[derive(Clone, Debug)]
struct KernelOp {
    kernel: Arc<dyn Kernel>,
    /// Which of the kernel's outputs the graph names.
    keep: TVec<usize>,
}

impl KernelOp {
    fn kept<T>(&self, all: TVec<T>) -> TractResult<TVec<T>> {
        let named = all.into_iter().enumerate().filter(|(index, _)| self.keep.contains(index));
        let kept: TVec<T> = named.map(|(_, one)| one).collect();
        ensure!(kept.len() == self.keep.len(), "there are no outputs {:?}", self.keep);
        Ok(kept)
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        self.kept(self.kernel.facts(inputs)?)
    }
}

/// One op equals another when it is the same one.
impl PartialEq for KernelOp {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.kernel, &other.kernel) && self.keep == other.keep
    }
}

impl Eq for KernelOp {}

impl Expansion for KernelOp {
    fn name(&self) -> StaticName {
        self.kernel.name().into()
    }

    fn nboutputs(&self) -> TractResult<usize> {
        Ok(self.keep.len())
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let known = inputs.iter().map(|&input| Ok(model.outlet_fact(input)?.konst.as_deref()));
        let settled = self.kernel.settled(&known.collect::<TractResult<Vec<_>>>()?)?;
        let op =
            Self { kernel: settled.unwrap_or_else(|| Arc::clone(&self.kernel)), keep: self.keep.clone() };
        model.wire_node(prefix, op, inputs)
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_output_arity(outputs, self.keep.len())?;
        let types: Vec<_> = inputs.iter().map(|input| &input.datum_type).collect();
        solver.given_all(types, move |solver, types| {
            let shapes: Vec<_> = inputs.iter().map(|input| &input.shape).collect();
            solver.given_all(shapes, move |solver, shapes| {
                let facts: Vec<_> =
                    types.iter().zip(shapes).map(|(&datum, shape)| Fact { datum, shape }).collect();
                for (output, fact) in outputs.iter().zip(self.facts(&facts)?) {
                    solver.equals(&output.datum_type, fact.datum)?;
                    solver.equals(&output.shape, fact.shape)?;
                }
                Ok(())
            })
        })
    }
}

impl Op for KernelOp {
    fn name(&self) -> StaticName {
        self.kernel.name().into()
    }

    op_as_typed_op!();
}

impl EvalOp for KernelOp {
    op_out_of_plan!();

    fn eval(&self, _context: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let inputs: Vec<&Tensor> = inputs.iter().map(|value| &**value).collect();
        let outputs = self.kept(self.kernel.eval(&inputs)?)?;
        Ok(outputs.into_iter().map(IntoTValue::into_tvalue).collect())
    }
}

impl TypedOp for KernelOp {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let facts: Vec<_> =
            inputs.iter().map(|fact| Fact::new(fact.datum_type, fact.shape.iter().cloned())).collect();
        let outputs = self.facts(&facts)?;
        Ok(outputs.into_iter().map(|fact| fact.datum.fact(fact.shape.as_slice())).collect())
    }

    fn declutter(&self, model: &TypedModel, node: &TypedNode) -> TractResult<Option<TypedModelPatch>> {
        let is_output = model.outputs.iter().any(|outlet| outlet.node == node.id);
        let Some(next) = model.single_succ(node.id)?.filter(|_| !is_output) else { return Ok(None) };
        let Some(op) = next.op_as::<TypedBinOp>() else { return Ok(None) };
        let mut others = next.inputs.iter().filter(|outlet| outlet.node != node.id);
        let (Some(&other), None) = (others.next(), others.next()) else { return Ok(None) };
        let same = model.outlet_fact(node.id.into())?.shape == model.outlet_fact(next.id.into())?.shape;
        let Some(other) = model.outlet_fact(other)?.konst.as_deref().filter(|_| same) else {
            return Ok(None);
        };
        let Some(kernel) = self.kernel.joined(op, other)? else { return Ok(None) };
        TypedModelPatch::fuse_with_next(model, node, Self { kernel, keep: self.keep.clone() }).map(Some)
    }

    fn axes_mapping(&self, inputs: &[&TypedFact], outputs: &[&TypedFact]) -> TractResult<AxesMapping> {
        let mut axes = AxesMapping::disconnected(inputs, outputs)?;
        for (slot, output) in outputs.iter().enumerate() {
            let links = self.kernel.spread().links(inputs, output.rank());
            for &(input, from, to) in links.iter().filter(|(_, _, to)| *to < output.rank()) {
                let (from, to) =
                    (axes.axis((InOut::In(input), from))?.repr, axes.axis((InOut::Out(slot), to))?.repr);
                if from != to {
                    axes = axes.linking(from, to)?;
                }
            }
        }
        Ok(axes)
    }

    as_op!();
}
