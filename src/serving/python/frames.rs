//! Frames between the server and a worker: a JSON head, and tensors raw behind it.

use crate::{
    kernel::error::{Error, Result},
    serving::{doors::oip::binary, engine::NamedTensor},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
};

/// A head lists tensors; no model has so many.
const MOST_HEAD: u32 = 16 << 20;
/// An answer larger than this is not read.
const MOST_BODY: u64 = 1 << 30;

#[derive(Serialize, Deserialize)]
pub struct Tensor {
    name: String,
    datatype: String,
    shape: Vec<usize>,
    bytes: usize,
}

#[derive(Serialize)]
struct Asked<'a> {
    tensors: Vec<Tensor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    params: Option<&'a Map<String, Value>>,
}

#[derive(Deserialize)]
struct Told {
    tensors: Vec<Tensor>,
    /// Whether the model gave names to its outputs, or one bare array.
    named: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Said<T> {
    Ok(T),
    Error { kind: Wrong, message: String },
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wrong {
    /// The model could not be loaded.
    Load,
    /// The request does not fit the signature.
    Input,
    /// The model's own code failed.
    Model,
}

/// Asks the model behind `door`.
pub fn ask(
    door: &mut UnixStream,
    inputs: &[NamedTensor],
    params: Option<&Map<String, Value>>,
) -> io::Result<Said<Vec<NamedTensor>>> {
    let mut body = Vec::new();
    let tensors = inputs
        .iter()
        .map(|input| Tensor {
            name: input.name.clone(),
            datatype: input.data.datatype().to_owned(),
            shape: input.shape.clone(),
            bytes: binary::write(&input.data, &mut body),
        })
        .collect();
    let head = serde_json::to_vec(&Asked { tensors, params })?;
    let length = u32::try_from(head.len()).map_err(|_| invalid("too many tensors"))?;
    let mut start = Vec::with_capacity(12 + head.len());
    start.extend_from_slice(&length.to_le_bytes());
    start.extend_from_slice(&(body.len() as u64).to_le_bytes());
    start.extend_from_slice(&head);
    door.write_all(&start)?;
    door.write_all(&body)?;
    let (said, body) = receive::<Told>(door)?;
    Ok(match said {
        Said::Ok(told) => Said::Ok(outputs(told, &body).map_err(|error| invalid(&error.message))?),
        Said::Error { kind, message } => Said::Error { kind, message },
    })
}

/// The next frame of a worker.
pub fn receive<T: DeserializeOwned>(door: &mut UnixStream) -> io::Result<(Said<T>, Vec<u8>)> {
    let mut lengths = [0; 12];
    door.read_exact(&mut lengths)?;
    let (head, body) = lengths.split_at(4);
    let head = u32::from_le_bytes(head.try_into().map_err(|_| invalid("no length"))?);
    let body = u64::from_le_bytes(body.try_into().map_err(|_| invalid("no length"))?);
    if head > MOST_HEAD || body > MOST_BODY {
        return Err(invalid(&format!(
            "the model's answer has {body} bytes, more than the {MOST_BODY} allowed"
        )));
    }
    let (mut text, mut raw) = (vec![0; head as usize], Vec::new());
    door.read_exact(&mut text)?;
    // Grows with what arrives, not with what is announced.
    Read::take(&mut *door, body).read_to_end(&mut raw)?;
    if raw.len() as u64 != body {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok((serde_json::from_slice(&text)?, raw))
}

fn outputs(told: Told, mut body: &[u8]) -> Result<Vec<NamedTensor>> {
    let mut outputs = Vec::with_capacity(told.tensors.len());
    for tensor in told.tensors {
        let cut = || Error::invalid("the model's answer is shorter than it says");
        let (raw, rest) = body.split_at_checked(tensor.bytes).ok_or_else(cut)?;
        let data = binary::read(&tensor.name, &tensor.datatype, raw)?;
        if data.len() != tensor.shape.iter().product::<usize>() {
            return Err(cut());
        }
        let name = if told.named { tensor.name } else { super::BARE.to_owned() };
        outputs.push(NamedTensor { name, shape: tensor.shape, data });
        body = rest;
    }
    Ok(outputs)
}

fn invalid(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}
