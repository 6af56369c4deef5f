//! The tensors callers see, and their way into and out of tract's.

use tract_onnx::prelude::*;

use crate::kernel::error::{Error, Result};

/// What a model takes or gives under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    pub name: String,
    /// The Open Inference Protocol's name: `FP32`, `INT64`, `BYTES`, ...
    pub datatype: String,
    /// -1 where the model leaves the size open.
    pub shape: Vec<i64>,
    /// Whether each of its texts is that of a JSON object, for a model that takes maps.
    pub is_map: bool,
}

/// Values in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub enum TensorData {
    Bool(Vec<bool>),
    U8(Vec<u8>),
    U16(Vec<u16>),
    U32(Vec<u32>),
    U64(Vec<u64>),
    I8(Vec<i8>),
    I16(Vec<i16>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    Str(Vec<String>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct NamedTensor {
    pub name: String,
    pub shape: Vec<usize>,
    pub data: TensorData,
}

/// Runs one expression for whichever vector the data holds.
macro_rules! each_vec {
    ($data:expr, $values:ident => $body:expr) => {
        match $data {
            TensorData::Bool($values) => $body,
            TensorData::U8($values) => $body,
            TensorData::U16($values) => $body,
            TensorData::U32($values) => $body,
            TensorData::U64($values) => $body,
            TensorData::I8($values) => $body,
            TensorData::I16($values) => $body,
            TensorData::I32($values) => $body,
            TensorData::I64($values) => $body,
            TensorData::F32($values) => $body,
            TensorData::F64($values) => $body,
            TensorData::Str($values) => $body,
        }
    };
}

impl TensorData {
    #[expect(clippy::len_without_is_empty, reason = "a batch is never empty: the engine refuses it")]
    pub fn len(&self) -> usize {
        each_vec!(self, values => values.len())
    }

    /// Puts the values of another behind these; false, and nothing done, where the types differ.
    pub fn append(&mut self, other: &Self) -> bool {
        macro_rules! append {
            ($($variant:ident)*) => {
                match (self, other) {
                    $((Self::$variant(one), Self::$variant(other)) => {
                        one.extend_from_slice(other);
                        true
                    })*
                    _ => false,
                }
            };
        }
        append!(Bool U8 U16 U32 U64 I8 I16 I32 I64 F32 F64 Str)
    }

    /// Some of the values; `None` where there are not as many.
    pub fn part(&self, range: std::ops::Range<usize>) -> Option<Self> {
        macro_rules! part {
            ($($variant:ident)*) => {
                match self {
                    $(Self::$variant(values) => Some(Self::$variant(values.get(range)?.to_vec())),)*
                }
            };
        }
        part!(Bool U8 U16 U32 U64 I8 I16 I32 I64 F32 F64 Str)
    }

    /// Values picked from two tensors of one type: `true` from this one. `None` where the types differ.
    pub fn mix(&self, other: &Self, picks: impl Iterator<Item = (bool, usize)>) -> Option<Self> {
        macro_rules! pick {
            ($($variant:ident)*) => {
                match (self, other) {
                    $((Self::$variant(one), Self::$variant(other)) => {
                        let picked = picks.map(|(first, at)| if first { one.get(at) } else { other.get(at) });
                        picked.map(|value| value.cloned()).collect::<Option<_>>().map(Self::$variant)
                    })*
                    _ => None,
                }
            };
        }
        pick!(Bool U8 U16 U32 U64 I8 I16 I32 I64 F32 F64 Str)
    }

    /// Whether two values are the same; a missing one, NaN, is the same as another.
    pub fn same(&self, at: usize, other: &Self, there: usize) -> bool {
        fn same<T: PartialOrd>(one: Option<&T>, other: Option<&T>) -> bool {
            let is_gap = |value: Option<&T>| value.is_some_and(|value| value.partial_cmp(value).is_none());
            one == other || (is_gap(one) && is_gap(other))
        }
        macro_rules! compare {
            ($($variant:ident)*) => {
                match (self, other) {
                    $((Self::$variant(one), Self::$variant(other)) => same(one.get(at), other.get(there)),)*
                    _ => false,
                }
            };
        }
        compare!(Bool U8 U16 U32 U64 I8 I16 I32 I64 F32 F64 Str)
    }

    /// The values as numbers; `None` for texts.
    pub fn numbers(&self) -> Option<Vec<f64>> {
        Some(match self {
            Self::Bool(values) => values.iter().map(|&value| f64::from(u8::from(value))).collect(),
            Self::U8(values) => values.iter().map(|&value| f64::from(value)).collect(),
            Self::U16(values) => values.iter().map(|&value| f64::from(value)).collect(),
            Self::U32(values) => values.iter().map(|&value| f64::from(value)).collect(),
            Self::U64(values) => values.iter().map(|&value| value as f64).collect(),
            Self::I8(values) => values.iter().map(|&value| f64::from(value)).collect(),
            Self::I16(values) => values.iter().map(|&value| f64::from(value)).collect(),
            Self::I32(values) => values.iter().map(|&value| f64::from(value)).collect(),
            Self::I64(values) => values.iter().map(|&value| value as f64).collect(),
            Self::F32(values) => values.iter().map(|&value| f64::from(value)).collect(),
            Self::F64(values) => values.clone(),
            Self::Str(_) => return None,
        })
    }

    /// What it takes in memory.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Str(texts) => texts.iter().map(|text| size_of::<String>() + text.len()).sum(),
            numbers => each_vec!(numbers, values => size_of_val(values.as_slice())),
        }
    }

    /// The Open Inference Protocol's name of the element type.
    pub fn datatype(&self) -> &'static str {
        match self {
            Self::Bool(_) => "BOOL",
            Self::U8(_) => "UINT8",
            Self::U16(_) => "UINT16",
            Self::U32(_) => "UINT32",
            Self::U64(_) => "UINT64",
            Self::I8(_) => "INT8",
            Self::I16(_) => "INT16",
            Self::I32(_) => "INT32",
            Self::I64(_) => "INT64",
            Self::F32(_) => "FP32",
            Self::F64(_) => "FP64",
            Self::Str(_) => "BYTES",
        }
    }
}

