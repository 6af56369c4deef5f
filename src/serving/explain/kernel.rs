//! KernelSHAP: any model explained by asking it about rows whose left-out columns come from background
//! rows. Columns in which a row equals all of the background get nothing, and are not asked about.

use super::{
    coalitions::{self, Coalition, MOST, MOST_EXACT},
    sample::{Sample, usual_size},
};
use crate::{
    kernel::error::{Error, Result},
    serving::{
        engine::{NamedTensor, TensorData},
        loading::runner::Runner,
    },
};

/// Answers of the model one explanation may ask for.
const MOST_ANSWERS: usize = 4 << 20;
/// Rows the model is asked at once.
const BATCH: usize = 1024;
/// Values in one input of a batch.
const MOST_CELLS: usize = 1 << 20;

/// What is asked, of which model.
pub struct Asked<'a> {
    pub model: &'a Runner,
    /// The output that is explained.
    pub output: &'a str,
    /// In the model's order of inputs, as the background is.
    pub rows: &'a [NamedTensor],
    pub background: &'a [NamedTensor],
    /// Coalitions to sample for a row; the usual number, if none is said.
    pub samples: Option<usize>,
    pub seed: u64,
    pub go_on: &'a dyn Fn() -> bool,
}

pub struct Found {
    pub base: Vec<f64>,
    pub values: Vec<f64>,
    pub attributions: Vec<f64>,
    /// The most coalitions that were sampled for a row; `None` where all were asked.
    pub sampled: Option<usize>,
}

/// How one row is explained.
struct Plan {
    /// The columns that differ from the background's.
    columns: Vec<usize>,
    coalitions: Vec<Coalition>,
    sample: Option<Sample>,
}

