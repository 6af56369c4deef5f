//! The rules of the gateway's configuration: more of the tracker's service, by what it is about.

mod bindings;
mod definitions;
mod endpoints;
mod secrets;

pub use definitions::NewDefinition;
pub use secrets::NewSecret;
