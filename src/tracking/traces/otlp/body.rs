//! Undoes the compression of a body, up to a limit: a few bytes must not become all of the memory.

use super::Refused;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use std::io::{self, Read};

/// The most a body may come to.
const INFLATED_MAX: u64 = 64 << 20;

/// The body as it was before `encoding`. A deflated body may lack zlib's frame: some clients do that.
pub fn inflate(body: &[u8], encoding: &str) -> Result<Vec<u8>, Refused> {
    let failed = || Refused(format!("Failed to decompress {encoding} payload"));
    match encoding {
        "gzip" => whole(MultiGzDecoder::new(body)).map_err(|_| failed()),
        "deflate" => {
            whole(ZlibDecoder::new(body)).or_else(|_| whole(DeflateDecoder::new(body))).map_err(|_| failed())
        }
        other => Err(Refused(format!("Unsupported Content-Encoding: {other}"))),
    }
}

fn whole(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    reader.take(INFLATED_MAX + 1).read_to_end(&mut out)?;
    if out.len() as u64 > INFLATED_MAX {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{
        Compression,
        write::{DeflateEncoder, GzEncoder, ZlibEncoder},
    };
    use std::io::Write;

    #[test]
    fn three_forms_come_out_as_they_went_in() {
        let body = b"body ".repeat(100);
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&body).unwrap();
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(&body).unwrap();
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::fast());
        raw.write_all(&body).unwrap();
        assert_eq!(inflate(&gzip.finish().unwrap(), "gzip").unwrap(), body);
        assert_eq!(inflate(&zlib.finish().unwrap(), "deflate").unwrap(), body);
        assert_eq!(inflate(&raw.finish().unwrap(), "deflate").unwrap(), body);
    }

    #[test]
    fn a_body_that_is_something_else_is_refused() {
        assert_eq!(inflate(b"x", "gzip").unwrap_err().0, "Failed to decompress gzip payload");
        assert_eq!(inflate(b"x", "deflate").unwrap_err().0, "Failed to decompress deflate payload");
        assert_eq!(inflate(b"x", "br").unwrap_err().0, "Unsupported Content-Encoding: br");
    }

    #[test]
    fn a_body_that_grows_past_the_limit_is_refused() {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        let zeros = vec![0; 1 << 20];
        for _ in 0..65 {
            gzip.write_all(&zeros).unwrap();
        }
        assert!(inflate(&gzip.finish().unwrap(), "gzip").is_err());
    }
}
