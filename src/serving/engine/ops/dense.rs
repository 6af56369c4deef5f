//! MatMul and Gemm by weights that are known before the first run: the layers of a network. They are laid out once,
//! for every size of a batch. All other products are tract's.

use std::sync::Arc;

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::{binary::TypedBinOp, math};
use tract_onnx::tract_hir::internal::*;

use super::attrs::{Attrs, along, slice};
use super::kernel::{Built, Fact, Instead, Kernel, Spread, instead};
use super::product::{Biased, Panels, multiply};

pub fn mat_mul(ctx: &ParsingContext, node: &NodeProto) -> Built {
    instead(ctx, node, Form { alpha: 1.0, beta: 1.0, turned: false, is_plain: true })
}

pub fn gemm(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let attrs = Attrs(node);
    let is_turned = |name| attrs.int(name).unwrap_or(0) != 0;
    let factor = |name| attrs.float(name).unwrap_or(1.0);
    let (alpha, beta) = (factor("alpha"), factor("beta"));
    instead(ctx, node, Form { alpha, beta, turned: is_turned("transB"), is_plain: !is_turned("transA") })
}

/// Numbers that are laid out for a layer at most, if they are more than twice its weights: 256 MiB. Weights of a few columns
/// take up to 32 times their size in panels, and a file of some bytes may ask for any number of them, all alike.
const MOST: usize = 1 << 26;

/// `alpha * x * weights + beta * bias`.
#[derive(Clone, Copy, Debug)]
struct Form {
    alpha: f32,
    beta: f32,
    /// The weights are given column after column.
    turned: bool,
    /// The first side is as it is given.
    is_plain: bool,
}

impl Instead for Form {
    type Kernel = Layer;

    fn kernel(&self, facts: &[&TypedFact]) -> TractResult<Option<(Layer, usize)>> {
        Ok(self.layer(facts)?.map(|layer| (layer, 1)))
    }
}

impl Form {
    /// The layer it is, where the weights are a known table and the bias a known line.
    fn layer(self, facts: &[&TypedFact]) -> TractResult<Option<Layer>> {
        let [x, weights, ..] = facts else { return Ok(None) };
        let Some(weights) = weights.konst.as_deref().filter(|_| self.is_plain && x.rank() > 1) else {
            return Ok(None);
        };
        let (&[first, second], true) =
            (weights.shape(), [x.datum_type, weights.datum_type()] == [DatumType::F32; 2])
        else {
            return Ok(None);
        };
        let (inner, width) = if self.turned { (second, first) } else { (first, second) };
        let bias = self
            .bias(facts.get(2).copied(), width)?
            .filter(|_| Panels::size(inner, width) <= MOST.max(2 * weights.len()));
        let Some(bias) = bias else { return Ok(None) };
        let scaled: Vec<f32> = slice::<f32>(weights)?.iter().map(|weight| self.alpha * weight).collect();
        let weights = match self.turned {
            true => Panels::of_columns(&scaled, inner, width),
            false => Panels::of(&scaled, inner, width),
        };
        Ok(Some(Layer { weights: Arc::new(weights), bias, is_rectified: false }))
    }

    /// One value for each column; `None` where the bias is not known, or not the same for all rows.
    fn bias(self, fact: Option<&TypedFact>, width: usize) -> TractResult<Option<Vec<f32>>> {
        let Some(fact) = fact.filter(|_| self.beta != 0.0) else { return Ok(Some(vec![0.0; width])) };
        let known = fact.konst.as_deref().map(|known| line(known, width)).transpose()?.flatten();
        Ok(known.map(|bias| bias.iter().map(|value| self.beta * value).collect()))
    }
}

/// A value for each column, where they are the same for all rows.
fn line(known: &Tensor, width: usize) -> TractResult<Option<Vec<f32>>> {
    along(known, known.rank().saturating_sub(1), width)
}

#[derive(Clone, Debug)]
struct Layer {
    weights: Arc<Panels>,
    bias: Vec<f32>,
    /// What is below nought is nought.
    is_rectified: bool,
}

