//! Whether two models answered alike, row by row. Labels, where a model gives some, must be equal and alone
//! decide: two classifiers that agree still differ in their probabilities. Numbers may differ by a hundredth.

use crate::serving::engine::{NamedTensor, TensorData};

const TOLERANCE: f64 = 0.01;
/// Below this, a difference is noise.
const NOISE: f64 = 1e-6;

/// How many rows there were, and how many of them were answered alike.
pub fn rows(ours: &[NamedTensor], theirs: &[NamedTensor]) -> (u64, u64) {
    let has_labels = ours.iter().any(is_label);
    let judged: Vec<_> = ours.iter().filter(|tensor| !has_labels || is_label(tensor)).collect();
    let rows = judged.first().map_or(1, |tensor| tensor.shape.first().copied().unwrap_or(1));
    let pairs: Option<Vec<_>> = judged
        .iter()
        .map(|tensor| {
            let other = theirs.iter().find(|other| other.name == tensor.name)?;
            let alike = other.shape == tensor.shape && is_label(other) == is_label(tensor);
            alike.then_some((*tensor, other))
        })
        .collect();
    let agreed = pairs.map_or(0, |pairs| (0..rows).filter(|row| row_agrees(&pairs, *row, rows)).count());
    (rows as u64, agreed as u64)
}

fn is_label(tensor: &NamedTensor) -> bool {
    !matches!(tensor.data, TensorData::F32(_) | TensorData::F64(_))
}

fn row_agrees(pairs: &[(&NamedTensor, &NamedTensor)], row: usize, rows: usize) -> bool {
    pairs.iter().all(|(ours, theirs)| {
        let values = ours.shape.iter().product::<usize>();
        let width = values / rows.max(1);
        (row * width..(row + 1) * width).all(|index| value_agrees(&ours.data, &theirs.data, index))
    })
}

fn value_agrees(ours: &TensorData, theirs: &TensorData, index: usize) -> bool {
    if let (TensorData::Str(a), TensorData::Str(b)) = (ours, theirs) {
        return a.get(index) == b.get(index);
    }
    match (integer(ours, index), integer(theirs, index), number(ours, index), number(theirs, index)) {
        (Some(a), Some(b), ..) => a == b,
        (None, None, Some(a), Some(b)) => {
            let room = NOISE + TOLERANCE * a.abs().max(b.abs());
            a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= room
        }
        _ => false,
    }
}

fn integer(data: &TensorData, index: usize) -> Option<i128> {
    match data {
        TensorData::Bool(values) => values.get(index).map(|value| i128::from(*value)),
        TensorData::U8(values) => values.get(index).map(|value| i128::from(*value)),
        TensorData::U16(values) => values.get(index).map(|value| i128::from(*value)),
        TensorData::U32(values) => values.get(index).map(|value| i128::from(*value)),
        TensorData::U64(values) => values.get(index).map(|value| i128::from(*value)),
        TensorData::I8(values) => values.get(index).map(|value| i128::from(*value)),
        TensorData::I16(values) => values.get(index).map(|value| i128::from(*value)),
        TensorData::I32(values) => values.get(index).map(|value| i128::from(*value)),
        TensorData::I64(values) => values.get(index).map(|value| i128::from(*value)),
        TensorData::F32(_) | TensorData::F64(_) | TensorData::Str(_) => None,
    }
}

fn number(data: &TensorData, index: usize) -> Option<f64> {
    match data {
        TensorData::F32(values) => values.get(index).map(|value| f64::from(*value)),
        TensorData::F64(values) => values.get(index).copied(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(name: &str, shape: &[usize], data: TensorData) -> NamedTensor {
        NamedTensor { name: name.into(), shape: shape.to_vec(), data }
    }

    fn classified(labels: Vec<i64>, scores: Vec<f32>) -> Vec<NamedTensor> {
        let rows = labels.len();
        vec![
            tensor("label", &[rows], TensorData::I64(labels)),
            tensor("p", &[rows, scores.len() / rows], TensorData::F32(scores)),
        ]
    }

    #[test]
    fn labels_decide_where_there_are_some() {
        let ours = classified(vec![0, 1, 1], vec![0.9, 0.8, 0.7]);
        assert_eq!(rows(&ours, &classified(vec![0, 1, 0], vec![0.6, 0.6, 0.1])), (3, 2));
        assert_eq!(rows(&ours, &classified(vec![0, 1], vec![0.9, 0.8])), (3, 0));
        let texts = |values: &[&str]| {
            vec![tensor("label", &[2], TensorData::Str(values.iter().map(|&text| text.into()).collect()))]
        };
        assert_eq!(rows(&texts(&["a", "b"]), &texts(&["a", "c"])), (2, 1));
        assert_eq!(rows(&texts(&["a", "b"]), &ours), (2, 0));
    }

    #[test]
    fn numbers_may_differ_by_a_hundredth() {
        let one = |values: Vec<f32>| vec![tensor("y", &[2, 2], TensorData::F32(values))];
        let ours = one(vec![100.0, 0.0, f32::NAN, 1.0]);
        assert_eq!(rows(&ours, &one(vec![100.9, 1e-7, f32::NAN, 1.0])), (2, 2));
        assert_eq!(rows(&ours, &one(vec![102.0, 0.0, f32::NAN, 1.0])), (2, 1));
        assert_eq!(rows(&ours, &one(vec![100.0, 0.0, 0.0, 1.0])), (2, 1));
        assert_eq!(rows(&[], &[]), (1, 1));
    }
}
