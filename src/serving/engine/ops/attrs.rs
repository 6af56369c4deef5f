//! Reading a node's attributes, and its input as rows of numbers.

use std::borrow::Cow;

use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto};
use tract_onnx::tract_hir::internal::*;

pub struct Attrs<'a>(pub &'a NodeProto);

impl<'a> Attrs<'a> {
    fn find(&self, name: &str) -> Option<&'a AttributeProto> {
        self.0.attribute.iter().find(|attribute| attribute.name == name)
    }

    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    pub fn floats(&self, name: &str) -> &'a [f32] {
        self.find(name).map_or(&[], |attribute| &attribute.floats)
    }

    pub fn ints(&self, name: &str) -> &'a [i64] {
        self.find(name).map_or(&[], |attribute| &attribute.ints)
    }

    pub fn strings(&self, name: &str) -> TractResult<Vec<String>> {
        let texts = self.find(name).map_or(&[][..], |attribute| &attribute.strings);
        texts.iter().map(|bytes| utf8(name, bytes)).collect()
    }

    pub fn string(&self, name: &str) -> TractResult<Option<String>> {
        self.find(name).map(|attribute| utf8(name, &attribute.s)).transpose()
    }

    pub fn int(&self, name: &str) -> Option<i64> {
        self.find(name).map(|attribute| attribute.i)
    }

    pub fn float(&self, name: &str) -> Option<f32> {
        self.find(name).map(|attribute| attribute.f)
    }

    pub fn graph(&self, name: &str) -> Option<&'a GraphProto> {
        self.find(name).and_then(|attribute| attribute.g.as_ref())
    }

    pub fn tensor(&self, ctx: &tract_onnx::model::ParsingContext, name: &str) -> TractResult<Option<Tensor>> {
        let tensor = self.find(name).and_then(|attribute| attribute.t.as_ref());
        tensor.map(|tensor| ctx.load_tensor(tensor)).transpose()
    }

    /// A list of reals: `name` in single precision, or `name_as_tensor` in double.
    pub fn reals(&self, ctx: &tract_onnx::model::ParsingContext, name: &str) -> TractResult<Vec<f64>> {
        match self.tensor(ctx, &format!("{name}_as_tensor"))? {
            Some(tensor) => Ok(slice::<f64>(&*tensor.cast_to::<f64>()?)?.to_vec()),
            None => Ok(self.floats(name).iter().map(|&value| f64::from(value)).collect()),
        }
    }
}

fn utf8(name: &str, bytes: &[u8]) -> TractResult<String> {
    String::from_utf8(bytes.to_vec()).with_context(|| format!("attribute {name} is not UTF-8 text"))
}

/// The elements of a tensor, row-major.
pub fn slice<T: Datum>(tensor: &Tensor) -> TractResult<&[T]> {
    tensor.try_as_plain_ram()?.as_slice::<T>()
}

/// A value for each place on this axis, of a constant in single precision that differs along no other; or one for all.
pub fn along(known: &Tensor, axis: usize, count: usize) -> TractResult<Option<Vec<f32>>> {
    if known.datum_type() != DatumType::F32 {
        return Ok(None);
    }
    let is_along = known.shape().iter().enumerate().all(|(at, &size)| size == 1 || at == axis);
    let values = slice::<f32>(known)?;
    Ok(match values.len() {
        1 => Some(vec![values[0]; count]),
        length if length == count && is_along => Some(values.to_vec()),
        _ => None,
    })
}

/// A tensor of `values`, row-major.
pub fn tensor<T: Datum>(shape: &[usize], values: Vec<T>) -> TractResult<Tensor> {
    Ok(tract_ndarray::ArrayD::from_shape_vec(shape, values)?.into_tensor())
}

/// Rows and columns of a tensor as `ai.onnx.ml` counts them.
pub fn rows(tensor: &Tensor) -> TractResult<(usize, usize)> {
    match *tensor.shape() {
        [columns] => Ok((1, columns)),
        [rows, columns] => Ok((rows, columns)),
        ref other => bail!("the input must have one or two dimensions, not {}", other.len()),
    }
}

/// The input as single-precision numbers.
pub fn floats(tensor: &Tensor) -> TractResult<Cow<'_, [f32]>> {
    Ok(match tensor.datum_type() {
        DatumType::F32 => Cow::Borrowed(slice::<f32>(tensor)?),
        DatumType::F64 => slice::<f64>(tensor)?.iter().map(|&value| value as f32).collect(),
        DatumType::I64 => slice::<i64>(tensor)?.iter().map(|&value| value as f32).collect(),
        DatumType::I32 => slice::<i32>(tensor)?.iter().map(|&value| value as f32).collect(),
        other => bail!("the input must be of numbers, not {other:?}"),
    })
}

/// Refuses at load what `floats` would refuse at the first request.
pub fn expect_numbers(datum: DatumType) -> TractResult<()> {
    let numbers = [DatumType::F32, DatumType::F64, DatumType::I64, DatumType::I32];
    ensure!(numbers.contains(&datum), "the input must be of numbers, not {datum:?}");
    Ok(())
}

/// Class labels, as the attributes of a classifier give them.
#[derive(Debug, Clone)]
pub enum Labels {
    Ints(Vec<i64>),
    Strings(Vec<String>),
}

impl Labels {
    pub fn read(attrs: &Attrs, ints: &str, strings: &str) -> TractResult<Self> {
        let texts = attrs.strings(strings)?;
        if texts.is_empty() { Ok(Self::Ints(attrs.ints(ints).to_vec())) } else { Ok(Self::Strings(texts)) }
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Ints(labels) => labels.len(),
            Self::Strings(labels) => labels.len(),
        }
    }

    pub fn texts(&self) -> Vec<String> {
        match self {
            Self::Ints(labels) => labels.iter().map(i64::to_string).collect(),
            Self::Strings(labels) => labels.clone(),
        }
    }

    pub fn datum(&self) -> DatumType {
        match self {
            Self::Ints(_) => DatumType::I64,
            Self::Strings(_) => DatumType::String,
        }
    }

    /// The labels at these positions, which the caller has drawn from `0..len()`.
    pub fn pick(&self, at: &[usize]) -> TractResult<Tensor> {
        match self {
            Self::Ints(labels) => tensor(&[at.len()], at.iter().map(|&index| labels[index]).collect()),
            Self::Strings(labels) => {
                tensor(&[at.len()], at.iter().map(|&index| labels[index].clone()).collect())
            }
        }
    }
}
