//! The text operators: StringNormalizer, Tokenizer, StringSplit, StringConcat, RegexFullMatch. How many
//! tokens come out is known only when they do: that dimension has a symbol of its own.

use std::collections::HashSet;

use regex::Regex;
use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::broadcast::multi_broadcast;
use tract_onnx::tract_hir::internal::*;

use super::attrs::{Attrs, slice, tensor};
use super::kernel::{Built, Fact, Kernel, Spread, wrap};
use super::scale::only;

fn expect_text(inputs: &[Fact]) -> TractResult<()> {
    let other = inputs.iter().find(|input| input.datum != DatumType::String);
    ensure!(other.is_none(), "the input must be of strings");
    Ok(())
}

/// A size that is known only when the values are.
pub fn open_size(ctx: &ParsingContext, prefix: &str) -> TDim {
    ctx.template.symbols.new_with_prefix(prefix).into()
}

pub fn string_normalizer(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let attrs = Attrs(node);
    let case = match attrs.string("case_change_action")?.as_deref() {
        None | Some("NONE") => Case::Kept,
        Some("LOWER") => Case::Lower,
        Some("UPPER") => Case::Upper,
        Some(other) => bail!("case_change_action {other} is not known"),
    };
    let sensitive = attrs.int("is_case_sensitive").unwrap_or(0) != 0;
    let compared = match (sensitive, case) {
        (true, _) => Case::Kept,
        (false, Case::Upper) => Case::Upper,
        (false, _) => Case::Lower,
    };
    let stop = attrs.strings("stopwords")?.iter().map(|word| compared.apply(word)).collect();
    wrap(node, Normalizer { case, compared, stop, left: open_size(ctx, "words") })
}

#[derive(Clone, Copy, Debug)]
enum Case {
    Kept,
    Lower,
    Upper,
}

impl Case {
    /// Letter by letter: what would become several letters is left as it is.
    fn apply(self, text: &str) -> String {
        fn only(mut letters: impl Iterator<Item = char>, same: char) -> char {
            letters.next().filter(|_| letters.next().is_none()).unwrap_or(same)
        }
        match self {
            Self::Kept => text.to_owned(),
            Self::Lower => text.chars().map(|letter| only(letter.to_lowercase(), letter)).collect(),
            Self::Upper => text.chars().map(|letter| only(letter.to_uppercase(), letter)).collect(),
        }
    }
}

#[derive(Debug)]
struct Normalizer {
    case: Case,
    /// The case in which stop words are looked for.
    compared: Case,
    stop: HashSet<String>,
    left: TDim,
}

impl Kernel for Normalizer {
    fn name(&self) -> &'static str {
        "StringNormalizer"
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        expect_text(inputs)?;
        let mut shape = only(inputs)?.shape.clone();
        ensure!(matches!(shape.len(), 1 | 2), "StringNormalizer takes a list of strings, or one row of them");
        if let Some(last) = shape.last_mut().filter(|_| !self.stop.is_empty()) {
            *last = self.left.clone();
        }
        Ok(tvec!(Fact { datum: DatumType::String, shape }))
    }

    fn eval(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let input = inputs[0];
        let one_row = input.rank() == 1 || input.shape().first() == Some(&1);
        ensure!(one_row, "StringNormalizer takes a list of strings, or one row of them");
        let stays = |word: &&String| self.stop.is_empty() || !self.stop.contains(&self.compared.apply(word));
        let mut words: Vec<String> =
            slice::<String>(input)?.iter().filter(stays).map(|word| self.case.apply(word)).collect();
        if words.is_empty() {
            words.push(String::new());
        }
        let shape = if input.rank() == 1 { vec![words.len()] } else { vec![1, words.len()] };
        Ok(tvec!(tensor(&shape, words)?))
    }
}

