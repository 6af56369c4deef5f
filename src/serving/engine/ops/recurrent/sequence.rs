//! The steps of one sequence in one direction, and the products in them.

use std::ops::Range;

use tract_onnx::tract_hir::internal::tract_ndarray::linalg::general_mat_mul;
use tract_onnx::tract_hir::internal::tract_ndarray::{ArrayView2, ArrayViewMut2};
use tract_onnx::tract_hir::internal::*;

use super::super::attrs::slice;
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

/// The weights of one direction.
pub struct Weights<'a> {
    /// Of the inputs, a line for each unit of each gate.
    input: ArrayView2<'a, f32>,
    /// Of the state, likewise.
    state: ArrayView2<'a, f32>,
    /// Of each gate; both of ONNX's in one where they add up.
    bias: Vec<f32>,
    last_bias: &'a [f32],
    /// Three for each unit, or none.
    pub peepholes: &'a [f32],
}

impl<'a> Weights<'a> {
    pub fn read(of: &Recurrent, inputs: &[&'a Tensor], way: usize, hidden: usize) -> TractResult<Self> {
        let lines = of.cell.gates() * hidden;
        let width = *inputs[0].shape().last().context("a sequence has three dimensions")?;
        let part = |at: usize, shape: &[usize], what: &str| -> TractResult<&'a [f32]> {
            let (length, ways): (usize, _) = (shape.iter().product(), of.ways.len());
            let full: Vec<usize> = [&[ways], shape].concat();
            ensure!(
                inputs[at].shape() == full,
                "{}'s {what} must be of shape {full:?}, not {:?}",
                of.cell.name(),
                inputs[at].shape()
            );
            Ok(&slice::<f32>(inputs[at])?[way * length..(way + 1) * length])
        };
        let view = |at, columns, what| -> TractResult<ArrayView2<'a, f32>> {
            Ok(ArrayView2::from_shape((lines, columns), part(at, &[lines, columns], what)?)?)
        };
        let (input, state) = (view(1, width, "weights W")?, view(2, hidden, "weights R")?);
        let both = of.bias.map(|at| part(at, &[2 * lines], "bias B")).transpose()?.unwrap_or(&[]);
        let (of_input, of_state) = both.split_at(both.len() / 2);
        let kept = if of.cell.keeps_last_bias() { of_state.len().min(hidden) } else { 0 };
        let (added, last_bias) = of_state.split_at(of_state.len() - kept);
        let mut bias = if both.is_empty() { vec![0.0; lines] } else { of_input.to_vec() };
        bias.iter_mut().zip(added).for_each(|(value, more)| *value += more);
        let peepholes = of.peepholes.map(|at| part(at, &[3 * hidden], "peepholes P")).transpose()?;
        Ok(Self { input, state, bias, last_bias, peepholes: peepholes.unwrap_or(&[]) })
    }

    fn hidden(&self) -> usize {
        self.state.ncols()
    }

    /// Adds what these gates make of a state.
    pub fn add_products(&self, gates: Range<usize>, state: &[f32], into: &mut [f32]) {
        let hidden = self.hidden();
        let lines = self.state.slice(tract_ndarray::s![gates.start * hidden..gates.end * hidden, ..]);
        add_product(lines, state, into);
    }

    pub fn add_peephole(&self, which: usize, memory: &[f32], into: &mut [f32]) {
        let rows = memory.len() / self.hidden();
        let weights = &self.peepholes[which * self.hidden()..];
        for ((into, memory), weight) in
            into.chunks_exact_mut(rows).zip(memory.chunks_exact(rows)).zip(weights)
        {
            into.iter_mut().zip(memory).for_each(|(value, memory)| *value += weight * memory);
        }
    }

    pub fn last_bias(&self, rows: usize) -> Vec<f32> {
        if self.last_bias.is_empty() {
            return vec![0.0; self.hidden() * rows];
        }
        self.last_bias.iter().flat_map(|&bias| std::iter::repeat_n(bias, rows)).collect()
    }
}

