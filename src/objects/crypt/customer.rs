//! A key that the client sends with every request: the three headers of SSE-C.

use super::super::error::Fault;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use md5::{Digest, Md5};
use std::fmt;

/// It lives as long as its request.
#[derive(Clone, PartialEq, Eq)]
pub struct CustomerKey {
    pub(super) key: [u8; 32],
    md5: String,
}

impl CustomerKey {
    /// Algorithm, key and the key's MD5 come together or not at all, and fit one another.
    pub fn parse(
        algorithm: Option<&str>,
        key: Option<&str>,
        md5: Option<&str>,
    ) -> Result<Option<Self>, Fault> {
        let invalid = |why: &str| Err(Fault::InvalidArgument(why.to_owned()));
        let (algorithm, key, md5) = match (algorithm, key, md5) {
            (None, None, None) => return Ok(None),
            (None, ..) => {
                return invalid(
                    "Requests specifying Server Side Encryption with Customer provided keys must provide a valid encryption algorithm.",
                );
            }
            (Some(_), None, _) => {
                return invalid(
                    "Requests specifying Server Side Encryption with Customer provided keys must provide an appropriate secret key.",
                );
            }
            (Some(_), Some(_), None) => {
                return invalid(
                    "Requests specifying Server Side Encryption with Customer provided keys must provide the client calculated MD5 of the secret key.",
                );
            }
            (Some(algorithm), Some(key), Some(md5)) => (algorithm, key, md5),
        };
        if algorithm != "AES256" {
            return Err(Fault::InvalidEncryptionAlgorithm);
        }
        let Some(key) = BASE64.decode(key).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()) else {
            return invalid("The secret key was invalid for the specified algorithm.");
        };
        if BASE64.encode(Md5::digest(key)) != md5 {
            return invalid("The calculated MD5 hash of the key did not match the hash that was provided.");
        }
        Ok(Some(Self { key, md5: md5.to_owned() }))
    }

    /// The MD5 as it came: answers repeat it.
    pub fn md5(&self) -> &str {
        &self.md5
    }
}

impl fmt::Debug for CustomerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CustomerKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_headers_come_together_and_fit() {
        let (key, md5) = (BASE64.encode([5; 32]), BASE64.encode(Md5::digest([5; 32])));
        let (key, md5) = (Some(key.as_str()), Some(md5.as_str()));
        let parsed = CustomerKey::parse(Some("AES256"), key, md5).unwrap().unwrap();
        assert_eq!((parsed.key, Some(parsed.md5())), ([5; 32], md5));
        assert_eq!(CustomerKey::parse(None, None, None), Ok(None));
        let short = BASE64.encode([5; 16]);
        for (algorithm, key, md5) in [
            (None, key, md5),
            (Some("AES256"), None, md5),
            (Some("AES256"), key, None),
            (Some("AES256"), Some(short.as_str()), md5),
            (Some("AES256"), key, Some("AAAAAAAAAAAAAAAAAAAAAA==")),
            (Some("AES192"), key, md5),
        ] {
            assert!(CustomerKey::parse(algorithm, key, md5).is_err());
        }
    }
}
