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
        engine::{NamedTensor, Shares, Trees},
        loading::load::Loaded,
    },
};
use serde_json::Value;
use std::time::Instant;

/// What is explained of a tree ensemble unless an output is named: what its leaves add up to.
const RAW: &str = "raw";
/// Walks of a row and a background row through a tree, or of a row to a leaf.
const MOST_WALKS: usize = 200_000_000;
/// Numbers in one answer.
const MOST_NUMBERS: usize = 8 << 20;

/// Everything an explanation needs.
pub struct Job<'a> {
    pub loaded: &'a Loaded,
    pub rows: Vec<NamedTensor>,
    /// None where the model's trees do without one.
    pub background: Option<Source>,
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
            Some(sent) => Some(sent),
            None => stored?,
        };
        if background.is_none() && !raw_trees(loaded, &settings).is_some_and(Trees::has_covers) {
            return Err(none_stored());
        }
        let rows =
            if rows.is_empty() { question::inputs(body, loaded)? } else { question::in_order(rows, loaded) };
        Ok(Self { loaded, rows, background, settings, deadline })
    }

    pub fn run(self) -> Result<Explanation> {
        let loaded = self.loaded;
        let results = loaded.model.infer(self.rows.clone())?;
        let deadline = self.deadline;
        let go_on = move || Instant::now() < deadline;
        let features = question::features(&self.rows, loaded);
        let trees = raw_trees(loaded, &self.settings);
        let Some(background) = self.background else {
            let trees = trees.ok_or_else(none_stored)?;
            check_size(count(&self.rows), features.len(), trees.outputs())?;
            check_walks(&[(count(&self.rows), "rows"), (trees.leaves(), "leaves")])?;
            let found = trees.explain_by_covers(only(&self.rows)?, &go_on)?.ok_or_else(late)?;
            let how = How {
                method: Method::TreeByCovers,
                explained: RAW.to_owned(),
                background: None,
                sample: None,
            };
            return Ok(of_trees(trees, found, features, &results, count(&self.rows), how));
        };
        let source = background.name();
        let background = background.read(loaded)?;
        let behind = loaded.model.infer(background.clone());
        behind.map_err(|error| {
            Error::new(error.kind, format!("The background ({source}): {}", error.message))
        })?;
        let (rows, background_rows) = (count(&self.rows), count(&background));
        let how = |method, explained: &str, sample| How {
            method,
            explained: explained.to_owned(),
            background: Some((source, background_rows)),
            sample,
        };
        if let Some(trees) = trees {
            check_size(rows, features.len(), trees.outputs())?;
            check_walks(&[(rows, "rows"), (background_rows, "background rows"), (trees.count(), "trees")])?;
            let (ours, theirs) = (only(&self.rows)?, only(&background)?);
            let found = trees.explain(ours, theirs, &go_on)?.ok_or_else(late)?;
            return Ok(of_trees(trees, found, features, &results, rows, how(Method::Tree, RAW, None)));
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

/// The trees whose raw score is to be explained, where the model is an ensemble and no output is named.
fn raw_trees<'a>(loaded: &'a Loaded, settings: &Settings) -> Option<&'a Trees> {
    loaded.model.trees().filter(|_| settings.output.as_deref().is_none_or(|output| output == RAW))
}

fn of_trees(
    trees: &Trees,
    found: Shares,
    features: Vec<String>,
    results: &[NamedTensor],
    rows: usize,
    how: How,
) -> Explanation {
    let named = || names(results, found.base.len());
    let classes = trees.classes().filter(|classes| classes.len() == found.base.len());
    Explanation {
        features,
        outputs: classes.unwrap_or_else(named),
        rows,
        base: found.base,
        values: found.scores,
        attributions: found.shares,
        how,
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

/// Refuses what would take too many walks: each of these with each.
fn check_walks(all: &[(usize, &str)]) -> Result<()> {
    let walks = all.iter().fold(1usize, |walks, (count, _)| walks.saturating_mul(*count));
    if walks <= MOST_WALKS {
        return Ok(());
    }
    let listed: Vec<_> = all.iter().map(|(count, what)| format!("{count} {what}")).collect();
    Err(Error::invalid(format!(
        "{}, multiplied, are more than {MOST_WALKS}. Send fewer rows, or a smaller background.",
        listed.join(", ")
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
