//! What a graph declares of its inputs and outputs, and whether given tensors fit.

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::dimension::Value as DimValue;
use tract_onnx::pb::{GraphProto, TensorShapeProto, ValueInfoProto, type_proto};
use tract_onnx::prelude::*;

use super::tensor::datatype_name;
use super::{NamedTensor, TensorSpec};
use crate::kernel::error::{Error, Result};

/// The name given to an unnamed first dimension: it is the batch, and one request has one.
pub const BATCH: &str = "rows";

#[derive(Clone, Debug, PartialEq)]
pub enum Dim {
    Fixed(usize),
    /// Open, but equal to every other dimension of this name.
    Named(String),
    Open,
}

/// One graph input as declared.
pub struct Input {
    pub name: String,
    pub datum: DatumType,
    pub dims: Vec<Dim>,
}

impl Input {
    fn read(info: &ValueInfoProto) -> Result<Self> {
        let name = info.name.clone();
        let Some(type_proto::Value::TensorType(tensor)) = info.r#type.as_ref().and_then(|t| t.value.as_ref())
        else {
            return Err(Error::invalid(format!(
                "Input `{name}` is not a tensor: sequences and optional values cannot be served."
            )));
        };
        let Some(shape) = &tensor.shape else {
            return Err(Error::invalid(format!(
                "Input `{name}` declares no shape. Export the model with its shape, the batch dimension left open."
            )));
        };
        let mut dims = dims(shape);
        if let Some(first @ Dim::Open) = dims.first_mut() {
            *first = Dim::Named(BATCH.to_owned());
        }
        Ok(Self { datum: datum_type(&name, tensor.elem_type)?, name, dims })
    }

    pub fn spec(&self) -> TensorSpec {
        let shape = self.dims.iter().map(|dim| match dim {
            Dim::Fixed(size) => i64::try_from(*size).unwrap_or(i64::MAX),
            Dim::Named(_) | Dim::Open => -1,
        });
        let datatype = datatype_name(self.datum).unwrap_or("BYTES").to_owned();
        TensorSpec { name: self.name.clone(), datatype, shape: shape.collect(), is_map: false }
    }
}

/// The inputs a request must bring: those no initializer fills.
pub fn inputs(graph: &GraphProto) -> Result<Vec<Input>> {
    let given = |name: &str| graph.initializer.iter().any(|tensor| tensor.name == name);
    graph.input.iter().filter(|info| !given(&info.name)).map(Input::read).collect()
}

/// The names of the classes, as the first node says that has some.
pub fn classes(graph: &GraphProto) -> Vec<String> {
    let named =
        |name: &str| matches!(name, "classlabels_strings" | "classlabels_int64s" | "classlabels_ints");
    let listed =
        graph.node.iter().flat_map(|node| &node.attribute).filter(|attribute| named(&attribute.name));
    let names = listed.map(|attribute| {
        let texts = attribute.strings.iter().map(|text| String::from_utf8_lossy(text).into_owned());
        texts.chain(attribute.ints.iter().map(i64::to_string)).collect::<Vec<_>>()
    });
    names.into_iter().find(|names| names.len() > 1).unwrap_or_default()
}

/// The declared shape of a graph output, -1 where open; `None` where nothing is declared.
pub fn declared_shape(info: &ValueInfoProto) -> Option<Vec<i64>> {
    let type_proto::Value::TensorType(tensor) = info.r#type.as_ref()?.value.as_ref()?;
    let dims = dims(tensor.shape.as_ref()?);
    Some(dims.iter().map(|dim| if let Dim::Fixed(size) = dim { *size as i64 } else { -1 }).collect())
}

