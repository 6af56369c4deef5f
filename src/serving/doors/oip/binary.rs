//! Tensors as raw little-endian bytes; texts each behind their length in four bytes.

use crate::{
    kernel::error::{Error, Result},
    serving::engine::TensorData,
};

pub fn read(name: &str, datatype: &str, bytes: &[u8]) -> Result<TensorData> {
    fn each<const N: usize, T>(name: &str, bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Result<Vec<T>> {
        let (chunks, rest) = bytes.as_chunks::<N>();
        if !rest.is_empty() {
            return Err(Error::invalid(format!(
                "Input `{name}` has {} bytes of data, which is no multiple of {N}, the size of one value.",
                bytes.len()
            )));
        }
        Ok(chunks.iter().map(|chunk| read(*chunk)).collect())
    }
    Ok(match datatype {
        "BOOL" => TensorData::Bool(bytes.iter().map(|byte| *byte != 0).collect()),
        "UINT8" => TensorData::U8(bytes.to_vec()),
        "UINT16" => TensorData::U16(each(name, bytes, u16::from_le_bytes)?),
        "UINT32" => TensorData::U32(each(name, bytes, u32::from_le_bytes)?),
        "UINT64" => TensorData::U64(each(name, bytes, u64::from_le_bytes)?),
        "INT8" => TensorData::I8(each(name, bytes, i8::from_le_bytes)?),
        "INT16" => TensorData::I16(each(name, bytes, i16::from_le_bytes)?),
        "INT32" => TensorData::I32(each(name, bytes, i32::from_le_bytes)?),
        "INT64" => TensorData::I64(each(name, bytes, i64::from_le_bytes)?),
        "FP32" => TensorData::F32(each(name, bytes, f32::from_le_bytes)?),
        "FP64" => TensorData::F64(each(name, bytes, f64::from_le_bytes)?),
        "BYTES" => TensorData::Str(texts(name, bytes)?),
        other => {
            return Err(Error::invalid(format!(
                "Input `{name}`: {other} is not a datatype this server takes."
            )));
        }
    })
}

fn texts(name: &str, mut bytes: &[u8]) -> Result<Vec<String>> {
    let cut = || Error::invalid(format!("Input `{name}`: its texts end before their stated length."));
    let mut out = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(cut)?;
        let length = u32::from_le_bytes(*length) as usize;
        let (text, rest) = rest.split_at_checked(length).ok_or_else(cut)?;
        let text = std::str::from_utf8(text)
            .map_err(|_| Error::invalid(format!("Input `{name}`: text {} is not UTF-8.", out.len())))?;
        out.push(text.to_owned());
        bytes = rest;
    }
    Ok(out)
}

/// Appends a tensor's bytes; answers how many.
pub fn write(data: &TensorData, out: &mut Vec<u8>) -> usize {
    let before = out.len();
    match data {
        TensorData::Bool(values) => out.extend(values.iter().map(|value| u8::from(*value))),
        TensorData::U8(values) => out.extend_from_slice(values),
        TensorData::U16(values) => out.extend(values.iter().flat_map(|value| value.to_le_bytes())),
        TensorData::U32(values) => out.extend(values.iter().flat_map(|value| value.to_le_bytes())),
        TensorData::U64(values) => out.extend(values.iter().flat_map(|value| value.to_le_bytes())),
        TensorData::I8(values) => out.extend(values.iter().flat_map(|value| value.to_le_bytes())),
        TensorData::I16(values) => out.extend(values.iter().flat_map(|value| value.to_le_bytes())),
        TensorData::I32(values) => out.extend(values.iter().flat_map(|value| value.to_le_bytes())),
        TensorData::I64(values) => out.extend(values.iter().flat_map(|value| value.to_le_bytes())),
        TensorData::F32(values) => out.extend(values.iter().flat_map(|value| value.to_le_bytes())),
        TensorData::F64(values) => out.extend(values.iter().flat_map(|value| value.to_le_bytes())),
        TensorData::Str(values) => {
            for text in values {
                // A request is at most 64 MiB, and so is any text that came from one.
                out.extend_from_slice(&(text.len() as u32).to_le_bytes());
                out.extend_from_slice(text.as_bytes());
            }
        }
    }
    out.len() - before
}
