//! ReverseSequence and CumProd: along one axis, from either end.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::attrs::{Attrs, slice, tensor};
use super::kernel::{Built, Fact, Kernel, wrap};

/// Where an axis counted from either end lies.
fn axis_of(axis: i64, rank: usize) -> TractResult<usize> {
    let at = if axis < 0 { axis + rank as i64 } else { axis };
    let at = usize::try_from(at).ok().filter(|&at| at < rank);
    at.with_context(|| format!("there is no axis {axis} in {rank} dimensions"))
}

pub fn reverse_sequence(_: &ParsingContext, node: &NodeProto) -> Built {
    let attrs = Attrs(node);
    let (batch, time) = (attrs.int("batch_axis").unwrap_or(1), attrs.int("time_axis").unwrap_or(0));
    ensure!((batch, time) == (0, 1) || (batch, time) == (1, 0), "batch_axis and time_axis must be 0 and 1");
    wrap(node, Reverse { time_first: time == 0 })
}

#[derive(Debug)]
struct Reverse {
    time_first: bool,
}

impl Kernel for Reverse {
    fn name(&self) -> &'static str {
        "ReverseSequence"
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let [data, lengths] = inputs else { bail!("ReverseSequence takes two inputs") };
        ensure!(data.shape.len() >= 2, "ReverseSequence's input must have two dimensions or more");
        ensure!(lengths.shape.len() == 1, "ReverseSequence's lengths must be a list");
        Ok(tvec!(data.clone()))
    }

    fn eval(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let lengths = inputs[1].cast_to::<i64>()?;
        let lengths = slice::<i64>(&lengths)?;
        let (first, second) = (inputs[0].shape()[0], inputs[0].shape()[1]);
        let (times, rows) = if self.time_first { (first, second) } else { (second, first) };
        ensure!(lengths.len() == rows, "{} sequence lengths for {rows} rows", lengths.len());
        let fits = lengths.iter().all(|&length| usize::try_from(length).is_ok_and(|length| length <= times));
        ensure!(fits, "a sequence length is beyond the {times} steps there are");
        let from = |at: usize| {
            let (time, row) =
                if self.time_first { (at / second, at % second) } else { (at % second, at / second) };
            let length = lengths[row] as usize;
            let time = if time < length { length - 1 - time } else { time };
            if self.time_first { time * second + row } else { row * second + time }
        };
        let places: Vec<usize> = (0..first * second).map(from).collect();
        Ok(tvec!(dispatch_datum!(pick(inputs[0].datum_type())(inputs[0], &places))?))
    }
}

/// The blocks at these places, where the first two dimensions number the blocks.
fn pick<T: Datum + Clone>(data: &Tensor, places: &[usize]) -> TractResult<Tensor> {
    let width = data.len() / places.len().max(1);
    let values = slice::<T>(data)?;
    let picked = places.iter().flat_map(|&at| values[at * width..(at + 1) * width].iter().cloned());
    tensor(data.shape(), picked.collect())
}

pub fn cum_prod(_: &ParsingContext, node: &NodeProto) -> Built {
    let attrs = Attrs(node);
    let flag = |name: &str| attrs.int(name).unwrap_or(0) != 0;
    wrap(node, Product { exclusive: flag("exclusive"), reverse: flag("reverse") })
}

#[derive(Debug)]
struct Product {
    /// Without the element itself.
    exclusive: bool,
    /// From the end.
    reverse: bool,
}

impl Kernel for Product {
    fn name(&self) -> &'static str {
        "CumProd"
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let [data, _] = inputs else { bail!("CumProd takes two inputs") };
        let known = [DatumType::F32, DatumType::F64, DatumType::I32, DatumType::I64];
        ensure!(known.contains(&data.datum), "CumProd cannot multiply {:?}", data.datum);
        Ok(tvec!(data.clone()))
    }

    fn eval(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let axis = inputs[1].cast_to::<i64>()?;
        let axis = *slice::<i64>(&axis)?.first().context("CumProd has no axis")?;
        let axis = axis_of(axis, inputs[0].rank())?;
        Ok(tvec!(match inputs[0].datum_type() {
            DatumType::F32 => self.run(inputs[0], axis, 1f32, |left, right| left * right)?,
            DatumType::F64 => self.run(inputs[0], axis, 1f64, |left, right| left * right)?,
            DatumType::I32 => self.run(inputs[0], axis, 1i32, i32::wrapping_mul)?,
            _ => self.run(inputs[0], axis, 1i64, i64::wrapping_mul)?,
        }))
    }
}

impl Product {
    fn run<T: Datum + Copy>(
        &self,
        data: &Tensor,
        axis: usize,
        one: T,
        times: impl Fn(T, T) -> T,
    ) -> TractResult<Tensor> {
        let (steps, inner): (usize, usize) = (data.shape()[axis], data.shape()[axis + 1..].iter().product());
        let mut values = slice::<T>(data)?.to_vec();
        for block in values.chunks_exact_mut((steps * inner).max(1)) {
            for lane in 0..inner {
                let mut product = one;
                for step in 0..steps {
                    let at = if self.reverse { steps - 1 - step } else { step } * inner + lane;
                    let next = times(product, block[at]);
                    block[at] = if self.exclusive { product } else { next };
                    product = next;
                }
            }
        }
        tensor(data.shape(), values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_run_from_either_end_with_or_without_the_element() {
        let data = tensor(&[2, 3], vec![1f32, 2.0, 3.0, 4.0, 5.0, 6.0]).expect("six values");
        let run = |exclusive, reverse, axis: i64| {
            let made =
                Product { exclusive, reverse }.eval(&[&data, &tensor0(axis)]).expect("the axis is there");
            slice::<f32>(&made[0]).expect("of the input's type").to_vec()
        };
        assert_eq!(run(false, false, 1), [1.0, 2.0, 6.0, 4.0, 20.0, 120.0]);
        assert_eq!(run(true, false, -1), [1.0, 1.0, 2.0, 1.0, 4.0, 20.0]);
        assert_eq!(run(false, true, 0), [4.0, 10.0, 18.0, 4.0, 5.0, 6.0]);
        assert_eq!(run(true, true, 1), [6.0, 3.0, 1.0, 30.0, 6.0, 1.0]);
        let beyond = Product { exclusive: false, reverse: false }.eval(&[&data, &tensor0(2i64)]);
        assert!(beyond.is_err_and(|error| error.to_string().contains("no axis 2")));
    }
}
