//! Messages in and out of gRPC's frames, as bytes: what they mean is read on the threads that may work.

use crate::serving::MOST_BYTES;
use axum::{body::Body, extract::Request, response::Response};
use bytes::{Buf, BufMut, Bytes};
use futures::{Stream, StreamExt, future::BoxFuture, stream::BoxStream};
use http::HeaderValue;
use std::{
    future::Future,
    task::{Context, Poll},
};
use tonic::{
    Status, Streaming,
    codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder},
    server::Grpc,
};

/// Answers one message with one.
pub async fn unary<W, F>(request: Request, work: W) -> Response
where
    W: FnOnce(Bytes) -> F + Send + 'static,
    F: Future<Output = Result<Bytes, Status>> + Send + 'static,
{
    let mut response = grpc(&request).unary(Unary(Some(work)), request).await;
    correct_code(&mut response);
    response.map(Body::new)
}

/// Answers each message of a stream with one, in their order.
pub async fn stream<W, F>(request: Request, work: W) -> Response
where
    W: FnMut(Bytes) -> F + Send + 'static,
    F: Future<Output = Result<Bytes, Status>> + Send + 'static,
{
    let response = grpc(&request).streaming(Each(Some(work)), request).await;
    response.map(Body::new)
}

fn grpc(request: &Request) -> Grpc<Raw> {
    let mut grpc = Grpc::new(Raw)
        .max_decoding_message_size(MOST_BYTES)
        .accept_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Deflate);
    // Clients offer to take gzip by themselves; who sends it is one who wants it.
    grpc = match request.headers().get("grpc-encoding").map(HeaderValue::as_bytes) {
        Some(b"gzip") => grpc.send_compressed(CompressionEncoding::Gzip),
        Some(b"deflate") => grpc.send_compressed(CompressionEncoding::Deflate),
        _ => grpc,
    };
    grpc
}

/// tonic says OUT_OF_RANGE (11) of a message over the limit, where other servers say RESOURCE_EXHAUSTED (8).
fn correct_code(response: &mut http::Response<tonic::body::Body>) {
    if let Some(code) = response.headers_mut().get_mut("grpc-status").filter(|code| *code == "11") {
        *code = HeaderValue::from_static("8");
    }
}

struct Unary<W>(Option<W>);

impl<W, F> tower::Service<tonic::Request<Bytes>> for Unary<W>
where
    W: FnOnce(Bytes) -> F,
    F: Future<Output = Result<Bytes, Status>> + Send + 'static,
{
    type Response = tonic::Response<Bytes>;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Self::Response, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let work = self.0.take().map(|work| work(request.into_inner()));
        Box::pin(async move {
            match work {
                Some(work) => work.await.map(tonic::Response::new),
                None => Err(Status::internal("A call has one message.")),
            }
        })
    }
}

struct Each<W>(Option<W>);

impl<W, F> tower::Service<tonic::Request<Streaming<Bytes>>> for Each<W>
where
    W: FnMut(Bytes) -> F + Send + 'static,
    F: Future<Output = Result<Bytes, Status>> + Send + 'static,
{
    type Response = tonic::Response<BoxStream<'static, Result<Bytes, Status>>>;
    type Error = Status;
    type Future = std::future::Ready<Result<Self::Response, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: tonic::Request<Streaming<Bytes>>) -> Self::Future {
        let answers = self.0.take().map(|work| answers(request.into_inner(), work).boxed());
        let answers = answers.ok_or_else(|| Status::internal("A call has one stream."));
        std::future::ready(answers.map(tonic::Response::new))
    }
}

fn answers<W, F>(messages: Streaming<Bytes>, mut work: W) -> impl Stream<Item = Result<Bytes, Status>>
where
    W: FnMut(Bytes) -> F,
    F: Future<Output = Result<Bytes, Status>>,
{
    messages.then(move |message| {
        let work = message.map(&mut work);
        async move { work?.await }
    })
}

/// Hands a frame's bytes on as they are.
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, frame: &mut EncodeBuf<'_>) -> Result<(), Status> {
        frame.put(message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, frame: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(frame.copy_to_bytes(frame.remaining())))
    }
}
