//! LSTM, GRU and RNN: one loop over the steps of a sequence, in which a cell makes the next state.
//!
//! tract unrolls them into its scan, which packs and allocates anew at every step, takes no lengths of sequences,
//! and reads no `activations` and no `clip`. Here the inputs of many steps go through one product, and a state is
//! kept as columns, one for each row of the batch, so that a gate is one stretch of memory for all of them.

mod cell;
mod sequence;

use std::borrow::Cow;
use std::sync::Arc;

use tract_onnx::model::{ParsingContext, optional_inputs};
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::attrs::{Attrs, slice, tensor};
use super::kernel::{Built, Fact, Kernel, Spread, wrap};
use cell::{Activation, Cell};
use sequence::{Layout, Sequence, Weights};

pub fn lstm(_: &ParsingContext, node: &NodeProto) -> Built {
    build(node, Cell::Lstm { couple: Attrs(node).int("input_forget").unwrap_or(0) != 0 })
}

pub fn gru(_: &ParsingContext, node: &NodeProto) -> Built {
    build(node, Cell::Gru { reset_after: Attrs(node).int("linear_before_reset").unwrap_or(0) != 0 })
}

pub fn rnn(_: &ParsingContext, node: &NodeProto) -> Built {
    build(node, Cell::Rnn)
}

fn build(node: &NodeProto, cell: Cell) -> Built {
    let attrs = Attrs(node);
    let backward: &[bool] = match attrs.string("direction")?.as_deref() {
        None | Some("forward") => &[false],
        Some("reverse") => &[true],
        Some("bidirectional") => &[false, true],
        Some(other) => bail!("{} goes forward, reverse or bidirectional, not {other:?}", cell.name()),
    };
    let names = attrs.strings("activations")?;
    let each = cell.activations();
    ensure!(
        names.is_empty() || names.len() == each.len() * backward.len(),
        "{} takes {} activations for each direction, not {} in all",
        cell.name(),
        each.len(),
        names.len()
    );
    let way = |(at, &backward): (usize, &bool)| -> TractResult<Way> {
        let own = names.chunks(each.len()).nth(at);
        let activations =
            own.map_or_else(|| Ok(each.into()), |own| own.iter().map(Activation::read).collect());
        Ok(Way { backward, activations: activations? })
    };
    let ways = backward.iter().enumerate().map(way).collect::<TractResult<_>>()?;
    let clip = attrs.float("clip").filter(|&clip| clip > 0.0);
    let batch_first = attrs.int("layout").unwrap_or(0) != 0;
    let slots: TVec<Option<usize>> = optional_inputs(node).take(8).collect();
    let [_, _, _, bias, lengths, state, memory, peepholes] = slots[..] else { bail!("eight inputs at most") };
    let layouts = Arc::default();
    wrap(node, Recurrent { cell, ways, clip, batch_first, bias, lengths, state, memory, peepholes, layouts })
}

/// One direction.
#[derive(Clone, Debug)]
struct Way {
    backward: bool,
    activations: TVec<Activation>,
}

#[derive(Clone, Debug)]
struct Recurrent {
    cell: Cell,
    ways: TVec<Way>,
    clip: Option<f32>,
    /// The batch is the first axis of everything, where otherwise the steps are.
    batch_first: bool,
    // Which inputs they are, where they are given.
    bias: Option<usize>,
    lengths: Option<usize>,
    state: Option<usize>,
    memory: Option<usize>,
    peepholes: Option<usize>,
    /// Of each direction's weights, where they are known before the first run.
    layouts: Arc<[Layout]>,
}

