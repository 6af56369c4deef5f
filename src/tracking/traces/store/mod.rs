//! The SQL of traces: `infos` for what is said of a trace as a whole, `spans`, `assessments`, and
//! `numbers` for what is counted over many.

pub mod assessments;
pub mod infos;
pub mod numbers;
pub mod spans;
