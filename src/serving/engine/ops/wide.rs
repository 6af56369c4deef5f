//! Functions of one number that tract knows in single precision only, in double.

use tract_onnx::model::ParsingContext;
use tract_onnx::pb::NodeProto;
use tract_onnx::tract_core::ops::nn;
use tract_onnx::tract_hir::internal::*;

use super::attrs::{slice, tensor};
use super::kernel::{Built, Fact, Kernel, Spread, wrap_typed};
use super::scale::only;

pub fn sigmoid(_: &ParsingContext, _: &NodeProto) -> Built {
    Ok((expand(Sigmoid), vec![]))
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Sigmoid;

impl Expansion for Sigmoid {
    fn name(&self) -> StaticName {
        "Sigmoid".into()
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
        solver.equals(&outputs[0].datum_type, &inputs[0].datum_type)
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        if model.outlet_fact(inputs[0])?.datum_type == DatumType::F64 {
            return wrap_typed(prefix, model, inputs, WideSigmoid);
        }
        model.wire_node(prefix, nn::sigmoid(), inputs)
    }
}

#[derive(Debug)]
struct WideSigmoid;

impl Kernel for WideSigmoid {
    fn name(&self) -> &'static str {
        "Sigmoid"
    }

    fn facts(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        Ok(tvec!(only(inputs)?.clone()))
    }

    fn spread(&self) -> Spread {
        Spread::Cell
    }

    fn eval(&self, inputs: &[&Tensor]) -> TractResult<TVec<Tensor>> {
        let values = slice::<f64>(inputs[0])?.iter().map(|&value| 1.0 / (1.0 + (-value).exp())).collect();
        Ok(tvec!(tensor::<f64>(inputs[0].shape(), values)?))
    }
}
