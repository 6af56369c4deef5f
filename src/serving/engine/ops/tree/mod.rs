//! TreeEnsembleClassifier and TreeEnsembleRegressor, to the letter of onnxruntime.
//!
//! `forest` holds the trees and finds the leaf a row falls into; `classifier` and `regressor` add the
//! leaves up. Sums run in the order of the trees and in the precision of the input, as onnxruntime's
//! do on one thread: a vote split evenly is decided by the last bit of the sum.

mod classifier;
mod forest;
mod regressor;

pub use classifier::tree_ensemble_classifier;
pub use regressor::tree_ensemble_regressor;

use tract_onnx::tract_hir::internal::*;
use tract_onnx::tract_hir::tract_num_traits::Float;

use super::attrs::{expect_numbers, floats, rows, slice};
use super::kernel::Fact;
use super::scale::only;
use forest::Forest;

/// The precision scores are summed in: single, but double for double inputs.
trait Real: Float + 'static {
    fn of(value: f64) -> Self;
    fn narrow(self) -> f32;
}

impl Real for f32 {
    fn of(value: f64) -> Self {
        value as f32
    }

    fn narrow(self) -> f32 {
        self
    }
}

impl Real for f64 {
    fn of(value: f64) -> Self {
        value
    }

    fn narrow(self) -> f32 {
        self as f32
    }
}

/// A sum, and whether any leaf added to it.
#[derive(Clone, Copy)]
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
    fn written(&self) -> f32 {
        if self.given { self.value.narrow() } else { 0.0 }
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

/// Calls `each` with the scores of every row, in the precision its input asks for.
fn for_rows<F: RowWork>(forest: &Forest, input: &Tensor, work: &mut F) -> TractResult<usize> {
    let (count, columns) = rows(input)?;
    forest.check_columns(columns)?;
    if input.datum_type() == DatumType::F64 {
        slice::<f64>(input)?.chunks(columns).for_each(|row| work.row::<f64>(row));
    } else {
        let mut wide = vec![0f64; columns];
        for row in floats(input)?.chunks(columns) {
            wide.iter_mut().zip(row).for_each(|(wide, &value)| *wide = f64::from(value));
            work.row::<f32>(&wide);
        }
    }
    Ok(count)
}

/// What is done with one row; the values are widened, which changes no comparison.
trait RowWork {
    fn row<A: Real>(&mut self, row: &[f64]);
}