impl Asked<'_> {
    pub fn explain(&self) -> Result<Found> {
        self.check_batches()?;
        let (rows, behind) = (count(self.rows), count(self.background));
        let columns: usize = self.rows.iter().map(width).sum();
        let differing = self.differing(rows, columns)?;
        let values = self.answers(self.rows)?;
        let of_background = self.answers(self.background)?;
        let outputs = values.len() / rows.max(1);
        let base: Vec<f64> = (0..outputs)
            .map(|output| of_background.iter().skip(output).step_by(outputs).sum::<f64>() / behind as f64)
            .collect();
        let mut attributions = vec![0.0; rows * columns * outputs];
        let mut sampled = None;
        for (row, differing) in differing.into_iter().enumerate() {
            let whole = &values[row * outputs..][..outputs];
            let plan = self.plan(differing);
            sampled = sampled.max(plan.sample.as_ref().map(|sample| sample.coalitions.len()));
            let shares = self.shares(row, &plan, &base, whole)?;
            let into = &mut attributions[row * columns * outputs..];
            for (&column, shares) in plan.columns.iter().zip(shares.chunks_exact(outputs)) {
                into[column * outputs..][..outputs].copy_from_slice(shares);
            }
        }
        Ok(Found { base, values, attributions, sampled })
    }

    /// The columns in which each row differs from the background; or that this is too much to ask.
    fn differing(&self, rows: usize, columns: usize) -> Result<Vec<Vec<usize>>> {
        let behind = count(self.background);
        let mut all = Vec::with_capacity(rows);
        let mut answers = 0usize;
        for row in 0..rows {
            if !(self.go_on)() {
                return Err(late());
            }
            let differing = self.differing_of(row, columns);
            let asked = self.coalitions(differing.len())?;
            answers = answers.saturating_add(asked.saturating_mul(behind));
            if answers > MOST_ANSWERS {
                return Err(Error::invalid(format!(
                    "This explanation would ask the model for more than {MOST_ANSWERS} answers: {rows} rows, {behind} \
                     background rows and {asked} coalitions of columns, multiplied. Send fewer rows, or a smaller \
                     background."
                )));
            }
            all.push(differing);
        }
        Ok(all)
    }

    /// How many coalitions are asked of a row that differs in this many columns.
    fn coalitions(&self, differing: usize) -> Result<usize> {
        if differing <= MOST_EXACT {
            return Ok((1usize << differing).saturating_sub(2));
        }
        if differing > MOST {
            return Err(Error::invalid(format!(
                "A row has {differing} values that differ from the background's; {MOST} is the most that can be \
                 explained."
            )));
        }
        let size = self.samples.unwrap_or(usual_size(differing));
        if size < 2 * differing {
            return Err(Error::invalid(format!(
                "{size} samples do not tell {differing} columns apart: {} is the least.",
                2 * differing
            )));
        }
        Ok(size)
    }

    fn plan(&self, columns: Vec<usize>) -> Plan {
        let differing = columns.len();
        match differing {
            0 | 1 => Plan { columns, coalitions: Vec::new(), sample: None },
            2..=MOST_EXACT => Plan { columns, coalitions: coalitions::all(differing), sample: None },
            _ => {
                let size = self.samples.unwrap_or(usual_size(differing));
                let sample = Sample::draw(differing, size, self.seed);
                Plan { columns, coalitions: Vec::new(), sample: Some(sample) }
            }
        }
    }

    fn differing_of(&self, row: usize, columns: usize) -> Vec<usize> {
        let mut differing = Vec::with_capacity(columns);
        let mut first = 0;
        for (ours, theirs) in self.rows.iter().zip(self.background) {
            let width = width(ours);
            let differs = |at: usize| {
                let mut others = 0..count(self.background);
                others.any(|other| !ours.data.same(row * width + at, &theirs.data, other * width + at))
            };
            differing.extend((0..width).filter(|&at| differs(at)).map(|at| first + at));
            first += width;
        }
        differing
    }

    fn shares(&self, row: usize, plan: &Plan, none: &[f64], whole: &[f64]) -> Result<Vec<f64>> {
        match &plan.sample {
            _ if plan.columns.is_empty() => Ok(Vec::new()),
            None if plan.columns.len() == 1 => {
                Ok(whole.iter().zip(none).map(|(all, none)| all - none).collect())
            }
            None => {
                let worth = self.worth(row, plan, &plan.coalitions, none.len())?;
                Ok(coalitions::exact(plan.columns.len(), none, whole, &worth))
            }
            Some(sample) => {
                let worth = self.worth(row, plan, &sample.coalitions, none.len())?;
                sample.fit(none, whole, &worth).ok_or_else(|| {
                    Error::invalid("The samples do not tell the columns apart: ask for more of them.")
                })
            }
        }
    }

    /// What each coalition of a row's columns is worth: the mean answer over the background.
    fn worth(&self, row: usize, plan: &Plan, coalitions: &[Coalition], outputs: usize) -> Result<Vec<f64>> {
        let behind = count(self.background);
        let total = coalitions.len() * behind;
        let widest = self.rows.iter().map(width).max().unwrap_or(1).max(1);
        let batch = BATCH.min((MOST_CELLS / widest).max(1)).min(total.next_power_of_two());
        let mut place = vec![None; self.rows.iter().map(width).sum()];
        plan.columns.iter().enumerate().for_each(|(number, &column)| place[column] = Some(number));
        let mut worth = vec![0.0; coalitions.len() * outputs];
        for start in (0..total).step_by(batch) {
            if !(self.go_on)() {
                return Err(late());
            }
            // The last batch is filled up, since models may be planned anew for each size.
            let asked = (start..start + batch).map(|at| at.min(total - 1));
            let picks: Vec<(&Coalition, usize)> =
                asked.map(|at| (&coalitions[at / behind], at % behind)).collect();
            let answers = self.answers(&self.mixed(row, &place, &picks)?)?;
            if answers.len() != batch * outputs {
                return Err(shapeless(self.output));
            }
            for (at, answer) in (start..total.min(start + batch)).zip(answers.chunks_exact(outputs)) {
                let into = &mut worth[at / behind * outputs..][..outputs];
                into.iter_mut().zip(answer).for_each(|(sum, value)| *sum += value / behind as f64);
            }
        }
        Ok(worth)
    }

    /// One row for each pick: the coalition's columns from the row, the others from a background row.
    fn mixed(
        &self,
        row: usize,
        place: &[Option<usize>],
        picks: &[(&Coalition, usize)],
    ) -> Result<Vec<NamedTensor>> {
        let mut first = 0;
        let pairs = self.rows.iter().zip(self.background);
        let tensors = pairs.map(|(ours, theirs)| {
            let width = width(ours);
            let places = &place[first..first + width];
            first += width;
            let cells = picks.iter().flat_map(|&(coalition, other)| {
                places.iter().enumerate().map(move |(at, place)| {
                    let taken = place.is_some_and(|number| coalition.has(number));
                    (taken, if taken { row } else { other } * width + at)
                })
            });
            let data = ours.data.mix(&theirs.data, cells).ok_or_else(|| unlike(&ours.name))?;
            let shape = std::iter::once(picks.len()).chain(ours.shape[1..].iter().copied()).collect();
            Ok(NamedTensor { name: ours.name.clone(), shape, data })
        });
        tensors.collect()
    }

    /// The explained output's values, row by row.
    fn answers(&self, inputs: &[NamedTensor]) -> Result<Vec<f64>> {
        let rows = count(inputs);
        let results = self.model.infer(inputs.to_vec())?;
        let found = results.iter().find(|result| result.name == self.output);
        let found = found.filter(|result| result.shape.first() == Some(&rows));
        found.and_then(|result| result.data.numbers()).ok_or_else(|| shapeless(self.output))
    }

    fn check_batches(&self) -> Result<()> {
        let fixed = self.model.inputs().iter().find(|spec| spec.shape.first().is_none_or(|&rows| rows >= 0));
        match fixed {
            Some(spec) => Err(Error::invalid(format!(
                "Input `{}` takes no batches of any size (its shape is {:?}), so the model cannot be asked often \
                 enough to be explained. Export it with an open batch dimension.",
                spec.name, spec.shape
            ))),
            None => Ok(()),
        }
    }
}

/// Rows of a set of inputs.
pub fn count(inputs: &[NamedTensor]) -> usize {
    inputs.first().and_then(|input| input.shape.first().copied()).unwrap_or(0)
}

/// Values in one row of an input.
pub fn width(input: &NamedTensor) -> usize {
    input.shape.get(1..).map_or(1, |inner| inner.iter().product())
}

/// Whether an output can be explained: numbers with fractions, for each row.
pub fn is_explained(result: &NamedTensor, rows: usize) -> bool {
    result.shape.first() == Some(&rows) && matches!(result.data, TensorData::F32(_) | TensorData::F64(_))
}

pub fn late() -> Error {
    Error::late("The explanation took too long and was given up. Send fewer rows, or a smaller background.")
}

fn unlike(name: &str) -> Error {
    Error::invalid(format!("The background's `{name}` is of another type than the rows'."))
}

fn shapeless(output: &str) -> Error {
    Error::invalid(format!("Output `{output}` does not give each row numbers, so it cannot be explained."))
}
