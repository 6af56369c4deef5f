//! One explanation, on a thread that may block: rows and background are read, the way is chosen, the work
//! is bounded and done.

use super::{
    Explanation, How, Method,
    background::Source,
    kernel::{Asked, count, is_explained, late},
    question::{self, Settings},
};
use crate::{
    kernel::error::{Error, Result},
    serving::{
        engine::{NamedTensor, Trees},
        loading::load::Loaded,
    },
};
use serde_json::Value;
use std::time::Instant;

/// What is explained of a tree ensemble unless an output is named: what its leaves add up to.
const RAW: &str = "raw";
/// Walks of a row and a background row through a tree.
const MOST_WALKS: usize = 200_000_000;
/// Numbers in one answer.
const MOST_NUMBERS: usize = 8 << 20;

/// Everything an explanation needs.
pub struct Job<'a> {
    pub loaded: &'a Loaded,
    pub rows: Vec<NamedTensor>,
    pub background: Source,
    pub settings: Settings,
    pub deadline: Instant,
}

impl<'a> Job<'a> {
    /// Of a body, and the rows if they are read already.
    pub fn read(
        loaded: &'a Loaded,
        mut body: Value,
        rows: Vec<NamedTensor>,
        stored: Result<Option<Source>>,
        deadline: Instant,
    ) -> Result<Self> {
        let mut settings = question::settings(&mut body)?;
        let background = match settings.sent() {
            Some(sent) => sent,
            None => stored?.ok_or_else(none_stored)?,
        };
        let rows =
            if rows.is_empty() { question::inputs(body, loaded)? } else { question::in_order(rows, loaded) };
        Ok(Self { loaded, rows, background, settings, deadline })
    }

    pub fn run(self) -> Result<Explanation> {
        let loaded = self.loaded;
        let results = loaded.model.infer(self.rows.clone())?;
        let source = self.background.name();
        let background = self.background.read(loaded)?;
        let behind = loaded.model.infer(background.clone());
        behind.map_err(|error| {
            Error::new(error.kind, format!("The background ({source}): {}", error.message))
        })?;
        let (rows, background_rows) = (count(&self.rows), count(&background));
        let deadline = self.deadline;
        let go_on = move || Instant::now() < deadline;
        let features = question::features(&self.rows, loaded);
        let how = |method, explained: &str, sample| How {
            method,
            explained: explained.to_owned(),
            background: source.to_owned(),
            background_rows,
            sample,
        };
        let trees = loaded.model.trees().filter(|_| self.settings.output.as_deref().is_none_or(|o| o == RAW));
        if let Some(trees) = trees {
            let classes = trees.classes();
            check_size(rows, features.len(), trees.outputs())?;
            check_walks(trees, rows, background_rows)?;
            let (ours, theirs) = (only(&self.rows)?, only(&background)?);
            let found = trees.explain(ours, theirs, &go_on)?.ok_or_else(late)?;
            let named = || names(&results, found.base.len());
            let outputs = classes.filter(|classes| classes.len() == found.base.len()).unwrap_or_else(named);
            return Ok(Explanation {
                features,
                outputs,
                rows,
                base: found.base,
                values: found.scores,
                attributions: found.shares,
                how: how(Method::Tree, RAW, None),
            });
        }
        let explained = pick(&results, self.settings.output.as_deref(), rows)?;
        let outputs = explained.data.len() / rows.max(1);
        check_size(rows, features.len(), outputs)?;
        let asked = Asked {
            model: &loaded.model,
            output: &explained.name,
            rows: &self.rows,
            background: &background,
            samples: self.settings.samples,
            seed: self.settings.seed,
            go_on: &go_on,
        };
        let found = asked.explain()?;
        let method = if found.sampled.is_some() { Method::KernelSampled } else { Method::KernelExact };
        let sample = found.sampled.map(|size| (size, self.settings.seed));
        let classes = loaded.model.classes();
        let outputs = match outputs {
            many if many > 1 && many == classes.len() => classes.to_vec(),
            1 => vec![explained.name.clone()],
            many => (0..many).map(|at| format!("{}[{at}]", explained.name)).collect(),
        };
        Ok(Explanation {
            features,
            outputs,
            rows,
            base: found.base,
            values: found.values,
            attributions: found.attributions,
            how: how(method, &explained.name, sample),
        })
    }
}

/// The output to explain: the one named, or the first that gives numbers with fractions.
fn pick<'a>(results: &'a [NamedTensor], named: Option<&str>, rows: usize) -> Result<&'a NamedTensor> {
    let explained = |result: &&NamedTensor| is_explained(result, rows);
    let listed = || {
        let names: Vec<_> =
            results.iter().filter(explained).map(|result| format!("`{}`", result.name)).collect();
        if names.is_empty() { "none of its outputs".to_owned() } else { names.join(", ") }
    };
    match named {
        None => results.iter().find(explained).ok_or_else(|| {
            Error::invalid("No output of the model gives each row numbers with fractions, so there is nothing to explain.")
        }),
        Some(RAW) if !results.iter().any(|result| result.name == RAW) => Err(Error::invalid(format!(
            "Only a tree ensemble with nothing before it has a raw score. Of this model {} can be explained.",
            listed()
        ))),
        Some(name) => results.iter().find(|result| result.name == name && explained(result)).ok_or_else(|| {
            Error::invalid(format!("Output `{name}` cannot be explained; {} can.", listed()))
        }),
    }
}

fn names(results: &[NamedTensor], outputs: usize) -> Vec<String> {
    let name = results.first().map_or("score", |result| result.name.as_str());
    if outputs == 1 {
        vec![name.to_owned()]
    } else {
        (0..outputs).map(|at| format!("{name}[{at}]")).collect()
    }
}

fn only(inputs: &[NamedTensor]) -> Result<&NamedTensor> {
    inputs.first().ok_or_else(|| Error::invalid("There are no rows."))
}

fn check_walks(trees: &Trees, rows: usize, background: usize) -> Result<()> {
    let walks = rows.saturating_mul(background).saturating_mul(trees.count());
    if walks <= MOST_WALKS {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "{rows} rows, {background} background rows and {} trees, multiplied, are more than {MOST_WALKS}. Send fewer \
         rows, or a smaller background.",
        trees.count()
    )))
}

fn check_size(rows: usize, features: usize, outputs: usize) -> Result<()> {
    let numbers = rows.saturating_mul(features).saturating_mul(outputs);
    if numbers <= MOST_NUMBERS {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "The explanation of {rows} rows would hold {numbers} numbers; {MOST_NUMBERS} is the most. Send fewer rows."
    )))
}

fn none_stored() -> Error {
    Error::invalid(
        "An explanation compares with a background of ordinary rows, and this model has none. Put some 100 rows as \
         background.parquet, background.json or background.csv beside its ONNX file, log the model with an \
         input_example of that many rows, or send them as parameters.background.",
    )
}
