//! The integration tests: one binary, one link.

mod pipelines;
mod s3_client;
mod serve;
mod support;
mod tidy;
