//! Operators along the last axis, line by line: Softmax and LayerNormalization in single precision. Along another axis
//! and of other numbers they are tract's.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::attrs::{Attrs, slice};
use super::kernel::{Built, Fact, Instead, Kernel, Spread, instead};
use super::scale::only;
use super::vectors::{Lanewise, Vectors, times_plus};

/// `TensorProto.FLOAT`, in which ONNX has a line's mean worked out unless told otherwise.
const FLOAT: i64 = 1;

pub fn softmax(ctx: &ParsingContext, node: &NodeProto) -> Built {
    // Before version 13 all axes from the named one on were one line.
    let default = if ctx.onnx_operator_set_version < 13 { 1 } else { -1 };
    let axis = Attrs(node).int("axis").unwrap_or(default);
    instead(ctx, node, Along { axis, line: Softmax })
}

pub fn layer_normalization(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let attrs = Attrs(node);
    let is_plain =
        node.output.iter().skip(1).all(String::is_empty) && attrs.int("stash_type").unwrap_or(FLOAT) == FLOAT;
    let epsilon = attrs.float("epsilon").unwrap_or(1e-5);
    let axis = attrs.int("axis").unwrap_or(-1);
    instead(ctx, node, Along { axis, line: Normalization { epsilon, is_plain } })
}

/// An operator along an axis as its node has it.
#[derive(Clone, Copy, Debug)]
struct Along<T> {
    axis: i64,
    line: T,
}

impl<T> Along<T> {
    /// Whether this is the last axis of the input, and the input of our numbers.
    fn fits(&self, input: &TypedFact) -> bool {
        let rank = input.rank() as i64;
        input.datum_type == DatumType::F32 && rank > 0 && [-1, rank - 1].contains(&self.axis)
    }
}

#[derive(Clone, Copy, Debug)]
struct Softmax;

impl Instead for Along<Softmax> {
    type Kernel = Softmax;

    fn kernel(&self, facts: &[&TypedFact]) -> TractResult<Option<(Softmax, usize)>> {
        Ok(self.fits(facts[0]).then_some((Softmax, 1)))
    }
}

#[derive(Clone, Copy, Debug)]
struct Normalization {
    epsilon: f32,
    /// Neither means nor deviations are asked for, and they are worked out as we do.
    is_plain: bool,
}

impl Instead for Along<Normalization> {
    type Kernel = Normalized;

    fn kernel(&self, facts: &[&TypedFact]) -> TractResult<Option<(Normalized, usize)>> {
        let Normalization { epsilon, is_plain } = self.line;
        if !is_plain || !self.fits(facts[0]) {
            return Ok(None);
        }
        let length = facts[0].shape.last().and_then(|length| length.to_usize().ok());
        let known = |at: usize| facts.get(at).map(|fact| line(fact, length)).transpose();
        let (scale, bias) = match (known(1)?.flatten(), known(2)?) {
            (Some(scale), None) => (scale.clone(), vec![0.0; scale.len()]),
            (Some(scale), Some(Some(bias))) => (scale, bias),
            _ => return Ok(None),
        };
        Ok(Some((Normalized { epsilon, scale, bias }, 1)))
    }
}

/// A known value for each place of a line.
fn line(fact: &TypedFact, length: Option<usize>) -> TractResult<Option<Vec<f32>>> {
    let known = fact.konst.as_deref().filter(|known| known.datum_type() == DatumType::F32);
    let Some(known) = known.filter(|known| known.rank() == 1 && Some(known.len()) == length) else {
        return Ok(None);
    };
    Ok(Some(slice::<f32>(known)?.to_vec()))
}

impl Kernel for Softmax {
    fn name(&self) -> &'static str {
        "Softmax"
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        Ok(tvec!(only(inputs)?.clone()))
    }

    fn spread(&self) -> Spread {
        Spread::Line
    }

    fn eval(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        each_line(inputs[0], |from, length, to| Vectors::widest().run(Shares { from, length, to }))
    }
}

/// LayerNormalization by a scale and a bias that are known.
#[derive(Debug)]
struct Normalized {
    epsilon: f32,
    scale: Vec<f32>,
    bias: Vec<f32>,
}

impl Kernel for Normalized {
    fn name(&self) -> &'static str {
        "LayerNormalization"
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        Ok(tvec!(only(inputs)?.clone()))
    }

    fn spread(&self) -> Spread {
        Spread::Line
    }

    fn eval(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        ensure!(
            inputs[0].shape().last() == Some(&self.scale.len()),
            "LayerNormalization takes lines of {} values, not of a shape of {:?}",
            self.scale.len(),
            inputs[0].shape()
        );
        each_line(inputs[0], |from, _, to| Vectors::widest().run(Normals { of: self, from, to }))
    }
}

