//! The JSON of Airflow's resources. Fields the house has nothing for are null or Airflow's defaults.

pub(super) mod dag;
pub(super) mod instance;
pub(super) mod run;

use crate::kernel::clock::rfc3339;
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Builder;

/// An instant, or null.
pub(super) fn time(ms: Option<i64>) -> Value {
    ms.map(rfc3339).into()
}

/// How long something took in seconds, once it is over.
pub(super) fn duration(started: Option<i64>, ended: Option<i64>) -> Value {
    started.zip(ended).map(|(started, ended)| (ended - started) as f64 / 1000.0).into()
}

/// The same name has the same UUID, for ever.
pub(super) fn uuid(name: &str) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest(name)[..16]);
    Builder::from_random_bytes(bytes).into_uuid().to_string()
}

/// The same name has the same number, for ever: positive, and exact in JavaScript too.
pub(super) fn number(name: &str) -> i64 {
    digest(name)[..6].iter().fold(0, |number, byte| (number << 8) | i64::from(*byte))
}

fn digest(name: &str) -> [u8; 32] {
    Sha256::digest(name.as_bytes()).into()
}
