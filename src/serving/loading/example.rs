//! The example a model was logged with, asked when the model is loaded: where the answer lies beside it, as
//! `output_example.json`, a model that answers otherwise is refused. MLflow itself keeps an example of the input
//! and none of the output.

use super::{mlmodel::Column, runner::Runner};
use crate::{
    kernel::error::{Error, Result},
    serving::{
        doors::scoring::{feed, payload},
        engine::NamedTensor,
        wire::json,
    },
};
use serde_json::Value;

/// Beside the model's MLmodel file.
pub const ANSWER_FILE: &str = "output_example.json";

/// How far numbers may be from those logged, against the larger of the number and 1.
const TOLERANCE: f64 = 1e-4;

/// Asks the model its example, and holds the answer against the one that was logged.
pub fn check(model: &Runner, columns: Option<&[Column]>, example: Value, logged: &Value) -> Result<()> {
    let asked =
        payload::read(example, columns).and_then(|payload| feed::tensors(&payload, model.inputs(), columns));
    let results = asked.and_then(|inputs| model.infer(inputs)).map_err(|error| {
        Error::invalid(format!("The model cannot answer its own input example: {}", error.message))
    })?;
    compare(&results, logged).map_err(|difference| {
        Error::invalid(format!(
            "The model does not answer its input example as {ANSWER_FILE} says: {difference}. Log the model again, \
             or remove that file if it is the answer that is wrong."
        ))
    })
}

fn compare(results: &[NamedTensor], logged: &Value) -> Result<(), String> {
    let mut compared = 0;
    for result in results {
        let Some(wanted) = of_output(logged, &result.name, results.len() == 1) else { continue };
        let got = json::values(&result.data);
        let mut leaves = Vec::new();
        wanted.iter().for_each(|value| json::leaves(value, &mut leaves));
        if got.len() != leaves.len() {
            return Err(format!("output `{}` has {} values, not {}", result.name, got.len(), leaves.len()));
        }
        if let Some(at) = got.iter().zip(&leaves).position(|(got, wanted)| !is_same(got, wanted)) {
            let width = got.len() / result.shape.first().copied().unwrap_or(1).max(1);
            return Err(format!(
                "row {} of output `{}` has {}, not {}",
                at / width.max(1),
                result.name,
                got[at],
                leaves[at]
            ));
        }
        compared += 1;
    }
    if compared == 0 {
        let names: Vec<_> = results.iter().map(|result| format!("`{}`", result.name)).collect();
        return Err(format!("it names none of the outputs, which are {}", names.join(", ")));
    }
    Ok(())
}

/// What is logged of one output. Read are MLflow's answers, `{"predictions": ...}` or what is in it (a record a row,
/// a list by name, or one list), and those of the Open Inference Protocol.
fn of_output<'a>(logged: &'a Value, name: &str, is_only: bool) -> Option<Vec<&'a Value>> {
    let predictions = logged.get("predictions").unwrap_or(logged);
    if let Some(outputs) = logged.get("outputs").and_then(Value::as_array) {
        let output = outputs.iter().find(|output| output["name"] == name)?;
        return Some(vec![output.get("data")?]);
    }
    match predictions {
        Value::Object(by_name) => Some(vec![by_name.get(name)?]),
        Value::Array(rows) if rows.iter().any(Value::is_object) => {
            rows.iter().map(|row| row.get(name)).collect()
        }
        list => is_only.then(|| vec![list]),
    }
}

/// Labels must be equal, numbers near. Gaps are written as null.
fn is_same(got: &Value, wanted: &Value) -> bool {
    match (got.as_f64(), wanted.as_f64()) {
        (Some(_), Some(_)) if got.is_i64() && wanted.is_i64() => got == wanted,
        (Some(got), Some(wanted)) => (got - wanted).abs() <= TOLERANCE * wanted.abs().max(1.0),
        _ => got == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serving::engine::TensorData;
    use serde_json::json;

    fn results() -> Vec<NamedTensor> {
        let labels = TensorData::Str(vec!["late".into(), "early".into()]);
        let scores = TensorData::F32(vec![0.25, 0.75, f32::NAN, 1.0]);
        vec![
            NamedTensor { name: "label".into(), shape: vec![2], data: labels },
            NamedTensor { name: "scores".into(), shape: vec![2, 2], data: scores },
        ]
    }

    #[test]
    fn every_form_of_an_answer_is_read() {
        for logged in [
            json!({ "predictions": [
                { "label": "late", "scores": [0.25, 0.75] },
                { "label": "early", "scores": [null, 1] },
            ]}),
            json!({ "predictions": { "label": ["late", "early"], "scores": [[0.25, 0.75001], [null, 1.0]] } }),
            json!({ "scores": [[0.25, 0.75], [null, 1.0]] }),
            json!({ "outputs": [{ "name": "scores", "data": [0.25, 0.75, null, 1.0] }] }),
        ] {
            assert_eq!(compare(&results(), &logged), Ok(()), "{logged}");
        }
        assert_eq!(compare(&results()[..1], &json!(["late", "early"])), Ok(()));
    }

    #[test]
    fn a_difference_is_named() {
        for (logged, words) in [
            (json!({ "label": ["late", "late"] }), "row 1 of output `label` has \"early\", not \"late\""),
            (json!({ "scores": [[0.25, 0.8], [null, 1]] }), "row 0 of output `scores` has 0.75, not 0.8"),
            (json!({ "scores": [[0.25, 0.75], [0.0, 1]] }), "row 1 of output `scores` has null, not 0.0"),
            (json!({ "scores": [0.25] }), "output `scores` has 4 values, not 1"),
            (json!({ "probabilities": [0.25] }), "names none of the outputs"),
            (json!([0.25, 0.75]), "names none of the outputs"),
        ] {
            let said = compare(&results(), &logged).expect_err("differs");
            assert!(said.contains(words), "{said}");
        }
    }
}
