//! Which model answers which request: the definition of an endpoint, the plan made of it, shadows, canaries,
//! and every change of these.

pub mod canary;
mod changes;
mod choice;
mod compare;
pub mod definition;
pub mod mirror;
pub mod plan;