/// The protocol's name for tract's type. Half precision is carried as FP32 and narrowed inside;
/// `TDim`, tract's symbolic integer, leaves as INT64.
pub fn datatype_name(dt: DatumType) -> Option<&'static str> {
    Some(match dt {
        DatumType::Bool => "BOOL",
        DatumType::U8 => "UINT8",
        DatumType::U16 => "UINT16",
        DatumType::U32 => "UINT32",
        DatumType::U64 => "UINT64",
        DatumType::I8 => "INT8",
        DatumType::I16 => "INT16",
        DatumType::I32 => "INT32",
        DatumType::I64 | DatumType::TDim => "INT64",
        DatumType::F16 | DatumType::F32 => "FP32",
        DatumType::F64 => "FP64",
        DatumType::String => "BYTES",
        _ => return None,
    })
}

/// Hands a checked tensor to tract, as the type the model declares.
pub fn into_tract(tensor: NamedTensor, dt: DatumType) -> Result<Tensor> {
    let NamedTensor { name, shape, data } = tensor;
    let wide = each_vec!(data, values => {
        tract_ndarray::ArrayD::from_shape_vec(shape, values)
            .map(|array| array.into_tensor())
            .map_err(|error| Error::invalid(format!("Input `{name}`: {error}.")))
    })?;
    if dt == DatumType::F16 {
        return wide.cast_to_dt(dt).map(|narrow| narrow.into_owned()).map_err(internal);
    }
    Ok(wide)
}

/// Takes a result from tract.
pub fn from_tract(name: &str, tensor: &Tensor) -> Result<NamedTensor> {
    let shape = tensor.shape().to_vec();
    let data = match tensor.datum_type() {
        DatumType::Bool => TensorData::Bool(values(tensor)?),
        DatumType::U8 => TensorData::U8(values(tensor)?),
        DatumType::U16 => TensorData::U16(values(tensor)?),
        DatumType::U32 => TensorData::U32(values(tensor)?),
        DatumType::U64 => TensorData::U64(values(tensor)?),
        DatumType::I8 => TensorData::I8(values(tensor)?),
        DatumType::I16 => TensorData::I16(values(tensor)?),
        DatumType::I32 => TensorData::I32(values(tensor)?),
        DatumType::I64 => TensorData::I64(values(tensor)?),
        DatumType::TDim => TensorData::I64(values(&*tensor.cast_to::<i64>().map_err(internal)?)?),
        DatumType::F16 => TensorData::F32(values(&*tensor.cast_to::<f32>().map_err(internal)?)?),
        DatumType::F32 => TensorData::F32(values(tensor)?),
        DatumType::F64 => TensorData::F64(values(tensor)?),
        DatumType::String => TensorData::Str(values(tensor)?),
        other => {
            return Err(Error::invalid(format!(
                "Output `{name}` is of type {other:?}, which has no name on the wire."
            )));
        }
    };
    Ok(NamedTensor { name: name.to_owned(), shape, data })
}

fn values<T: Datum + Clone>(tensor: &Tensor) -> Result<Vec<T>> {
    let view = tensor.to_plain_array_view::<T>().map_err(internal)?;
    Ok(view.iter().cloned().collect())
}

fn internal(error: TractError) -> Error {
    Error::internal(error.to_string())
}
