//! Cast: tract's between numbers, ours to and from text.
//!
//! tract turns a cast to INT64 into one to its symbolic integer, which is right for shapes and wasteful
//! for data; here only what is symbolic already stays so.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::tract_core::ops::cast::cast as numeric_cast;
use tract_onnx::tract_hir::internal::*;

use super::attrs::{Attrs, slice, tensor};
use super::kernel::{Built, Fact, Kernel, Spread, wrap_typed};
use super::scale::only;

pub fn cast(_: &ParsingContext, node: &NodeProto) -> Built {
    let to =
        Attrs(node).int("to").and_then(|to| i32::try_from(to).ok()).context("Cast does not say to what")?;
    let to = DataType::try_from(to).ok().context("Cast is to a type that is not known")?;
    Ok((expand(Cast { to: DatumType::try_from(to)? }), vec![]))
}

#[derive(Clone, Debug)]
struct Cast {
    to: DatumType,
}

impl Cast {
    fn target(&self, from: DatumType) -> DatumType {
        let symbolic = from == DatumType::TDim && self.to == DatumType::I64;
        if symbolic { DatumType::TDim } else { self.to }
    }
}

impl Expansion for Cast {
    fn name(&self) -> StaticName {
        "Cast".into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        solver: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, 1)?;
        check_output_arity(outputs, 1)?;
        solver.equals(&outputs[0].shape, &inputs[0].shape)?;
        solver.given(&inputs[0].datum_type, move |solver, from| {
            solver.equals(&outputs[0].datum_type, self.target(from))
        })
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let from = model.outlet_fact(inputs[0])?.datum_type;
        let to = self.target(from);
        match (from, to) {
            (DatumType::String, DatumType::String) => Ok(inputs.into()),
            (DatumType::String, _) | (_, DatumType::String) => {
                wrap_typed(prefix, model, inputs, TextCast { to })
            }
            _ => model.wire_node(prefix, numeric_cast(to), inputs),
        }
    }
}

/// A cast with text at one end.
#[derive(Debug)]
struct TextCast {
    to: DatumType,
}

impl Kernel for TextCast {
    fn name(&self) -> &'static str {
        "Cast"
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        Ok(tvec!(Fact { datum: self.to, shape: only(inputs)?.shape.clone() }))
    }

    fn spread(&self) -> Spread {
        Spread::Cell
    }

    fn eval(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let input = inputs[0];
        let done = if self.to == DatumType::String {
            tensor(input.shape(), texts(input)?)?
        } else if self.to.is_float() || self.to == DatumType::Bool {
            let numbers =
                slice::<String>(input)?.iter().map(|text| real(text)).collect::<TractResult<Vec<f64>>>()?;
            tensor(input.shape(), numbers)?.cast_to_dt(self.to)?.into_owned()
        } else {
            let numbers =
                slice::<String>(input)?.iter().map(|text| int(text)).collect::<TractResult<Vec<i64>>>()?;
            tensor(input.shape(), numbers)?.cast_to_dt(self.to)?.into_owned()
        };
        Ok(tvec!(done))
    }
}

/// Numbers as onnxruntime writes them: reals, doubles too, with 8 significant digits.
fn texts(input: &Tensor) -> TractResult<Vec<String>> {
    Ok(match input.datum_type() {
        DatumType::F16 | DatumType::F32 => slice::<f32>(&*input.cast_to::<f32>()?)?
            .iter()
            .map(|&value| general(f64::from(value), 8))
            .collect(),
        DatumType::F64 => slice::<f64>(input)?.iter().map(|&value| general(value, 8)).collect(),
        DatumType::Bool => slice::<bool>(input)?.iter().map(|&value| u8::from(value).to_string()).collect(),
        DatumType::U64 => slice::<u64>(input)?.iter().map(u64::to_string).collect(),
        _ => slice::<i64>(&*input.cast_to::<i64>()?)?.iter().map(i64::to_string).collect(),
    })
}

/// C's `%g`: fixed or with an exponent, whichever is shorter, without trailing zeros.
fn general(value: f64, digits: usize) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "INF" } else { "-INF" }.to_owned();
    }
    let scientific = format!("{value:.*e}", digits - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if exponent < -4 || exponent >= digits as i32 {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trimmed(mantissa), exponent.abs());
    }
    let decimals = (digits as i32 - 1 - exponent).max(0) as usize;
    trimmed(&format!("{value:.decimals$}")).to_owned()
}

fn trimmed(number: &str) -> &str {
    if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number }
}

fn real(text: &str) -> TractResult<f64> {
    text.trim().parse().ok().with_context(|| format!("{text:?} is not a number"))
}

fn int(text: &str) -> TractResult<i64> {
    text.trim().parse().ok().with_context(|| format!("{text:?} is not a whole number"))
}