/// Makes a tensor of the same shape from lines of a length that is not nought.
fn each_line(input: &Tensor, work: impl FnOnce(&[f32], usize, &mut [f32])) -> TractResult<TVec<Tensor>> {
    let length = input.shape().last().copied().context("there is no line in a single number")?;
    // SAFETY: every value is written below, and none is read before.
    let mut out = unsafe { Tensor::uninitialized::<f32>(input.shape())? };
    if out.len() > 0 {
        work(slice(input)?, length, out.try_as_plain_ram_mut()?.as_slice_mut::<f32>()?);
    }
    Ok(tvec!(out))
}

/// The shares that values have in the sum of their exponentials.
struct Shares<'a> {
    from: &'a [f32],
    length: usize,
    to: &'a mut [f32],
}

impl Lanewise for Shares<'_> {
    #[inline(always)]
    fn run<const LANES: usize, const FUSED: bool>(self) {
        for (from, to) in self.from.chunks_exact(self.length).zip(self.to.chunks_exact_mut(self.length)) {
            shares_of_line::<LANES, FUSED>(from, to);
        }
    }
}

#[inline(always)]
fn shares_of_line<const LANES: usize, const FUSED: bool>(from: &[f32], to: &mut [f32]) {
    let most = most::<LANES>(from);
    // A plain loop: one over the lanes of a vector would be unrolled before it is laid out in vectors, and then is not.
    for (to, from) in to.iter_mut().zip(from) {
        *to = exp::<FUSED>(from - most);
    }
    let share = 1.0 / sum::<LANES>(to, |value| value);
    to.iter_mut().for_each(|to| *to *= share);
}

/// The largest value, of those that are numbers.
#[inline(always)]
fn most<const LANES: usize>(values: &[f32]) -> f32 {
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut most = [f32::NEG_INFINITY; LANES];
    for chunk in chunks {
        most = std::array::from_fn(|lane| if chunk[lane] > most[lane] { chunk[lane] } else { most[lane] });
    }
    most.iter().chain(rest).fold(f32::NEG_INFINITY, |most, value| most.max(*value))
}

/// e to the power of what is not above nought, within two units of the last place; below the least normal number it is
/// nought. By e^x = 2^n e^r with |r| <= ln 2 / 2, and the polynomial of Cephes's `expf` for e^r.
#[inline(always)]
fn exp<const FUSED: bool>(x: f32) -> f32 {
    /// The power of which the least normal number is, rounded up.
    const LEAST: f32 = -87.336_54;
    /// Added to a small number, it leaves the nearest whole one in the last bits.
    const ROUND: f32 = 12_582_912.0;
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    const FACTORS: [f32; 6] =
        [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];
    let rounded = times_plus::<FUSED>(x, std::f32::consts::LOG2_E, ROUND);
    let power = rounded - ROUND;
    let rest = LN_2.iter().fold(x, |rest, part| times_plus::<FUSED>(power, -part, rest));
    let sum = FACTORS.iter().fold(0.0, |sum, factor| times_plus::<FUSED>(sum, rest, *factor));
    let sum = times_plus::<FUSED>(sum, rest * rest, rest) + 1.0;
    let scale = f32::from_bits(rounded.to_bits().wrapping_add(127) << 23);
    if x < LEAST { 0.0 } else { sum * scale }
}

/// Lines brought to a mean of nought and a deviation of one, then scaled and moved.
struct Normals<'a> {
    of: &'a Normalized,
    from: &'a [f32],
    to: &'a mut [f32],
}

impl Lanewise for Normals<'_> {
    #[inline(always)]
    fn run<const LANES: usize, const FUSED: bool>(self) {
        let Normalized { epsilon, scale, bias } = self.of;
        let length = scale.len();
        for (from, to) in self.from.chunks_exact(length).zip(self.to.chunks_exact_mut(length)) {
            let mean = sum::<LANES>(from, |value| value) / length as f32;
            let variance = sum::<LANES>(from, |value| (value - mean) * (value - mean)) / length as f32;
            let by = 1.0 / (variance + epsilon).sqrt();
            for (((to, from), scale), bias) in to.iter_mut().zip(from).zip(scale).zip(bias) {
                *to = times_plus::<FUSED>((from - mean) * by, *scale, *bias);
            }
        }
    }
}