impl Kernel for Layer {
    fn name(&self) -> &'static str {
        "MatMul"
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let [x] = inputs else { bail!("a layer takes one input") };
        let (last, outer) = x.shape.split_last().context("a layer takes rows")?;
        ensure!(
            last.to_usize().is_ok_and(|columns| columns == self.weights.inner())
                || !last.symbols().is_empty(),
            "MatMul has weights for {} columns, not {last}",
            self.weights.inner()
        );
        Ok(tvec!(Fact::new(x.datum, outer.iter().cloned().chain([self.weights.width().to_dim()]))))
    }

    fn joined(&self, next: &TypedBinOp, other: &Tensor) -> TractResult<Option<Arc<dyn Kernel>>> {
        let Some(other) = line(other, self.bias.len())?.filter(|_| !self.is_rectified) else {
            return Ok(None);
        };
        let mut layer = self.clone();
        if next.0.is::<math::Add>() {
            layer.bias.iter_mut().zip(&other).for_each(|(bias, more)| *bias += more);
        } else if next.0.is::<math::Max>() && other.iter().all(|&least| least == 0.0) {
            layer.is_rectified = true;
        } else {
            return Ok(None);
        }
        Ok(Some(Arc::new(layer)))
    }

    fn spread(&self) -> Spread {
        Spread::Line
    }

    fn eval(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let (inner, width) = (self.weights.inner(), self.weights.width());
        let mut shape: TVec<usize> = inputs[0].shape().into();
        let last = shape.last_mut().filter(|last| **last == inner);
        *last.with_context(|| format!("MatMul takes {inner} columns, not {:?}", inputs[0].shape()))? = width;
        // SAFETY: every value is written below, and none is read before.
        let mut out = unsafe { Tensor::uninitialized::<f32>(&shape)? };
        let settle = Biased { bias: &self.bias, is_rectified: self.is_rectified };
        let mut plain = out.try_as_plain_ram_mut()?;
        multiply(slice(inputs[0])?, &*self.weights, &settle, plain.as_slice_mut::<f32>()?);
        Ok(tvec!(out))
    }
}

#[cfg(test)]
mod tests {
    use super::super::attrs::tensor;
    use super::*;

    const PLAIN: Form = Form { alpha: 1.0, beta: 1.0, turned: false, is_plain: true };

    fn known(shape: &[usize], values: &[f32]) -> TypedFact {
        TypedFact::try_from(tensor(shape, values.to_vec()).expect("as many values as the shape has"))
            .expect("a fact")
    }

    fn open(shape: &[usize]) -> TypedFact {
        DatumType::F32.fact(shape)
    }

    fn layer(form: Form, facts: &[TypedFact]) -> Option<Layer> {
        form.layer(&facts.iter().collect::<Vec<_>>()).expect("facts that fit")
    }

    #[test]
    fn a_layer_is_the_product_its_node_writes() {
        let x = tensor(&[2, 3], vec![1f32, 2.0, 3.0, 4.0, 5.0, 6.0]).expect("six values");
        let (straight, turned) = ([1f32, 0.0, 2.0, 1.0, 0.0, -1.0], [1f32, 2.0, 0.0, 0.0, 1.0, -1.0]);
        let bias = [10f32, 20.0];
        let double = Form { alpha: 2.0, beta: 0.5, ..PLAIN };
        let run = |form: Form, weights: TypedFact, bias: Option<TypedFact>| {
            let facts: Vec<_> = [open(&[2, 3]), weights].into_iter().chain(bias).collect();
            let made = layer(form, &facts).expect("a layer").eval(&[&x]).expect("it runs");
            assert_eq!(made[0].shape(), [2, 2]);
            slice::<f32>(&made[0]).expect("of the input's type").to_vec()
        };
        assert_eq!(run(PLAIN, known(&[3, 2], &straight), None), [5.0, -1.0, 14.0, -1.0]);
        assert_eq!(
            run(Form { turned: true, ..PLAIN }, known(&[2, 3], &turned), None),
            [5.0, -1.0, 14.0, -1.0]
        );
        for shape in [&[2][..], &[1, 2]] {
            let made = run(double, known(&[3, 2], &straight), Some(known(shape, &bias)));
            assert_eq!(made, [15.0, 8.0, 33.0, 8.0]);
        }
        assert_eq!(run(PLAIN, known(&[3, 2], &straight), Some(known(&[], &[1.0]))), [6.0, 0.0, 15.0, 0.0]);
        let without = Form { beta: 0.0, ..PLAIN };
        assert_eq!(run(without, known(&[3, 2], &straight), Some(open(&[2, 2]))), [5.0, -1.0, 14.0, -1.0]);
    }

