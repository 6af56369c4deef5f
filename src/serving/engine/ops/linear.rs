//! LinearClassifier and LinearRegressor.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::attrs::{Attrs, Labels, expect_numbers, floats, rows, tensor};
use super::kernel::{Built, Fact, Kernel, Spread, wrap};
use super::scale::only;
use super::scores::{PostTransform, Single, probit};

/// One row of weights per score.
#[derive(Debug)]
struct Weights {
    coefficients: Vec<f32>,
    intercepts: Vec<f32>,
    scores: usize,
}

impl Weights {
    fn read(attrs: &Attrs, scores: usize) -> TractResult<Self> {
        let coefficients = attrs.floats("coefficients").to_vec();
        ensure!(scores > 0 && !coefficients.is_empty(), "there are no coefficients");
        ensure!(
            coefficients.len().is_multiple_of(scores),
            "{} coefficients do not make {scores} scores",
            coefficients.len()
        );
        let mut intercepts = attrs.floats("intercepts").to_vec();
        if intercepts.len() != scores {
            intercepts = vec![0.0; scores];
        }
        Ok(Self { coefficients, intercepts, scores })
    }

    fn features(&self) -> usize {
        self.coefficients.len() / self.scores
    }

    fn check(&self, input: &Fact) -> TractResult<TDim> {
        expect_numbers(input.datum)?;
        let (rows, columns) = input.rows()?;
        let fits = columns.to_usize().map_or(true, |columns| columns == self.features());
        ensure!(fits, "the linear model takes {} features, not {columns}", self.features());
        Ok(rows)
    }

    /// The scores of every row. Summed in double precision: no order of summation is nearer the truth.
    fn apply(&self, input: &Tensor) -> TractResult<(usize, Vec<f32>)> {
        let (count, columns) = rows(input)?;
        ensure!(
            columns == self.features(),
            "the linear model takes {} features, not {columns}",
            self.features()
        );
        let values = floats(input)?;
        let mut scores = Vec::with_capacity(count * self.scores);
        for row in values.chunks(columns) {
            for (weights, &intercept) in self.coefficients.chunks(columns).zip(&self.intercepts) {
                let terms = row.iter().zip(weights).map(|(&x, &w)| f64::from(x) * f64::from(w));
                scores.push((terms.sum::<f64>() + f64::from(intercept)) as f32);
            }
        }
        Ok((count, scores))
    }
}

pub fn linear_classifier(_: &ParsingContext, node: &NodeProto) -> Built {
    let attrs = Attrs(node);
    let labels = Labels::read(&attrs, "classlabels_ints", "classlabels_strings")?;
    let given = attrs.floats("intercepts").len();
    let weights = Weights::read(&attrs, if given == 0 { labels.len() } else { given })?;
    let binary = weights.scores == 1;
    let named = if binary { labels.len() == 2 } else { labels.len() >= weights.scores };
    ensure!(named, "LinearClassifier has {} labels for {} scores", labels.len(), weights.scores);
    let post = PostTransform::read(&attrs)?;
    ensure!(
        !(binary && post == PostTransform::Probit),
        "PROBIT of a single score has no defined second score"
    );
    wrap(node, Classifier { weights, labels, post })
}

#[derive(Debug)]
struct Classifier {
    weights: Weights,
    labels: Labels,
    post: PostTransform,
}

impl Classifier {
    /// A single score stands for two classes.
    fn columns(&self) -> usize {
        self.weights.scores.max(2)
    }

    fn winner(scores: &[f32]) -> usize {
        match scores {
            [score] => usize::from(*score > 0.0),
            _ => (1..scores.len()).fold(0, |best, at| if scores[at] > scores[best] { at } else { best }),
        }
    }

    fn finish(&self, scores: &[f32]) -> Vec<f32> {
        match scores {
            [score] => self.post.split(*score, Single::Probability).to_vec(),
            _ => {
                let mut scores = scores.to_vec();
                self.post.apply(&mut scores);
                scores
            }
        }
    }
}

impl Kernel for Classifier {
    fn name(&self) -> &'static str {
        "LinearClassifier"
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let rows = self.weights.check(only(inputs)?)?;
        let labels = Fact::new(self.labels.datum(), [rows.clone()]);
        Ok(tvec!(labels, Fact::new(DatumType::F32, [rows, self.columns().to_dim()])))
    }

    fn spread(&self) -> Spread {
        Spread::Row
    }

    fn eval(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let (rows, scores) = self.weights.apply(inputs[0])?;
        let raw = scores.chunks(self.weights.scores);
        let winners: Vec<usize> = raw.clone().map(Self::winner).collect();
        let finished: Vec<f32> = raw.flat_map(|scores| self.finish(scores)).collect();
        Ok(tvec!(self.labels.pick(&winners)?, tensor(&[rows, self.columns()], finished)?))
    }
}

pub fn linear_regressor(_: &ParsingContext, node: &NodeProto) -> Built {
    let attrs = Attrs(node);
    let targets =
        usize::try_from(attrs.int("targets").unwrap_or(1)).context("LinearRegressor has no targets")?;
    wrap(node, Regressor { weights: Weights::read(&attrs, targets)?, post: PostTransform::read(&attrs)? })
}

#[derive(Debug)]
struct Regressor {
    weights: Weights,
    post: PostTransform,
}

impl Kernel for Regressor {
    fn name(&self) -> &'static str {
        "LinearRegressor"
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let input = only(inputs)?;
        ensure!(input.datum == DatumType::F32, "LinearRegressor's input must be F32, not {:?}", input.datum);
        let rows = self.weights.check(input)?;
        Ok(tvec!(Fact::new(DatumType::F32, [rows, self.weights.scores.to_dim()])))
    }

    fn spread(&self) -> Spread {
        Spread::Row
    }

    fn eval(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let (rows, mut scores) = self.weights.apply(inputs[0])?;
        for row in scores.chunks_mut(self.weights.scores) {
            match row {
                // Of the transforms, onnxruntime applies only this one to a single target.
                [score] if self.post == PostTransform::Probit => *score = probit(*score),
                [_] => {}
                row => self.post.apply(row),
            }
        }
        Ok(tvec!(tensor(&[rows, self.weights.scores], scores)?))
    }
}
