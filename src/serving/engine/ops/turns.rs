//! Loop: a graph run again and again, on what it made the time before.
//!
//! Values carried from one turn to the next keep their type and shape; what exporters write does. What is made
//! anew in each turn and stacked may have any number of turns.

use std::sync::Arc;

use tract_onnx::model::{ParseResult, ParsingContext};
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::attrs::Attrs;
use super::kernel::Built;

/// A loop without an end would keep its core for ever.
const MOST_TURNS: i64 = 1 << 20;

pub fn turns(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let graph = Attrs(node).graph("body").context("Loop has no body")?;
    let ParseResult { model: body, unresolved_inputs: outer, .. } = ctx.parse_graph(graph)?;
    let given = |at: usize| node.input.get(at).is_some_and(|name| !name.is_empty());
    let carried = node.input.len().saturating_sub(2);
    let (takes, gives) = (body.input_outlets()?.len(), body.output_outlets()?.len());
    ensure!(
        takes == 2 + carried + outer.len(),
        "Loop's body takes {takes} values, not {}",
        2 + carried + outer.len()
    );
    ensure!(gives > carried, "Loop's body gives {gives} values, and {carried} are carried on");
    ensure!(
        node.input.iter().skip(2).all(|name| !name.is_empty()),
        "Loop leaves out a value that is carried on"
    );
    let named = node.output.iter().enumerate().filter(|(_, name)| !name.is_empty());
    let keep = named.map(|(index, _)| index).collect();
    let spec = Spec { has_most: given(0), has_condition: given(1), carried, keep };
    ensure!(node.output.len() < gives, "Loop names {} values, and gives {}", node.output.len(), gives - 1);
    Ok((expand(Turns { body, spec }), outer))
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Spec {
    has_most: bool,
    has_condition: bool,
    /// How many values are carried on; behind them come what the body takes from outside.
    carried: usize,
    /// Which outputs the graph names.
    keep: TVec<usize>,
}

impl Spec {
    /// Inputs before the first that is carried on.
    fn heads(&self) -> usize {
        usize::from(self.has_most) + usize::from(self.has_condition)
    }

    /// What a body makes of inputs of these types and shapes, in its outputs' order.
    fn body(&self, body: &InferenceModel, inputs: &[(DatumType, ShapeFact)]) -> TractResult<TypedModel> {
        let mut body = body.clone();
        body.set_input_fact(0, InferenceFact::dt_shape(DatumType::I64, ShapeFactoid::closed(tvec!())))?;
        body.set_input_fact(1, InferenceFact::dt_shape(DatumType::Bool, ShapeFactoid::closed(tvec!())))?;
        for (at, (datum, shape)) in inputs.iter().skip(self.heads()).enumerate() {
            body.set_input_fact(
                2 + at,
                InferenceFact::dt_shape(*datum, shape.iter().cloned().collect::<TVec<TDim>>()),
            )?;
        }
        let body = body.into_typed()?;
        for at in 0..self.carried {
            let (datum, shape) = &inputs[self.heads() + at];
            let given = body.output_fact(1 + at)?;
            let stays = given.datum_type == *datum && given.shape == *shape;
            ensure!(stays, "Loop carries a value on whose shape or type changes from turn to turn");
        }
        Ok(body)
    }
}

#[derive(Clone, Debug)]
struct Turns {
    body: InferenceModel,
    spec: Spec,
}

impl PartialEq for Turns {
    fn eq(&self, _: &Self) -> bool {
        false
    }
}

impl Eq for Turns {}

impl Expansion for Turns {
    fn name(&self) -> StaticName {
        "Loop".into()
    }

    fn nboutputs(&self) -> TractResult<usize> {
        Ok(self.spec.keep.len())
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_output_arity(outputs, self.spec.keep.len())?;
        let types: Vec<_> = inputs.iter().map(|input| &input.datum_type).collect();
        solver.given_all(types, move |solver, types| {
            let shapes: Vec<_> = inputs.iter().map(|input| &input.shape).collect();
            solver.given_all(shapes, move |solver, shapes| {
                let facts: Vec<_> =
                    types.iter().copied().zip(shapes.into_iter().map(ShapeFact::from)).collect();
                let body = self.spec.body(&self.body, &facts)?;
                for (output, &at) in outputs.iter().zip(&self.spec.keep) {
                    let fact = body.output_fact(1 + at)?;
                    let stacked = usize::from(at >= self.spec.carried);
                    solver.equals(&output.datum_type, fact.datum_type)?;
                    solver.equals(&output.rank, (fact.rank() + stacked) as i64)?;
                    for (axis, dim) in fact.shape.iter().enumerate() {
                        solver.equals(&output.shape[axis + stacked], dim.clone())?;
                    }
                }
                Ok(())
            })
        })
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let facts: Vec<_> = inputs
            .iter()
            .map(|&outlet| model.outlet_fact(outlet).map(|fact| (fact.datum_type, fact.shape.clone())))
            .collect::<TractResult<_>>()?;
        let body = self.spec.body(&self.body, &facts)?;
        let made = (1..body.output_outlets()?.len())
            .map(|at| body.output_fact(at).map(|fact| (fact.datum_type, fact.shape.clone())))
            .collect::<TractResult<_>>()?;
        let count = model.symbols.new_with_prefix("turns").into();
        let op = TypedTurns {
            body: body.into_optimized()?.into_runnable()?,
            spec: self.spec.clone(),
            made,
            count,
        };
        model.wire_node(prefix, op, inputs)
    }
}

#[derive(Clone, Debug)]
struct TypedTurns {
    body: Arc<TypedRunnableModel>,
    spec: Spec,
    /// Types and shapes of what the body makes in a turn, but for the condition.
    made: Vec<(DatumType, ShapeFact)>,
    /// How many turns there are, where nobody knows before.
    count: TDim,
}

impl PartialEq for TypedTurns {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.body, &other.body) && self.spec == other.spec
    }
}

