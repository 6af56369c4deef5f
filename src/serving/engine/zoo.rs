//! The model zoo: what exporters make, in batches of 1, 7 and 32, against onnxruntime's answers and, for
//! trees, what the library that trained them says. Made by tests/fixtures/onnx/zoo.py and torch_zoo.py.

use serde_json::Value;

use super::tests::{fixture, rows, tensor};
use super::{Model, NamedTensor, TensorData};

const TOLERANCE: f64 = 1e-4;

/// Models in the zoo. A fixture that is lost must not pass for one that is right.
const MODELS: usize = 116;

fn tensors(list: &Value) -> Vec<NamedTensor> {
    list.as_array().map(|list| list.iter().map(tensor).collect()).unwrap_or_default()
}

fn reals(data: &TensorData) -> Option<Vec<f64>> {
    match data {
        TensorData::F32(values) => Some(values.iter().map(|&value| f64::from(value)).collect()),
        TensorData::F64(values) => Some(values.clone()),
        _ => None,
    }
}

/// What differs, in words; nothing where labels are equal and numbers near.
fn difference(got: &NamedTensor, wanted: &NamedTensor) -> Option<String> {
    if got.shape != wanted.shape {
        return Some(format!("{} has shape {:?}, not {:?}", got.name, got.shape, wanted.shape));
    }
    let (Some(left), Some(right)) = (reals(&got.data), reals(&wanted.data)) else {
        return (got.data != wanted.data)
            .then(|| format!("{} is {:?}, not {:?}", got.name, got.data, wanted.data));
    };
    let near = |(left, right): (&f64, &f64)| {
        left == right
            || (left.is_nan() && right.is_nan())
            || (left - right).abs() <= TOLERANCE * right.abs().max(1.0)
    };
    let at = left.iter().zip(&right).position(|pair| !near(pair))?;
    Some(format!("value {at} of {} is {}, not {}", got.name, left[at], right[at]))
}

/// By the plan for all batch sizes, and by those for each.
fn check(name: &str) -> Result<(), String> {
    let load = || Model::load(&fixture(&format!("zoo/{name}.onnx"))).map_err(|error| error.message);
    check_by(name, &load()?)?;
    check_by(name, &load()?.planned_at_once()).map_err(|words| format!("{words}, planned for each size"))
}

fn check_by(name: &str, model: &Model) -> Result<(), String> {
    let case: Value =
        serde_json::from_slice(&fixture(&format!("zoo/{name}.json"))).map_err(|e| e.to_string())?;
    let (inputs, trained) = (tensors(&case["inputs"]), tensors(&case["trained"]));
    for batch in case["batches"].as_array().ok_or("no batches")? {
        let bound = |at: usize| batch["rows"][at].as_u64().unwrap_or_default() as usize;
        let range = bound(0)..bound(1);
        let given = inputs.iter().map(|tensor| rows(tensor, range.clone())).collect();
        let got = model.infer(given).map_err(|error| error.message)?;
        let wanted = tensors(&batch["outputs"]);
        if got.len() != wanted.len() {
            return Err(format!("{} outputs, not {}", got.len(), wanted.len()));
        }
        for (got, wanted) in got.iter().zip(&wanted) {
            if let Some(words) = difference(got, wanted) {
                return Err(format!("rows {range:?}: {words} (onnxruntime)"));
            }
        }
        for wanted in &trained {
            let wanted = rows(wanted, range.clone());
            let got = got.iter().find(|got| got.name == wanted.name).ok_or("an output is missing")?;
            if let Some(words) = difference(got, &wanted) {
                return Err(format!("rows {range:?}: {words} (the training library)"));
            }
        }
    }
    Ok(())
}

#[test]
fn every_exported_model_answers_as_onnxruntime() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/onnx/zoo");
    let mut names: Vec<String> = fs_err::read_dir(folder)
        .expect("the zoo is committed")
        .filter_map(|entry| {
            entry.ok()?.file_name().into_string().ok()?.strip_suffix(".onnx").map(str::to_owned)
        })
        .collect();
    names.sort();
    let wrong: Vec<String> =
        names.iter().filter_map(|name| check(name).err().map(|words| format!("{name}: {words}"))).collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), names.len(), wrong.join("\n"));
    assert!(names.len() >= MODELS, "the zoo has {} models", names.len());
}
