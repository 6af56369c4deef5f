//! OneHotEncoder and LabelEncoder: categories in, numbers or other categories out.

use std::collections::HashMap;
use std::hash::Hash;

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::attrs::{Attrs, slice, tensor};
use super::kernel::{Built, Fact, Kernel, Spread, wrap};
use super::scale::only;

pub fn one_hot_encoder(_: &ParsingContext, node: &NodeProto) -> Built {
    let attrs = Attrs(node);
    let (ints, texts) = (attrs.ints("cats_int64s"), attrs.strings("cats_strings")?);
    ensure!(ints.is_empty() != texts.is_empty(), "OneHotEncoder needs categories: either int64s or strings");
    let categories = ints.len() + texts.len();
    wrap(
        node,
        OneHot {
            ints: ints.iter().enumerate().map(|(at, &value)| (value, at)).collect(),
            texts: texts.into_iter().enumerate().map(|(at, value)| (value, at)).collect(),
            categories,
            zeros: attrs.int("zeros").unwrap_or(1) != 0,
        },
    )
}

#[derive(Debug)]
struct OneHot {
    ints: HashMap<i64, usize>,
    texts: HashMap<String, usize>,
    categories: usize,
    /// An unknown category is all zeros; else it is an error.
    zeros: bool,
}

impl Kernel for OneHot {
    fn name(&self) -> &'static str {
        "OneHotEncoder"
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let input = only(inputs)?;
        let strings = input.datum == DatumType::String;
        ensure!(strings == self.ints.is_empty(), "OneHotEncoder's categories are not of its input's type");
        ensure!(input.shape.len() <= 2, "OneHotEncoder's input has more than two dimensions");
        let shape = input.shape.iter().cloned().chain([self.categories.to_dim()]);
        Ok(tvec!(Fact::new(DatumType::F32, shape)))
    }

    fn spread(&self) -> Spread {
        Spread::Row
    }

    fn eval(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let input = inputs[0];
        let at: Vec<Option<usize>> = match input.datum_type() {
            DatumType::String => {
                slice::<String>(input)?.iter().map(|text| self.texts.get(text).copied()).collect()
            }
            DatumType::I64 => {
                slice::<i64>(input)?.iter().map(|value| self.ints.get(value).copied()).collect()
            }
            DatumType::I32 => slice::<i32>(input)?.iter().map(|&value| self.int(i64::from(value))).collect(),
            DatumType::F32 => slice::<f32>(input)?.iter().map(|&value| self.real(f64::from(value))).collect(),
            DatumType::F64 => slice::<f64>(input)?.iter().map(|&value| self.real(value)).collect(),
            other => bail!("OneHotEncoder cannot encode {other:?}"),
        };
        let mut ones = vec![0f32; at.len() * self.categories];
        for (row, at) in ones.chunks_mut(self.categories).zip(at) {
            match at {
                Some(at) => row[at] = 1.0,
                None => ensure!(self.zeros, "a category is unknown to the model's OneHotEncoder"),
            }
        }
        let shape: Vec<usize> = input.shape().iter().copied().chain([self.categories]).collect();
        Ok(tvec!(tensor(&shape, ones)?))
    }
}

impl OneHot {
    fn int(&self, value: i64) -> Option<usize> {
        self.ints.get(&value).copied()
    }

    /// Fractions are cut off; what is no number is no category.
    fn real(&self, value: f64) -> Option<usize> {
        if value.is_nan() { None } else { self.int(value as i64) }
    }
}

pub fn label_encoder(ctx: &ParsingContext, node: &NodeProto) -> Built {
    let attrs = Attrs(node);
    if attrs.has("classes_strings") {
        return wrap(node, class_encoder(&attrs)?);
    }
    let keys = list(ctx, &attrs, "keys")?.context("LabelEncoder has no keys")?;
    let values = list(ctx, &attrs, "values")?.context("LabelEncoder has no values")?;
    ensure!(keys.len() == values.len(), "LabelEncoder has {} keys for {} values", keys.len(), values.len());
    let default = default_of(ctx, &attrs, values.datum_type())?;
    let version =
        ctx.model.opset_import.iter().find(|set| set.domain == "ai.onnx.ml").map_or(0, |set| set.version);
    wrap(node, Encoder { tables: vec![Table::new(&keys, values, default, version >= 4)?] })
}

pub fn category_mapper(_: &ParsingContext, node: &NodeProto) -> Built {
    let attrs = Attrs(node);
    let (texts, ints) = (tensor1(&attrs.strings("cats_strings")?), tensor1(attrs.ints("cats_int64s")));
    ensure!(
        texts.len() == ints.len(),
        "CategoryMapper has {} strings for {} int64s",
        texts.len(),
        ints.len()
    );
    let (int, text) = (tensor0(attrs.int("default_int64").unwrap_or(-1)), default_text(&attrs)?);
    let to_ints = Table::new(&texts, ints.clone(), int, false)?;
    let to_texts = Table::new(&ints, texts, text, false)?;
    wrap(node, Encoder { tables: vec![to_ints, to_texts] })
}

/// The first version of the operator: positions to names and names to positions.
fn class_encoder(attrs: &Attrs) -> TractResult<Encoder> {
    let classes = tensor1(&attrs.strings("classes_strings")?);
    let places = tensor1(&(0..classes.len() as i64).collect::<Vec<_>>());
    let (int, text) = (tensor0(attrs.int("default_int64").unwrap_or(-1)), default_text(attrs)?);
    let to_places = Table::new(&classes, places.clone(), int, false)?;
    let to_classes = Table::new(&places, classes, text, false)?;
    Ok(Encoder { tables: vec![to_places, to_classes] })
}

