//! A refusal on its way out: what is the same at every door over HTTP, and the words in which they differ.

use crate::kernel::{
    error::{Error, Kind},
    http::say_when,
};
use axum::response::{IntoResponse, Response};
use std::marker::PhantomData;

/// How a protocol words a refusal: its status and its body.
pub trait Words {
    fn refuse(error: &Error) -> Response;
}

/// A refusal in the words of one protocol.
pub struct Refusal<W> {
    error: Error,
    words: PhantomData<W>,
}

impl<W> From<Error> for Refusal<W> {
    fn from(error: Error) -> Self {
        Self { error, words: PhantomData }
    }
}

impl<W: Words> IntoResponse for Refusal<W> {
    fn into_response(self) -> Response {
        let Self { error, .. } = self;
        if error.kind == Kind::Internal {
            tracing::error!(?error, "an inference request failed");
        }
        let mut response = W::refuse(&error);
        say_when(&error, response.headers_mut());
        response
    }
}
