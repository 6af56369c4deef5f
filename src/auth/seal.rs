//! Sealing of secrets that must come back in clear, and hashing of those that must not.

use crate::kernel::{
    error::{Error, Result},
    id, private,
};
use argon2::{Argon2, PasswordHash, PasswordHasher, PasswordVerifier};
use chacha20poly1305::{
    Key, XChaCha20Poly1305, XNonce,
    aead::{Aead, KeyInit, Payload},
};
use sha2::{Digest, Sha256};
use std::path::Path;

const NONCE: usize = 24;

/// The master key of a data directory.
pub struct Sealer(XChaCha20Poly1305);

impl Sealer {
    /// Reads the key at `path`, or makes one on the first start.
    pub fn open(path: &Path) -> Result<Self> {
        if !path.exists() {
            private::write(path, &id::random_bytes(32))?;
        }
        let bytes = fs_err::read(path)?;
        let key = Key::try_from(bytes.as_slice()).map_err(|_| {
            Error::invalid(
                "secrets/master.key does not hold 32 bytes. Restore it from a backup of the data directory.",
            )
        })?;
        Ok(Self(XChaCha20Poly1305::new(&key)))
    }

    /// Seals `clear`; `name` is bound in, so that a sealed value cannot stand under another name.
    pub fn seal(&self, name: &str, clear: &str) -> Result<Vec<u8>> {
        let nonce = id::random_bytes(NONCE);
        let payload = Payload { msg: clear.as_bytes(), aad: name.as_bytes() };
        let sealed =
            self.0.encrypt(&nonce_of(&nonce)?, payload).map_err(|_| Error::internal("sealing failed"))?;
        Ok([nonce, sealed].concat())
    }

    pub fn unseal(&self, name: &str, sealed: &[u8]) -> Result<String> {
        let (nonce, sealed) =
            sealed.split_at_checked(NONCE).ok_or_else(|| Error::internal("a sealed secret is too short"))?;
        let payload = Payload { msg: sealed, aad: name.as_bytes() };
        let clear = self
            .0
            .decrypt(&nonce_of(nonce)?, payload)
            .map_err(|_| Error::internal("a sealed secret does not open with secrets/master.key"))?;
        String::from_utf8(clear).map_err(Error::internal)
    }
}

fn nonce_of(bytes: &[u8]) -> Result<XNonce> {
    XNonce::try_from(bytes).map_err(|_| Error::internal("a nonce has the wrong length"))
}

/// The digest under which a random secret is looked up. One pass is enough: it has over 200 bits.
pub fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// Hashes a password a person may have chosen. Slow by design: call it on a blocking thread.
pub fn hash_password(password: &str) -> Result<String> {
    let hash = Argon2::default().hash_password(password.as_bytes());
    hash.map(|hash| hash.to_string()).map_err(|error| Error::internal(error.to_string()))
}

pub fn password_fits(password: &str, hash: &str) -> bool {
    PasswordHash::new(hash)
        .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}