    #[test]
    fn a_sequence_keeps_its_axes() {
        let layer = layer(PLAIN, &[open(&[2, 2, 1]), known(&[1, 3], &[1.0, 2.0, 3.0])]).expect("a layer");
        let x = tensor(&[2, 2, 1], vec![1f32, 2.0, 3.0, 4.0]).expect("four values");
        let made = layer.eval(&[&x]).expect("it runs");
        assert_eq!(made[0].shape(), [2, 2, 3]);
        assert_eq!(slice::<f32>(&made[0]).expect("numbers")[9..], [4.0, 8.0, 12.0]);
        let narrow = tensor(&[1, 2], vec![1f32, 2.0]).expect("two values");
        assert!(layer.eval(&[&narrow]).is_err_and(|error| error.to_string().contains("takes 1 columns")));
    }

    #[test]
    fn a_bias_and_a_relu_behind_it_are_taken_in_and_nothing_else() {
        let plain = layer(PLAIN, &[open(&[2, 2]), known(&[2, 2], &[1.0, 0.0, 0.0, 1.0])]).expect("a layer");
        let other = |shape: &[usize], values: &[f32]| tensor(shape, values.to_vec()).expect("as many values");
        let (add, max) = (TypedBinOp(Box::new(math::Add), None), TypedBinOp(Box::new(math::Max), None));
        let zero = other(&[1, 1], &[0.0]);
        let biased = plain.joined(&add, &other(&[1, 2], &[-2.0, 1.0])).expect("it fits").expect("joined");
        let both = biased.joined(&max, &zero).expect("it fits").expect("joined");
        let made = both.eval(&[&other(&[2, 2], &[1.0, 2.0, 3.0, -4.0])]).expect("it runs");
        assert_eq!(slice::<f32>(&made[0]).expect("numbers"), [0.0, 3.0, 1.0, 0.0]);
        let made = both.eval(&[&other(&[1, 2], &[f32::NAN, 1.0])]).expect("it runs");
        assert!(slice::<f32>(&made[0]).expect("numbers").iter().all(|value| value.is_nan()));
        assert!(both.joined(&add, &zero).expect("it fits").is_none());
        for next in [&add, &max] {
            assert!(plain.joined(next, &other(&[2, 1], &[1.0, 2.0])).expect("it fits").is_none());
        }
        assert!(plain.joined(&max, &other(&[2], &[0.0, 1.0])).expect("it fits").is_none());
        let times = TypedBinOp(Box::new(math::Mul), None);
        assert!(plain.joined(&times, &zero).expect("it fits").is_none());
    }

    #[test]
    fn all_else_stays_tracts() {
        let weights = || known(&[3, 2], &[0.0; 6]);
        let x = || open(&[4, 3]);
        let others = [
            (PLAIN, vec![x(), open(&[3, 2])]),
            (PLAIN, vec![open(&[3]), weights()]),
            (PLAIN, vec![x(), known(&[1, 3, 2], &[0.0; 6])]),
            (PLAIN, vec![x(), known(&[3], &[0.0; 3])]),
            (PLAIN, vec![DatumType::F64.fact([4, 3]), weights()]),
            (Form { is_plain: false, ..PLAIN }, vec![open(&[3, 4]), weights()]),
            (PLAIN, vec![x(), weights(), open(&[2])]),
            (PLAIN, vec![x(), weights(), known(&[4, 1], &[0.0; 4])]),
            (PLAIN, vec![x(), weights(), known(&[4, 2], &[0.0; 8])]),
        ];
        for (form, facts) in others {
            assert!(layer(form, &facts).is_none(), "{facts:?}");
        }
    }
}
