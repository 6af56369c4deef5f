//! What a bucket may hold at most. The limit is checked in the transaction that would exceed it.
//!
//! All versions count; parts of an upload count once it is completed.

use super::{service::Service, store};
use crate::kernel::error::Result;

/// Limits of a bucket; none is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    pub objects: Option<u64>,
    pub bytes: Option<u64>,
}

impl Service {
    /// Sets what the bucket may hold from now on. What is there stays, also when it is more.
    pub async fn quota_put(&self, bucket: &str, quota: Quota) -> Result<()> {
        let bucket = bucket.to_owned();
        self.db().write(move |c| store::bucket::quota_put(c, &bucket, quota)).await
    }

    pub async fn quota_get(&self, bucket: &str) -> Result<Quota> {
        let bucket = bucket.to_owned();
        self.db().read(move |c| store::bucket::quota_get(c, &bucket)).await
    }
}
