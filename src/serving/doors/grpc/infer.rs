//! One inference: the message is read, and the answer written, on the thread that runs the model.

use super::{bounds, deadline, read, refuse, write};
use crate::{
    kernel::error::Error,
    serving::{
        Service,
        doors::oip::messages::{Head, Parameter, Request, Response, StreamResponse, Value},
        engine::NamedTensor,
        loading::load::Loaded,
        predict::call::{Call, Params, Question, SMALL},
    },
};
use bytes::Bytes;
use prost::Message;
use serde_json::Map;
use std::{collections::BTreeMap, sync::Arc};
use tonic::Status;

/// Answers an inference request.
pub async fn infer(serving: &Service, call: Call, message: Bytes) -> Result<Response, Status> {
    let head = head(&message).map_err(refuse::status)?;
    run(serving, call, head, message).await.map_err(refuse::status)
}

/// Answers a request of a stream: a refusal is told in the answer, and the stream goes on.
pub async fn streamed(serving: &Service, call: Call, message: Bytes) -> StreamResponse {
    let (id, outcome) = match head(&message) {
        Ok(head) => (head.id.clone(), run(serving, call, head, message).await),
        Err(error) => (String::new(), Err(error)),
    };
    match outcome {
        Ok(response) => StreamResponse { error_message: String::new(), infer_response: Some(response) },
        Err(error) => StreamResponse {
            error_message: refuse::status(error).message().to_owned(),
            infer_response: Some(Response { id, ..Response::default() }),
        },
    }
}

fn head(message: &Bytes) -> Result<Head, Error> {
    bounds::check(message)?;
    Head::decode(message.clone()).map_err(|_| bounds::malformed())
}

/// The request's parameters that the model's signature names.
fn params(model: &Loaded, given: &BTreeMap<String, Parameter>) -> Option<Params> {
    let signature = model.signature.as_ref()?;
    let value = |name: &str| {
        Some(match given.get(name)?.value.as_ref()? {
            Value::Bool(flag) => (*flag).into(),
            Value::Int(number) => (*number).into(),
            Value::Uint(number) => (*number).into(),
            Value::Double(number) => (*number).into(),
            Value::Text(text) => text.as_str().into(),
        })
    };
    let found: Map<_, _> =
        signature.params().filter_map(|name| Some((name.to_owned(), value(name)?))).collect();
    (!found.is_empty()).then(|| Arc::new(found))
}

async fn run(serving: &Service, call: Call, head: Head, message: Bytes) -> Result<Response, Error> {
    let endpoint = serving.endpoint(&head.model_name)?;
    let call = match deadline::of_parameters(&head.parameters) {
        Some(wait) => call.within(wait),
        None => call,
    };
    let (regions, user) = (serving.regions().clone(), call.user.clone());
    let call = Call { is_small: message.len() <= SMALL && !regions.lend_to(&user), ..call };
    let call = call.of_version((!head.model_version.is_empty()).then_some(head.model_version));
    let (name, id) = (head.model_name, head.id);
    let read = move |model: &Loaded| {
        let lent = regions.lent_to(&user);
        let mut request = Request::decode(message).map_err(|_| bounds::malformed())?;
        let (inputs, raw) = read::inputs(&mut request, &lent)?;
        let wanted = read::wanted(&request.outputs, model.model.outputs(), &lent)?;
        let write = move |model: &Loaded, results: &[NamedTensor]| {
            let version = model.version.clone();
            let mut response =
                Response { model_name: name, model_version: version, id, ..Response::default() };
            write::outputs(&mut response, &wanted, results, raw)?;
            Ok(response)
        };
        let params = params(model, &request.parameters);
        Ok((Question { inputs, params }, write))
    };
    Ok(serving.predict(&endpoint, call, read).await?.answer)
}
