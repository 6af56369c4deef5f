//! Tensors of several requests as those of one, and its answer as theirs: rows one after the other.

use crate::serving::engine::NamedTensor;

/// Rows in a run that is shared. A request with many rows gains nothing by company.
const MOST_ROWS: usize = 256;

/// One table for each input, with the rows of all requests in their order. None where they differ in more than
/// the number of their rows, or have many of them.
pub fn join<'a>(requests: impl Iterator<Item = &'a [NamedTensor]>) -> Option<Vec<NamedTensor>> {
    let mut requests = requests;
    let mut joined: Vec<NamedTensor> = requests.next()?.to_vec();
    let rows = table_rows(&joined)?;
    let mut all = rows;
    for request in requests {
        all += table_rows(request)?;
        if request.len() != joined.len() || all > MOST_ROWS {
            return None;
        }
        for input in request {
            let place = joined.iter_mut().find(|place| place.name == input.name)?;
            if place.shape.get(1..) != input.shape.get(1..) || !place.data.append(&input.data) {
                return None;
            }
        }
    }
    joined.iter_mut().filter_map(|input| input.shape.first_mut()).for_each(|first| *first = all);
    Some(joined)
}

/// The rows of each request, in their order. None where an output has not a row for each.
pub fn split(outputs: Vec<NamedTensor>, counts: &[usize]) -> Option<Vec<Vec<NamedTensor>>> {
    let all: usize = counts.iter().sum();
    let mut parts: Vec<Vec<NamedTensor>> = counts.iter().map(|_| Vec::with_capacity(outputs.len())).collect();
    for output in outputs {
        if output.shape.first() != Some(&all) || all == 0 {
            return None;
        }
        let width = output.data.len() / all;
        let mut start = 0;
        for (part, &rows) in parts.iter_mut().zip(counts) {
            let data = output.data.part(start * width..(start + rows) * width)?;
            let shape = [rows].into_iter().chain(output.shape.iter().skip(1).copied()).collect();
            part.push(NamedTensor { name: output.name.clone(), shape, data });
            start += rows;
        }
    }
    Some(parts)
}

/// The rows of a request whose inputs are tables of as many rows, as far as their shapes tell.
fn table_rows(inputs: &[NamedTensor]) -> Option<usize> {
    let rows = *inputs.first()?.shape.first()?;
    let is_whole = |input: &NamedTensor| {
        let values = input.shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
        input.shape.first() == Some(&rows) && values == Some(input.data.len())
    };
    (rows > 0 && inputs.iter().all(is_whole)).then_some(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serving::engine::TensorData;

    fn table(name: &str, shape: &[usize], values: &[f32]) -> NamedTensor {
        NamedTensor { name: name.into(), shape: shape.into(), data: TensorData::F32(values.into()) }
    }

    #[test]
    fn what_is_joined_comes_apart_as_it_was() {
        let one = vec![table("x", &[1, 2], &[1.0, 2.0]), table("y", &[1], &[9.0])];
        let two = vec![table("y", &[2], &[8.0, 7.0]), table("x", &[2, 2], &[3.0, 4.0, 5.0, 6.0])];
        let joined = join([one.as_slice(), two.as_slice()].into_iter()).expect("go together");
        assert_eq!(joined[0], table("x", &[3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
        let parts = split(joined, &[1, 2]).expect("has all rows");
        assert_eq!(parts[0], one);
        assert_eq!(parts[1], [two[1].clone(), two[0].clone()]);
    }

    #[test]
    fn what_does_not_fit_is_not_joined() {
        let one = [table("x", &[1, 2], &[1.0, 2.0])];
        let words = NamedTensor {
            name: "x".into(),
            shape: vec![1, 2],
            data: TensorData::Str(vec!["a".into(), "b".into()]),
        };
        let many = [table("x", &[MOST_ROWS, 2], &vec![0.0; 2 * MOST_ROWS])];
        for other in [
            &[table("x", &[1, 3], &[1.0, 2.0, 3.0])][..],
            &[table("z", &[1, 2], &[1.0, 2.0])],
            &[table("x", &[1, 2], &[1.0])],
            &[table("x", &[2, 2], &[1.0, 2.0])],
            &[table("x", &[], &[1.0])],
            &[words],
            &many,
            &[],
        ] {
            assert_eq!(join([&one[..], other].into_iter()), None, "{other:?}");
        }
        assert_eq!(split(vec![table("y", &[1, 2], &[1.0, 2.0])], &[1, 1]), None);
    }
}
