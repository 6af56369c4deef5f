//! Every committed model against onnxruntime's answers, and what is refused, in which words.
//!
//! The models and answers are made by tests/fixtures/onnx/make.py.

use prost::Message;
use serde_json::Value;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, GraphProto, ModelProto};

use super::{Model, NamedTensor, TensorData};
use crate::kernel::error::{Error, Kind};

const TOLERANCE: f64 = 1e-5;

pub fn fixture(file: &str) -> Vec<u8> {
    fixture_in("onnx", file)
}

pub fn fixture_in(folder: &str, file: &str) -> Vec<u8> {
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
    fs_err::read(format!("{fixtures}/{folder}/{file}")).expect("the fixture is committed")
}

fn model(name: &str) -> Model {
    Model::load(&fixture(&format!("{name}.onnx"))).expect("the fixture loads")
}

fn tensors(name: &str, side: &str) -> Vec<NamedTensor> {
    let case: Value = serde_json::from_slice(&fixture(&format!("{name}.json"))).expect("the fixture is JSON");
    case[side].as_array().expect("a list of tensors").iter().map(tensor).collect()
}

pub fn tensor(json: &Value) -> NamedTensor {
    let values = json["data"].as_array().expect("data is a list").iter();
    // A gap, NaN, is written null.
    let data = match json["datatype"].as_str().expect("datatype is text") {
        "FP32" => TensorData::F32(values.map(|value| value.as_f64().unwrap_or(f64::NAN) as f32).collect()),
        "FP64" => TensorData::F64(values.map(|value| value.as_f64().unwrap_or(f64::NAN)).collect()),
        "BOOL" => TensorData::Bool(values.map(|value| value.as_bool().expect("true or false")).collect()),
        "INT64" => TensorData::I64(values.map(|value| value.as_i64().expect("a whole number")).collect()),
        "BYTES" => TensorData::Str(values.map(|value| value.as_str().expect("text").to_owned()).collect()),
        other => panic!("no fixture is of type {other}"),
    };
    let shape = json["shape"].as_array().expect("shape is a list").iter();
    let shape = shape.map(|size| size.as_u64().expect("a size") as usize).collect();
    NamedTensor { name: json["name"].as_str().expect("name is text").to_owned(), shape, data }
}

/// Some rows of a tensor.
pub fn rows(tensor: &NamedTensor, range: std::ops::Range<usize>) -> NamedTensor {
    let width: usize = tensor.shape[1..].iter().product();
    let cut = range.start * width..range.end * width;
    let data = match &tensor.data {
        TensorData::F32(values) => TensorData::F32(values[cut].to_vec()),
        TensorData::F64(values) => TensorData::F64(values[cut].to_vec()),
        TensorData::I64(values) => TensorData::I64(values[cut].to_vec()),
        TensorData::Str(values) => TensorData::Str(values[cut].to_vec()),
        other => panic!("no fixture is of type {}", other.datatype()),
    };
    let shape = std::iter::once(range.len()).chain(tensor.shape[1..].iter().copied()).collect();
    NamedTensor { name: tensor.name.clone(), shape, data }
}

fn assert_equal(context: &str, got: &NamedTensor, wanted: &NamedTensor) {
    assert_eq!((&got.name, &got.shape), (&wanted.name, &wanted.shape), "{context}");
    let (TensorData::F32(got_values), TensorData::F32(wanted_values)) = (&got.data, &wanted.data) else {
        assert_eq!(got.data, wanted.data, "{context}, output {}", got.name);
        return;
    };
    for (row, (&got, &wanted)) in got_values.iter().zip(wanted_values).enumerate() {
        let (got, wanted) = (f64::from(got), f64::from(wanted));
        let near = (got - wanted).abs() <= TOLERANCE * wanted.abs().max(1.0);
        assert!(near, "{context}: value {row} is {got}, onnxruntime says {wanted}");
    }
}

fn answers_as_onnxruntime(name: &str) {
    check_answers(name, &model(name));
    check_answers(name, &model(name).planned_for_each_shape());
}

