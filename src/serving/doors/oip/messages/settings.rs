//! The messages of Triton's trace and log settings.

use prost::{Message, Oneof};
use std::collections::BTreeMap;

#[derive(Clone, PartialEq, Message)]
pub struct TraceSettings {
    #[prost(btree_map = "string, message", tag = "1")]
    pub settings: BTreeMap<String, TraceValues>,
    #[prost(string, tag = "2")]
    pub model_name: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct TraceValues {
    #[prost(string, repeated, tag = "1")]
    pub value: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
pub struct LogSettings {
    #[prost(btree_map = "string, message", tag = "1")]
    pub settings: BTreeMap<String, LogSetting>,
}

#[derive(Clone, PartialEq, Message)]
pub struct LogSetting {
    #[prost(oneof = "LogValue", tags = "1, 2, 3")]
    pub value: Option<LogValue>,
}

#[derive(Clone, PartialEq, Oneof)]
pub enum LogValue {
    #[prost(bool, tag = "1")]
    Flag(bool),
    #[prost(uint32, tag = "2")]
    Number(u32),
    #[prost(string, tag = "3")]
    Text(String),
}
