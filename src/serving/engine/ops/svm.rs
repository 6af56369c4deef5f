//! SVMClassifier and SVMRegressor: kernels against the support vectors, and what libsvm makes of them.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::attrs::{Attrs, Labels, expect_numbers, floats, rows, tensor};
use super::coupling;
use super::kernel::{Built, Fact, Kernel, Spread, wrap};
use super::scale::only;
use super::scores::{PostTransform, Single};

#[derive(Clone, Copy, Debug)]
enum Shape {
    Linear,
    Polynomial,
    Radial,
    Sigmoid,
}

/// The vectors inputs are held against, and how. A model without support vectors is linear: its
/// coefficients are the vectors.
#[derive(Debug)]
struct Vectors {
    values: Vec<f32>,
    features: usize,
    shape: Shape,
    gamma: f64,
    offset: f64,
    degree: f64,
}

impl Vectors {
    fn read(attrs: &Attrs, values: &[f32], count: usize, linear: bool) -> TractResult<Self> {
        ensure!(count > 0 && !values.is_empty(), "the model has no vectors");
        ensure!(values.len().is_multiple_of(count), "{} values do not make {count} vectors", values.len());
        let shape = match attrs.string("kernel_type")?.as_deref() {
            _ if linear => Shape::Linear,
            None | Some("LINEAR") => Shape::Linear,
            Some("POLY") => Shape::Polynomial,
            Some("RBF") => Shape::Radial,
            Some("SIGMOID") => Shape::Sigmoid,
            Some(other) => bail!("kernel_type {other} is not known"),
        };
        let numbers = attrs.floats("kernel_params");
        ensure!(numbers.is_empty() || numbers.len() >= 3, "kernel_params must be gamma, coef0 and degree");
        let number = |at: usize| f64::from(numbers.get(at).copied().unwrap_or_default());
        Ok(Self {
            values: values.to_vec(),
            features: values.len() / count,
            shape,
            gamma: number(0),
            offset: number(1),
            degree: number(2),
        })
    }

    fn check(&self, input: &Fact) -> TractResult<TDim> {
        let (rows, columns) = input.rows()?;
        let fits = columns.to_usize().map_or(true, |columns| columns == self.features);
        ensure!(fits, "the model takes {} features, not {columns}", self.features);
        Ok(rows)
    }

    /// One row against every vector.
    fn against<'a>(&'a self, row: &'a [f32]) -> impl Iterator<Item = f64> + 'a {
        self.values.chunks_exact(self.features).map(|vector| self.one(row, vector))
    }

    fn one(&self, row: &[f32], vector: &[f32]) -> f64 {
        let pairs = row.iter().zip(vector).map(|(&x, &v)| (f64::from(x), f64::from(v)));
        if matches!(self.shape, Shape::Radial) {
            return (-self.gamma * pairs.map(|(x, v)| (x - v) * (x - v)).sum::<f64>()).exp();
        }
        let product: f64 = pairs.map(|(x, v)| x * v).sum();
        match self.shape {
            Shape::Polynomial => (self.gamma * product + self.offset).powf(self.degree),
            Shape::Sigmoid => (self.gamma * product + self.offset).tanh(),
            Shape::Linear | Shape::Radial => product,
        }
    }

    /// The rows of an input that fits.
    fn rows<'a>(&self, values: &'a [f32], input: &Tensor) -> TractResult<impl Iterator<Item = &'a [f32]>> {
        let (_, columns) = rows(input)?;
        ensure!(columns == self.features, "the model takes {} features, not {columns}", self.features);
        Ok(values.chunks_exact(self.features))
    }
}

