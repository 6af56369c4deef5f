//! Metrics of classifiers and regressors, equal to scikit-learn's of the same name: of two classes those
//! of the second, of more the means weighted by how often each class is true.

use super::answers::{Answers, class, number};
use crate::kernel::error::{Error, Result};
use serde_json::Value;

type Metrics = Vec<(String, f64)>;

/// Probabilities are kept this far from 0 and 1 where their logarithm is taken, as scikit-learn does.
const EPSILON: f64 = f64::EPSILON;

pub fn of(answers: &Answers, truth: &[Value]) -> Result<Metrics> {
    match answers {
        Answers::Numbers(numbers) => regressor(numbers, truth),
        Answers::Classes { classes, labels, scores } => {
            let truth: Vec<usize> = truth.iter().map(|value| place(classes, &class(value))).collect();
            let labels: Vec<usize> = labels.iter().map(|label| place(classes, label)).collect();
            Ok(classifier(classes.len(), &truth, &labels, scores.as_deref()))
        }
    }
}

fn place(classes: &[String], wanted: &str) -> usize {
    classes.iter().position(|class| class == wanted).unwrap_or_default()
}

fn named(metrics: &[(&str, f64)]) -> Metrics {
    metrics.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
}

fn regressor(numbers: &[f64], truth: &[Value]) -> Result<Metrics> {
    let truth: Option<Vec<f64>> = truth.iter().map(number).collect();
    let truth =
        truth.ok_or_else(|| Error::invalid("The truth of a regressor must be numbers throughout."))?;
    let count = truth.len() as f64;
    let mean = truth.iter().sum::<f64>() / count;
    let errors: Vec<f64> = truth.iter().zip(numbers).map(|(truth, answer)| answer - truth).collect();
    let squares: f64 = errors.iter().map(|error| error * error).sum();
    let spread: f64 = truth.iter().map(|truth| (truth - mean) * (truth - mean)).sum();
    let r2 = match (spread == 0.0, squares == 0.0) {
        (false, _) => 1.0 - squares / spread,
        (true, exact) => f64::from(u8::from(exact)),
    };
    let relative = errors.iter().zip(&truth).map(|(error, truth)| error.abs() / truth.abs().max(EPSILON));
    Ok(named(&[
        ("rmse", (squares / count).sqrt()),
        ("mae", errors.iter().map(|error| error.abs()).sum::<f64>() / count),
        ("mse", squares / count),
        ("r2", r2),
        ("mape", relative.sum::<f64>() / count),
        ("max_error", errors.iter().fold(0.0, |most, error| error.abs().max(most))),
    ]))
}

fn classifier(classes: usize, truth: &[usize], labels: &[usize], scores: Option<&[Vec<f64>]>) -> Metrics {
    let right = truth.iter().zip(labels).filter(|(truth, label)| truth == label).count();
    let of_class: Vec<[f64; 4]> = (0..classes).map(|class| one_class(class, truth, labels)).collect();
    let [precision, recall, f1] = match classes {
        2 => [of_class[1][0], of_class[1][1], of_class[1][2]],
        _ => [0, 1, 2]
            .map(|which| of_class.iter().map(|one| one[which] * one[3]).sum::<f64>() / truth.len() as f64),
    };
    let mut metrics = named(&[
        ("accuracy", right as f64 / truth.len() as f64),
        ("precision", precision),
        ("recall", recall),
        ("f1", f1),
    ]);
    if let Some(scores) = scores {
        metrics.extend(auc(classes, truth, scores).map(|auc| ("auc".to_owned(), auc)));
        metrics.push(("log_loss".to_owned(), log_loss(truth, scores)));
    }
    metrics
}

/// Precision, recall, F1 and how often the class is true.
fn one_class(class: usize, truth: &[usize], labels: &[usize]) -> [f64; 4] {
    let count = |wanted: fn(bool, bool) -> bool| {
        truth.iter().zip(labels).filter(|(truth, label)| wanted(**truth == class, **label == class)).count()
            as f64
    };
    let (hit, said, is) =
        (count(|truth, label| truth && label), count(|_, label| label), count(|truth, _| truth));
    let part = |of: f64| if of == 0.0 { 0.0 } else { hit / of };
    let f1 = if said + is == 0.0 { 0.0 } else { 2.0 * hit / (said + is) };
    [part(said), part(is), f1, is]
}

