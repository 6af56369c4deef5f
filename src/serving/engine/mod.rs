//! The ONNX engine: the only place that names tract.