pub fn svm_classifier(_: &ParsingContext, node: &NodeProto) -> Built {
    let attrs = Attrs(node);
    let labels = Labels::read(&attrs, "classlabels_ints", "classlabels_strings")?;
    let classes = labels.len();
    ensure!((2..1 << 12).contains(&classes), "a classifier has 2 to 4095 class labels, not {classes}");
    let (coefficients, rho) = (attrs.floats("coefficients"), attrs.floats("rho"));
    let counts = attrs.ints("vectors_per_class").iter().map(|&count| usize::try_from(count));
    let counts = counts.collect::<Result<Vec<_>, _>>().context("vectors_per_class is negative")?;
    let total = counts.iter().try_fold(0usize, |sum, &count| sum.checked_add(count));
    let total = total.context("there are more vectors than fit")?;
    let linear = total == 0;
    let vectors = if linear {
        Vectors::read(&attrs, coefficients, classes, true)?
    } else {
        ensure!(counts.len() == classes, "{} vectors_per_class for {classes} classes", counts.len());
        Vectors::read(&attrs, attrs.floats("support_vectors"), total, false)?
    };
    let pairs = classes * (classes - 1) / 2;
    let (first, second) = (attrs.floats("prob_a"), attrs.floats("prob_b"));
    ensure!(first.len() == second.len(), "prob_a and prob_b differ in length");
    ensure!(linear || coefficients.len() >= total * (classes - 1), "there are too few coefficients");
    ensure!(rho.len() >= if linear { 1 } else { pairs }, "there are too few values of rho");
    ensure!(linear || first.is_empty() || first.len() >= pairs, "there are too few values of prob_a");
    wrap(
        node,
        Classifier {
            vectors,
            labels,
            counts: if linear { Vec::new() } else { counts },
            coefficients: coefficients.to_vec(),
            rho: rho.to_vec(),
            sigmoids: first.iter().copied().zip(second.iter().copied()).collect(),
            post: PostTransform::read(&attrs)?,
        },
    )
}

#[derive(Debug)]
struct Classifier {
    vectors: Vectors,
    labels: Labels,
    /// Support vectors of each class; none where the model is linear.
    counts: Vec<usize>,
    coefficients: Vec<f32>,
    rho: Vec<f32>,
    /// What turns the margin of each pair of classes into a probability.
    sigmoids: Vec<(f32, f32)>,
    post: PostTransform,
}

impl Classifier {
    fn columns(&self) -> usize {
        let classes = self.labels.len();
        let pairwise = !self.counts.is_empty() && self.sigmoids.is_empty() && classes > 2;
        if pairwise { classes * (classes - 1) / 2 } else { classes }
    }

    /// The winning class of one row; its scores go to `out`.
    fn row(&self, row: &[f32], out: &mut Vec<f32>) -> usize {
        let start = out.len();
        if self.counts.is_empty() {
            out.extend(self.vectors.against(row).map(|score| (score + f64::from(self.rho[0])) as f32));
            let winner = self.linear_winner(&out[start..]);
            self.post.apply(&mut out[start..]);
            return winner;
        }
        let kernels: Vec<f64> = self.vectors.against(row).map(|value| f64::from(value as f32)).collect();
        let (margins, winner) = self.margins(&kernels);
        match margins[..] {
            _ if !self.sigmoids.is_empty() => {
                out.extend(coupling::probabilities(self.labels.len(), &margins, &self.sigmoids));
                self.post.apply(&mut out[start..]);
            }
            [margin] if self.post == PostTransform::None => out.extend([-margin, margin]),
            [margin] => out.extend(self.post.split(margin, Single::Probability)),
            _ => {
                out.extend(margins);
                self.post.apply(&mut out[start..]);
            }
        }
        winner
    }

    /// Of two classes onnxruntime takes the second wherever any score is positive.
    fn linear_winner(&self, scores: &[f32]) -> usize {
        let best = (1..scores.len()).fold(0, |best, at| if scores[at] > scores[best] { at } else { best });
        let positive = self.coefficients.iter().all(|&weight| weight >= 0.0);
        let sure = if positive { scores[best] >= 0.5 } else { scores[best] > 0.0 };
        if scores.len() == 2 && sure { 1 } else { best }
    }

