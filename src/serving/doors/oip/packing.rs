//! Answers compressed for a caller that asks for it.

use crate::kernel::error::Result;
use flate2::{Compression, write};
use http::{HeaderMap, header};
use std::io::Write;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    None,
    Gzip,
    Deflate,
}

impl Packing {
    /// What `Accept-Encoding` asks for, where it names one encoding alone. HTTP libraries offer to take several
    /// with every request, and an answer of a few rows is not worth the time.
    pub fn asked(headers: &HeaderMap) -> Self {
        match headers.get(header::ACCEPT_ENCODING).map(|value| value.as_bytes().trim_ascii()) {
            Some(b"gzip") => Self::Gzip,
            Some(b"deflate") => Self::Deflate,
            _ => Self::None,
        }
    }

    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Gzip => Some("gzip"),
            Self::Deflate => Some("deflate"),
        }
    }

    pub fn pack(self, body: Vec<u8>) -> Result<Vec<u8>> {
        let level = Compression::fast();
        let room = Vec::with_capacity(body.len() / 2);
        match self {
            Self::None => Ok(body),
            Self::Gzip => {
                let mut packer = write::GzEncoder::new(room, level);
                packer.write_all(&body)?;
                Ok(packer.finish()?)
            }
            Self::Deflate => {
                let mut packer = write::ZlibEncoder::new(room, level);
                packer.write_all(&body)?;
                Ok(packer.finish()?)
            }
        }
    }
}