fn list(ctx: &ParsingContext, attrs: &Attrs, what: &str) -> TractResult<Option<Tensor>> {
    if attrs.has(&format!("{what}_strings")) {
        return Ok(Some(tensor1(&attrs.strings(&format!("{what}_strings"))?)));
    }
    if attrs.has(&format!("{what}_int64s")) {
        return Ok(Some(tensor1(attrs.ints(&format!("{what}_int64s")))));
    }
    if attrs.has(&format!("{what}_floats")) {
        return Ok(Some(tensor1(attrs.floats(&format!("{what}_floats")))));
    }
    attrs.tensor(ctx, &format!("{what}_tensor"))
}

fn default_of(ctx: &ParsingContext, attrs: &Attrs, datum: DatumType) -> TractResult<Tensor> {
    if let Some(default) = attrs.tensor(ctx, "default_tensor")? {
        ensure!(
            default.len() == 1 && default.datum_type() == datum,
            "LabelEncoder's default is not of its values' type"
        );
        return Ok(default);
    }
    match datum {
        DatumType::String => default_text(attrs),
        DatumType::F32 | DatumType::F64 => {
            Ok(tensor0(attrs.float("default_float").unwrap_or(-0.0)).cast_to_dt(datum)?.into_owned())
        }
        _ => Ok(tensor0(attrs.int("default_int64").unwrap_or(-1)).cast_to_dt(datum)?.into_owned()),
    }
}

fn default_text(attrs: &Attrs) -> TractResult<Tensor> {
    Ok(tensor0(attrs.string("default_string")?.unwrap_or_else(|| "_Unused".to_owned())))
}

/// One table per type of key.
#[derive(Debug)]
struct Encoder {
    tables: Vec<Table>,
}

impl Encoder {
    fn table(&self, datum: DatumType) -> TractResult<&Table> {
        let found = self.tables.iter().find(|table| table.key == datum);
        found.with_context(|| format!("LabelEncoder's keys are not of its input's type {datum:?}"))
    }
}

impl Kernel for Encoder {
    fn name(&self) -> &'static str {
        "LabelEncoder"
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let input = only(inputs)?;
        let table = self.table(input.datum)?;
        Ok(tvec!(Fact::new(table.values.datum_type(), input.shape.clone())))
    }

    fn spread(&self) -> Spread {
        Spread::Cell
    }

    fn eval(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let table = self.table(inputs[0].datum_type())?;
        let at = table.index.places(inputs[0])?;
        Ok(tvec!(dispatch_datum!(take(table.values.datum_type())(
            &table.values,
            &table.default,
            inputs[0].shape(),
            &at
        ))?))
    }
}

fn take<T: Datum + Clone>(
    values: &Tensor,
    default: &Tensor,
    shape: &[usize],
    at: &[Option<usize>],
) -> TractResult<Tensor> {
    let (values, default) = (slice::<T>(values)?, &slice::<T>(default)?[0]);
    tensor(shape, at.iter().map(|at| at.map_or(default, |at| &values[at]).clone()).collect())
}

#[derive(Debug)]
struct Table {
    key: DatumType,
    index: Index,
    values: Tensor,
    default: Tensor,
}

impl Table {
    fn new(keys: &Tensor, values: Tensor, default: Tensor, nan_is_a_key: bool) -> TractResult<Self> {
        Ok(Self { key: keys.datum_type(), index: Index::new(keys, nan_is_a_key)?, values, default })
    }
}

/// Where each key stands; of equal keys the first counts.
#[derive(Debug)]
enum Index {
    Texts(HashMap<String, usize>),
    Ints(HashMap<i64, usize>),
    Reals { bits: HashMap<u64, usize>, nan: bool },
}

impl Index {
    fn new(keys: &Tensor, nan: bool) -> TractResult<Self> {
        Ok(match keys.datum_type() {
            DatumType::String => Self::Texts(first_places(slice::<String>(keys)?.iter().cloned())),
            DatumType::F32 | DatumType::F64 => {
                let reals = keys.cast_to::<f64>()?;
                Self::Reals { bits: first_places(slice::<f64>(&reals)?.iter().map(|&key| bits(key))), nan }
            }
            _ => Self::Ints(first_places(slice::<i64>(&*keys.cast_to::<i64>()?)?.iter().copied())),
        })
    }

    fn places(&self, input: &Tensor) -> TractResult<Vec<Option<usize>>> {
        Ok(match self {
            Self::Texts(index) => slice::<String>(input)?.iter().map(|key| index.get(key).copied()).collect(),
            Self::Ints(index) => {
                let keys = input.cast_to::<i64>()?;
                slice::<i64>(&keys)?.iter().map(|key| index.get(key).copied()).collect()
            }
            Self::Reals { bits: index, nan } => {
                let keys = input.cast_to::<f64>()?;
                let find =
                    |&key: &f64| if key.is_nan() && !nan { None } else { index.get(&bits(key)).copied() };
                slice::<f64>(&keys)?.iter().map(find).collect()
            }
        })
    }
}

fn first_places<K: Eq + Hash>(keys: impl Iterator<Item = K>) -> HashMap<K, usize> {
    let mut places = HashMap::new();
    for (at, key) in keys.enumerate() {
        places.entry(key).or_insert(at);
    }
    places
}

/// Equal numbers have equal bits, and every NaN the same.
fn bits(key: f64) -> u64 {
    if key.is_nan() { f64::NAN.to_bits() } else { (key + 0.0).to_bits() }
}
