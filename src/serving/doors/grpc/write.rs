//! From a model's outputs to the answer's message: raw where the request's inputs were raw, else by kind.

use crate::{
    kernel::error::Result,
    serving::{
        doors::oip::{
            Wanted, binary,
            messages::{Contents, Input, Response},
        },
        engine::{NamedTensor, TensorData},
    },
};
use std::collections::BTreeMap;

/// Every output has its raw contents where any has: those of one that is in shared memory are empty.
pub fn outputs(response: &mut Response, wanted: &[Wanted], results: &[NamedTensor], raw: bool) -> Result<()> {
    for wanted in wanted {
        let Some(result) = wanted.pick(results)? else { continue };
        response.outputs.push(Input {
            name: result.name.clone(),
            datatype: result.data.datatype().to_owned(),
            shape: result.shape.iter().map(|size| i64::try_from(*size).unwrap_or(i64::MAX)).collect(),
            parameters: BTreeMap::new(),
            contents: (!raw && wanted.memory.is_none()).then(|| typed(&result.data)),
        });
        let mut bytes = Vec::new();
        if raw || wanted.memory.is_some() {
            binary::write(&result.data, &mut bytes);
        }
        if let Some(span) = &wanted.memory {
            span.write(&result.name, &bytes)?;
            bytes.clear();
        }
        if raw {
            response.raw_output_contents.push(bytes.into());
        }
    }
    Ok(())
}

fn typed(data: &TensorData) -> Contents {
    fn wide<T: Copy, W: From<T>>(values: &[T]) -> Vec<W> {
        values.iter().map(|value| W::from(*value)).collect()
    }
    let mut contents = Contents::default();
    match data {
        TensorData::Bool(values) => contents.bools.clone_from(values),
        TensorData::U8(values) => contents.uints = wide(values),
        TensorData::U16(values) => contents.uints = wide(values),
        TensorData::U32(values) => contents.uints.clone_from(values),
        TensorData::U64(values) => contents.uint64s.clone_from(values),
        TensorData::I8(values) => contents.ints = wide(values),
        TensorData::I16(values) => contents.ints = wide(values),
        TensorData::I32(values) => contents.ints.clone_from(values),
        TensorData::I64(values) => contents.int64s.clone_from(values),
        TensorData::F32(values) => contents.fp32s.clone_from(values),
        TensorData::F64(values) => contents.fp64s.clone_from(values),
        TensorData::Str(values) => {
            contents.bytes = values.iter().map(|text| text.clone().into_bytes().into()).collect();
        }
    }
    contents
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serving::{
        Regions,
        doors::{grpc::read, oip::messages::Request},
    };

    #[test]
    fn every_kind_of_value_comes_back_as_it_went() {
        let kinds = [
            TensorData::Bool(vec![true, false]),
            TensorData::U8(vec![0, u8::MAX]),
            TensorData::U16(vec![0, u16::MAX]),
            TensorData::U32(vec![0, u32::MAX]),
            TensorData::U64(vec![0, u64::MAX]),
            TensorData::I8(vec![i8::MIN, i8::MAX]),
            TensorData::I16(vec![i16::MIN, i16::MAX]),
            TensorData::I32(vec![i32::MIN, i32::MAX]),
            TensorData::I64(vec![i64::MIN, i64::MAX]),
            TensorData::F32(vec![f32::MIN, f32::INFINITY]),
            TensorData::F64(vec![f64::MIN, f64::EPSILON]),
            TensorData::Str(vec![String::new(), "ä".into()]),
        ];
        let regions = Regions::new(false);
        for data in kinds {
            let tensor = NamedTensor { name: "x".into(), shape: vec![2], data };
            for raw in [true, false] {
                let wanted = [Wanted { name: "x".into(), binary: raw, classes: None, memory: None }];
                let mut response = Response::default();
                outputs(&mut response, &wanted, std::slice::from_ref(&tensor), raw).expect("an answer");
                assert_eq!(response.raw_output_contents.len(), usize::from(raw));
                let mut request = Request {
                    inputs: response.outputs,
                    raw_input_contents: response.raw_output_contents,
                    ..Request::default()
                };
                let (back, came_raw) = read::inputs(&mut request, &regions.lent_to("")).expect("an input");
                assert_eq!(back, std::slice::from_ref(&tensor), "raw: {raw}");
                assert_eq!(came_raw, raw);
            }
        }
    }

    #[test]
    fn a_value_that_its_type_does_not_hold_is_refused() {
        let contents = Contents { ints: vec![1, 300], ..Contents::default() };
        let input = Input {
            name: "x".into(),
            datatype: "INT8".into(),
            shape: vec![2],
            contents: Some(contents),
            ..Input::default()
        };
        let mut request = Request { inputs: vec![input], ..Request::default() };
        let refused =
            read::inputs(&mut request, &Regions::new(false).lent_to("")).expect_err("300 is no INT8");
        assert_eq!(refused.message, "Input `x`: 300 is no INT8.");
    }
}
