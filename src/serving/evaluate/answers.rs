//! What a model's outputs mean: classes and their probabilities, or numbers.

use crate::{
    kernel::error::{Error, Result},
    serving::{
        engine::{NamedTensor, TensorData},
        wire::json,
    },
};
use serde_json::Value;

/// A model's answers to all rows.
pub enum Answers {
    /// The class of each row, and the probability of every class, where there is one, in their order.
    Classes {
        classes: Vec<String>,
        labels: Vec<String>,
        scores: Option<Vec<Vec<f64>>>,
    },
    Numbers(Vec<f64>),
}

impl Answers {
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Classes { .. } => "classifier",
            Self::Numbers(_) => "regressor",
        }
    }
}

/// One output over all batches.
struct Output {
    /// Values of one row.
    width: usize,
    is_label: bool,
    values: Vec<Value>,
}

pub fn read(batches: &[Vec<NamedTensor>], task: Option<&str>, truth: &[Value]) -> Result<Answers> {
    let outputs = outputs(batches, truth.len())?;
    let label = outputs.iter().find(|output| output.is_label && output.width == 1);
    let scores = outputs.iter().find(|output| !output.is_label && output.width > 1);
    let single = outputs.iter().find(|output| !output.is_label && output.width == 1);
    let classifies = match task {
        Some(task) => task == "classifier",
        None => scores.is_some() || label.is_some_and(|_| single.is_none() && truth.iter().all(is_class)),
    };
    if !classifies {
        let numbers =
            single.or(label).ok_or_else(|| Error::invalid("The model gives no single number a row."))?;
        return Ok(Answers::Numbers(
            numbers.values.iter().map(|value| number(value).unwrap_or(f64::NAN)).collect(),
        ));
    }
    match (label, scores, single) {
        (Some(label), scores, _) => with_labels(label, scores, truth),
        (None, Some(scores), _) => from_scores(scores, truth),
        (None, None, Some(single)) => from_probability(single, truth),
        _ => Err(Error::invalid("The model gives neither a class nor probabilities a row.")),
    }
}

fn outputs(batches: &[Vec<NamedTensor>], rows: usize) -> Result<Vec<Output>> {
    let count = batches.first().map_or(0, Vec::len);
    let mut found = Vec::new();
    for at in 0..count {
        let tensors: Vec<&NamedTensor> = batches.iter().filter_map(|batch| batch.get(at)).collect();
        let values: Vec<Value> = tensors.iter().flat_map(|tensor| json::values(&tensor.data)).collect();
        if values.is_empty() || !values.len().is_multiple_of(rows) {
            continue; // not a value for every row
        }
        let is_label =
            tensors.iter().all(|tensor| !matches!(tensor.data, TensorData::F32(_) | TensorData::F64(_)));
        found.push(Output { width: values.len() / rows, is_label, values });
    }
    if found.is_empty() {
        return Err(Error::invalid("The model gives no output with a value for every row."));
    }
    Ok(found)
}

/// A class in one spelling, whether it came as `1`, `1.0` or `"1"`.
pub fn class(value: &Value) -> String {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(whole) if whole.fract() == 0.0 && whole.abs() < 1e15 => format!("{whole:.0}"),
            _ => number.to_string(),
        },
        Value::Bool(yes) => u8::from(*yes).to_string(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

pub fn number(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        Value::Bool(yes) => Some(f64::from(u8::from(*yes))),
        other => other.as_f64(),
    }
}

fn is_class(value: &Value) -> bool {
    value.as_f64().is_none_or(|number| number.fract() == 0.0)
}

/// Numbers by size, before words by letter.
fn sorted(classes: impl Iterator<Item = String>) -> Vec<String> {
    let mut classes: Vec<String> = classes.collect();
    let key = |class: &String| class.parse::<f64>().ok();
    classes.sort_by(|a, b| {
        match (key(a), key(b)) {
            (Some(a), Some(b)) => a.total_cmp(&b),
            (a, b) => b.is_some().cmp(&a.is_some()).then_with(|| Ordering::Equal),
        }
        .then_with(|| a.cmp(b))
    });
    classes.dedup();
    classes
}

use std::cmp::Ordering;

fn with_labels(label: &Output, scores: Option<&Output>, truth: &[Value]) -> Result<Answers> {
    let labels: Vec<String> = label.values.iter().map(class).collect();
    let classes = sorted(labels.iter().cloned().chain(truth.iter().map(class)));
    // Probabilities whose classes cannot be told apart say nothing.
    let scores = scores.filter(|scores| scores.width == classes.len()).map(rows);
    Ok(Answers::Classes { classes, labels, scores })
}

fn from_scores(scores: &Output, truth: &[Value]) -> Result<Answers> {
    let known = sorted(truth.iter().map(class));
    let numbered: Vec<String> = (0..scores.width).map(|class| class.to_string()).collect();
    let classes = if known.iter().all(|class| numbered.contains(class)) {
        numbered
    } else if known.len() == scores.width {
        known
    } else {
        return Err(Error::invalid(format!(
            "The model knows {} classes and does not name them; the dataset has {}: {}.",
            scores.width,
            known.len(),
            known.join(", ")
        )));
    };
    let rows = rows(scores);
    let best = |row: &Vec<f64>| {
        let best = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)));
        best.map_or(0, |(at, _)| at)
    };
    let labels = rows.iter().map(|row| classes[best(row)].clone()).collect();
    Ok(Answers::Classes { classes, labels, scores: Some(rows) })
}

/// One number a row is the probability of the second of two classes.
fn from_probability(single: &Output, truth: &[Value]) -> Result<Answers> {
    let classes = sorted(truth.iter().map(class));
    if classes.len() > 2 {
        return Err(Error::invalid(
            "The model gives one number a row, and the dataset has more than two classes.",
        ));
    }
    let classes = if classes.iter().all(|class| class == "0" || class == "1") {
        vec!["0".to_owned(), "1".to_owned()]
    } else {
        classes
    };
    let rows: Vec<Vec<f64>> = single
        .values
        .iter()
        .map(|value| number(value).unwrap_or(f64::NAN))
        .map(|second| vec![1.0 - second, second])
        .collect();
    let last = classes.len() - 1;
    let labels = rows.iter().map(|row| classes[if row[1] > 0.5 { last } else { 0 }].clone()).collect();
    Ok(Answers::Classes { classes, labels, scores: Some(rows) })
}

fn rows(output: &Output) -> Vec<Vec<f64>> {
    let row = |row: &[Value]| row.iter().map(|value| number(value).unwrap_or(f64::NAN)).collect();
    output.values.chunks(output.width).map(row).collect()
}