    /// The margin of each pair of classes, and the class that wins most pairs.
    fn margins(&self, kernels: &[f64]) -> (Vec<f32>, usize) {
        let (classes, total) = (self.labels.len(), kernels.len());
        let mut starts = Vec::with_capacity(classes);
        let mut next = 0;
        for count in &self.counts {
            starts.push(next);
            next += count;
        }
        // A class's own vectors have one weight for each of the other classes.
        let side = |weights: usize, class: usize| {
            let at = starts[class]..starts[class] + self.counts[class];
            let own = &self.coefficients[weights * total..][at.clone()];
            own.iter().zip(&kernels[at]).map(|(&weight, kernel)| f64::from(weight) * kernel).sum::<f64>()
        };
        let (mut margins, mut votes) = (Vec::new(), vec![0usize; classes]);
        for first in 0..classes {
            for second in first + 1..classes {
                let rho = f64::from(self.rho[margins.len()]);
                let margin = side(second - 1, first) + side(first, second) + rho;
                votes[if margin > 0.0 { first } else { second }] += 1;
                margins.push(margin as f32);
            }
        }
        let winner = (1..classes).fold(0, |best, at| if votes[at] > votes[best] { at } else { best });
        (margins, winner)
    }
}

impl Kernel for Classifier {
    fn name(&self) -> &'static str {
        "SVMClassifier"
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let input = only(inputs)?;
        expect_numbers(input.datum)?;
        let rows = self.vectors.check(input)?;
        let labels = Fact::new(self.labels.datum(), [rows.clone()]);
        Ok(tvec!(labels, Fact::new(DatumType::F32, [rows, self.columns().to_dim()])))
    }

    fn spread(&self) -> Spread {
        Spread::Row
    }

    fn eval(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let values = floats(inputs[0])?;
        let mut scores = Vec::new();
        let rows = self.vectors.rows(&values, inputs[0])?;
        let winners: Vec<usize> = rows.map(|row| self.row(row, &mut scores)).collect();
        let shape = [winners.len(), self.columns()];
        Ok(tvec!(self.labels.pick(&winners)?, tensor(&shape, scores)?))
    }
}

pub fn svm_regressor(_: &ParsingContext, node: &NodeProto) -> Built {
    let attrs = Attrs(node);
    let count = usize::try_from(attrs.int("n_supports").unwrap_or(0)).context("n_supports is negative")?;
    let coefficients = attrs.floats("coefficients");
    let rho = *attrs.floats("rho").first().context("there is no rho")?;
    let linear = count == 0;
    let vectors = if linear {
        Vectors::read(&attrs, coefficients, 1, true)?
    } else {
        Vectors::read(&attrs, attrs.floats("support_vectors"), count, false)?
    };
    ensure!(linear || coefficients.len() == count, "{} coefficients for {count} vectors", coefficients.len());
    let weights = if linear { vec![1.0] } else { coefficients.to_vec() };
    wrap(node, Regressor { vectors, weights, rho, one_class: attrs.int("one_class").unwrap_or(0) != 0 })
}

#[derive(Debug)]
struct Regressor {
    vectors: Vectors,
    weights: Vec<f32>,
    rho: f32,
    /// The answer is whether the row belongs, as 1 or -1.
    one_class: bool,
}

impl Kernel for Regressor {
    fn name(&self) -> &'static str {
        "SVMRegressor"
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let input = only(inputs)?;
        ensure!(input.datum == DatumType::F32, "SVMRegressor's input must be F32, not {:?}", input.datum);
        let rows = self.vectors.check(input)?;
        Ok(tvec!(Fact::new(DatumType::F32, [rows, 1.to_dim()])))
    }

    fn spread(&self) -> Spread {
        Spread::Row
    }

    fn eval(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let values = floats(inputs[0])?;
        let rows = self.vectors.rows(&values, inputs[0])?;
        let answers = rows.map(|row| {
            let terms =
                self.vectors.against(row).zip(&self.weights).map(|(k, &weight)| k * f64::from(weight));
            let score = (terms.sum::<f64>() + f64::from(self.rho)) as f32;
            match self.one_class {
                true if score > 0.0 => 1.0,
                true => -1.0,
                false => score,
            }
        });
        let answers: Vec<f32> = answers.collect();
        Ok(tvec!(tensor(&[answers.len(), 1], answers)?))
    }
}