pub fn tokenizer(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let attrs = Attrs(node);
    let separators = attrs.strings("separators")?;
    let least = usize::try_from(attrs.int("mincharnum").unwrap_or(1)).unwrap_or(1).max(1);
    let pattern = attrs.string("tokenexp")?.filter(|pattern| !pattern.is_empty());
    let cut = match (&separators[..], pattern) {
        ([], Some(pattern)) => Cut::Matches(regex(&pattern)?),
        ([empty], None) if empty.is_empty() => Cut::Letters,
        ([], None) => bail!("Tokenizer has neither separators nor tokenexp"),
        (separators, None) => {
            ensure!(separators.iter().all(|one| !one.is_empty()), "Tokenizer has an empty separator");
            Cut::Between(separators.iter().map(|one| regex(one)).collect::<TractResult<_>>()?)
        }
        (_, Some(_)) => bail!("Tokenizer has both separators and tokenexp"),
    };
    wrap(
        node,
        Tokenizer {
            cut,
            least,
            mark: attrs.int("mark").unwrap_or(0) != 0,
            pad: attrs.string("pad_value")?.unwrap_or_default(),
            tokens: open_size(ctx, "tokens"),
        },
    )
}

fn regex(pattern: &str) -> TractResult<Regex> {
    Regex::new(pattern).map_err(|_| format_err!("the pattern {pattern:?} is none that can be searched for"))
}

#[derive(Debug)]
enum Cut {
    Letters,
    Matches(Regex),
    /// One after the other: what the first leaves whole the next may cut.
    Between(Vec<Regex>),
}

#[derive(Debug)]
struct Tokenizer {
    cut: Cut,
    least: usize,
    /// Whether each row begins and ends with a control character.
    mark: bool,
    pad: String,
    tokens: TDim,
}

impl Tokenizer {
    fn split(&self, text: &str) -> Vec<String> {
        let long = |token: &&str| !token.is_empty() && token.chars().count() >= self.least;
        match &self.cut {
            Cut::Letters => text.chars().map(String::from).collect(),
            Cut::Matches(pattern) => {
                pattern.find_iter(text).map(|found| found.as_str()).filter(long).map(str::to_owned).collect()
            }
            Cut::Between(separators) => {
                let mut pieces = vec![text];
                for separator in separators {
                    pieces = pieces.iter().flat_map(|piece| separator.split(piece)).collect();
                }
                pieces.into_iter().filter(long).map(str::to_owned).collect()
            }
        }
    }
}

impl Kernel for Tokenizer {
    fn name(&self) -> &'static str {
        "Tokenizer"
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        expect_text(inputs)?;
        let shape = &only(inputs)?.shape;
        ensure!(matches!(shape.len(), 1 | 2), "Tokenizer's input must have one or two dimensions");
        Ok(tvec!(Fact::new(DatumType::String, shape.iter().cloned().chain([self.tokens.clone()]))))
    }

    fn eval(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let rows: Vec<Vec<String>> =
            slice::<String>(inputs[0])?.iter().map(|text| self.split(text)).collect();
        let most = rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = if most == 0 { 0 } else { most + 2 * usize::from(self.mark) };
        let mut all = Vec::with_capacity(rows.len() * width);
        for row in rows.into_iter().filter(|_| width > 0) {
            let pads = most - row.len();
            all.extend(self.mark.then(|| "\u{2}".to_owned()));
            all.extend(row);
            all.extend(self.mark.then(|| "\u{3}".to_owned()));
            all.extend(std::iter::repeat_n(self.pad.clone(), pads));
        }
        let shape: Vec<usize> = inputs[0].shape().iter().copied().chain([width]).collect();
        Ok(tvec!(tensor(&shape, all)?))
    }
}

pub fn string_split(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let attrs = Attrs(node);
    let most = attrs.int("maxsplit").map(usize::try_from).transpose().context("maxsplit is negative")?;
    let delimiter = attrs.string("delimiter")?.filter(|delimiter| !delimiter.is_empty());
    wrap(node, Split { delimiter, most: most.unwrap_or(usize::MAX), pieces: open_size(ctx, "pieces") })
}

