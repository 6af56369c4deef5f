//! TreeEnsembleClassifier, TreeEnsembleRegressor and TreeEnsemble, to the letter of onnxruntime.
//!
//! `forest` holds the trees, read by `listed` and `ensemble`, and `flat` walks them fast; `classifier`
//! and `regressor` make answers of the sums; `sum` is what they add up, and `shapley` shares it out among
//! the columns, against rows to compare with, and `paths` by the counts of training rows. Sums run in the order of the trees and in the precision of the input, as onnxruntime's do
//! on one thread: a vote split evenly is decided by the last bit of the sum.

mod classifier;
mod ensemble;
mod flat;
mod forest;
mod listed;
mod paths;
mod regressor;
mod shapley;
mod sum;
#[cfg(test)]
mod tests;

pub use classifier::tree_ensemble_classifier;
pub use ensemble::tree_ensemble;
pub use paths::path_dependent;
pub use regressor::tree_ensemble_regressor;
pub use shapley::{Columns, Shares, can_share, interventional};
pub use sum::Sum;

use tract_onnx::tract_hir::internal::*;
use tract_onnx::tract_hir::tract_num_traits::Float;

use super::attrs::{expect_numbers, floats, rows, slice};
use super::kernel::Fact;
use super::scale::only;
use flat::Flat;
use forest::Forest;

/// The precision of inputs and sums: single, but double for double inputs.
trait Real: Float + std::fmt::Debug + 'static {
    fn of(value: f64) -> Self;
    fn wide(self) -> f64;
    /// The greatest number of this type that is not above `value`, which is not NaN.
    fn floor_of(value: f64) -> Self;
    /// The next lower number.
    fn below(self) -> Self;
    fn flat(forest: &Forest) -> Option<&Flat<Self>>;

    fn narrow(self) -> f32 {
        self.wide() as f32
    }
}

impl Real for f32 {
    fn of(value: f64) -> Self {
        value as f32
    }

    fn wide(self) -> f64 {
        f64::from(self)
    }

    fn floor_of(value: f64) -> Self {
        let near = value as f32;
        if f64::from(near) > value { near.next_down() } else { near }
    }

    fn below(self) -> Self {
        self.next_down()
    }

    fn flat(forest: &Forest) -> Option<&Flat<Self>> {
        forest.flat_single()
    }
}

impl Real for f64 {
    fn of(value: f64) -> Self {
        value
    }

    fn wide(self) -> f64 {
        self
    }

    fn floor_of(value: f64) -> Self {
        value
    }

    fn below(self) -> Self {
        self.next_down()
    }

    fn flat(forest: &Forest) -> Option<&Flat<Self>> {
        forest.flat_double()
    }
}

/// A sum, and whether any leaf added to it.
#[derive(Clone, Copy, Debug)]
struct Score<A> {
    value: A,
    given: bool,
}

impl<A: Real> Score<A> {
    fn none() -> Self {
        Self { value: A::zero(), given: false }
    }

    fn add(&mut self, value: A) {
        self.value = self.value + value;
        self.given = true;
    }

    /// As written out: what no leaf added to is zero, whatever the base value.
    fn written(&self) -> A {
        if self.given { self.value } else { A::zero() }
    }
}

/// The number of rows, once the input is known to fit the forest.
fn check_input(forest: &Forest, inputs: &[Fact]) -> TractResult<TDim> {
    let input = only(inputs)?;
    expect_numbers(input.datum)?;
    let (rows, columns) = input.rows()?;
    if let Ok(columns) = columns.to_usize() {
        forest.check_columns(columns)?;
    }
    Ok(rows)
}

/// What is made of a forest's input, in the precision the input asks for.
trait Work {
    type Made;
    fn run<A: Real + Datum>(&self, values: &[A], rows: usize, columns: usize) -> Self::Made;
}

fn in_precision<W: Work>(forest: &Forest, input: &Tensor, work: &W) -> TractResult<W::Made> {
    let (rows, columns) = rows(input)?;
    forest.check_columns(columns)?;
    if input.datum_type() == DatumType::F64 {
        Ok(work.run::<f64>(slice::<f64>(input)?, rows, columns))
    } else {
        Ok(work.run::<f32>(&floats(input)?, rows, columns))
    }
}