impl Eq for TypedTurns {}

impl Op for TypedTurns {
    fn name(&self) -> StaticName {
        "Loop".into()
    }

    fn mints_runtime_symbols(&self) -> bool {
        true
    }

    op_as_typed_op!();
}

impl EvalOp for TypedTurns {
    op_out_of_plan!();

    fn eval(&self, context: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let spec = &self.spec;
        let most = if spec.has_most { inputs[0].cast_to_scalar::<i64>()? } else { i64::MAX };
        let mut goes_on = match spec.has_condition {
            true => inputs[usize::from(spec.has_most)].cast_to_scalar::<bool>()?,
            false => true,
        };
        let mut carried: TVec<TValue> = inputs[spec.heads()..].iter().take(spec.carried).cloned().collect();
        let outer = &inputs[spec.heads() + spec.carried..];
        let mut stacks: Vec<Vec<TValue>> = vec![Vec::new(); self.made.len() - spec.carried];
        let mut turn = 0;
        while goes_on && turn < most {
            ensure!(turn < MOST_TURNS, "a loop did not end in {MOST_TURNS} turns");
            let head = [tensor0(turn).into_tvalue(), tensor0(goes_on).into_tvalue()];
            let taken = head.into_iter().chain(carried.drain(..)).chain(outer.iter().cloned()).collect();
            let mut given = self.body.run(taken)?.into_iter();
            goes_on = given.next().context("a loop's body says nothing")?.cast_to_scalar::<bool>()?;
            carried.extend(given.by_ref().take(spec.carried));
            stacks.iter_mut().zip(given).for_each(|(stack, value)| stack.push(value));
            turn += 1;
        }
        let stacked = stacks.into_iter().zip(&self.made[spec.carried..]);
        let stacked = stacked.map(|(stack, made)| Ok(stack_up(&stack, made, context)?.into_tvalue()));
        let all: Vec<TValue> = carried.into_iter().map(Ok).chain(stacked).collect::<TractResult<_>>()?;
        spec.keep.iter().map(|&at| all.get(at).cloned().context("a loop gives too little")).collect()
    }
}

fn stack_up(
    stack: &[TValue],
    (datum, shape): &(DatumType, ShapeFact),
    context: &EvalContext,
) -> TractResult<Tensor> {
    if stack.is_empty() {
        let sizes = shape.eval_to_usize(context.symbols)?;
        return Tensor::zero_dt(*datum, &[&[0], &sizes[..]].concat());
    }
    let turns: Vec<Tensor> = stack
        .iter()
        .map(|value| {
            let mut value = value.clone().into_tensor();
            value.insert_axis(0)?;
            Ok(value)
        })
        .collect::<TractResult<_>>()?;
    Tensor::stack_tensors(0, &turns)
}

impl TypedOp for TypedTurns {
    fn output_facts(&self, _: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let fact = |&at: &usize| {
            let (datum, shape) = &self.made[at];
            let count = (at >= self.spec.carried).then(|| self.count.clone());
            datum.fact(count.into_iter().chain(shape.iter().cloned()).collect::<TVec<TDim>>())
        };
        Ok(self.spec.keep.iter().map(fact).collect())
    }

    as_op!();
}
