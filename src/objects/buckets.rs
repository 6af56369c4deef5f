//! The rules of buckets: making, setting up, removing; and what every request must know of one, in memory.

use super::{
    error::Fault,
    model::{Bucket, BucketInfo, NewBucket, Versioning},
    names,
    service::Service,
    settings::Setting,
    store,
};
use crate::{
    kernel::{
        clock::now_ms,
        error::{Error, Result},
    },
    store::Connection,
};
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

/// Buckets as they were last read. A change forgets its bucket after the commit and before its answer,
/// so whoever asks after the answer reads anew.
#[derive(Default)]
pub(super) struct Buckets(RwLock<Known>);

#[derive(Default)]
struct Known {
    by_name: HashMap<String, Arc<Bucket>>,
    /// Counts the changes: what was read before one must not be remembered after it.
    changes: u64,
}

impl Buckets {
    fn find(&self, name: &str) -> Result<Arc<Bucket>, u64> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.by_name.get(name).cloned().ok_or(known.changes)
    }

    fn remember(&self, bucket: Arc<Bucket>, changes: u64) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.changes == changes {
            known.by_name.insert(bucket.name.clone(), bucket);
        }
    }

    fn forget(&self, name: &str) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.changes += 1;
        known.by_name.remove(name);
    }
}

impl Service {
    /// The bucket and its settings, without a look at the database when it was asked for before.
    pub async fn bucket(&self, name: &str) -> Result<Arc<Bucket>> {
        let changes = match self.buckets().find(name) {
            Ok(bucket) => return Ok(bucket),
            Err(changes) => changes,
        };
        let wanted = name.to_owned();
        let bucket = Arc::new(self.db().look_up(move |c| store::bucket::bucket_load(c, &wanted)).await?);
        self.buckets().remember(Arc::clone(&bucket), changes);
        Ok(bucket)
    }

    /// Makes the bucket unless it is there.
    pub async fn bucket_ensure(&self, name: &str) -> Result<()> {
        self.bucket_make(NewBucket::named(name)).await.map(drop)
    }

    /// Makes the bucket; one that is there is refused.
    pub async fn bucket_create(&self, new: NewBucket) -> Result<()> {
        let (name, owner) = (new.name.clone(), new.owner.clone());
        match self.bucket_make(new).await? {
            None => Ok(()),
            Some(other) if other == owner => Err(Fault::BucketExists(name).into()),
            Some(_) => Err(Fault::BucketTaken(name).into()),
        }
    }

    async fn bucket_make(&self, new: NewBucket) -> Result<Option<String>> {
        names::check_bucket(&new.name)?;
        let (name, now) = (new.name.clone(), now_ms());
        self.bucket_change(&name, move |c| store::bucket::bucket_create(c, &new, now)).await
    }

    /// The bucket with its totals.
    pub async fn bucket_get(&self, name: &str) -> Result<BucketInfo> {
        let name = name.to_owned();
        self.db().look_up(move |c| store::bucket::bucket_get(c, &name)).await
    }

    pub async fn bucket_list(&self) -> Result<Vec<BucketInfo>> {
        self.db().read(store::bucket::bucket_list).await
    }

    /// Removes an empty bucket.
    pub async fn bucket_delete(&self, name: &str) -> Result<()> {
        let (wanted, now) = (name.to_owned(), now_ms());
        self.bucket_change(name, move |c| store::bucket::bucket_delete(c, &wanted, now)).await
    }

    pub async fn bucket_set_versioning(&self, name: &str, versioning: Versioning) -> Result<()> {
        let wanted = name.to_owned();
        self.bucket_change(name, move |c| store::bucket::bucket_set_versioning(c, &wanted, versioning)).await
    }

    /// Turns object lock on, which cannot be undone.
    pub async fn bucket_enable_lock(&self, name: &str) -> Result<()> {
        let wanted = name.to_owned();
        self.bucket_change(name, move |c| store::bucket::bucket_enable_lock(c, &wanted)).await
    }

    pub async fn setting_put<T: Setting>(&self, bucket: &str, setting: &T) -> Result<()> {
        let text = serde_json::to_string(setting).map_err(Error::internal)?;
        let name = bucket.to_owned();
        self.bucket_change(bucket, move |c| store::bucket::setting_put(c, &name, T::NAME, &text)).await
    }

    /// Removes the setting; a bucket without it is fine.
    pub async fn setting_delete<T: Setting>(&self, bucket: &str) -> Result<()> {
        let name = bucket.to_owned();
        self.bucket_change(bucket, move |c| store::bucket::setting_delete(c, &name, T::NAME)).await
    }

    /// Every change of a bucket goes through here, so that none is missed in memory: it runs to its end
    /// even when the client that asked for it hangs up.
    async fn bucket_change<T: Send + 'static>(
        &self,
        name: &str,
        change: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (service, name) = (self.clone(), name.to_owned());
        let change = async move {
            let outcome = service.db().write(change).await;
            service.buckets().forget(&name);
            outcome
        };
        tokio::spawn(change).await.map_err(Error::internal)?
    }
}
