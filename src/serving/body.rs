//! Request bodies of the inference protocols: bounded, and unpacked when they come compressed.

use super::MOST_BYTES;
use crate::kernel::error::{Error, Kind, Result};
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use std::{convert::Infallible, io::Read};

/// A body, or why there is none: each protocol refuses in its own shape.
pub struct Body {
    bytes: Result<Bytes>,
    encoding: Option<HeaderValue>,
}

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Infallible;

    async fn from_request(request: Request, state: &S) -> Result<Self, Infallible> {
        let encoding = request.headers().get(header::CONTENT_ENCODING).cloned();
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| {
            if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                too_large()
            } else {
                Error::invalid("The body ended before it was complete.")
            }
        });
        Ok(Self { bytes, encoding })
    }
}

impl Body {
    /// The bytes, with `gzip` and `deflate` undone. What they unpack to is bounded like any body.
    pub fn decoded(self) -> Result<Bytes> {
        let bytes = self.bytes?;
        match self.encoding.as_ref().map(HeaderValue::as_bytes) {
            None | Some(b"" | b"identity") => Ok(bytes),
            Some(b"gzip") => unpack(flate2::read::GzDecoder::new(&*bytes)),
            Some(b"deflate") => unpack(flate2::read::ZlibDecoder::new(&*bytes)),
            Some(_) => {
                Err(Error::invalid("This Content-Encoding is not known here: use gzip or deflate, or none."))
            }
        }
    }
}

fn unpack(packed: impl Read) -> Result<Bytes> {
    let mut out = Vec::new();
    let read = packed.take(MOST_BYTES as u64 + 1).read_to_end(&mut out);
    read.map_err(|error| Error::invalid(format!("The compressed body cannot be unpacked: {error}.")))?;
    if out.len() > MOST_BYTES { Err(too_large()) } else { Ok(out.into()) }
}

fn too_large() -> Error {
    Error::new(Kind::TooLarge, format!("The body is larger than {} MiB.", MOST_BYTES >> 20))
}
