//! Scaler, Imputer, Normalizer, Binarizer: a number in, a number out, the shape unchanged.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::attrs::{Attrs, expect_numbers, floats, rows, slice, tensor};
use super::kernel::{Built, Fact, Kernel, Spread, wrap};

pub fn scaler(_: &ParsingContext, node: &NodeProto) -> Built {
    let attrs = Attrs(node);
    let (offset, scale) = (attrs.floats("offset").to_vec(), attrs.floats("scale").to_vec());
    ensure!(!scale.is_empty(), "Scaler has no scale");
    ensure!(offset.len() == scale.len(), "Scaler has {} offsets for {} scales", offset.len(), scale.len());
    wrap(node, Scaler { offset, scale })
}

#[derive(Debug)]
struct Scaler {
    offset: Vec<f32>,
    scale: Vec<f32>,
}

impl Kernel for Scaler {
    fn name(&self) -> &'static str {
        "Scaler"
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let input = only(inputs)?;
        expect_numbers(input.datum)?;
        fits_columns(input, self.scale.len(), "Scaler's scales")?;
        Ok(tvec!(Fact::new(DatumType::F32, input.shape.clone())))
    }

    fn spread(&self) -> Spread {
        Spread::Row
    }

    fn eval(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let input = inputs[0];
        let at = |index: usize| if self.scale.len() == 1 { 0 } else { index % self.scale.len() };
        // Doubles are scaled as doubles and narrowed last.
        let scaled: Vec<f32> = if input.datum_type() == DatumType::F64 {
            let values = slice::<f64>(input)?.iter().enumerate();
            values
                .map(|(i, &x)| ((x - f64::from(self.offset[at(i)])) * f64::from(self.scale[at(i)])) as f32)
                .collect()
        } else {
            let values = floats(input)?;
            values.iter().enumerate().map(|(i, &x)| (x - self.offset[at(i)]) * self.scale[at(i)]).collect()
        };
        Ok(tvec!(tensor(input.shape(), scaled)?))
    }
}

pub fn imputer(_: &ParsingContext, node: &NodeProto) -> Built {
    let attrs = Attrs(node);
    let (reals, ints) =
        (attrs.floats("imputed_value_floats").to_vec(), attrs.ints("imputed_value_int64s").to_vec());
    ensure!(reals.is_empty() != ints.is_empty(), "Imputer needs values to put in: either floats or int64s");
    wrap(
        node,
        Imputer {
            reals,
            real: attrs.float("replaced_value_float").unwrap_or_default(),
            ints,
            int: attrs.int("replaced_value_int64").unwrap_or_default(),
        },
    )
}

#[derive(Debug)]
struct Imputer {
    reals: Vec<f32>,
    real: f32,
    ints: Vec<i64>,
    int: i64,
}

impl Kernel for Imputer {
    fn name(&self) -> &'static str {
        "Imputer"
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let input = only(inputs)?;
        let wanted = if self.reals.is_empty() { DatumType::I64 } else { DatumType::F32 };
        ensure!(input.datum == wanted, "Imputer's input must be {wanted:?}, not {:?}", input.datum);
        ensure!(!input.shape.is_empty(), "Imputer's input must have a dimension");
        Ok(tvec!(input.clone()))
    }

    fn spread(&self) -> Spread {
        Spread::Row
    }

    fn eval(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let input = inputs[0];
        let shape = input.shape();
        let columns = if shape.len() == 1 { shape[0] } else { shape[1] };
        if self.reals.is_empty() {
            let missing = |value: &i64| *value == self.int;
            return Ok(tvec!(tensor(shape, impute(slice(input)?, &self.ints, columns, missing))?));
        }
        let missing = |value: &f32| *value == self.real || (value.is_nan() && self.real.is_nan());
        Ok(tvec!(tensor(shape, impute(slice(input)?, &self.reals, columns, missing))?))
    }
}

/// One value per column where there are as many, else the first value everywhere.
fn impute<T: Copy>(values: &[T], fill: &[T], columns: usize, missing: impl Fn(&T) -> bool) -> Vec<T> {
    let per_column = fill.len() == columns;
    let put = |index: usize| if per_column { fill[index % columns] } else { fill[0] };
    values.iter().enumerate().map(|(index, value)| if missing(value) { put(index) } else { *value }).collect()
}

pub fn normalizer(_: &ParsingContext, node: &NodeProto) -> Built {
    let norm = match Attrs(node).string("norm")?.as_deref() {
        None | Some("MAX") => Norm::Max,
        Some("L1") => Norm::L1,
        Some("L2") => Norm::L2,
        Some(other) => bail!("Normalizer's norm {other} is not known"),
    };
    wrap(node, norm)
}

#[derive(Clone, Copy, Debug)]
enum Norm {
    Max,
    L1,
    L2,
}

impl Kernel for Norm {
    fn name(&self) -> &'static str {
        "Normalizer"
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let input = only(inputs)?;
        expect_numbers(input.datum)?;
        input.rows()?;
        Ok(tvec!(Fact::new(DatumType::F32, input.shape.clone())))
    }

    fn spread(&self) -> Spread {
        Spread::Row
    }

    fn eval(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let (_, columns) = rows(inputs[0])?;
        let mut values = floats(inputs[0])?.into_owned();
        values.chunks_mut(columns.max(1)).for_each(|row| self.row(row));
        Ok(tvec!(tensor(inputs[0].shape(), values)?))
    }
}

impl Norm {
    /// A row without a norm is left as it is.
    fn row(self, row: &mut [f32]) {
        let size = match self {
            Self::Max => row.iter().copied().fold(f32::MIN, f32::max),
            Self::L1 => row.iter().map(|value| value.abs()).sum(),
            Self::L2 => row.iter().map(|value| value * value).sum(),
        };
        if size == 0.0 {
            return;
        }
        for value in row {
            *value = match self {
                Self::Max | Self::L1 => *value / size,
                Self::L2 => (*value * *value / size).sqrt().copysign(*value),
            };
        }
    }
}

pub fn binarizer(_: &ParsingContext, node: &NodeProto) -> Built {
    wrap(node, Binarizer { threshold: Attrs(node).float("threshold").unwrap_or_default() })
}

#[derive(Debug)]
struct Binarizer {
    threshold: f32,
}

impl Kernel for Binarizer {
    fn name(&self) -> &'static str {
        "Binarizer"
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let input = only(inputs)?;
        ensure!(input.datum == DatumType::F32, "Binarizer's input must be F32, not {:?}", input.datum);
        Ok(tvec!(input.clone()))
    }

    fn spread(&self) -> Spread {
        Spread::Cell
    }

    fn eval(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let values = slice::<f32>(inputs[0])?;
        ensure!(!values.iter().any(|value| value.is_nan()), "Binarizer cannot place NaN");
        let ones = values.iter().map(|&value| if value > self.threshold { 1.0f32 } else { 0.0 }).collect();
        Ok(tvec!(tensor(inputs[0].shape(), ones)?))
    }
}

pub fn only(inputs: &[Fact]) -> TractResult<&Fact> {
    match inputs {
        [input] => Ok(input),
        other => bail!("the operator takes one input, not {}", other.len()),
    }
}

/// Refuses parameters that are neither one for all nor one per column.
fn fits_columns(input: &Fact, count: usize, what: &str) -> TractResult<()> {
    ensure!(!input.shape.is_empty(), "the input must have a dimension");
    let columns = &input.shape[usize::from(input.shape.len() > 1)];
    let fits = count == 1 || columns.to_usize().map_or(true, |columns| columns == count);
    ensure!(fits, "{what} are {count}, the input has {columns} columns");
    Ok(())
}