fn check_answers(name: &str, model: &Model) {
    let (inputs, outputs) = (tensors(name, "inputs"), tensors(name, "outputs"));
    for batch in [0..1, 1..8, 8..40] {
        let given = inputs.iter().map(|tensor| rows(tensor, batch.clone())).collect();
        let got = model.infer(given).expect("the fixture runs");
        assert_eq!(got.len(), outputs.len());
        for (got, wanted) in got.iter().zip(&outputs) {
            assert_equal(&format!("{name}, rows {batch:?}"), got, &rows(wanted, batch.clone()));
        }
    }
}

macro_rules! answers_as_onnxruntime {
    ($($name:ident)*) => {
        mod answers_as_onnxruntime {
            $(#[test] fn $name() { super::answers_as_onnxruntime(stringify!($name)); })*
        }
    };
}

answers_as_onnxruntime! {
    branch convolution ensembles forest_mixed forest_ordinal_words forest_regressor forest_three gradient_mixed
    gradient_regressor gradient_words hist_mixed hist_regressor hist_words linear_regressor
    logistic_mixed logistic_words network_mixed normalizer product whole_numbers zipmap
}

#[test]
fn says_what_it_takes_and_gives() {
    let model = model("forest_ordinal_words");
    let shown = |specs: &[super::TensorSpec]| {
        let each = specs.iter().map(|spec| format!("{} {} {:?}", spec.name, spec.datatype, spec.shape));
        each.collect::<Vec<_>>()
    };
    assert_eq!(
        shown(model.inputs()),
        [
            "carrier BYTES [-1, 1]",
            "origin BYTES [-1, 1]",
            "month INT64 [-1, 1]",
            "distance FP32 [-1, 1]",
            "temp FP32 [-1, 1]"
        ]
    );
    assert_eq!(shown(model.outputs()), ["label BYTES [-1]", "probabilities FP32 [-1, 3]"]);
}

#[test]
fn a_model_is_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Model>();
}

fn refusal(bytes: &[u8]) -> Error {
    match Model::load(bytes) {
        Ok(_) => panic!("the model should be refused"),
        Err(error) => {
            assert_eq!(error.kind, Kind::Invalid, "{error:?}");
            error
        }
    }
}

#[test]
fn refuses_what_is_no_model() {
    let whole = fixture("logistic_mixed.onnx");
    for bytes in [&b""[..], b"PK\x03\x04 not a model", &whole[..whole.len() / 2], &whole[1..]] {
        let message = refusal(bytes).message;
        assert!(message.contains("not an ONNX model"), "{message}");
    }
}

/// The same file with one name replaced by another as long.
fn renamed(name: &str, from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len(), "lengths are written in the file");
    let mut bytes = fixture(name);
    let found: Vec<_> =
        (0..bytes.len() - from.len()).filter(|&at| bytes[at..].starts_with(from.as_bytes())).collect();
    for at in found {
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    bytes
}

#[test]
fn names_the_operator_nobody_implements() {
    let message = refusal(&renamed("logistic_mixed.onnx", "Scaler", "Sqaler")).message;
    assert!(
        message.contains("Node `Sqaler` (Sqaler)")
            && message.contains("operator Sqaler of domain ai.onnx.ml"),
        "{message}"
    );
    assert!(message.contains("Export with another target_opset"), "{message}");
}

#[test]
fn refuses_an_operator_of_a_domain_it_does_not_know() {
    let message = refusal(&renamed("logistic_mixed.onnx", "ai.onnx.ml", "ai.company")).message;
    assert!(message.contains("domain ai.company"), "{message}");
}

#[test]
fn refuses_a_wire_that_leads_nowhere() {
    let mut bytes = fixture("product.onnx");
    let at = bytes.windows(7).position(|window| window == b"weights").expect("the first is the node's input");
    bytes[at..at + 7].copy_from_slice(b"Weights");
    let message = refusal(&bytes).message;
    assert!(message.contains("which no earlier node makes"), "{message}");
}

