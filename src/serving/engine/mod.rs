//! The ONNX engine: the only place that names tract. Pure: bytes in, tensors out; no clock, no disk,
//! no task. Calls block the CPU, so async callers use `spawn_blocking`.
//!
//! Invariants:
//! - What tract does well (tensors, convolutions, matrix products) tract does. Every `ai.onnx.ml`
//!   operator is ours, because tract lacks most of them and answers the wrong label for a binary
//!   `TreeEnsembleClassifier`. The measure is onnxruntime: labels equal, numbers within 1e-5.
//! - A model that loads can be run: each operator is known, typed and planned at load. What cannot be
//!   served is refused there, by operator and node.
//! - No input panics the server: graphs are checked before tract sees them, and a panic inside tract
//!   becomes an error at the boundary.
//!
//! Departures from ONNX, as the protocols carry tensors only: `ZipMap` (a list of maps) is dropped and its tensor
//! of scores returned; an input that is a map is a column of texts, a JSON object for each row (`maps`).

mod apart;
mod cache;
mod ceiling;
mod check;
mod draft;
mod guard;
mod inspect;
mod maps;
mod model;
mod ops;
mod plan;
mod spec;
mod tensor;
mod trees;

pub use draft::Draft;
pub use inspect::{Operator, Report, inspect};
pub use model::Model;
pub use ops::json_number;
pub use tensor::{NamedTensor, TensorData, TensorSpec};
pub use trees::{Shares, Trees};

#[cfg(test)]
mod explained;
#[cfg(test)]
pub mod tests;
#[cfg(test)]
mod zoo;
