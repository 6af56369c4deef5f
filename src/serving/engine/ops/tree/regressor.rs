//! TreeEnsembleRegressor: what the leaves say, summed, averaged, or the least or greatest of it.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::forest::Forest;
use super::sum::Sum;
use super::{Real, Score, Work, check_input, in_precision, listed};
use crate::serving::engine::ops::attrs::{Attrs, tensor};
use crate::serving::engine::ops::kernel::{Built, Fact, Kernel, Spread, wrap};
use crate::serving::engine::ops::scores::{PostTransform, probit};

pub fn tree_ensemble_regressor(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let attrs = Attrs(node);
    let targets = usize::try_from(attrs.int("n_targets").unwrap_or(1)).unwrap_or(0);
    ensure!((1..=1 << 16).contains(&targets), "an ensemble has 1 to 65536 targets");
    let forest = listed::forest(ctx, &attrs, "target", targets)?;
    ensure!(targets > 1 || forest.leaves_have_one_weight(), "a leaf gives its only target two values");
    let base = attrs.reals(ctx, "base_values")?;
    ensure!(base.is_empty() || base.len() == targets, "{} base values for {targets} targets", base.len());
    let (aggregate, post) = (Aggregate::read(&attrs)?, PostTransform::read(&attrs)?);
    wrap(node, Regressor::new("TreeEnsembleRegressor", forest, targets, base, aggregate, post))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    Sum,
    Average,
    Min,
    Max,
}

impl Aggregate {
    fn read(attrs: &Attrs) -> TractResult<Self> {
        Ok(match attrs.string("aggregate_function")?.as_deref() {
            None | Some("SUM") => Self::Sum,
            Some("AVERAGE") => Self::Average,
            Some("MIN") => Self::Min,
            Some("MAX") => Self::Max,
            Some(other) => bail!("aggregate_function {other} is not known"),
        })
    }
}

/// Either operator that gives numbers; `TreeEnsemble` gives them in its input's precision.
#[derive(Debug)]
pub struct Regressor {
    name: &'static str,
    forest: Forest,
    targets: usize,
    base: Vec<f64>,
    aggregate: Aggregate,
    post: PostTransform,
}

impl Regressor {
    pub fn new(
        name: &'static str,
        forest: Forest,
        targets: usize,
        base: Vec<f64>,
        aggregate: Aggregate,
        post: PostTransform,
    ) -> Self {
        Self { name, forest, targets, base, aggregate, post }
    }

    fn datum(&self, input: DatumType) -> DatumType {
        let double = self.name == "TreeEnsemble" && input == DatumType::F64;
        if double { DatumType::F64 } else { DatumType::F32 }
    }

    fn merge<A: Real>(&self, values: &[A], columns: usize, scores: &mut [Score<A>]) {
        let put = |score: &mut Score<A>, value| *score = Score { value, given: true };
        let (forest, targets) = (&self.forest, self.targets);
        match self.aggregate {
            Aggregate::Sum | Aggregate::Average => {
                forest.score(values, columns, targets, scores, |score, value| score.add(value));
            }
            Aggregate::Min => forest.score(values, columns, targets, scores, |score, value| {
                if !score.given || value < score.value {
                    put(score, value);
                }
            }),
            Aggregate::Max => forest.score(values, columns, targets, scores, |score, value| {
                if !score.given || value > score.value {
                    put(score, value);
                }
            }),
        }
    }

    /// Averages, adds the base values, and transforms one row's scores.
    fn finish<A: Real>(&self, scores: &mut [Score<A>], out: &mut Vec<A>) {
        let start = out.len();
        for (index, score) in scores.iter_mut().enumerate() {
            if self.aggregate == Aggregate::Average {
                score.value = score.value / A::of(self.forest.trees() as f64);
            }
            score.value = score.value + A::of(self.base.get(index).copied().unwrap_or(0.0));
            out.push(if self.targets == 1 { score.value } else { score.written() });
        }
        let row = &mut out[start..];
        match (row.len(), self.post) {
            (_, PostTransform::None) => {}
            // Of the transforms, onnxruntime applies only this one to a single target.
            (1, PostTransform::Probit) => row[0] = A::of(f64::from(probit(row[0].narrow()))),
            (1, _) => {}
            (_, post) => {
                let mut narrow: Vec<f32> = row.iter().map(|score| score.narrow()).collect();
                post.apply(&mut narrow);
                row.iter_mut().zip(narrow).for_each(|(score, done)| *score = A::of(f64::from(done)));
            }
        }
    }
}

impl Kernel for Regressor {
    fn name(&self) -> &'static str {
        self.name
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let rows = check_input(&self.forest, inputs)?;
        Ok(tvec!(Fact::new(self.datum(inputs[0].datum), [rows, self.targets.to_dim()])))
    }

    fn spread(&self) -> Spread {
        Spread::Row
    }

    fn eval(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let made = in_precision(&self.forest, inputs[0], self)??;
        let datum = self.datum(inputs[0].datum_type());
        Ok(tvec!(if made.datum_type() == datum { made } else { made.cast_to_dt(datum)?.into_owned() }))
    }

    fn sum(&self) -> Option<Sum<'_>> {
        let scale = match self.aggregate {
            Aggregate::Sum => 1.0,
            Aggregate::Average => (self.forest.trees() as f64).recip(),
            Aggregate::Min | Aggregate::Max => return None,
        };
        let mut base = self.base.clone();
        base.resize(self.targets, 0.0);
        // Of several targets, one that no leaf adds to loses its base value too.
        let steady = |(target, base): (usize, &f64)| {
            *base == 0.0 || self.targets == 1 || self.forest.always_gives(target)
        };
        let adds_up = base.iter().enumerate().all(steady);
        adds_up.then_some(Sum { forest: &self.forest, base, scale, classes: None, single: false })
    }
}

impl Work for Regressor {
    type Made = TractResult<Tensor>;

    fn run<A: Real + Datum>(&self, values: &[A], rows: usize, columns: usize) -> TractResult<Tensor> {
        let mut scores = vec![Score::<A>::none(); rows * self.targets];
        self.merge(values, columns, &mut scores);
        let mut out = Vec::with_capacity(scores.len());
        scores.chunks_exact_mut(self.targets).for_each(|row| self.finish(row, &mut out));
        tensor(&[rows, self.targets], out)
    }
}
