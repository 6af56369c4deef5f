//! What classifiers and regressors do to their raw scores before they give them out, as onnxruntime
//! does it, quirks included.

use tract_onnx::tract_hir::internal::*;

use super::attrs::Attrs;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostTransform {
    None,
    Logistic,
    Softmax,
    SoftmaxZero,
    Probit,
}

/// How a single score becomes the scores of two classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Single {
    /// A probability: the other class has the rest.
    Probability,
    /// A margin: the other class has its opposite.
    Margin,
}

impl PostTransform {
    pub fn read(attrs: &Attrs) -> TractResult<Self> {
        Ok(match attrs.string("post_transform")?.as_deref() {
            None | Some("NONE") => Self::None,
            Some("LOGISTIC") => Self::Logistic,
            Some("SOFTMAX") => Self::Softmax,
            Some("SOFTMAX_ZERO") => Self::SoftmaxZero,
            Some("PROBIT") => Self::Probit,
            Some(other) => bail!("post_transform {other} is not known"),
        })
    }

    /// Transforms the scores of one row, where there are two or more.
    pub fn apply(self, scores: &mut [f32]) {
        match self {
            Self::None => {}
            Self::Logistic => scores.iter_mut().for_each(|score| *score = logistic(*score)),
            Self::Probit => scores.iter_mut().for_each(|score| *score = probit(*score)),
            Self::Softmax => softmax(scores),
            Self::SoftmaxZero => softmax_zero(scores),
        }
    }

    /// The two scores a single one becomes. Softmax makes no difference to one score, and is not asked.
    pub fn split(self, score: f32, single: Single) -> [f32; 2] {
        match (self, single) {
            (Self::Logistic, Single::Probability) => [1.0 - logistic(score), logistic(score)],
            (Self::Logistic, Single::Margin) => [logistic(-score), logistic(score)],
            (_, Single::Probability) => [1.0 - score, score],
            (_, Single::Margin) => [-score, score],
        }
    }
}

pub fn logistic(value: f32) -> f32 {
    let upper = 1.0 / (1.0 + (-value.abs()).exp());
    if value < 0.0 { 1.0 - upper } else { upper }
}

/// The inverse of the normal distribution, in Winitzki's approximation.
#[expect(clippy::approx_constant, reason = "onnxruntime's pi is this short, and its answers depend on it")]
pub fn probit(value: f32) -> f32 {
    const A: f32 = 0.147;
    let x = 2.0 * value - 1.0;
    // The order of the operations is onnxruntime's: near zero the rounding shows.
    let log = ((1.0 - x) * (1.0 + x)).ln();
    let half = 2.0 / (3.141_59 * A) + 0.5 * log;
    let root = (-half + (half * half - 1.0 / A * log).sqrt()).sqrt();
    std::f32::consts::SQRT_2 * if x < 0.0 { -root } else { root }
}

fn softmax(scores: &mut [f32]) {
    let top = scores.iter().copied().fold(f32::MIN, f32::max);
    scores.iter_mut().for_each(|score| *score = (*score - top).exp());
    let sum: f32 = scores.iter().sum();
    scores.iter_mut().for_each(|score| *score /= sum);
}

/// Softmax that leaves zeros at zero.
fn softmax_zero(scores: &mut [f32]) {
    const ZERO: f32 = 1e-7;
    let top = scores.iter().copied().fold(f32::MIN, f32::max);
    let shrink = (-top).exp();
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        if score.abs() > ZERO {
            *score = (*score - top).exp();
            sum += *score;
        } else {
            *score *= shrink;
        }
    }
    scores.iter_mut().for_each(|score| *score /= sum);
}
