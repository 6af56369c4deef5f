//! A dataset as a table: CSV, a JSON list of records or pandas' split, a record a line, or Parquet.

use crate::{
    kernel::error::{Error, Result},
    serving::{
        doors::scoring::{
            csv,
            payload::{self, Frame, Payload},
        },
        loading::mlmodel::Column,
        wire::{json, parquet},
    },
};
use serde_json::{Value, json};

/// The largest table that is read into memory.
const MOST_CELLS: usize = 1 << 24;

pub fn read(name: &str, bytes: &[u8], signature: Option<&[Column]>) -> Result<Frame> {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending).to_ascii_lowercase();
    let text = || std::str::from_utf8(bytes).map_err(|_| Error::invalid(format!("{name} is not UTF-8.")));
    match ending.as_str() {
        "csv" => csv::read(text()?, signature),
        "json" => match json::parse(bytes)? {
            Value::Array(records) => frame(json!({ "dataframe_records": records })),
            body => frame(body),
        },
        "parquet" => parquet::read(bytes, MOST_CELLS),
        "jsonl" | "ndjson" => {
            let lines = text()?.lines().filter(|line| !line.trim().is_empty());
            let records = lines.map(|line| json::parse(line.as_bytes())).collect::<Result<Vec<_>>>()?;
            frame(json!({ "dataframe_records": records }))
        }
        _ => Err(Error::invalid(format!(
            "{name} is no dataset that can be read: its name must end in .csv, .json, .jsonl or .parquet."
        ))),
    }
}

fn frame(body: Value) -> Result<Frame> {
    match payload::read(body, Some(&[]))? {
        Payload::Frame(frame) => Ok(frame),
        _ => Err(Error::invalid("The dataset is not a table.")),
    }
}
