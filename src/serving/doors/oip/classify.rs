//! Triton's classification extension: an output as its largest values, `VALUE:INDEX` each.

use crate::{
    kernel::error::{Error, Result},
    serving::engine::{NamedTensor, TensorData},
};
use std::cmp::Ordering;

/// The `classes` largest values of each row, the largest first.
pub fn classify(tensor: &NamedTensor, classes: usize) -> Result<NamedTensor> {
    let (rows, width) = match tensor.shape[..] {
        [] => (1, 1),
        [rows] => (rows, 1),
        [rows, ref inner @ ..] => (rows, inner.iter().product()),
    };
    let values = numbers(&tensor.data).ok_or_else(|| {
        Error::invalid(format!("Output `{}` holds texts, which cannot be classified.", tensor.name))
    })?;
    let kept = classes.min(width);
    let mut texts = Vec::with_capacity(rows.saturating_mul(kept));
    for row in values.chunks(width.max(1)) {
        let mut order: Vec<usize> = (0..row.len()).collect();
        order.sort_by(|a, b| row[*b].0.partial_cmp(&row[*a].0).unwrap_or(Ordering::Equal));
        texts.extend(order[..kept].iter().map(|index| format!("{}:{index}", row[*index].1)));
    }
    Ok(NamedTensor { name: tensor.name.clone(), shape: vec![rows, kept], data: TensorData::Str(texts) })
}

/// Each value as a number to compare and as it is written: fractions with six digits.
fn numbers(data: &TensorData) -> Option<Vec<(f64, String)>> {
    fn whole<T: Copy + ToString>(values: &[T], number: impl Fn(T) -> f64) -> Vec<(f64, String)> {
        values.iter().map(|value| (number(*value), value.to_string())).collect()
    }
    fn fraction<T: Copy + Into<f64>>(values: &[T]) -> Vec<(f64, String)> {
        values.iter().map(|value| (*value).into()).map(|value: f64| (value, format!("{value:.6}"))).collect()
    }
    Some(match data {
        TensorData::Bool(values) => whole(values, |value| f64::from(u8::from(value))),
        TensorData::U8(values) => whole(values, f64::from),
        TensorData::U16(values) => whole(values, f64::from),
        TensorData::U32(values) => whole(values, f64::from),
        TensorData::U64(values) => whole(values, |value| value as f64),
        TensorData::I8(values) => whole(values, f64::from),
        TensorData::I16(values) => whole(values, f64::from),
        TensorData::I32(values) => whole(values, f64::from),
        TensorData::I64(values) => whole(values, |value| value as f64),
        TensorData::F32(values) => fraction(values),
        TensorData::F64(values) => fraction(values),
        TensorData::Str(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_gives_its_largest_values_first() {
        let data = TensorData::F32(vec![0.25, 0.75, 0.5, 1.0, -2.0, 3.5]);
        let tensor = NamedTensor { name: "p".into(), shape: vec![2, 3], data };
        let classes = classify(&tensor, 2).expect("numbers");
        let wanted = ["0.750000:1", "0.500000:2", "3.500000:2", "1.000000:0"].map(String::from);
        assert_eq!((classes.shape, classes.data), (vec![2, 2], TensorData::Str(wanted.into())));
        assert_eq!(classify(&tensor, 9).expect("numbers").shape, [2, 3], "no more than there are");
    }
}
