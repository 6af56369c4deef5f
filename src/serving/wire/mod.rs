//! How requests, answers and tables are written: bodies with their bounds, JSON and Parquet. No protocol's own.

pub mod body;
pub mod json;
pub mod leaves;
pub mod parquet;
