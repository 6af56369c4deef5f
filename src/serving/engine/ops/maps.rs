//! DictVectorizer and CastMap: the maps of a column, which come as the text of JSON objects, become rows of values.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;

use serde_json::Value;
use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::tract_hir::internal::*;

use super::attrs::{Attrs, slice, tensor};
use super::kernel::{Built, Fact, Kernel, Spread, wrap};
use super::scale::only;
use super::text::open_size;
use crate::serving::engine::maps::ATTRIBUTES;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Key {
    Text(String),
    Int(i64),
}

/// What maps a node reads, and from where.
#[derive(Debug)]
struct Maps {
    input: String,
    keys_are_texts: bool,
    /// The type of the values.
    datum: DatumType,
}

impl Maps {
    fn of(node: &NodeProto) -> TractResult<Self> {
        let attrs = Attrs(node);
        let kind = |name| {
            let kind = attrs.int(name).and_then(|kind| i32::try_from(kind).ok());
            kind.and_then(|kind| DataType::try_from(kind).ok()).context("it reads no map")
        };
        let keys_are_texts = match kind(ATTRIBUTES[0])? {
            DataType::String => true,
            DataType::Int64 => false,
            other => bail!("its map has keys of type {}, not STRING or INT64", other.as_str_name()),
        };
        let datum = match kind(ATTRIBUTES[1])? {
            DataType::String => DatumType::String,
            DataType::Int64 => DatumType::I64,
            DataType::Float => DatumType::F32,
            DataType::Double => DatumType::F64,
            other => bail!("its map has values of type {}", other.as_str_name()),
        };
        Ok(Self { input: node.input.first().cloned().unwrap_or_default(), keys_are_texts, datum })
    }

    /// A table of so many columns of the rows whose maps these are.
    fn fact(&self, inputs: &[Fact], datum: DatumType, columns: TDim) -> TractResult<TVec<Fact>> {
        let input = only(inputs)?;
        ensure!(input.datum == DatumType::String && input.shape.len() == 2, "its input is no column of maps");
        Ok(tvec!(Fact::new(datum, [input.shape[0].clone(), columns])))
    }

    /// The maps, one a row.
    fn read<T: Held>(&self, input: &Tensor) -> TractResult<Vec<BTreeMap<Key, T>>> {
        slice::<String>(input)?.iter().enumerate().map(|(row, text)| self.map(row, text)).collect()
    }

    fn map<T: Held>(&self, row: usize, text: &str) -> TractResult<BTreeMap<Key, T>> {
        let place = format!("input `{}`, row {row}", self.input);
        let Ok(Value::Object(given)) = serde_json::from_str(text) else {
            bail!("{place}: a map is sent as the text of a JSON object, not as {}", short(text));
        };
        let mut map = BTreeMap::new();
        for (name, value) in given {
            let Some(held) = T::read(&value) else {
                bail!("{place}: {name:?} must be {}, not {}", T::WHAT, short(&value.to_string()));
            };
            let key = match (self.keys_are_texts, name.parse()) {
                (true, _) => Key::Text(name),
                (false, Ok(number)) => Key::Int(number),
                (false, Err(_)) => bail!("{place}: the map's keys are whole numbers, and {name:?} is none"),
            };
            ensure!(map.insert(key, held).is_none(), "{place}: a key is there twice");
        }
        Ok(map)
    }
}

fn short(text: &str) -> String {
    let mut shown: String = text.chars().take(80).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

/// A number of JSON, with the names it has no number for.
pub fn json_number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::Bool(flag) => Some(f64::from(u8::from(*flag))),
        Value::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    }
}

/// What a map may hold.
trait Held: Datum + Clone + Default {
    const WHAT: &str;
    fn read(value: &Value) -> Option<Self>;
}

impl Held for f64 {
    const WHAT: &str = "a number";

    fn read(value: &Value) -> Option<Self> {
        json_number(value)
    }
}

