//! From a request's message to the model's inputs.

use crate::{
    kernel::error::{Error, Result},
    serving::{
        doors::oip::{
            Wanted, binary,
            messages::{Contents, Input, Output, Parameter, Request, Value},
            shared::{self, Said},
        },
        engine::{NamedTensor, TensorData, TensorSpec},
        memory::{Lent, Place},
    },
};
use bytes::Bytes;
use std::collections::BTreeMap;

/// Takes the inputs out of a request, and answers whether any came as raw bytes. Those in shared memory are such, and
/// have no raw_input_contents.
pub fn inputs(request: &mut Request, lent: &Lent) -> Result<(Vec<NamedTensor>, bool)> {
    let (inputs, raw) =
        (std::mem::take(&mut request.inputs), std::mem::take(&mut request.raw_input_contents));
    let places = inputs.iter().map(|input| place(&format!("Input `{}`", input.name), &input.parameters));
    let places = places.collect::<Result<Vec<_>>>()?;
    let sent = places.iter().filter(|place| place.is_none()).count();
    if !raw.is_empty() && raw.len() != sent {
        return Err(Error::invalid(format!(
            "The request has {} raw_input_contents for {sent} inputs: send one for each, or none.",
            raw.len()
        )));
    }
    let is_raw = !raw.is_empty() || sent < places.len();
    let mut raw = raw.into_iter();
    let read = inputs.into_iter().zip(places).map(|(input, place)| match place {
        Some(_) if input.contents.is_some() => Err(Error::invalid(format!(
            "Input `{}` is in shared memory: it cannot have contents as well.",
            input.name
        ))),
        Some(place) => tensor(input, Some(lent.read(&place)?.into())),
        None => tensor(input, raw.next()),
    });
    Ok((read.collect::<Result<_>>()?, is_raw))
}

/// The place in shared memory that a tensor's parameters name, if they name one.
fn place(tensor: &str, parameters: &BTreeMap<String, Parameter>) -> Result<Option<Place>> {
    shared::place(tensor, |key| {
        Some(match parameters.get(key)?.value.as_ref() {
            Some(Value::Text(text)) => Said::Text(text),
            Some(Value::Uint(number)) => Said::Number(*number),
            Some(Value::Int(number)) => u64::try_from(*number).map_or(Said::Other, Said::Number),
            _ => Said::Other,
        })
    })
}

fn tensor(input: Input, raw: Option<Bytes>) -> Result<NamedTensor> {
    let Input { name, datatype, shape, parameters: _, contents } = input;
    let data = match (raw, contents) {
        (Some(_), Some(_)) => {
            return Err(Error::invalid(format!(
                "Input `{name}` has both contents and raw_input_contents: send one of them."
            )));
        }
        (Some(raw), None) => binary::read(&name, &datatype, &raw)?,
        (None, contents) => typed(&name, &datatype, contents.unwrap_or_default())?,
    };
    let size = |size| {
        usize::try_from(size)
            .map_err(|_| Error::invalid(format!("Input `{name}` has {size} in its shape, which is no size.")))
    };
    let shape = shape.into_iter().map(size).collect::<Result<_>>()?;
    Ok(NamedTensor { name, shape, data })
}

fn typed(name: &str, datatype: &str, contents: Contents) -> Result<TensorData> {
    fn narrow<W: Copy + std::fmt::Display, T: TryFrom<W>>(
        name: &str,
        datatype: &str,
        values: &[W],
    ) -> Result<Vec<T>> {
        let one = |value: &W| {
            T::try_from(*value)
                .map_err(|_| Error::invalid(format!("Input `{name}`: {value} is no {datatype}.")))
        };
        values.iter().map(one).collect()
    }
    Ok(match datatype {
        "BOOL" => TensorData::Bool(contents.bools),
        "UINT8" => TensorData::U8(narrow(name, datatype, &contents.uints)?),
        "UINT16" => TensorData::U16(narrow(name, datatype, &contents.uints)?),
        "UINT32" => TensorData::U32(contents.uints),
        "UINT64" => TensorData::U64(contents.uint64s),
        "INT8" => TensorData::I8(narrow(name, datatype, &contents.ints)?),
        "INT16" => TensorData::I16(narrow(name, datatype, &contents.ints)?),
        "INT32" => TensorData::I32(contents.ints),
        "INT64" => TensorData::I64(contents.int64s),
        "FP32" => TensorData::F32(contents.fp32s),
        "FP64" => TensorData::F64(contents.fp64s),
        "BYTES" => TensorData::Str(texts(name, &contents.bytes)?),
        other => {
            return Err(Error::invalid(format!(
                "Input `{name}`: {other} is not a datatype this server takes."
            )));
        }
    })
}

fn texts(name: &str, values: &[Bytes]) -> Result<Vec<String>> {
    let text = |(index, bytes): (usize, &Bytes)| {
        let text = std::str::from_utf8(bytes)
            .map_err(|_| Error::invalid(format!("Input `{name}`: text {index} is not UTF-8.")))?;
        Ok(text.to_owned())
    };
    values.iter().enumerate().map(text).collect()
}

/// The outputs asked for; all of the model's, if none is named.
pub fn wanted(asked: &[Output], specs: &[TensorSpec], lent: &Lent) -> Result<Vec<Wanted>> {
    if asked.is_empty() {
        return Ok(Wanted::all(specs, true));
    }
    let one = |output: &Output| {
        let classes = match output.parameters.get("classification").and_then(|found| found.value.as_ref()) {
            Some(Value::Int(classes)) => Some(*classes),
            Some(Value::Uint(classes)) => Some(i64::try_from(*classes).unwrap_or(i64::MAX)),
            Some(_) => {
                return Err(Error::invalid(format!(
                    "Output `{}`: classification must be an integer.",
                    output.name
                )));
            }
            None => None,
        };
        let wanted = Wanted::named(specs, &output.name, classes)?;
        match place(&format!("Output `{}`", output.name), &output.parameters)? {
            Some(place) => wanted.into_memory(&place, Some(lent)),
            None => Ok(wanted),
        }
    };
    asked.iter().map(one).collect()
}
