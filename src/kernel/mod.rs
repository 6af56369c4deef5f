//! Floor 0: what every domain needs and none owns. No domain words live here, except in the list
//! of events (`event`), which is how a lower floor tells a higher one what happened.

pub mod clock;
pub mod config;
pub mod error;
pub mod event;
pub mod hook;
pub mod http;
pub mod id;
pub mod known;
pub mod memory;
pub mod names;
pub mod private;
pub mod tasks;
pub mod telemetry;
pub mod tls;
pub mod web;

/// The one version constant: the binary, the image tag and the manifests all read it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