impl Held for f32 {
    const WHAT: &str = <f64 as Held>::WHAT;

    fn read(value: &Value) -> Option<Self> {
        <f64 as Held>::read(value).map(|number| number as f32)
    }
}

impl Held for i64 {
    const WHAT: &str = "a whole number";

    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(flag) => Some(i64::from(*flag)),
            other => other.as_i64(),
        }
    }
}

impl Held for String {
    const WHAT: &str = "a text";

    fn read(value: &Value) -> Option<Self> {
        value.as_str().map(ToOwned::to_owned)
    }
}

pub fn dict_vectorizer(_: &ParsingContext, node: &NodeProto) -> Built {
    let (attrs, maps) = (Attrs(node), Maps::of(node)?);
    let texts = attrs.strings("string_vocabulary")?.into_iter().map(Key::Text);
    let ints = attrs.ints("int64_vocabulary").iter().map(|&key| Key::Int(key));
    let vocabulary: Vec<Key> = if maps.keys_are_texts { texts.collect() } else { ints.collect() };
    ensure!(!vocabulary.is_empty(), "DictVectorizer has no vocabulary of its map's keys");
    let mut places: HashMap<Key, Vec<usize>> = HashMap::new();
    let columns = vocabulary.len();
    for (at, key) in vocabulary.into_iter().enumerate() {
        places.entry(key).or_default().push(at);
    }
    wrap(node, Vectorizer { maps, places, columns })
}

#[derive(Debug)]
struct Vectorizer {
    maps: Maps,
    /// The columns of a key: some vocabularies have one twice.
    places: HashMap<Key, Vec<usize>>,
    columns: usize,
}

impl Vectorizer {
    /// A key that no column is for is passed over; a column without its key is zero, or an empty text.
    fn table<T: Held>(&self, input: &Tensor) -> TractResult<Tensor> {
        let maps = self.maps.read::<T>(input)?;
        let mut values = vec![T::default(); maps.len() * self.columns];
        for (row, map) in values.chunks_mut(self.columns).zip(&maps) {
            for (key, value) in map {
                for &at in self.places.get(key).into_iter().flatten() {
                    row[at] = value.clone();
                }
            }
        }
        tensor(&[maps.len(), self.columns], values)
    }
}

impl Kernel for Vectorizer {
    fn name(&self) -> &'static str {
        "DictVectorizer"
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        self.maps.fact(inputs, self.maps.datum, self.columns.to_dim())
    }

    fn spread(&self) -> Spread {
        Spread::Row
    }

    fn eval(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        Ok(tvec!(match self.maps.datum {
            DatumType::String => self.table::<String>(inputs[0])?,
            DatumType::I64 => self.table::<i64>(inputs[0])?,
            DatumType::F64 => self.table::<f64>(inputs[0])?,
            _ => self.table::<f32>(inputs[0])?,
        }))
    }
}

pub fn cast_map(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let (attrs, maps) = (Attrs(node), Maps::of(node)?);
    ensure!(
        !maps.keys_are_texts && matches!(maps.datum, DatumType::String | DatumType::F32),
        "CastMap takes maps from INT64 to STRING or FLOAT"
    );
    let to = match attrs.string("cast_to")?.as_deref() {
        None | Some("TO_FLOAT") => DatumType::F32,
        Some("TO_INT64") => DatumType::I64,
        Some("TO_STRING") => DatumType::String,
        Some(other) => bail!("cast_to {other} is not known"),
    };
    let form = match attrs.string("map_form")?.as_deref() {
        None | Some("DENSE") => Form::Dense(open_size(ctx, "entries")),
        Some("SPARSE") => {
            let most = usize::try_from(attrs.int("max_map").unwrap_or(1)).ok().filter(|&most| most > 0);
            Form::Sparse(most.context("max_map must be above zero where map_form is SPARSE")?)
        }
        Some(other) => bail!("map_form {other} is not known"),
    };
    wrap(node, CastMap { maps, to, form })
}

