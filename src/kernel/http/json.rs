//! JSON in and out for our own API; a body that does not fit is answered with where and why.

use super::Problem;
use crate::kernel::error::{Error, Kind};
use axum::{
    extract::{FromRequest, Request, rejection::BytesRejection},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

/// Extracts a JSON body whatever its content type says, and answers one.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let body =
            Bytes::from_request(request, state).await.map_err(|rejection| Problem(unreadable(&rejection)))?;
        // An absent body is an empty object, so that calls whose fields are all optional need none.
        let text: &[u8] = if body.is_empty() { b"{}" } else { &body };
        serde_json::from_slice(text).map(Json).map_err(|error| {
            Problem(Error::invalid(format!("The body is not the JSON this call takes: {error}")))
        })
    }
}

fn unreadable(rejection: &BytesRejection) -> Error {
    if rejection.status() == http::StatusCode::PAYLOAD_TOO_LARGE {
        Error::new(Kind::TooLarge, "The body is larger than this call accepts.")
    } else {
        Error::invalid("The body ended before it was complete.")
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}