/// `into += lines * columns`, where `columns` has a line for each column of `lines`.
fn add_product(lines: ArrayView2<f32>, columns: &[f32], into: &mut [f32]) {
    let (height, inner) = lines.dim();
    let width = into.len() / height.max(1);
    if let (1, Some(lines)) = (width, lines.as_slice()) {
        return add_dots(lines, columns, into);
    }
    let columns = ArrayView2::from_shape((inner, width), columns);
    let into = ArrayViewMut2::from_shape((height, width), into);
    if let (Ok(columns), Ok(mut into)) = (columns, into) {
        general_mat_mul(1.0, &lines, &columns, 1.0, &mut into);
    }
}

/// The same for a single column: to pack the lines would take longer than to read them.
fn add_dots(lines: &[f32], column: &[f32], into: &mut [f32]) {
    const LANES: usize = 8;
    let (blocks, rest) = column.as_chunks::<LANES>();
    for (line, into) in lines.chunks_exact(column.len()).zip(into) {
        let (line_blocks, line_rest) = line.as_chunks::<LANES>();
        let mut sums = [0f32; LANES];
        for (a, b) in line_blocks.iter().zip(blocks) {
            for lane in 0..LANES {
                sums[lane] += a[lane] * b[lane];
            }
        }
        let tail: f32 = line_rest.iter().zip(rest).map(|(a, b)| a * b).sum();
        *into += sums.iter().sum::<f32>() + tail;
    }
}

/// A walk over the steps.
pub struct Sequence<'a> {
    cell: &'a Cell,
    way: &'a Way,
    weights: Weights<'a>,
    clip: Option<f32>,
    pub state: Columns,
    pub memory: Columns,
}

impl<'a> Sequence<'a> {
    pub fn new(cell: &'a Cell, way: &'a Way, weights: Weights<'a>, clip: Option<f32>, rows: usize) -> Self {
        let (state, memory) =
            (Columns::zeros(weights.hidden(), rows), Columns::zeros(weights.hidden(), rows));
        Self { cell, way, weights, clip, state, memory }
    }

    /// Begins with the state and the memory given for this direction.
    pub fn begin(&mut self, given: [Option<&Tensor>; 2], way: usize) -> TractResult<()> {
        for (columns, given) in [&mut self.state, &mut self.memory].into_iter().zip(given) {
            let Some(given) = given else { continue };
            let (size, values) = (columns.values.len(), slice::<f32>(given)?);
            let own = values.get(way * size..(way + 1) * size);
            let fits = given.shape()[1] == columns.rows && given.shape()[2] == self.weights.hidden();
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
            let products = self.products(&x[first * rows * self.weights.input.ncols()..], count * rows)?;
            for nth in 0..count {
                let within = if self.way.backward { count - 1 - nth } else { nth };
                for (gate, all) in
                    gates.chunks_exact_mut(rows.max(1)).zip(products.chunks_exact(count * rows))
                {
                    gate.copy_from_slice(&all[within * rows..(within + 1) * rows]);
                }
                self.step(&mut gates, first + within, lengths, &mut see)?;
            }
        }
        Ok(())
    }

    /// What the gates make of the inputs of some steps: a line for each unit, a column for each row of each step.
    fn products(&self, x: &[f32], columns: usize) -> TractResult<Vec<f32>> {
        let (lines, width) = self.weights.input.dim();
        let mut made: Vec<f32> =
            self.weights.bias.iter().flat_map(|&bias| std::iter::repeat_n(bias, columns)).collect();
        let x = ArrayView2::from_shape((columns, width), &x[..columns * width])?;
        let mut into = ArrayViewMut2::from_shape((lines, columns), &mut made)?;
        general_mat_mul(1.0, &self.weights.input, &x.t(), 1.0, &mut into);
        Ok(made)
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
