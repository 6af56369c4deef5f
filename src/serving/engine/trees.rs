//! A model that is one tree ensemble and nothing before it: found in the plan, and explained exactly.

use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::cast::Cast;
use tract_onnx::tract_core::ops::source::TypedSource;

pub use super::ops::Shares;
use super::ops::{Columns, Kernel, can_share, interventional, kernel_of, path_dependent};
use super::{NamedTensor, TensorData};
use crate::kernel::error::{Error, Result};

/// The ensemble. What follows it in the graph (labels, probabilities of margins) is no part of the score
/// explained: that is the raw one, as the trees add it up.
pub struct Trees {
    kernel: Arc<dyn Kernel>,
    /// Whether the trees see the input in single precision.
    narrow: bool,
}

impl Trees {
    /// Finds the ensemble where the model's only input goes into it, as it is or cast, and nowhere else.
    pub fn find(model: &TypedModel) -> Option<Self> {
        let mut kernels = model.nodes().iter().filter_map(|node| Some((node, kernel_of(node.op())?)));
        let mut sums = kernels.by_ref().filter(|(_, kernel)| kernel.sum().is_some());
        let (mut node, kernel) = sums.next()?;
        if sums.next().is_some() || model.input_outlets().ok()?.len() != 1 {
            return None;
        }
        let into = node.inputs.first()?;
        let mut narrow = model.outlet_fact(*into).ok()?.datum_type != DatumType::F64;
        loop {
            let outlet = *node.inputs.first()?;
            node = model.node(outlet.node);
            if model.outlet_successors(outlet).len() != 1 {
                return None;
            }
            if node.op_is::<TypedSource>() {
                break;
            }
            let to = node.op_as::<Cast>()?.to;
            narrow |= to == DatumType::F32;
            if !matches!(to, DatumType::F32 | DatumType::F64) {
                return None;
            }
        }
        let fits = kernel.sum().is_some_and(|sum| can_share(&sum));
        fits.then_some(Self { kernel, narrow })
    }

    pub fn count(&self) -> usize {
        self.kernel.sum().map_or(0, |sum| sum.trees())
    }

    /// Scores of one row.
    pub fn outputs(&self) -> usize {
        self.kernel.sum().map_or(0, |sum| sum.outputs())
    }

    /// The classes whose scores are explained; one name alone is the second of two.
    pub fn classes(&self) -> Option<Vec<String>> {
        self.kernel.sum().and_then(|sum| sum.classes)
    }

    /// The leaves of all trees.
    pub fn leaves(&self) -> usize {
        self.kernel.sum().map_or(0, |sum| sum.leaves())
    }

    /// Whether the file tells how many training rows came to each node, so that no background is needed.
    pub fn has_covers(&self) -> bool {
        self.kernel.sum().is_some_and(|sum| sum.has_covers())
    }

    /// Shares the raw scores out among the columns by the training rows in the nodes. `go_on` is asked once a row of
    /// each tree.
    pub fn explain_by_covers(&self, rows: &NamedTensor, go_on: &dyn Fn() -> bool) -> Result<Option<Shares>> {
        let rows = self.columns(rows)?;
        let sum = self.kernel.sum().ok_or_else(|| Error::internal("an ensemble that was a sum is none"))?;
        if !sum.fits(rows.values.len()) {
            let columns = rows.values.len();
            return Err(Error::invalid(format!(
                "The rows have {columns} columns, and the trees look at more."
            )));
        }
        Ok(path_dependent(&sum, &rows, go_on))
    }

    /// Shares the raw scores out among the columns, against a background. `go_on` is asked once a tree.
    pub fn explain(
        &self,
        rows: &NamedTensor,
        background: &NamedTensor,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Option<Shares>> {
        let (rows, background) = (self.columns(rows)?, self.columns(background)?);
        let sum = self.kernel.sum().ok_or_else(|| Error::internal("an ensemble that was a sum is none"))?;
        let (asked, other) = (rows.values.len(), background.values.len());
        if asked != other || !sum.fits(asked) {
            return Err(Error::invalid(format!(
                "The rows have {asked} columns and the background has {other}: both must have the model's."
            )));
        }
        Ok(interventional(&sum, &rows, &background, go_on))
    }

    fn columns(&self, table: &NamedTensor) -> Result<Columns> {
        let [rows, width] = table.shape[..] else {
            return Err(Error::invalid(format!("Input `{}` is not a table of rows.", table.name)));
        };
        let values: Vec<f64> = match &table.data {
            TensorData::F64(values) => values.clone(),
            TensorData::F32(values) => values.iter().map(|&value| f64::from(value)).collect(),
            TensorData::I64(values) => values.iter().map(|&value| value as f64).collect(),
            TensorData::I32(values) => values.iter().map(|&value| f64::from(value)).collect(),
            other => {
                return Err(Error::invalid(format!(
                    "Trees look at numbers, and input `{}` is {}.",
                    table.name,
                    other.datatype()
                )));
            }
        };
        if rows == 0 || width == 0 || values.len() != rows * width {
            return Err(Error::invalid(format!("Input `{}` holds no rows.", table.name)));
        }
        let seen = |value: f64| if self.narrow { f64::from(value as f32) } else { value };
        let column = |at: usize| values.iter().skip(at).step_by(width).map(|&value| seen(value)).collect();
        Ok(Columns { rows, values: (0..width).map(column).collect() })
    }
}
