//! Predictions: a list with a value for each row, or with a record where the model has several outputs.

use super::question;
use crate::{
    kernel::error::Result,
    serving::{
        Service,
        doors::{oip::Refusal, scoring::answer::records},
        engine::NamedTensor,
        loading::load::Loaded,
        predict::call::Call,
        wire::{
            body::{self, Body},
            json,
        },
    },
};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use serde_json::{Value, json};

pub async fn predict(serving: &Service, name: &str, call: Call, body: Body) -> Result<Response, Refusal> {
    let endpoint = serving.endpoint(name)?;
    let read = move |model: &Loaded| {
        let columns = model.signature.as_ref().and_then(|signature| signature.columns.as_deref());
        let inputs = question::inputs(body::json(&body.decoded()?)?, model.model.inputs(), columns)?;
        let write = |_: &Loaded, results: &[NamedTensor]| {
            Ok(json!({ "predictions": predictions(results) }).to_string())
        };
        Ok((inputs.into(), write))
    };
    let answered = serving.predict(&endpoint, call, read).await?;
    let json = HeaderValue::from_static("application/json");
    Ok((answered.headers(), [(header::CONTENT_TYPE, json)], answered.answer).into_response())
}

fn predictions(results: &[NamedTensor]) -> Value {
    if let [only] = results {
        return json::nested(&only.shape, json::values(&only.data));
    }
    let rows = results.first().and_then(|result| result.shape.first().copied());
    match rows.filter(|rows| results.iter().all(|result| result.shape.first() == Some(rows))) {
        Some(rows) => records(rows, results),
        // Outputs that do not go by rows have no record for each.
        None => {
            let whole = |result: &NamedTensor| {
                (result.name.clone(), json::nested(&result.shape, json::values(&result.data)))
            };
            Value::Object(results.iter().map(whole).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serving::engine::TensorData;

    #[test]
    fn one_output_is_a_list_and_several_are_records() {
        let tensor = |name: &str, shape: &[usize], data| NamedTensor {
            name: name.into(),
            shape: shape.to_vec(),
            data: TensorData::I64(data),
        };
        let labels = tensor("label", &[2], vec![1, 0]);
        let pairs = tensor("pairs", &[2, 2], vec![1, 2, 3, 4]);
        assert_eq!(predictions(std::slice::from_ref(&pairs)), json!([[1, 2], [3, 4]]));
        let both = predictions(&[labels.clone(), pairs]);
        assert_eq!(both, json!([{ "label": 1, "pairs": [1, 2] }, { "label": 0, "pairs": [3, 4] }]));
        let odd = predictions(&[labels, tensor("sum", &[1], vec![9])]);
        assert_eq!(odd, json!({ "label": [1, 0], "sum": [9] }));
    }
}
