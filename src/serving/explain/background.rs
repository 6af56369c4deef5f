//! The rows an explanation compares with: sent along, stored beside the model, or its input example.

use super::{kernel::count, question};
use crate::{
    kernel::error::{Error, Kind, Result},
    objects,
    serving::{
        doors::scoring::{feed, payload::Payload},
        engine::NamedTensor,
        evaluate::table,
        loading::load::Loaded,
        wire::json,
    },
};
use bytes::Bytes;
use serde_json::Value;

/// Files of this name beside the ONNX file are the model's background, the first there is.
const NAMES: [&str; 3] = ["background.parquet", "background.json", "background.csv"];
const MOST_BYTES: usize = 8 << 20;
/// Of a larger background, this many rows are taken, evenly spaced.
const MOST_ROWS: usize = 1000;

/// Rows before they are read for a model.
pub enum Source {
    Sent(Value),
    File(&'static str, Bytes),
    Example(Value),
}

/// Finds the background of a model in its folder, else takes its input example.
pub async fn stored(objects: &objects::Service, loaded: &Loaded) -> Result<Option<Source>> {
    let folder = loaded.origin.key.rsplit_once('/').map_or("", |(folder, _)| folder);
    for name in NAMES {
        match objects.get_bytes(&loaded.origin.bucket, &format!("{folder}/{name}"), MOST_BYTES).await {
            Ok(bytes) => return Ok(Some(Source::File(name, bytes))),
            Err(error) if error.kind == Kind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(loaded.example.clone().map(Source::Example))
}

impl Source {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sent(_) => "request",
            Self::File(name, _) => name,
            Self::Example(_) => "input example",
        }
    }

    /// The rows as the model's inputs.
    pub fn read(self, loaded: &Loaded) -> Result<Vec<NamedTensor>> {
        let name = self.name();
        let inputs = match self {
            Self::Sent(value) | Self::Example(value) => question::inputs(value, loaded),
            Self::File(name, bytes) if name.ends_with(".json") => {
                json::parse(&bytes).and_then(|value| question::inputs(value, loaded))
            }
            Self::File(name, bytes) => {
                let columns = question::columns(loaded);
                let frame = table::read(name, &bytes, columns);
                frame.and_then(|frame| feed::tensors(&Payload::Frame(frame), loaded.model.inputs(), columns))
            }
        };
        let inputs = inputs
            .map_err(|error| Error::new(error.kind, format!("The background ({name}): {}", error.message)))?;
        thin(inputs)
    }
}

fn thin(inputs: Vec<NamedTensor>) -> Result<Vec<NamedTensor>> {
    let rows = count(&inputs);
    if rows <= MOST_ROWS {
        return Ok(inputs);
    }
    let some = inputs.into_iter().map(|input| {
        let width = super::kernel::width(&input);
        let kept = (0..MOST_ROWS).map(|at| at * rows / MOST_ROWS);
        let cells = kept.flat_map(|row| (row * width..(row + 1) * width).map(|at| (true, at)));
        let data = input.data.mix(&input.data, cells);
        let data = data.ok_or_else(|| Error::invalid("The background's columns differ in length."))?;
        let shape = std::iter::once(MOST_ROWS).chain(input.shape[1..].iter().copied()).collect();
        Ok(NamedTensor { name: input.name, shape, data })
    });
    some.collect()
}
