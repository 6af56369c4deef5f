//! Encryption of objects at rest, and the keys for it.
//!
//! Every object has a data key of 256 random bits. What wraps it says who can read the object: the
//! server's root key (SSE-S3), a named key that the root key wraps (SSE-KMS), or a key the client
//! sends with every request and which is never stored (SSE-C). The wrapped data key is the object's
//! `Seal`. A copy that changes hands wraps anew and writes anew; one that does not shares the bytes.
//!
//! Each blob has a key of its own, derived from the data key and the blob's name. Its bytes are cut
//! into chunks of 64 KiB, each AES-256-GCM under its number as the nonce: no nonce is used twice
//! because no blob is written twice. A range is read by opening the chunks it touches, and no others.
//! A chunk changed, swapped with another or cut off is an error, never bytes.

mod chunk;
mod customer;
mod default;
mod routes;
mod seal;
mod tap;
mod vault;

pub use chunk::{DataKey, Sealing, open_stream, open_whole, seal_whole, stored_length, stored_range};
pub use customer::CustomerKey;
pub use default::default_wish;
pub use routes::router;
pub use seal::{Mode, Seal, Sealed, Wish, etag};
pub use tap::SealingTap;
pub use vault::{DEFAULT_KEY, KmsKey, SEALED, Vault};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// HMAC-SHA-256, here as the function that makes keys of keys.
fn derive(key: &[u8; 32], purpose: &str, input: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(purpose.as_bytes());
    mac.update(b"\0");
    mac.update(input);
    mac.finalize().into_bytes().into()
}
