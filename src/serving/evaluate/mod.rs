//! A model measured: it answers every row of a dataset, and its answers are held against a column of it.

mod answers;
mod metrics;
pub(super) mod table;

use super::{
    doors::scoring::{
        feed,
        payload::{Frame, Payload},
    },
    engine::NamedTensor,
    loading::{
        load::{self, Loaded},
        runner::Runner,
    },
    service::Service,
};
use crate::kernel::error::{Error, Result};
use bytes::Bytes;
use std::sync::Arc;

/// Rows the model is asked at once, unless it says itself how many it takes.
const BATCH: usize = 1_000;

/// A dataset and what is to be known of it.
pub struct Question {
    /// Its name tells its format: `.csv`, `.json`, `.jsonl`, `.parquet`.
    pub name: String,
    pub bytes: Bytes,
    /// The column with the truth.
    pub target: String,
    /// `classifier` or `regressor`; else the model's outputs and the truth tell.
    pub task: Option<String>,
}

/// What was measured.
#[derive(Clone, Debug)]
pub struct Evaluation {
    pub model: String,
    pub version: String,
    pub task: &'static str,
    pub rows: usize,
    /// By name, in the order they are best read.
    pub metrics: Vec<(String, f64)>,
}

impl Service {
    /// Measures the model at an address on a dataset.
    pub async fn evaluate(&self, uri: &str, question: Question) -> Result<Evaluation> {
        let at = self.registry().resolve(uri).await?;
        let found = load::find(&self.sources().objects, &at).await?;
        let loaded = Arc::new(load::load(self.sources(), &at, found).await?);
        let first = Arc::clone(&loaded);
        let task = question.task.clone();
        let (frame, truth) = self.work(move || split(&first, question)).await?;
        let (rows, frame) = (frame.rows, Arc::new(frame));
        let mut results: Vec<Vec<NamedTensor>> = Vec::new();
        let step = batch(&loaded.model);
        for start in (0..rows).step_by(step) {
            // Piece by piece through the gate, so that requests to endpoints come in between.
            let (loaded, frame) = (Arc::clone(&loaded), Arc::clone(&frame));
            let ask = move || infer(&loaded, &slice(&frame, start, (start + step).min(rows)));
            results.push(self.work(ask).await?);
        }
        let (kind, metrics) = self
            .work(move || {
                let answers = answers::read(&results, task.as_deref(), &truth)?;
                Ok((answers.kind(), metrics::of(&answers, &truth)?))
            })
            .await?;
        Ok(Evaluation { model: at.name, version: at.version, task: kind, rows, metrics })
    }
}

/// The columns the model is asked with, and the truth.
fn split(loaded: &Loaded, question: Question) -> Result<(Frame, Vec<serde_json::Value>)> {
    let columns = loaded.signature.as_ref().and_then(|signature| signature.columns.as_deref());
    let mut frame = table::read(&question.name, &question.bytes, columns)?;
    let names = frame.names.clone().unwrap_or_default();
    let Some(at) = names.iter().position(|name| *name == question.target) else {
        return Err(Error::invalid(format!(
            "The dataset has no column {:?} to hold the answers against. It has {}.",
            question.target,
            names.join(", ")
        )));
    };
    if frame.rows == 0 {
        return Err(Error::invalid("The dataset has no rows."));
    }
    let truth = frame.columns.remove(at);
    frame.names.as_mut().map(|names| names.remove(at));
    if let Some(row) = truth.iter().position(serde_json::Value::is_null) {
        return Err(Error::invalid(format!("Column {:?} has no value in row {row}.", question.target)));
    }
    Ok((frame, truth))
}

/// As many rows as the model takes at once.
fn batch(model: &Runner) -> usize {
    let fixed = model.inputs().iter().filter_map(|input| usize::try_from(*input.shape.first()?).ok());
    fixed.filter(|rows| *rows > 0).min().unwrap_or(BATCH)
}

fn slice(frame: &Frame, start: usize, end: usize) -> Frame {
    let columns = frame.columns.iter().map(|column| column[start..end].to_vec()).collect();
    Frame { names: frame.names.clone(), columns, rows: end - start }
}

fn infer(loaded: &Loaded, frame: &Frame) -> Result<Vec<NamedTensor>> {
    let columns = loaded.signature.as_ref().and_then(|signature| signature.columns.as_deref());
    let payload = Payload::Frame(frame.clone());
    loaded.model.infer(feed::tensors(&payload, loaded.model.inputs(), columns)?)
}
