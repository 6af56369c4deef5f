//! TLS: the house's own authority, what the doors show to whom, and whom this server trusts when it asks others.
//!
//! The arithmetic is ring's everywhere, and is named rather than installed for the process: there is no order
//! of start to get wrong.

mod authority;
mod identity;
mod trust;

#[cfg(test)]
mod tests;

pub use authority::{Authority, CERTIFICATE};
pub use identity::{Identity, Shown};
pub use trust::Trust;

use rustls::crypto::CryptoProvider;
use std::sync::Arc;

/// The variables that tell clients which authority to trust: this CLI, mlflow, boto3 and the aws CLI.
pub const FOR_CLIENTS: [&str; 3] = ["CRANNOG_CA_FILE", "MLFLOW_TRACKING_SERVER_CERT_PATH", "AWS_CA_BUNDLE"];

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