/// The area under the ROC curve; of several classes, each against the rest, weighted. None where a
/// class is always or never true.
fn auc(classes: usize, truth: &[usize], scores: &[Vec<f64>]) -> Option<f64> {
    if classes == 2 {
        return one_auc(1, truth, scores);
    }
    let mut sum = 0.0;
    for class in 0..classes {
        let is = truth.iter().filter(|truth| **truth == class).count() as f64;
        sum += one_auc(class, truth, scores)? * is;
    }
    Some(sum / truth.len() as f64)
}

/// By ranks: the chance that a true row scores above a false one, ties counted half.
fn one_auc(class: usize, truth: &[usize], scores: &[Vec<f64>]) -> Option<f64> {
    let mut rows: Vec<(f64, bool)> =
        truth.iter().zip(scores).map(|(truth, row)| (row[class], *truth == class)).collect();
    if rows.iter().any(|(score, _)| score.is_nan()) {
        return None;
    }
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    let is = rows.iter().filter(|(_, is)| *is).count() as f64;
    let is_not = rows.len() as f64 - is;
    if is == 0.0 || is_not == 0.0 {
        return None;
    }
    let (mut ranks, mut start) = (0.0, 0);
    while start < rows.len() {
        let same = rows[start..].iter().take_while(|row| row.0 == rows[start].0).count();
        let rank = start as f64 + (same as f64 + 1.0) / 2.0;
        ranks += rank * rows[start..start + same].iter().filter(|(_, is)| *is).count() as f64;
        start += same;
    }
    Some((ranks - is * (is + 1.0) / 2.0) / (is * is_not))
}

fn log_loss(truth: &[usize], scores: &[Vec<f64>]) -> f64 {
    let loss = |(truth, row): (&usize, &Vec<f64>)| {
        let sum: f64 = row.iter().sum();
        -(row[*truth] / sum).clamp(EPSILON, 1.0 - EPSILON).ln()
    };
    truth.iter().zip(scores).map(loss).sum::<f64>() / truth.len() as f64
}

#[cfg(test)]
mod tests {
    use super::of;
    use crate::serving::evaluate::answers::Answers;
    use serde_json::{Value, json};

    /// The expected values are scikit-learn 1.9's of the same rows.
    fn check(answers: &Answers, truth: &Value, expected: &[(&str, f64)]) {
        let truth = truth.as_array().expect("a list");
        let found = of(answers, truth).expect("metrics");
        for (name, value) in expected {
            let (_, found) = found.iter().find(|(known, _)| known == name).expect(name);
            assert!((found - value).abs() < 1e-12, "{name}: {found} is not {value}");
        }
    }

    fn texts(items: &[&str]) -> Vec<String> {
        items.iter().map(|item| (*item).to_owned()).collect()
    }

    #[test]
    fn numbers_are_measured() {
        let answers = Answers::Numbers(vec![2.5, 0.0, 2.0, 8.0]);
        let expected = [
            ("rmse", 0.612_372_435_695_794_5),
            ("mae", 0.5),
            ("mse", 0.375),
            ("r2", 0.948_608_137_044_967_9),
            ("mape", 0.327_380_952_380_952_4),
            ("max_error", 1.0),
        ];
        check(&answers, &json!([3.0, -0.5, 2, "7"]), &expected);
    }

    #[test]
    fn two_classes_are_measured_by_the_second() {
        let second = [0.1, 0.4, 0.35, 0.8, 0.4];
        let scores = second.iter().map(|second| vec![1.0 - second, *second]).collect();
        let labels = texts(&["0", "0", "0", "1", "0"]);
        let answers = Answers::Classes { classes: texts(&["0", "1"]), labels, scores: Some(scores) };
        let expected = [
            ("accuracy", 0.6),
            ("precision", 1.0),
            ("recall", 1.0 / 3.0),
            ("f1", 0.5),
            ("auc", 0.75),
            ("log_loss", LOSS),
        ];
        check(&answers, &json!([0, 0, 1, 1.0, true]), &expected);
    }

    /// The mean of -ln 0.9, -ln 0.6, -ln 0.35, -ln 0.8 and -ln 0.4.
    const LOSS: f64 = 0.561_088_509_422_171_9;

    #[test]
    fn more_classes_are_weighted_means() {
        let labels = texts(&["a", "b", "b", "c"]);
        let answers = Answers::Classes { classes: texts(&["a", "b", "c"]), labels, scores: None };
        let expected = [("accuracy", 0.75), ("precision", 0.875), ("recall", 0.75), ("f1", 0.75)];
        check(&answers, &json!(["a", "a", "b", "c"]), &expected);
    }
}
