//! TreeEnsembleClassifier: votes or margins summed per class, and the label they make.
//!
//! Two classes are the trap. Exporters write the score of one class only, under whichever id; whether
//! it is a probability (all weights positive, decided at one half) or a margin (decided at zero) is
//! read off the signs of the weights.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::forest::Forest;
use super::sum::Sum;
use super::{Real, Score, Work, check_input, in_precision, listed};
use crate::serving::engine::ops::attrs::{Attrs, Labels, tensor};
use crate::serving::engine::ops::kernel::{Built, Fact, Kernel, Spread, wrap};
use crate::serving::engine::ops::scores::{PostTransform, Single};

pub fn tree_ensemble_classifier(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let attrs = Attrs(node);
    let mut labels = Labels::read(&attrs, "classlabels_int64s", "classlabels_strings")?;
    ensure!(labels.len() > 1, "the ensemble has {} class labels; two are the least", labels.len());
    let forest = listed::forest(ctx, &attrs, "class", labels.len())?;
    let base = attrs.reals(ctx, "base_values")?;
    ensure!(base.len() <= labels.len(), "{} base values for {} classes", base.len(), labels.len());
    let post = PostTransform::read(&attrs)?;
    let kind = Kind::of(&forest);
    if labels.len() == 2 {
        // In both cases onnxruntime leaves the second score unwritten, to be whatever memory held.
        ensure!(
            post != PostTransform::Probit || base.len() == 2,
            "PROBIT of a single score has no defined second score"
        );
        ensure!(
            kind != Kind::Split || base.len() != 1,
            "one base value for two classes that both have weights"
        );
        if kind == Kind::Split && matches!(labels, Labels::Ints(_)) {
            // onnxruntime answers with the position, not with the label at it.
            labels = Labels::Ints(vec![0, 1]);
        }
    }
    wrap(node, Classifier { forest, labels, base, kind, post })
}

/// What the weights of two classes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// One class has all the weights, none negative: a probability.
    Votes,
    /// One class has all the weights: a margin.
    Margin,
    /// Both classes have weights.
    Split,
}

impl Kind {
    fn of(forest: &Forest) -> Self {
        if forest.only_target().is_none() {
            return Self::Split;
        }
        if forest.weights().iter().any(|weight| weight.value < 0.0) { Self::Margin } else { Self::Votes }
    }
}

#[derive(Debug)]
struct Classifier {
    forest: Forest,
    labels: Labels,
    base: Vec<f64>,
    kind: Kind,
    post: PostTransform,
}

impl Kernel for Classifier {
    fn name(&self) -> &'static str {
        "TreeEnsembleClassifier"
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let rows = check_input(&self.forest, inputs)?;
        let labels = Fact::new(self.labels.datum(), [rows.clone()]);
        Ok(tvec!(labels, Fact::new(DatumType::F32, [rows, self.labels.len().to_dim()])))
    }

    fn spread(&self) -> Spread {
        Spread::Row
    }

    fn eval(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let (winners, scores) = in_precision(&self.forest, inputs[0], self)?;
        let shape = [winners.len(), self.labels.len()];
        Ok(tvec!(self.labels.pick(&winners)?, tensor(&shape, scores)?))
    }

    fn sum(&self) -> Option<Sum<'_>> {
        let (forest, mut classes) = (&self.forest, self.labels.texts());
        let all = |base: Vec<f64>, classes| Sum { forest, base, scale: 1.0, classes, single: false };
        if classes.len() > 2 || (self.kind == Kind::Split && self.base.is_empty()) {
            let mut base = self.base.clone();
            base.resize(classes.len(), 0.0);
            return Some(all(base, Some(classes)));
        }
        // Two base values for two classes do not add up: onnxruntime uses the second alone, or crosswise.
        let target = forest.only_target().filter(|_| self.base.len() < 2)?;
        // Of a score that is written under the second class, the base value is no part.
        let base = if target == 0 { self.base.first().copied().unwrap_or(0.0) } else { 0.0 };
        if base != 0.0 && !forest.always_gives(target) {
            return None;
        }
        Some(Sum { single: true, ..all(vec![base], Some(classes.split_off(1))) })
    }
}

impl Work for Classifier {
    /// The winner of each row, and the scores.
    type Made = (Vec<usize>, Vec<f32>);

    fn run<A: Real + Datum>(&self, values: &[A], rows: usize, columns: usize) -> Self::Made {
        let classes = self.labels.len();
        let mut scores = vec![Score::<A>::none(); rows * classes];
        self.forest.score(values, columns, classes, &mut scores, |score, value| score.add(value));
        let mut out = Vec::with_capacity(scores.len());
        let winners = scores.chunks_exact_mut(classes).map(|row| match row {
            [negative, positive] => self.two(negative, positive, &mut out),
            row => self.many(row, &mut out),
        });
        (winners.collect(), out)
    }
}

impl Classifier {
    fn many<A: Real>(&self, scores: &mut [Score<A>], out: &mut Vec<f32>) -> usize {
        for (score, &base) in scores.iter_mut().zip(&self.base) {
            score.add(A::of(base));
        }
        // Of equal scores the first wins.
        let mut best: Option<(usize, A)> = None;
        for (at, score) in scores.iter().enumerate().filter(|(_, score)| score.given) {
            if best.is_none_or(|(_, top)| score.value > top) {
                best = Some((at, score.value));
            }
        }
        let start = out.len();
        out.extend(scores.iter().map(|score| score.written().narrow()));
        self.post.apply(&mut out[start..]);
        best.map_or(0, |(at, _)| at)
    }

    fn two<A: Real>(&self, negative: &mut Score<A>, positive: &mut Score<A>, out: &mut Vec<f32>) -> usize {
        let alone = self.add_base(negative, positive);
        let decisive = if positive.given { *positive } else { *negative };
        let decisive = if decisive.given { decisive.value } else { A::zero() };
        let threshold = if self.kind == Kind::Votes { A::of(0.5) } else { A::zero() };
        let mut pair = [negative.written().narrow(), positive.written().narrow()];
        if alone {
            let single = if self.kind == Kind::Votes { Single::Probability } else { Single::Margin };
            pair = self.post.split(negative.written().narrow(), single);
        } else {
            self.post.apply(&mut pair);
        }
        out.extend(pair);
        usize::from(decisive > threshold)
    }

    /// Adds the base values, and says whether the first class's score stands for both.
    fn add_base<A: Real>(&self, negative: &mut Score<A>, positive: &mut Score<A>) -> bool {
        match self.base[..] {
            [_, base] if positive.given => {
                positive.value = A::of(base) + negative.value;
                negative.value = -positive.value;
                false
            }
            [first, second] => {
                positive.value = positive.value + A::of(second);
                negative.value = negative.value + A::of(first);
                false
            }
            [base, ..] => {
                negative.value = negative.value + A::of(base);
                !positive.given
            }
            [] => !positive.given,
        }
    }
}
