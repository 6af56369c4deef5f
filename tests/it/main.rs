//! The integration tests: one binary, one link.

mod pipelines;
mod serve;
mod support;
mod tidy;
