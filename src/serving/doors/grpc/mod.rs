//! The Open Inference Protocol over gRPC, on the same port as everything else: HTTP/2, told by its content
//! type. The service is `inference.GRPCInferenceService`, as tritonclient and KServe's client call it.
//!
//! tonic frames, compresses and bounds the messages; which method reads what is said in `methods`. An
//! answer is compressed when its request was. Tensors leave as they came, raw or by their kind.
//! Departure: a stream's requests are answered one after the other.

mod bounds;
mod deadline;
mod infer;
mod methods;
mod read;
mod refuse;
mod transport;
mod write;

pub use refuse::refuse_in_grpc;

use crate::{auth, serving::Service};
use axum::{
    Router,
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
    routing::post,
};
use http::StatusCode;
use std::time::Instant;

pub fn router(service: Service) -> Router {
    Router::new().route("/inference.GRPCInferenceService/{method}", post(call)).with_state(service)
}

async fn call(
    auth::Viewer(who): auth::Viewer,
    State(serving): State<Service>,
    Path(method): Path<String>,
    request: Request,
) -> Response {
    if !refuse::is_grpc(request.headers()) {
        let words = "This path speaks gRPC: send application/grpc over HTTP/2.\n";
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, words).into_response();
    }
    let caller = methods::Caller { serving, who, headers: request.headers().clone(), began: Instant::now() };
    if method == "ModelStreamInfer" {
        return transport::stream(request, move |message| caller.clone().streamed(message)).await;
    }
    transport::unary(request, move |message| caller.call(method, message)).await
}
