//! The steps of one sequence in one direction, and the products in them.

use std::ops::Range;

use tract_onnx::tract_hir::internal::*;

use super::super::attrs::slice;
use super::super::product::{Added, Biased, Panels, multiply};
use super::cell::{Cell, Step};
use super::{Recurrent, Way};

/// How many values the products of the inputs may take at a time: 4 MiB.
const AHEAD: usize = 1 << 20;

/// One value for each unit and row, the rows of a unit side by side.
pub struct Columns {
    pub values: Vec<f32>,
    pub rows: usize,
}

impl Columns {
    fn zeros(hidden: usize, rows: usize) -> Self {
        Self { values: vec![0.0; hidden * rows], rows }
    }

    /// Takes rows of units, as ONNX has them.
    fn load(&mut self, from: &[f32]) {
        let hidden = self.values.len() / self.rows.max(1);
        for (at, value) in self.values.iter_mut().enumerate() {
            *value = from[at % self.rows * hidden + at / self.rows];
        }
    }

    pub fn store(&self, into: &mut [f32]) {
        if self.rows == 1 {
            return into.copy_from_slice(&self.values);
        }
        let hidden = self.values.len() / self.rows.max(1);
        for (unit, column) in self.values.chunks_exact(self.rows.max(1)).enumerate() {
            for (row, value) in column.iter().enumerate() {
                into[row * hidden + unit] = *value;
            }
        }
    }

    /// Takes these rows back to what they were.
    fn restore(&mut self, was: &[f32], is_over: impl Fn(usize) -> bool) {
        for (at, value) in self.values.iter_mut().enumerate() {
            if is_over(at % self.rows) {
                *value = was[at];
            }
        }
    }

    /// What is put out for these rows is nought.
    fn without(&self, is_over: impl Fn(usize) -> bool) -> Self {
        let shown = |(at, value): (usize, &f32)| if is_over(at % self.rows) { 0.0 } else { *value };
        Self { values: self.values.iter().enumerate().map(shown).collect(), rows: self.rows }
    }
}

/// The weights of one direction turned, for a batch of a single row: laid out before the first step.
#[derive(Debug)]
pub struct Layout {
    input: Panels,
    /// For each gate.
    state: Vec<Panels>,
}

impl Layout {
    /// Of W and R.
    pub fn of(cell: Cell, input: &Tensor, state: &Tensor, way: usize) -> TractResult<Self> {
        let (width, input) = matrix(cell, "W", input, way)?;
        let (hidden, state) = matrix(cell, "R", state, way)?;
        let gates = state.chunks_exact((hidden * hidden).max(1));
        Ok(Self {
            input: Panels::of_columns(input, width, cell.gates() * hidden),
            state: gates.map(|gate| Panels::of_columns(gate, hidden, hidden)).collect(),
        })
    }
}

/// Of the weights W or R those of one direction, and how many columns they have: a line for each unit of each gate.
fn matrix<'a>(cell: Cell, name: &str, weights: &'a Tensor, way: usize) -> TractResult<(usize, &'a [f32])> {
    let &[ways, lines, columns] = weights.shape() else {
        bail!("{}'s weights {name} must have three dimensions", cell.name())
    };
    ensure!(
        way < ways && lines % cell.gates() == 0,
        "{}'s weights {name} are of shape {:?}, for {} gates in direction {way}",
        cell.name(),
        weights.shape(),
        cell.gates()
    );
    Ok((columns, &slice::<f32>(weights)?[way * lines * columns..(way + 1) * lines * columns]))
}

/// The weights of one direction.
pub struct Weights<'a> {
    /// Of the inputs, a line for each unit of each gate.
    input: &'a [f32],
    /// Of the state, likewise.
    state: &'a [f32],
    layout: &'a Layout,
    hidden: usize,
    /// Of each gate; both of ONNX's in one where they add up.
    bias: Vec<f32>,
    last_bias: &'a [f32],
    /// Three for each unit, or none.
    pub peepholes: &'a [f32],
}

impl<'a> Weights<'a> {
    pub fn read(of: &Recurrent, layout: &'a Layout, inputs: &[&'a Tensor], way: usize) -> TractResult<Self> {
        let (width, input) = matrix(of.cell, "W", inputs[1], way)?;
        let (hidden, state) = matrix(of.cell, "R", inputs[2], way)?;
        let lines = of.cell.gates() * hidden;
        ensure!(
            input.len() == lines * width && state.len() == lines * hidden,
            "{}'s weights W and R are of shapes {:?} and {:?}, which do not go together",
            of.cell.name(),
            inputs[1].shape(),
            inputs[2].shape()
        );
        let part = |at: usize, length: usize, what: &str| -> TractResult<&'a [f32]> {
            let full = [of.ways.len(), length];
            ensure!(
                inputs[at].shape() == full,
                "{}'s {what} must be of shape {full:?}, not {:?}",
                of.cell.name(),
                inputs[at].shape()
            );
            Ok(&slice::<f32>(inputs[at])?[way * length..(way + 1) * length])
        };
        let both = of.bias.map(|at| part(at, 2 * lines, "bias B")).transpose()?.unwrap_or(&[]);
        let (of_input, of_state) = both.split_at(both.len() / 2);
        let kept = if of.cell.keeps_last_bias() { of_state.len().min(hidden) } else { 0 };
        let (added, last_bias) = of_state.split_at(of_state.len() - kept);
        let mut bias = if both.is_empty() { vec![0.0; lines] } else { of_input.to_vec() };
        bias.iter_mut().zip(added).for_each(|(value, more)| *value += more);
        let peepholes =
            of.peepholes.map(|at| part(at, 3 * hidden, "peepholes P")).transpose()?.unwrap_or(&[]);
        Ok(Self { input, state, layout, hidden, bias, last_bias, peepholes })
    }

    /// Adds what these gates make of a state.
    pub fn add_products(&self, gates: Range<usize>, state: &[f32], into: &mut [f32]) {
        let hidden = self.hidden;
        if state.len() == hidden {
            let turned = self.layout.state[gates].iter().zip(into.chunks_exact_mut(hidden));
            turned.for_each(|(turned, into)| multiply(state, turned, &Added, into));
            return;
        }
        let lines = &self.state[gates.start * hidden * hidden..gates.end * hidden * hidden];
        multiply(lines, &Panels::of(state, hidden, state.len() / hidden), &Added, into);
    }

    pub fn add_peephole(&self, which: usize, memory: &[f32], into: &mut [f32]) {
        let rows = memory.len() / self.hidden;
        let weights = &self.peepholes[which * self.hidden..];
        for ((into, memory), weight) in
            into.chunks_exact_mut(rows).zip(memory.chunks_exact(rows)).zip(weights)
        {
            into.iter_mut().zip(memory).for_each(|(value, memory)| *value += weight * memory);
        }
    }

    pub fn last_bias(&self, rows: usize) -> Vec<f32> {
        if self.last_bias.is_empty() {
            return vec![0.0; self.hidden * rows];
        }
        self.last_bias.iter().flat_map(|&bias| std::iter::repeat_n(bias, rows)).collect()
    }
}