/// A damaged file is refused or served, but never takes the process down.
#[test]
fn survives_damaged_files() {
    for name in ["logistic_words", "product", "normalizer", "zipmap", "gradient_regressor"] {
        let whole = fixture(&format!("{name}.onnx"));
        let inputs = tensors(name, "inputs");
        let step = (whole.len() / 150).max(1);
        for (turn, at) in (0..whole.len()).step_by(step).enumerate() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (turn % 8);
            if let Ok(model) = Model::load(&bytes) {
                let _ = model.infer(inputs.iter().map(|tensor| rows(tensor, 0..3)).collect());
            }
        }
    }
}

fn product(left: NamedTensor, right: NamedTensor) -> String {
    let error = model("product").infer(vec![left, right]).expect_err("the request is wrong");
    assert_eq!(error.kind, Kind::Invalid);
    error.message
}

fn floats(name: &str, shape: [usize; 2]) -> NamedTensor {
    let data = TensorData::F32(vec![0.5; shape[0] * shape[1]]);
    NamedTensor { name: name.to_owned(), shape: shape.to_vec(), data }
}

#[test]
fn takes_inputs_in_any_order() {
    let model = model("product");
    let straight = model.infer(vec![floats("left", [2, 5]), floats("right", [2, 3])]).expect("it runs");
    let crossed = model.infer(vec![floats("right", [2, 3]), floats("left", [2, 5])]).expect("it runs");
    assert_eq!(straight, crossed);
}

#[test]
fn says_which_input_does_not_fit() {
    let (left, right) = (floats("left", [2, 5]), floats("right", [2, 3]));
    let whole = NamedTensor { data: TensorData::I64(vec![1; 6]), ..right.clone() };
    let short = NamedTensor { data: TensorData::F32(vec![1.0; 5]), ..right.clone() };
    let cases = [
        (floats("rihgt", [2, 3]), "Input `right` is missing. It takes `left`, `right`."),
        (left.clone(), "Input `right` is missing."),
        (whole, "Input `right` must be FP32, not INT64."),
        (floats("right", [2, 4]), "Input `right` must have shape [-1, 3] (-1: any size), not [2, 4]."),
        (short, "Input `right` holds 5 values, which shape [2, 3] does not."),
        (
            floats("right", [3, 3]),
            "Input `right` has 3 where input `left` has 2: dimension rows must be the same in both.",
        ),
        (floats("right", [0, 3]), "Input `right` is empty: send at least one row."),
    ];
    for (wrong, words) in cases {
        let message = product(left.clone(), wrong);
        assert!(message.starts_with(words), "{message}");
    }
    let three = vec![left.clone(), right.clone(), floats("bias", [2, 3])];
    let message = model("product").infer(three).expect_err("one too many").message;
    assert!(message.starts_with("The model has no input `bias`."), "{message}");
    let twice = model("product").infer(vec![left, right.clone(), right]).expect_err("one too many").message;
    assert!(twice.starts_with("Input `right` is given twice."), "{twice}");
}

/// A fixture with its graph changed.
fn changed(name: &str, change: impl FnOnce(&mut GraphProto)) -> Vec<u8> {
    let mut proto = ModelProto::decode(&fixture(name)[..]).expect("the fixture is a model");
    change(proto.graph.as_mut().expect("the fixture has a graph"));
    proto.encode_to_vec()
}

#[test]
fn refuses_weights_in_a_type_it_cannot_compute_with() {
    let bytes = changed("product.onnx", |graph| graph.initializer[0].data_type = DataType::Bfloat16 as i32);
    let message = refusal(&bytes).message;
    assert!(message.contains("is of type BFLOAT16, which cannot be served"), "{message}");
}

#[test]
fn refuses_an_output_that_is_no_tensor() {
    let bytes = changed("product.onnx", |graph| {
        graph.output[0].r#type.as_mut().expect("the output has a type").value = None;
    });
    let message = refusal(&bytes).message;
    assert!(message.starts_with("Output `out` is a sequence, a map or an optional value"), "{message}");
}