/// Puts a request's tensors into the model's order, or says which does not fit and why.
pub fn bind(inputs: &[Input], mut given: Vec<NamedTensor>) -> Result<Vec<NamedTensor>> {
    let mut bound = Vec::with_capacity(inputs.len());
    let mut sizes: Vec<(&str, usize, &str)> = Vec::new();
    for input in inputs {
        let Some(at) = given.iter().position(|tensor| tensor.name == input.name) else {
            return Err(Error::invalid(format!("Input `{}` is missing. {}", input.name, expected(inputs))));
        };
        let tensor = given.swap_remove(at);
        check_type(input, &tensor)?;
        check_shape(input, &tensor)?;
        for (dim, &size) in input.dims.iter().zip(&tensor.shape) {
            let Dim::Named(dim) = dim else { continue };
            match sizes.iter().find(|(known, ..)| known == dim) {
                Some(&(_, other, first)) if other != size => {
                    return Err(Error::invalid(format!(
                        "Input `{}` has {size} where input `{first}` has {other}: dimension {dim} must be the same in both.",
                        input.name
                    )));
                }
                Some(_) => {}
                None => sizes.push((dim, size, &input.name)),
            }
        }
        bound.push(tensor);
    }
    match given.first() {
        Some(extra) if inputs.iter().any(|input| input.name == extra.name) => {
            Err(Error::invalid(format!("Input `{}` is given twice.", extra.name)))
        }
        Some(extra) => {
            Err(Error::invalid(format!("The model has no input `{}`. {}", extra.name, expected(inputs))))
        }
        None => Ok(bound),
    }
}

fn check_type(input: &Input, tensor: &NamedTensor) -> Result<()> {
    let (wanted, got) = (datatype_name(input.datum).unwrap_or("BYTES"), tensor.data.datatype());
    if wanted == got {
        return Ok(());
    }
    Err(Error::invalid(format!("Input `{}` must be {wanted}, not {got}.", input.name)))
}

fn check_shape(input: &Input, tensor: &NamedTensor) -> Result<()> {
    let fits = |(dim, size): (&Dim, &usize)| !matches!(dim, Dim::Fixed(fixed) if fixed != size);
    if input.dims.len() != tensor.shape.len() || !input.dims.iter().zip(&tensor.shape).all(fits) {
        return Err(Error::invalid(format!(
            "Input `{}` must have shape {:?} (-1: any size), not {:?}.",
            input.name,
            input.spec().shape,
            tensor.shape
        )));
    }
    let elements = tensor.shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
    if elements != Some(tensor.data.len()) {
        return Err(Error::invalid(format!(
            "Input `{}` holds {} values, which shape {:?} does not.",
            input.name,
            tensor.data.len(),
            tensor.shape
        )));
    }
    if elements == Some(0) {
        return Err(Error::invalid(format!("Input `{}` is empty: send at least one row.", input.name)));
    }
    Ok(())
}

fn expected(inputs: &[Input]) -> String {
    let names: Vec<_> = inputs.iter().map(|input| format!("`{}`", input.name)).collect();
    format!("It takes {}.", names.join(", "))
}

fn dims(shape: &TensorShapeProto) -> Vec<Dim> {
    let read = |value: &Option<DimValue>| match value {
        // Exporters write 0 or -1 for "not known".
        Some(DimValue::DimValue(size)) if *size > 0 => Dim::Fixed(*size as usize),
        Some(DimValue::DimParam(name)) if !name.is_empty() && name != "?" => Dim::Named(name.clone()),
        _ => Dim::Open,
    };
    shape.dim.iter().map(|dim| read(&dim.value)).collect()
}

fn datum_type(name: &str, elem_type: i32) -> Result<DatumType> {
    let known = DataType::try_from(elem_type).ok();
    let datum =
        known.and_then(|elem| DatumType::try_from(elem).ok()).filter(|&datum| datatype_name(datum).is_some());
    datum.ok_or_else(|| {
        let shown = known.map_or_else(|| elem_type.to_string(), |elem| elem.as_str_name().to_owned());
        Error::invalid(format!("Input `{name}` has the element type {shown}, which cannot be served."))
    })
}
