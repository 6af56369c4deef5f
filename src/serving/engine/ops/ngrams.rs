//! TfIdfVectorizer: how often each known run of words stands in a row.

use std::collections::HashMap;

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::attrs::{Attrs, slice, tensor};
use super::kernel::{Built, Fact, Kernel, Spread, wrap};
use super::scale::only;

/// Columns of the output; more would be a damaged file.
const MOST_COLUMNS: usize = 1 << 24;

pub fn tf_idf_vectorizer(_: &ParsingContext, node: &NodeProto) -> Built {
    let attrs = Attrs(node);
    let size = |name: &str, least: i64| {
        let value = attrs.int(name).with_context(|| format!("TfIdfVectorizer has no {name}"))?;
        ensure!((least..=1 << 16).contains(&value), "TfIdfVectorizer's {name} cannot be {value}");
        Ok(value as usize)
    };
    let (shortest, longest) = (size("min_gram_length", 1)?, size("max_gram_length", 1)?);
    let indexes = attrs.ints("ngram_indexes").iter().map(|&at| usize::try_from(at).ok());
    let indexes: Vec<usize> =
        indexes.collect::<Option<_>>().context("TfIdfVectorizer has a negative ngram index")?;
    let columns = indexes.iter().max().context("TfIdfVectorizer has no ngram_indexes")? + 1;
    ensure!(columns <= MOST_COLUMNS, "TfIdfVectorizer has {columns} columns");
    let given = attrs.floats("weights");
    ensure!(given.is_empty() || given.len() == indexes.len(), "there is not one weight for each n-gram");
    let mut weights = vec![1.0; columns];
    indexes.iter().zip(given).for_each(|(&column, &weight)| weights[column] = weight);
    let mode = match attrs.string("mode")?.as_deref() {
        Some("TF") => Mode::Count,
        Some("IDF") => Mode::Presence,
        Some("TFIDF") => Mode::Weighted,
        other => bail!("TfIdfVectorizer's mode {} is not known", other.unwrap_or("")),
    };
    let (texts, ints) = (attrs.strings("pool_strings")?, attrs.ints("pool_int64s"));
    ensure!(texts.is_empty() != ints.is_empty(), "TfIdfVectorizer needs one pool, of strings or int64s");
    let text = !texts.is_empty();
    let pool: Vec<String> = if text { texts } else { ints.iter().map(i64::to_string).collect() };
    let mut grams = Grams { ids: HashMap::new(), shortest, longest, reach: size("max_skip_count", 0)? + 1 };
    grams.read(&pool, attrs.ints("ngram_counts"), &indexes)?;
    wrap(node, Vectorizer { grams, text, columns, weights, mode })
}

#[derive(Clone, Copy, Debug)]
enum Mode {
    Count,
    Presence,
    Weighted,
}

#[derive(Debug)]
struct Grams {
    /// The column of each n-gram; its words by number.
    ids: HashMap<Vec<String>, usize>,
    shortest: usize,
    longest: usize,
    /// How far apart the words of an n-gram may stand, evenly.
    reach: usize,
}

impl Grams {
    /// `starts` says where in the pool the 1-grams begin, the 2-grams, and so on.
    fn read(&mut self, pool: &[String], starts: &[i64], indexes: &[usize]) -> TractResult<()> {
        ensure!(
            self.longest <= starts.len() && self.shortest <= self.longest,
            "the n-gram lengths do not fit"
        );
        let mut columns = indexes.iter();
        for (at, &start) in starts.iter().enumerate() {
            let length = at + 1;
            let end = starts.get(at + 1).copied().unwrap_or(pool.len() as i64);
            let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
            let part = range.and_then(|(start, end)| pool.get(start..end));
            let part = part.context("ngram_counts point outside the pool")?;
            ensure!(part.len().is_multiple_of(length), "the pool's {length}-grams are not whole");
            for gram in part.chunks_exact(length) {
                let column = *columns.next().context("there are more n-grams than ngram_indexes")?;
                if (self.shortest..=self.longest).contains(&length) {
                    self.ids.insert(gram.to_vec(), column);
                }
            }
        }
        Ok(())
    }

    fn count(&self, row: &[String], counts: &mut [u32]) {
        let mut hit = |gram: &[String]| {
            if let Some(&column) = self.ids.get(gram) {
                counts[column] += 1;
            }
        };
        let mut first = self.shortest;
        if first == 1 {
            // Alone, a word has no distance: it is counted once.
            row.iter().for_each(|word| hit(std::slice::from_ref(word)));
            first = 2;
        }
        for distance in 1..=self.reach.min(row.len().max(1)) {
            for start in 0..row.len() {
                let words: Vec<String> =
                    row[start..].iter().step_by(distance).take(self.longest).cloned().collect();
                (first..=words.len()).for_each(|length| hit(&words[..length]));
            }
        }
    }
}

#[derive(Debug)]
struct Vectorizer {
    grams: Grams,
    /// The pool is of strings, else of whole numbers.
    text: bool,
    columns: usize,
    /// By column.
    weights: Vec<f32>,
    mode: Mode,
}

impl Vectorizer {
    fn value(&self, column: usize, count: u32) -> f32 {
        let weight = self.weights[column];
        match self.mode {
            Mode::Count => count as f32,
            Mode::Presence if count == 0 => 0.0,
            Mode::Presence => weight,
            Mode::Weighted => count as f32 * weight,
        }
    }
}

impl Kernel for Vectorizer {
    fn name(&self) -> &'static str {
        "TfIdfVectorizer"
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let input = only(inputs)?;
        let kinds: &[DatumType] =
            if self.text { &[DatumType::String] } else { &[DatumType::I32, DatumType::I64] };
        ensure!(kinds.contains(&input.datum), "TfIdfVectorizer's pool is not of its input's type");
        let rows = match input.shape.as_slice() {
            [] | [_] => None,
            [rows, _] => Some(rows.clone()),
            other => bail!("TfIdfVectorizer's input must have one or two dimensions, not {}", other.len()),
        };
        Ok(tvec!(Fact::new(DatumType::F32, rows.into_iter().chain([self.columns.to_dim()]))))
    }

    fn spread(&self) -> Spread {
        Spread::Row
    }

    fn eval(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let input = inputs[0];
        let words: Vec<String> = match input.datum_type() {
            DatumType::String => slice::<String>(input)?.to_vec(),
            _ => slice::<i64>(&*input.cast_to::<i64>()?)?.iter().map(i64::to_string).collect(),
        };
        let (rows, width) = match *input.shape() {
            [rows, width] => (rows, width),
            _ => (1, words.len()),
        };
        let mut out = Vec::with_capacity(rows * self.columns);
        for row in 0..rows {
            let mut counts = vec![0u32; self.columns];
            self.grams.count(&words[row * width..(row + 1) * width], &mut counts);
            out.extend(counts.iter().enumerate().map(|(column, &count)| self.value(column, count)));
        }
        let shape = if input.rank() == 2 { vec![rows, self.columns] } else { vec![self.columns] };
        Ok(tvec!(tensor(&shape, out)?))
    }
}