#[test]
fn reads_a_layer_as_onnxruntime_does() {
    let changed = changed("convolution.onnx", |graph| {
        for node in &mut graph.node {
            if matches!(&*node.op_type, "Conv" | "Gemm") {
                node.input.push(String::new());
            }
            for pads in node.attribute.iter_mut().filter(|attribute| attribute.name == "pads") {
                pads.ints.fill(0);
            }
        }
        let (name, kind) = ("auto_pad".to_owned(), AttributeType::String as i32);
        let way = AttributeProto { name, s: "SAME_UPPER".into(), r#type: kind, ..AttributeProto::default() };
        graph.node[0].attribute.push(way);
    });
    check_answers("convolution", &Model::load(&changed).expect("it loads"));
}

#[test]
fn looks_operators_up_by_domain_and_name() {
    let bytes = changed("logistic_mixed.onnx", |graph| {
        graph.node.iter_mut().for_each(|node| node.domain.clear());
    });
    let message = refusal(&bytes).message;
    assert!(message.contains("of domain ai.onnx is not supported"), "{message}");
}

#[test]
fn a_panic_inside_becomes_an_error() {
    let error = super::guard::run::<()>("The model cannot be served", || panic!("deep inside"));
    let error = error.expect_err("the work panicked");
    assert!(error.message.starts_with("The model cannot be served: the inference engine gave up"));
    assert_eq!(error.cause.map(|cause| cause.to_string()).as_deref(), Some("deep inside"));
}

#[test]
fn inspection_names_what_is_lacking() {
    let whole = super::inspect(super::Draft::read(&fixture("zipmap.onnx")).expect("it is a model"));
    assert!(whole.refused.is_none() && whole.operators.iter().all(|operator| operator.known));
    assert_eq!(whole.inputs.len(), 1);
    let renamed = renamed("logistic_mixed.onnx", "Scaler", "Sqaler");
    let lacking = super::inspect(super::Draft::read(&renamed).expect("it is a model"));
    let unknown: Vec<_> = lacking.operators.iter().filter(|operator| !operator.known).collect();
    assert_eq!(unknown.len(), 1);
    assert_eq!((unknown[0].domain.as_str(), unknown[0].name.as_str()), ("ai.onnx.ml", "Sqaler"));
    assert!(lacking.refused.is_some_and(|reason| reason.contains("Sqaler")));
}

/// A file of some hundred bytes that describes six gigabytes.
#[test]
fn a_tensor_beyond_all_measure_is_refused_at_load() {
    use tract_onnx::pb::{
        NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto, ValueInfoProto,
        tensor_shape_proto::Dimension, tensor_shape_proto::dimension, type_proto,
    };
    let size = TensorProto {
        name: "size".into(),
        dims: vec![2],
        data_type: DataType::Int64 as i32,
        int64_data: vec![40_000, 40_000],
        ..TensorProto::default()
    };
    let node = |kind: &str, inputs: &[&str], output: &str| NodeProto {
        op_type: kind.into(),
        input: inputs.iter().map(|&name| name.to_owned()).collect(),
        output: vec![output.into()],
        ..NodeProto::default()
    };
    let info = |name: &str| {
        let one = Dimension { value: Some(dimension::Value::DimValue(1)), ..Dimension::default() };
        let shape = Some(TensorShapeProto { dim: vec![one] });
        let tensor = type_proto::Tensor { elem_type: DataType::Float as i32, shape };
        let kind = TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..TypeProto::default() };
        ValueInfoProto { name: name.into(), r#type: Some(kind), ..ValueInfoProto::default() }
    };
    let graph = GraphProto {
        node: vec![node("ConstantOfShape", &["size"], "vast"), node("Add", &["vast", "x"], "y")],
        initializer: vec![size],
        input: vec![info("x")],
        output: vec![info("y")],
        ..GraphProto::default()
    };
    let opset_import = vec![OperatorSetIdProto { version: 17, ..OperatorSetIdProto::default() }];
    let model = ModelProto { ir_version: 8, opset_import, graph: Some(graph), ..ModelProto::default() };
    let refused = Model::load(&model.encode_to_vec()).err().expect("is refused");
    assert!(refused.message.starts_with("The model cannot be served"), "{}", refused.message);
}