impl Kernel for Recurrent {
    fn name(&self) -> &'static str {
        self.cell.name()
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let [x, weights, recurrence, ..] = inputs else {
            bail!("{} takes three inputs or more", self.name())
        };
        let floats = inputs.iter().enumerate().filter(|(at, _)| Some(*at) != self.lengths);
        for (_, fact) in floats {
            ensure!(
                fact.datum == DatumType::F32,
                "{} runs in single precision only, not {:?}",
                self.name(),
                fact.datum
            );
        }
        let ranks = [x, weights, recurrence].map(|fact| fact.shape.len());
        ensure!(ranks == [3; 3], "{}'s first three inputs must have three dimensions", self.name());
        let (ways, hidden) = (self.ways.len().to_dim(), recurrence.shape[2].clone());
        let (first, second) = (x.shape[0].clone(), x.shape[1].clone());
        let [all, last] = if self.batch_first {
            [tvec!(first.clone(), second, ways.clone(), hidden.clone()), tvec!(first, ways, hidden)]
        } else {
            [tvec!(first, ways.clone(), second.clone(), hidden.clone()), tvec!(ways, second, hidden)]
        };
        Ok([all, last.clone(), last].map(|shape| Fact { datum: DatumType::F32, shape }).into_iter().collect())
    }

    fn settled(&self, inputs: &[Option<&Tensor>]) -> TractResult<Option<Arc<dyn Kernel>>> {
        let &[_, Some(weights), Some(state), ..] = inputs else { return Ok(None) };
        if [weights, state].iter().any(|known| known.datum_type() != DatumType::F32) {
            return Ok(None);
        }
        Ok(Some(Arc::new(Self { layouts: self.lay_out(weights, state)?, ..self.clone() })))
    }

    fn spread(&self) -> Spread {
        let alone = [self.lengths, self.state, self.memory].iter().all(Option::is_none);
        match (self.batch_first, alone) {
            (false, _) => Spread::Lane,
            (true, true) => Spread::Row,
            (true, false) => Spread::Unknown,
        }
    }

    fn eval(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let x = self.steps_first(inputs[0])?;
        let &[steps, rows, width] = x.shape() else { bail!("{} takes sequences", self.name()) };
        ensure!(
            width == *inputs[1].shape().last().unwrap_or(&0),
            "{} takes {width} values a step, and its weights W are of shape {:?}",
            self.name(),
            inputs[1].shape()
        );
        let made;
        let layouts = match self.layouts.is_empty() {
            true => {
                made = self.lay_out(inputs[1], inputs[2])?;
                &made
            }
            false => &self.layouts,
        };
        let hidden = inputs[2].shape()[2];
        let lengths = self.lengths.map(|at| lengths_of(inputs[at], steps, rows)).transpose()?;
        let starts =
            [self.state, self.memory].map(|at| at.map(|at| self.steps_first(inputs[at])).transpose());
        let [state, memory] = starts;
        let (state, memory) = (state?, memory?);
        let ways = self.ways.len();
        let mut all = vec![0f32; steps * ways * rows * hidden];
        let mut last = [(); 2].map(|()| vec![0f32; ways * rows * hidden]);
        let ways_walked = if rows * hidden == 0 { 0 } else { ways };
        for (at, (way, layout)) in self.ways.iter().zip(layouts.iter()).take(ways_walked).enumerate() {
            let weights = Weights::read(self, layout, inputs, at)?;
            let mut sequence = Sequence::new(self, way, weights, [steps, rows, width]);
            sequence.begin([&state, &memory].map(|start| start.as_deref()), at)?;
            let into = |step: usize| (step * ways + at) * rows * hidden;
            sequence.run(slice(&x)?, steps, lengths.as_deref(), |step, state| {
                state.store(&mut all[into(step)..][..rows * hidden]);
            })?;
            let place = at * rows * hidden..(at + 1) * rows * hidden;
            sequence.state.store(&mut last[0][place.clone()]);
            sequence.memory.store(&mut last[1][place]);
        }
        let [state, memory] = last.map(|values| tensor(&[ways, rows, hidden], values));
        let mut made = tvec!(tensor(&[steps, ways, rows, hidden], all)?, state?, memory?);
        if self.batch_first {
            let turned = [&[2, 0, 1, 3][..], &[1, 0, 2], &[1, 0, 2]];
            made = made
                .into_iter()
                .zip(turned)
                .map(|(one, axes)| one.permute_axes(axes))
                .collect::<TractResult<_>>()?;
        }
        Ok(made)
    }
}

impl Recurrent {
    fn lay_out(&self, weights: &Tensor, state: &Tensor) -> TractResult<Arc<[Layout]>> {
        (0..self.ways.len()).map(|way| Layout::of(self.cell, weights, state, way)).collect()
    }

    /// An input with the batch as its second axis.
    fn steps_first<'a>(&self, input: &'a Tensor) -> TractResult<Cow<'a, Tensor>> {
        ensure!(input.rank() == 3, "{} takes sequences and states of three dimensions", self.name());
        if !self.batch_first {
            return Ok(Cow::Borrowed(input));
        }
        Ok(Cow::Owned(input.clone().permute_axes(&[1, 0, 2])?))
    }
}

fn lengths_of(input: &Tensor, steps: usize, rows: usize) -> TractResult<Vec<usize>> {
    let lengths = input.cast_to::<i64>()?;
    let lengths = slice::<i64>(&lengths)?;
    ensure!(lengths.len() == rows, "{} sequence lengths for {rows} rows", lengths.len());
    let fits = |&length: &i64| usize::try_from(length).ok().filter(|&length| length <= steps);
    let lengths: Option<Vec<usize>> = lengths.iter().map(fits).collect();
    lengths.with_context(|| format!("a sequence length is negative or beyond the {steps} steps there are"))
}
