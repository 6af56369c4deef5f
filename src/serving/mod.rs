//! Floor 6: endpoints that follow an alias, and the inference protocols.

pub mod engine;
