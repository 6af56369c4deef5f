//! TreeEnsembleRegressor: what the leaves say, summed, averaged, or the least or greatest of it.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::forest::Forest;
use super::{Real, RowWork, Score, check_input, for_rows};
use crate::serving::engine::ops::attrs::{Attrs, tensor};
use crate::serving::engine::ops::kernel::{Built, Fact, Kernel, wrap};
use crate::serving::engine::ops::scores::{PostTransform, probit};

pub fn tree_ensemble_regressor(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let attrs = Attrs(node);
    let targets = usize::try_from(attrs.int("n_targets").unwrap_or(1)).unwrap_or(0);
    ensure!((1..=1 << 16).contains(&targets), "an ensemble has 1 to 65536 targets");
    let forest = Forest::read(ctx, &attrs, "target", targets)?;
    ensure!(targets > 1 || forest.leaves_have_one_weight(), "a leaf gives its only target two values");
    let base = attrs.reals(ctx, "base_values")?;
    ensure!(base.is_empty() || base.len() == targets, "{} base values for {targets} targets", base.len());
    wrap(
        node,
        Regressor {
            forest,
            targets,
            base,
            aggregate: Aggregate::read(&attrs)?,
            post: PostTransform::read(&attrs)?,
        },
    )
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Aggregate {
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

    fn merge<A: Real>(self, score: &mut Score<A>, value: A) {
        let take = match self {
            Self::Sum | Self::Average => return score.add(value),
            Self::Min => !score.given || value < score.value,
            Self::Max => !score.given || value > score.value,
        };
        if take {
            *score = Score { value, given: true };
        }
    }
}

#[derive(Debug)]
struct Regressor {
    forest: Forest,
    targets: usize,
    base: Vec<f64>,
    aggregate: Aggregate,
    post: PostTransform,
}

impl Kernel for Regressor {
    fn name(&self) -> &'static str {
        "TreeEnsembleRegressor"
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let rows = check_input(&self.forest, inputs)?;
        Ok(tvec!(Fact::new(DatumType::F32, [rows, self.targets.to_dim()])))
    }

    fn eval(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let mut work = Work { regressor: self, out: Vec::new() };
        let rows = for_rows(&self.forest, inputs[0], &mut work)?;
        Ok(tvec!(tensor(&[rows, self.targets], work.out)?))
    }
}

struct Work<'a> {
    regressor: &'a Regressor,
    out: Vec<f32>,
}

impl RowWork for Work<'_> {
    fn row<A: Real>(&mut self, row: &[f64]) {
        let Regressor { forest, targets, base, aggregate, post } = self.regressor;
        let mut scores = vec![Score::<A>::none(); *targets];
        for weight in forest.leaves(row).flatten() {
            aggregate.merge(&mut scores[weight.target], A::of(weight.value));
        }
        let start = self.out.len();
        for (index, score) in scores.iter_mut().enumerate() {
            if *aggregate == Aggregate::Average {
                score.value = score.value / A::of(forest.trees() as f64);
            }
            score.value = score.value + A::of(base.get(index).copied().unwrap_or(0.0));
            self.out.push(if *targets == 1 { score.value.narrow() } else { score.written() });
        }
        match &mut self.out[start..] {
            // Of the transforms, onnxruntime applies only this one to a single target.
            [score] if *post == PostTransform::Probit => *score = probit(*score),
            [_] => {}
            scores => post.apply(scores),
        }
    }
}
