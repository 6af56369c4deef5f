//! ArrayFeatureExtractor and FeatureVectorizer: columns picked, columns put side by side.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_hir::internal::*;

use super::attrs::{Attrs, expect_numbers, floats, slice, tensor};
use super::kernel::{Built, Fact, Kernel, Spread, wrap};

pub fn array_feature_extractor(_: &ParsingContext, node: &NodeProto) -> Built {
    wrap(node, Extractor)
}

#[derive(Debug)]
struct Extractor;

impl Kernel for Extractor {
    fn name(&self) -> &'static str {
        "ArrayFeatureExtractor"
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let [data, indices] = inputs else { bail!("ArrayFeatureExtractor takes two inputs") };
        ensure!(indices.datum == DatumType::I64 || indices.datum == DatumType::TDim, "indices must be I64");
        let picked: TDim = indices.shape.iter().product();
        let shape: TVec<TDim> = match data.shape.as_slice() {
            [] => bail!("ArrayFeatureExtractor's input must have a dimension"),
            // A vector comes out as one row.
            [_] => tvec!(1.to_dim(), picked),
            [outer @ .., _] => outer.iter().cloned().chain([picked]).collect(),
        };
        Ok(tvec!(Fact { datum: data.datum, shape }))
    }

    fn spread(&self) -> Spread {
        Spread::Column
    }

    fn eval(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let indices = inputs[1].cast_to::<i64>()?;
        let columns = inputs[0].shape().last().copied().unwrap_or(0);
        let picks = slice::<i64>(&indices)?.iter().map(|&index| match usize::try_from(index) {
            Ok(at) if at < columns => Ok(at),
            _ => bail!("index {index} is outside the {columns} columns"),
        });
        let picks = picks.collect::<TractResult<Vec<usize>>>()?;
        Ok(tvec!(dispatch_datum!(extract(inputs[0].datum_type())(inputs[0], columns, &picks))?))
    }
}

fn extract<T: Datum + Clone>(data: &Tensor, columns: usize, picks: &[usize]) -> TractResult<Tensor> {
    let rows = slice::<T>(data)?.chunks(columns.max(1));
    let picked = rows.flat_map(|row| picks.iter().map(|&at| row[at].clone())).collect();
    let outer = data.shape().split_last().map_or(&[][..], |(_, outer)| outer);
    let shape: Vec<usize> =
        if outer.is_empty() { vec![1, picks.len()] } else { [outer, &[picks.len()]].concat() };
    tensor(&shape, picked)
}

pub fn feature_vectorizer(_: &ParsingContext, node: &NodeProto) -> Built {
    let widths = Attrs(node).ints("inputdimensions").iter().map(|&width| usize::try_from(width));
    let widths = widths.collect::<Result<Vec<_>, _>>().context("FeatureVectorizer has a negative width")?;
    ensure!(widths.iter().all(|&width| width <= 1 << 20), "FeatureVectorizer has a width beyond 1048576");
    ensure!(
        widths.len() == node.input.len(),
        "FeatureVectorizer has {} widths for {} inputs",
        widths.len(),
        node.input.len()
    );
    wrap(node, Vectorizer { widths })
}

#[derive(Debug)]
struct Vectorizer {
    widths: Vec<usize>,
}

impl Kernel for Vectorizer {
    fn name(&self) -> &'static str {
        "FeatureVectorizer"
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        inputs.iter().try_for_each(|input| expect_numbers(input.datum))?;
        let first = inputs.first().context("FeatureVectorizer has no input")?;
        let rows = if first.shape.len() == 1 {
            1.to_dim()
        } else {
            first.shape.first().cloned().unwrap_or_else(|| 1.to_dim())
        };
        let width = self.widths.iter().sum::<usize>();
        Ok(tvec!(Fact::new(DatumType::F32, [rows, width.to_dim()])))
    }

    fn spread(&self) -> Spread {
        Spread::RowOfAll
    }

    fn eval(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let shape = inputs[0].shape();
        let rows = if shape.len() == 1 { 1 } else { shape.first().copied().unwrap_or(1) };
        let total: usize = self.widths.iter().sum();
        // A narrow input is padded with zeros, a wide one cut.
        let mut out = vec![0f32; rows * total];
        let mut start = 0;
        for (input, &width) in inputs.iter().zip(&self.widths) {
            let values = floats(input)?;
            ensure!(values.len() % rows.max(1) == 0, "the inputs disagree on the number of rows");
            let stride = values.len() / rows.max(1);
            for (row, from) in values.chunks(stride.max(1)).enumerate() {
                let count = stride.min(width);
                let to = row * total + start;
                out[to..to + count].copy_from_slice(&from[..count]);
            }
            start += width;
        }
        Ok(tvec!(tensor(&[rows, total], out)?))
    }
}
