//! What a server and its models are: metadata, and the configuration as Triton writes it.

use prost::{Enumeration, Message};
use serde::{Serialize, Serializer};

#[derive(Clone, PartialEq, Message, Serialize)]
pub struct ServerMetadata {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub version: String,
    #[prost(string, repeated, tag = "3")]
    pub extensions: Vec<String>,
}

#[derive(Clone, PartialEq, Message, Serialize)]
pub struct ModelMetadata {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, repeated, tag = "2")]
    pub versions: Vec<String>,
    #[prost(string, tag = "3")]
    pub platform: String,
    #[prost(message, repeated, tag = "4")]
    pub inputs: Vec<Tensor>,
    #[prost(message, repeated, tag = "5")]
    pub outputs: Vec<Tensor>,
}

#[derive(Clone, PartialEq, Message, Serialize)]
pub struct Tensor {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub datatype: String,
    /// -1 where any size is taken.
    #[prost(int64, repeated, tag = "3")]
    pub shape: Vec<i64>,
}

#[derive(Clone, PartialEq, Message, Serialize)]
pub struct ModelConfig {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub platform: String,
    #[prost(string, tag = "17")]
    pub backend: String,
    /// 0: the shapes say themselves where a batch goes.
    #[prost(int32, tag = "4")]
    pub max_batch_size: i32,
    #[prost(message, repeated, tag = "5")]
    pub input: Vec<ModelInput>,
    #[prost(message, repeated, tag = "6")]
    pub output: Vec<ModelOutput>,
}

#[derive(Clone, PartialEq, Message, Serialize)]
pub struct ModelInput {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(enumeration = "DataType", tag = "2")]
    #[serde(serialize_with = "by_name")]
    pub data_type: i32,
    #[prost(int64, repeated, tag = "4")]
    pub dims: Vec<i64>,
}

#[derive(Clone, PartialEq, Message, Serialize)]
pub struct ModelOutput {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(enumeration = "DataType", tag = "2")]
    #[serde(serialize_with = "by_name")]
    pub data_type: i32,
    #[prost(int64, repeated, tag = "3")]
    pub dims: Vec<i64>,
}

/// Element types as a configuration counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum DataType {
    Invalid = 0,
    Bool = 1,
    Uint8 = 2,
    Uint16 = 3,
    Uint32 = 4,
    Uint64 = 5,
    Int8 = 6,
    Int16 = 7,
    Int32 = 8,
    Int64 = 9,
    Fp32 = 11,
    Fp64 = 12,
    String = 13,
}

/// The names of a configuration's types, beside the protocol's own.
const DATA_TYPES: [(DataType, &str, &str); 12] = [
    (DataType::Bool, "BOOL", "TYPE_BOOL"),
    (DataType::Uint8, "UINT8", "TYPE_UINT8"),
    (DataType::Uint16, "UINT16", "TYPE_UINT16"),
    (DataType::Uint32, "UINT32", "TYPE_UINT32"),
    (DataType::Uint64, "UINT64", "TYPE_UINT64"),
    (DataType::Int8, "INT8", "TYPE_INT8"),
    (DataType::Int16, "INT16", "TYPE_INT16"),
    (DataType::Int32, "INT32", "TYPE_INT32"),
    (DataType::Int64, "INT64", "TYPE_INT64"),
    (DataType::Fp32, "FP32", "TYPE_FP32"),
    (DataType::Fp64, "FP64", "TYPE_FP64"),
    (DataType::String, "BYTES", "TYPE_STRING"),
];

impl DataType {
    /// The type that the protocol calls `datatype`.
    pub fn of(datatype: &str) -> Self {
        let found = DATA_TYPES.iter().find(|(_, name, _)| *name == datatype);
        found.map_or(Self::Invalid, |(kind, ..)| *kind)
    }
}

fn by_name<S: Serializer>(kind: &i32, serializer: S) -> Result<S::Ok, S::Error> {
    let found = DATA_TYPES.iter().find(|(known, ..)| *known as i32 == *kind);
    serializer.serialize_str(found.map_or("TYPE_INVALID", |(.., name)| name))
}
