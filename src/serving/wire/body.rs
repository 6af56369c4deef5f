//! Request bodies of the inference protocols: bounded, and unpacked when they come compressed.

use crate::{
    kernel::error::{Error, Kind, Result},
    serving::MOST_BYTES,
};
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::{convert::Infallible, io::Read};

/// Values in one request that is text. A value takes up to 100 bytes when it is read.
pub const MOST_VALUES: usize = 1 << 22;
/// The largest body of settings.
const MOST_SETTINGS: usize = 1 << 20;

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

impl Body {
    /// A small JSON body of settings; an absent one says nothing.
    pub fn settings<T: DeserializeOwned + Default>(self) -> Result<T> {
        let bytes = self.decoded()?;
        if bytes.is_empty() {
            return Ok(T::default());
        }
        if bytes.len() > MOST_SETTINGS {
            let words = format!("This call takes no body of more than {MOST_SETTINGS} bytes.");
            return Err(Error::new(Kind::TooLarge, words));
        }
        serde_json::from_slice(&bytes)
            .map_err(|error| Error::invalid(format!("The body is not the JSON this call takes: {error}.")))
    }
}

/// JSON of a request, whose values take much more room in memory than in the text.
pub fn json(text: &[u8]) -> Result<Value> {
    few_values(text, b",[{")?;
    super::json::parse(text)
}

/// Refuses a text with more values than are read into memory: it has a mark before or after each.
pub fn few_values(text: &[u8], marks: &[u8]) -> Result<()> {
    if text.len() <= MOST_VALUES || text.iter().filter(|byte| marks.contains(byte)).count() <= MOST_VALUES {
        return Ok(());
    }
    Err(Error::new(
        Kind::TooLarge,
        format!(
            "The body has more than {MOST_VALUES} values. Send it in parts, or its tensors in binary: the Open \
             Inference Protocol has a form for that."
        ),
    ))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_by_the_million_are_refused_before_they_are_read() {
        let list = |count: usize| format!("[{}0]", "0,".repeat(count - 1));
        assert_eq!(json(list(1000).as_bytes()).expect("a thousand").as_array().map(Vec::len), Some(1000));
        few_values(list(MOST_VALUES).as_bytes(), b",[{").expect("as many as may be");
        let refused = json(list(MOST_VALUES + 1).as_bytes()).expect_err("too many");
        assert_eq!(refused.kind, Kind::TooLarge);
    }
}