/// The sum of what is made of each value, several at a time.
#[inline(always)]
fn sum<const LANES: usize>(values: &[f32], of: impl Fn(f32) -> f32) -> f32 {
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for chunk in chunks {
        sums = std::array::from_fn(|lane| sums[lane] + of(chunk[lane]));
    }
    sums.iter().sum::<f32>() + rest.iter().map(|value| of(*value)).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::super::attrs::tensor;
    use super::*;

    /// Values from -`span` to `span`, in no order.
    fn drawn(count: usize, span: f32) -> Vec<f32> {
        (0..count).map(|at| ((at * 7919 + 13) % 1009) as f32 / 504.5 * span - span).collect()
    }

    fn near(made: &[f32], wanted: &[f64], tolerance: f64) {
        assert_eq!(made.len(), wanted.len());
        for (made, wanted) in made.iter().zip(wanted) {
            assert!((f64::from(*made) - wanted).abs() <= tolerance * wanted.abs() + 1e-37, "{made} {wanted}");
        }
    }

    #[test]
    fn shares_are_those_worked_out_in_double() {
        for length in [1, 2, 7, 8, 15, 16, 17, 32, 33, 100] {
            for span in [0.1, 5.0, 40.0] {
                let from = drawn(3 * length, span);
                let wanted: Vec<f64> = from
                    .chunks_exact(length)
                    .flat_map(|line| {
                        let total: f64 = line.iter().map(|value| f64::from(*value).exp()).sum();
                        line.iter().map(move |value| f64::from(*value).exp() / total)
                    })
                    .collect();
                for vectors in Vectors::all() {
                    let mut to = vec![f32::NAN; from.len()];
                    vectors.run(Shares { from: &from, length, to: &mut to });
                    near(&to, &wanted, 1e-5);
                }
            }
        }
    }

    #[test]
    fn what_is_masked_has_no_share_and_what_is_no_number_leaves_none() {
        let run = |line: &[f32]| {
            let made =
                Softmax.eval(&[&tensor(&[1, line.len()], line.to_vec()).expect("a line")]).expect("it runs");
            slice::<f32>(&made[0]).expect("numbers").to_vec()
        };
        assert_eq!(run(&[f32::NEG_INFINITY, 3.0, f32::MIN, 3.0]), [0.0, 0.5, 0.0, 0.5]);
        assert_eq!(run(&[1e30, -1e30]), [1.0, 0.0]);
        let mut long = vec![f32::NEG_INFINITY; 40];
        long[39] = -5.0;
        assert_eq!(run(&long)[38..], [0.0, 1.0]);
        for odd in [f32::NAN, f32::INFINITY] {
            for place in [0, 20, 39] {
                let mut line = vec![1.0; 40];
                line[place] = odd;
                assert!(run(&line)[place].is_nan());
            }
        }
        assert!(run(&[f32::NEG_INFINITY; 3]).iter().all(|share| share.is_nan()));
        let nothing = tensor::<f32>(&[2, 0], vec![]).expect("nothing");
        assert_eq!(Softmax.eval(&[&nothing]).expect("it runs")[0].shape(), [2, 0]);
    }

    #[test]
    fn normals_are_those_worked_out_in_double() {
        for length in [1, 2, 15, 16, 17, 64, 100] {
            let (from, epsilon) = (drawn(4 * length, 3.0), 1e-5);
            let (scale, bias) = (drawn(length, 2.0), drawn(length, 1.0));
            let wanted: Vec<f64> = from
                .chunks_exact(length)
                .flat_map(|line| {
                    let line: Vec<f64> = line.iter().map(|value| f64::from(*value)).collect();
                    let mean = line.iter().sum::<f64>() / length as f64;
                    let variance =
                        line.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / length as f64;
                    let by = (variance + f64::from(epsilon)).sqrt();
                    let parts = line.into_iter().zip(scale.iter().zip(&bias));
                    parts
                        .map(|(value, (scale, bias))| {
                            (value - mean) / by * f64::from(*scale) + f64::from(*bias)
                        })
                        .collect::<Vec<_>>()
                })
                .collect();
            let of = Normalized { epsilon, scale, bias };
            for vectors in Vectors::all() {
                let mut to = vec![f32::NAN; from.len()];
                vectors.run(Normals { of: &of, from: &from, to: &mut to });
                for (made, wanted) in to.iter().zip(&wanted) {
                    assert!((f64::from(*made) - wanted).abs() < 2e-5, "{made} {wanted} of {length}");
                }
            }
        }
    }

    #[test]
    fn other_axes_and_numbers_stay_tracts() {
        let line = |axis| Along { axis, line: Softmax };
        let fits = |along: Along<Softmax>, fact: TypedFact| along.kernel(&[&fact]).expect("a fact").is_some();
        for (axis, wanted) in [(-1, true), (2, true), (1, false), (-2, false), (0, false)] {
            assert_eq!(fits(line(axis), DatumType::F32.fact([2, 3, 4])), wanted, "axis {axis}");
        }
        assert!(!fits(line(-1), DatumType::F64.fact([2, 3])));
        assert!(!fits(line(-1), DatumType::F32.fact::<[usize; 0]>([])));
        let normal = |is_plain| Along { axis: -1, line: Normalization { epsilon: 1e-5, is_plain } };
        let known = |count: usize| {
            TypedFact::try_from(tensor(&[count], vec![1f32; count]).expect("a line")).expect("a fact")
        };
        let kernel = |along: Along<Normalization>, facts: &[TypedFact]| {
            along.kernel(&facts.iter().collect::<Vec<_>>()).expect("facts").is_some()
        };
        let x = || DatumType::F32.fact([2, 3]);
        assert!(kernel(normal(true), &[x(), known(3)]) && kernel(normal(true), &[x(), known(3), known(3)]));
        assert!(!kernel(normal(false), &[x(), known(3)]));
        for others in
            [vec![x(), known(1)], vec![x(), DatumType::F32.fact([3])], vec![x(), known(3), known(2)]]
        {
            assert!(!kernel(normal(true), &others));
        }
    }
}
