//! The messages of shared memory: regions to register, to tell of, to let go.

use prost::Message;
use std::collections::BTreeMap;

/// A region of system shared memory, as it is registered and as it is told of.
#[derive(Clone, PartialEq, Message)]
pub struct Region {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub key: String,
    #[prost(uint64, tag = "3")]
    pub offset: u64,
    #[prost(uint64, tag = "4")]
    pub byte_size: u64,
}

/// Which region is meant: all, if it has no name.
#[derive(Clone, PartialEq, Message)]
pub struct RegionName {
    #[prost(string, tag = "1")]
    pub name: String,
}

/// Regions by their names. Of CUDA there never are any.
#[derive(Clone, PartialEq, Message)]
pub struct Regions {
    #[prost(btree_map = "string, message", tag = "1")]
    pub regions: BTreeMap<String, Region>,
}