#[derive(Debug)]
struct Split {
    /// Runs of white space where none is given.
    delimiter: Option<String>,
    most: usize,
    pieces: TDim,
}

impl Split {
    fn split(&self, text: &str) -> Vec<String> {
        if text.is_empty() {
            return Vec::new();
        }
        let limit = self.most.saturating_add(1);
        if let Some(delimiter) = &self.delimiter {
            return text.splitn(limit, delimiter.as_str()).map(str::to_owned).collect();
        }
        let (mut rest, mut pieces) = (text.trim_start(), Vec::new());
        while !rest.is_empty() {
            let end = rest.find(char::is_whitespace).filter(|_| pieces.len() < self.most);
            let (piece, after) = rest.split_at(end.unwrap_or(rest.len()));
            pieces.push(piece.to_owned());
            rest = after.trim_start();
        }
        pieces
    }
}

impl Kernel for Split {
    fn name(&self) -> &'static str {
        "StringSplit"
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        expect_text(inputs)?;
        let shape = &only(inputs)?.shape;
        let pieces = Fact::new(DatumType::String, shape.iter().cloned().chain([self.pieces.clone()]));
        Ok(tvec!(pieces, Fact::new(DatumType::I64, shape.iter().cloned())))
    }

    fn eval(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let rows: Vec<Vec<String>> =
            slice::<String>(inputs[0])?.iter().map(|text| self.split(text)).collect();
        let counts: Vec<i64> = rows.iter().map(|row| row.len() as i64).collect();
        let width = rows.iter().map(Vec::len).max().unwrap_or(0);
        let padded = rows.into_iter().flat_map(|mut row| {
            row.resize(width, String::new());
            row
        });
        let shape: Vec<usize> = inputs[0].shape().iter().copied().chain([width]).collect();
        Ok(tvec!(tensor(&shape, padded.collect())?, tensor(inputs[0].shape(), counts)?))
    }
}

pub fn string_concat(_: &ParsingContext, node: &NodeProto) -> Built {
    wrap(node, Concat)
}

#[derive(Debug)]
struct Concat;

impl Kernel for Concat {
    fn name(&self) -> &'static str {
        "StringConcat"
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        expect_text(inputs)?;
        let [left, right] = inputs else { bail!("StringConcat takes two inputs") };
        let shape = multi_broadcast(&[&left.shape, &right.shape])?;
        Ok(tvec!(Fact { datum: DatumType::String, shape }))
    }

    fn eval(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let shape = multi_broadcast(&[inputs[0].shape(), inputs[1].shape()])?;
        let (left, right) =
            (inputs[0].to_plain_array_view::<String>()?, inputs[1].to_plain_array_view::<String>()?);
        let views = (left.broadcast(&*shape), right.broadcast(&*shape));
        let (Some(left), Some(right)) = views else { bail!("the strings' shapes do not fit each other") };
        let joined = left.iter().zip(right.iter()).map(|(left, right)| format!("{left}{right}"));
        Ok(tvec!(tensor(&shape, joined.collect())?))
    }
}

pub fn regex_full_match(_: &ParsingContext, node: &NodeProto) -> Built {
    let pattern = Attrs(node).string("pattern")?.context("RegexFullMatch has no pattern")?;
    wrap(node, FullMatch(regex(&format!("^(?:{pattern})$"))?))
}

#[derive(Debug)]
struct FullMatch(Regex);

impl Kernel for FullMatch {
    fn name(&self) -> &'static str {
        "RegexFullMatch"
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        expect_text(inputs)?;
        Ok(tvec!(Fact { datum: DatumType::Bool, shape: only(inputs)?.shape.clone() }))
    }

    fn spread(&self) -> Spread {
        Spread::Cell
    }

    fn eval(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let matches = slice::<String>(inputs[0])?.iter().map(|text| self.0.is_match(text)).collect();
        Ok(tvec!(tensor::<bool>(inputs[0].shape(), matches)?))
    }
}