/// A walk over the steps.
pub struct Sequence<'a> {
    cell: &'a Cell,
    way: &'a Way,
    weights: Weights<'a>,
    clip: Option<f32>,
    /// Of a step's input.
    width: usize,
    pub state: Columns,
    pub memory: Columns,
}

impl<'a> Sequence<'a> {
    /// For sequences of this shape: steps, rows, width.
    pub fn new(of: &'a Recurrent, way: &'a Way, weights: Weights<'a>, [_, rows, width]: [usize; 3]) -> Self {
        let (state, memory) = (Columns::zeros(weights.hidden, rows), Columns::zeros(weights.hidden, rows));
        Self { cell: &of.cell, way, weights, clip: of.clip, width, state, memory }
    }

    /// Begins with the state and the memory given for this direction.
    pub fn begin(&mut self, given: [Option<&Tensor>; 2], way: usize) -> TractResult<()> {
        for (columns, given) in [&mut self.state, &mut self.memory].into_iter().zip(given) {
            let Some(given) = given else { continue };
            let (size, values) = (columns.values.len(), slice::<f32>(given)?);
            let own = values.get(way * size..(way + 1) * size);
            let fits = given.shape()[1] == columns.rows && given.shape()[2] == self.weights.hidden;
            let own = own.filter(|_| fits);
            columns.load(own.with_context(|| format!("an initial state is of shape {:?}", given.shape()))?);
        }
        Ok(())
    }

    /// Takes all steps of `x`, and tells `see` of the state after each.
    pub fn run(
        &mut self,
        x: &[f32],
        steps: usize,
        lengths: Option<&[usize]>,
        mut see: impl FnMut(usize, &Columns),
    ) -> TractResult<()> {
        let (lines, rows) = (self.weights.bias.len(), self.state.rows);
        let most = (AHEAD / (lines * rows).max(1)).clamp(1, steps.max(1));
        let mut gates = vec![0f32; lines * rows];
        for done in (0..steps).step_by(most) {
            let count = most.min(steps - done);
            let first = if self.way.backward { steps - done - count } else { done };
            let products = self.products(&x[first * rows * self.width..], count * rows);
            for nth in 0..count {
                let within = if self.way.backward { count - 1 - nth } else { nth };
                if rows == 1 {
                    gates.copy_from_slice(&products[within * lines..][..lines]);
                } else {
                    let all = gates.chunks_exact_mut(rows.max(1)).zip(products.chunks_exact(count * rows));
                    all.for_each(|(gate, all)| gate.copy_from_slice(&all[within * rows..][..rows]));
                }
                self.step(&mut gates, first + within, lengths, &mut see)?;
            }
        }
        Ok(())
    }

    /// What the gates make of the inputs of some steps: a line for each unit, a column for each row of each step. Of a
    /// single row it is turned: a line for each step.
    fn products(&self, x: &[f32], columns: usize) -> Vec<f32> {
        let Weights { bias, input, layout, .. } = &self.weights;
        let x = &x[..columns * self.width];
        let mut made = vec![0f32; bias.len() * columns];
        if self.state.rows == 1 {
            multiply(x, &layout.input, &Biased { bias, is_rectified: false }, &mut made);
        } else {
            made.chunks_exact_mut(columns).zip(bias).for_each(|(unit, &bias)| unit.fill(bias));
            multiply(*input, &Panels::of_columns(x, self.width, columns), &Added, &mut made);
        }
        made
    }

    fn step(
        &mut self,
        gates: &mut [f32],
        at: usize,
        lengths: Option<&[usize]>,
        see: &mut impl FnMut(usize, &Columns),
    ) -> TractResult<()> {
        let was = lengths.map(|_| (self.state.values.clone(), self.memory.values.clone()));
        let step = Step {
            gates,
            state: &mut self.state,
            memory: &mut self.memory,
            activations: &self.way.activations,
            clip: self.clip,
        };
        self.cell.step(&self.weights, step)?;
        let (Some(lengths), Some((state, memory))) = (lengths, was) else {
            see(at, &self.state);
            return Ok(());
        };
        // A row that is over, or from its end not yet begun, stays as it was.
        let is_over = |row: usize| lengths[row] <= at;
        self.state.restore(&state, is_over);
        self.memory.restore(&memory, is_over);
        see(at, &self.state.without(is_over));
        Ok(())
    }
}
