//! The SQL of the object store. Every function works inside the caller's transaction.

pub mod audit;
pub mod blob;
pub mod bucket;
pub mod kms;
pub mod list;
pub mod notice;
pub mod object;
pub mod sweep;
pub mod upload;

use crate::kernel::error::{Error, Result};
use serde::{Serialize, de::DeserializeOwned};

/// A column that holds JSON which we wrote ourselves.
fn from_json<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(Error::internal)
}

fn to_json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(Error::internal)
}

/// SQLite's integers are signed; no size or count of ours reaches the sign.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
