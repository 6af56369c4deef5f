//! The protocol's messages, by their field numbers: what gRPC carries, and what REST writes as JSON under
//! the same names. Only fields that this server reads or fills are here; the others are left out on the wire.

mod about;
mod infer;
mod memory;
mod repository;
mod settings;
mod statistics;

pub use about::{DataType, ModelConfig, ModelInput, ModelMetadata, ModelOutput, ServerMetadata, Tensor};
pub use infer::{Contents, Head, Input, Output, Parameter, Request, Response, StreamResponse, Value};
pub use memory::{Region, RegionName, Regions};
pub use repository::{Config, Done, Flag, Index, IndexRequest, Load, ModelIndex, ModelName, Nothing};
pub use settings::{LogSetting, LogSettings, LogValue, TraceSettings, TraceValues};
pub use statistics::{BatchStatistics, Duration, InferStatistics, ModelStatistics, Statistics};
