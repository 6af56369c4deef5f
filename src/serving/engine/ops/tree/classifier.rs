//! TreeEnsembleClassifier: votes or margins summed per class, and the label they make.
//!
//! Two classes are the trap. Exporters write the score of one class only, under whichever id; whether
//! it is a probability (all weights positive, decided at one half) or a margin (decided at zero) is
//! read off the signs of the weights.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::forest::Forest;
use super::{Real, RowWork, Score, check_input, for_rows};
use crate::serving::engine::ops::attrs::{Attrs, Labels, tensor};
use crate::serving::engine::ops::kernel::{Built, Fact, Kernel, wrap};
use crate::serving::engine::ops::scores::{PostTransform, SecondClass, probit};

pub fn tree_ensemble_classifier(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let attrs = Attrs(node);
    let labels = Labels::read(&attrs, "classlabels_int64s", "classlabels_strings")?;
    ensure!(labels.len() > 1, "the ensemble has {} class labels; two are the least", labels.len());
    let forest = Forest::read(ctx, &attrs, "class", labels.len())?;
    let base = attrs.reals(ctx, "base_values")?;
    ensure!(base.len() <= labels.len(), "{} base values for {} classes", base.len(), labels.len());
    let first = forest.weights().first().map(|weight| weight.target);
    let one_id = forest.weights().iter().all(|weight| Some(weight.target) == first);
    let votes = forest.weights().iter().all(|weight| weight.value >= 0.0);
    let binary = (labels.len() == 2 && one_id && first.is_some()).then_some(if votes {
        Binary::Votes
    } else {
        Binary::Margin
    });
    wrap(node, Classifier { forest, labels, base, binary, post: PostTransform::read(&attrs)? })
}

/// Two classes, one of which has all the weights.
#[derive(Clone, Copy, Debug)]
enum Binary {
    Votes,
    Margin,
}

#[derive(Debug)]
struct Classifier {
    forest: Forest,
    labels: Labels,
    base: Vec<f64>,
    binary: Option<Binary>,
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

    fn eval(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let mut work = Work { classifier: self, winners: Vec::new(), out: Vec::new() };
        let rows = for_rows(&self.forest, inputs[0], &mut work)?;
        Ok(tvec!(self.labels.pick(&work.winners)?, tensor(&[rows, self.labels.len()], work.out)?))
    }
}

struct Work<'a> {
    classifier: &'a Classifier,
    winners: Vec<usize>,
    out: Vec<f32>,
}

impl RowWork for Work<'_> {
    fn row<A: Real>(&mut self, row: &[f64]) {
        let classifier = self.classifier;
        let mut scores = vec![Score::<A>::none(); classifier.labels.len()];
        for weight in classifier.forest.leaves(row).flatten() {
            scores[weight.target].add(A::of(weight.value));
        }
        let winner = match &mut scores[..] {
            [negative, positive] => classifier.two(negative, positive, &mut self.out),
            scores => classifier.many(scores, &mut self.out),
        };
        self.winners.push(winner);
    }
}

impl Classifier {
    fn many<A: Real>(&self, scores: &mut [Score<A>], out: &mut Vec<f32>) -> usize {
        for (score, &base) in scores.iter_mut().zip(&self.base) {
            score.add(A::of(base));
        }
        let given = || scores.iter().enumerate().filter(|(_, score)| score.given);
        // Of equal scores the first wins.
        let best = given().fold(None, |best: Option<(usize, A)>, (at, score)| match best {
            Some((_, top)) if score.value <= top => best,
            Some((_, top)) if score.value.is_nan() || top.is_nan() => best,
            _ => Some((at, score.value)),
        });
        let start = out.len();
        out.extend(scores.iter().map(|score| score.value.narrow()));
        self.post.apply(&mut out[start..]);
        best.map_or(0, |(at, _)| at)
    }

    fn two<A: Real>(&self, negative: &mut Score<A>, positive: &mut Score<A>, out: &mut Vec<f32>) -> usize {
        let alone = self.add_base(negative, positive);
        let decisive = if positive.given { positive.value } else { negative.value };
        let (winner, second) = self.decide(decisive);
        let pair = if !alone {
            let mut pair = [negative.value.narrow(), positive.value.narrow()];
            self.post.apply(&mut pair);
            pair
        } else if self.post == PostTransform::Probit {
            [1.0 - probit(negative.value.narrow()), probit(negative.value.narrow())]
        } else {
            self.post.split(negative.value.narrow(), second)
        };
        out.extend(pair);
        winner
    }

    /// Adds the base values, and says whether the first class's score stands for both.
    fn add_base<A: Real>(&self, negative: &mut Score<A>, positive: &mut Score<A>) -> bool {
        match self.base[..] {
            [_, base] if positive.given => {
                *positive = Score { value: A::of(base) + negative.value, given: true };
                negative.value = -positive.value;
                false
            }
            [first, second] => {
                positive.value = positive.value + A::of(second);
                negative.add(A::of(first));
                false
            }
            [base, ..] => {
                negative.add(A::of(base));
                !positive.given
            }
            [] => !positive.given,
        }
    }

    fn decide<A: Real>(&self, score: A) -> (usize, SecondClass) {
        let half = A::of(0.5);
        match self.binary {
            Some(Binary::Votes) => (usize::from(score > half), SecondClass::Complement),
            Some(Binary::Margin) if score > A::zero() => (1, SecondClass::Positive),
            Some(Binary::Margin) => (0, SecondClass::Negative),
            None => (usize::from(score > A::zero()), SecondClass::Negative),
        }
    }
}