#[derive(Debug)]
enum Form {
    /// The entries there are, by their keys.
    Dense(TDim),
    /// A column for each key from 0 on.
    Sparse(usize),
}

#[derive(Debug)]
struct CastMap {
    maps: Maps,
    to: DatumType,
    form: Form,
}

impl CastMap {
    fn table<T: Held, U: Datum + Clone>(
        &self,
        input: &Tensor,
        pad: &U,
        cast: impl Fn(&T) -> TractResult<U>,
    ) -> TractResult<Tensor> {
        let maps = self.maps.read::<T>(input)?;
        let first = maps.first().map_or(0, BTreeMap::len);
        let columns = match self.form {
            Form::Dense(_) => first,
            Form::Sparse(columns) => columns,
        };
        let mut values = Vec::with_capacity(maps.len() * columns);
        for (row, map) in maps.iter().enumerate() {
            let place = format!("input `{}`, row {row}", self.maps.input);
            let cast = |value: &T| cast(value).with_context(|| format!("{place}: a value cannot be cast"));
            let is_dense = matches!(self.form, Form::Dense(_));
            ensure!(!is_dense || !map.is_empty(), "{place}: the map is empty");
            ensure!(
                !is_dense || map.len() == first,
                "{place}: the map has {} entries where that of row 0 has {first}; this model takes maps of different \
                 sizes in requests of their own",
                map.len()
            );
            if is_dense {
                for value in map.values() {
                    values.push(cast(value)?);
                }
                continue;
            }
            if let Some(Key::Int(key)) = map.keys().next().filter(|key| **key < Key::Int(0)) {
                bail!("{place}: the key {key} is negative, and the keys are columns from 0 on");
            }
            let start = values.len();
            values.resize(start + columns, pad.clone());
            for (key, value) in map {
                let Key::Int(key) = key else { continue };
                if let Some(place) = usize::try_from(*key).ok().filter(|&at| at < columns) {
                    values[start + place] = cast(value)?;
                }
            }
        }
        tensor(&[maps.len(), columns], values)
    }
}

impl Kernel for CastMap {
    fn name(&self) -> &'static str {
        "CastMap"
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let columns = match &self.form {
            Form::Dense(entries) => entries.clone(),
            Form::Sparse(columns) => columns.to_dim(),
        };
        self.maps.fact(inputs, self.to, columns)
    }

    /// How wide dense rows are hangs on all of them.
    fn spread(&self) -> Spread {
        match self.form {
            Form::Dense(_) => Spread::Unknown,
            Form::Sparse(_) => Spread::Row,
        }
    }

    fn eval(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let input = inputs[0];
        // What is not there is onnxruntime's own text, an f of C++ and all.
        let (text_pad, none) = ("0.f".to_owned(), 0i64);
        Ok(tvec!(match (self.maps.datum, self.to) {
            (DatumType::String, DatumType::String) =>
                self.table(input, &text_pad, |text: &String| Ok(text.clone()))?,
            (DatumType::String, DatumType::I64) => self.table(input, &none, |text: &String| number(text))?,
            (DatumType::String, _) => self.table(input, &0f32, |text: &String| number(text))?,
            (_, DatumType::String) => self.table(input, &text_pad, |value: &f32| Ok(fixed(*value)))?,
            (_, DatumType::I64) => self.table(input, &none, |value: &f32| Ok(*value as i64))?,
            _ => self.table(input, &0f32, |value: &f32| Ok(*value))?,
        }))
    }
}

fn number<T: std::str::FromStr>(text: &str) -> TractResult<T> {
    text.trim().parse().ok().with_context(|| format!("{text:?} is not the number it is to become"))
}

/// C++'s `to_string` of a float.
fn fixed(value: f32) -> String {
    if value.is_nan() { "nan".to_owned() } else { format!("{:.6}", f64::from(value)) }
}
