//! One inference: the message is read, and the answer written, on the thread that runs the model.

use super::{bounds, read, refuse, write};
use crate::{
    kernel::error::Error,
    serving::{
        Service,
        endpoint::Endpoint,
        oip::messages::{Head, Request, Response, StreamResponse},
    },
};
use bytes::Bytes;
use prost::Message;
use std::time::Instant;
use tonic::Status;

/// Answers an inference request.
pub async fn infer(serving: &Service, message: Bytes) -> Result<Response, Status> {
    let head = head(&message).map_err(refuse::status)?;
    let endpoint = serving.endpoint(&head.model_name).map_err(refuse::status)?;
    let began = Instant::now();
    let outcome = run(serving, head, &endpoint, message).await;
    endpoint.stats.count(began.elapsed(), outcome.is_ok());
    outcome.map_err(refuse::status)
}

fn head(message: &Bytes) -> Result<Head, Error> {
    bounds::check(message)?;
    Head::decode(message.clone()).map_err(|_| bounds::malformed())
}

async fn run(
    serving: &Service,
    head: Head,
    endpoint: &Endpoint,
    message: Bytes,
) -> Result<Response, Error> {
    let loaded =
        if head.model_version.is_empty() { endpoint.current()? } else { endpoint.version(&head.model_version)? };
    let work = move || {
        let mut request = Request::decode(message).map_err(|_| bounds::malformed())?;
        let raw = !request.raw_input_contents.is_empty();
        let inputs = read::inputs(&mut request)?;
        let wanted = read::wanted(&request.outputs, loaded.model.outputs())?;
        let results = loaded.model.infer(inputs)?;
        let mut response = Response {
            model_name: head.model_name,
            model_version: loaded.version.clone(),
            id: request.id,
            ..Response::default()
        };
        write::outputs(&mut response, &wanted, &results, raw)?;
        Ok(response)
    };
    serving.work(work).await
}

/// Answers a request of a stream: a refusal is told in the answer, and the stream goes on.
pub async fn streamed(serving: &Service, message: Bytes) -> Result<StreamResponse, Status> {
    let id = head(&message).map(|head| head.id).unwrap_or_default();
    Ok(match infer(serving, message).await {
        Ok(response) => {
            StreamResponse { error_message: String::new(), infer_response: Some(response) }
        }
        Err(refusal) => StreamResponse {
            error_message: refusal.message().to_owned(),
            infer_response: Some(Response { id, ..Response::default() }),
        },
    })
}
