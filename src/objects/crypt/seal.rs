//! The seal of an object: its data key, wrapped, and by what.

use super::{CustomerKey, DataKey, chunk::aes, derive};
use crate::{kernel::id, objects::error::Fault};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use ring::aead::{Aad, Nonce};
use serde::{Deserialize, Serialize};

const SALT: usize = 32;

/// How a request, or its bucket, wants an object encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    Server,
    Kms {
        /// None is the key `aws/s3`.
        key: Option<String>,
        /// Bound into the seal; base64 as it came.
        context: Option<String>,
        bucket_key: bool,
    },
    Customer(CustomerKey),
}

/// What wraps the data key, as far as it may be known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    Server,
    Kms {
        /// As the request named it.
        key: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        context: Option<String>,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        bucket_key: bool,
    },
    Customer,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    pub mode: Mode,
    /// Base64: salt, then the data key under a key made of the wrapping key and the salt.
    key: String,
}

impl Seal {
    pub(super) fn new(mode: Mode, wrapping: &[u8; 32], key: &DataKey) -> Option<Self> {
        let wrapped = wrap(wrapping, &bound(&mode), key.bytes())?;
        Some(Self { mode, key: wrapped })
    }

    /// The data key; none when this is not the key that wrapped it.
    pub(super) fn open(&self, wrapping: &[u8; 32]) -> Option<DataKey> {
        unwrap_key(wrapping, &bound(&self.mode), &self.key).map(DataKey::new)
    }

    /// Checks the customer's key of an SSE-C object, and that no other kind comes with one.
    pub fn check_customer(&self, customer: Option<&CustomerKey>) -> Result<(), Fault> {
        match (&self.mode, customer) {
            (Mode::Customer, Some(customer)) if self.open(&customer.key).is_none() => {
                Err(Fault::WrongCustomerKey)
            }
            (Mode::Customer, None) => Err(Fault::CustomerKeyNeeded),
            (Mode::Server | Mode::Kms { .. }, Some(_)) => Err(Fault::CustomerKeyNotNeeded),
            _ => Ok(()),
        }
    }
}

/// A seal with the data key it holds.
#[derive(Clone, Debug)]
pub struct Sealed {
    pub seal: Seal,
    pub key: DataKey,
}

/// The ETag of a body: its MD5, unless that must not be told of an encrypted one.
pub fn etag(sealed: Option<&Sealed>, md5: &[u8; 16]) -> String {
    match sealed.filter(|sealed| sealed.seal.mode != Mode::Server) {
        Some(sealed) => hex::encode(sealed.key.etag(md5)),
        None => hex::encode(md5),
    }
}

/// What a wrapped key is bound to besides its wrapping key.
fn bound(mode: &Mode) -> String {
    match mode {
        Mode::Server => "server".to_owned(),
        Mode::Customer => "customer".to_owned(),
        Mode::Kms { context, .. } => format!("kms {}", context.as_deref().unwrap_or_default()),
    }
}

/// The salt makes a key for this one use, so that the nonce may be zero.
pub(super) fn wrap(wrapping: &[u8; 32], purpose: &str, clear: &[u8]) -> Option<String> {
    let salt = id::random_bytes(SALT);
    let mut sealed = clear.to_vec();
    let cipher = aes(&derive(wrapping, purpose, &salt));
    cipher.seal_in_place_append_tag(zero(), Aad::empty(), &mut sealed).ok()?;
    Some(BASE64.encode([salt, sealed].concat()))
}

pub(super) fn unwrap_key(wrapping: &[u8; 32], purpose: &str, text: &str) -> Option<[u8; 32]> {
    unwrap(wrapping, purpose, text)?.try_into().ok()
}

pub(super) fn unwrap(wrapping: &[u8; 32], purpose: &str, text: &str) -> Option<Vec<u8>> {
    let bytes = BASE64.decode(text).ok()?;
    let (salt, sealed) = bytes.split_at_checked(SALT)?;
    let mut sealed = sealed.to_vec();
    let opened = aes(&derive(wrapping, purpose, salt)).open_in_place(zero(), Aad::empty(), &mut sealed);
    Some(opened.ok()?.to_vec())
}

fn zero() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_opens_with_its_own_key_and_context_only() {
        let kms =
            |context: &str| Mode::Kms { key: "k".into(), context: Some(context.into()), bucket_key: false };
        let key = DataKey::new([9; 32]);
        let seal = Seal::new(kms("one"), &[1; 32], &key).unwrap();
        assert!(seal.open(&[1; 32]) == Some(key.clone()));
        assert!(seal.open(&[2; 32]).is_none());
        assert!(Seal { mode: kms("two"), ..seal.clone() }.open(&[1; 32]).is_none());
        assert!(Seal { key: "AAAA".into(), ..seal.clone() }.open(&[1; 32]).is_none());
        assert_ne!(Seal::new(kms("one"), &[1; 32], &key), Some(seal.clone()));
        let text = serde_json::to_string(&seal).unwrap();
        assert_eq!(serde_json::from_str::<Seal>(&text).unwrap(), seal);
    }
}
