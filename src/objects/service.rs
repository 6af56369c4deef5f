//! The rules of objects, and the door for every other room. Those of buckets are in `buckets`.

use super::{
    buckets::Buckets,
    crypt::{CustomerKey, Sealed, Vault, Wish, default_wish},
    error::Fault,
    intake::{self, NewBlob, Promise},
    logging::Logs,
    model::{
        Bucket, Condition, Deleted, Deletion, ListPage, ListQuery, Listed, ObjectInfo, Owner, PutOptions,
        Record, Traits, Version, VersionPage, VersionQuery,
    },
    names,
    notify::{Fact, Pipelines, Starter, tell, tell_removed},
    read::{ByteStream, Opened},
    store,
};
use crate::{
    kernel::{
        clock::now_ms,
        error::{Error, Kind, Result},
        event::{Bus, Event},
    },
    store::{Db, Stores, blob::Blobs, outbox::Bell},
};
use bytes::Bytes;
use futures::{Stream, TryStreamExt};
use std::{io, ops::Range, sync::Arc};
use tokio::sync::RwLock;

/// The object store. Cloning it is cheap.
#[derive(Clone)]
pub struct Service(Arc<Inner>);

struct Inner {
    db: Db,
    blobs: Blobs,
    bus: Bus,
    buckets: Buckets,
    vault: Vault,
    bell: Arc<Bell>,
    logs: Logs,
    pipelines: Pipelines,
    /// Held by who removes files, and shared by who wants them to stay.
    collecting: Arc<RwLock<()>>,
}

/// Keys a prefix deletion takes in one transaction.
const DELETE_BATCH: usize = 1000;

impl Service {
    pub fn new(stores: &Stores, bus: Bus) -> Self {
        let (db, blobs) = (stores.objects.clone(), stores.blobs.clone());
        let vault = Vault::new(db.clone(), stores.secrets());
        let (buckets, bell, logs, pipelines, collecting) = Default::default();
        Self(Arc::new(Inner { db, blobs, bus, buckets, vault, bell, logs, pipelines, collecting }))
    }

    pub(super) fn db(&self) -> &Db {
        &self.0.db
    }

    pub(super) fn blobs(&self) -> &Blobs {
        &self.0.blobs
    }

    pub(super) fn collecting(&self) -> &Arc<RwLock<()>> {
        &self.0.collecting
    }

    pub(super) fn buckets(&self) -> &Buckets {
        &self.0.buckets
    }

    pub(super) fn vault(&self) -> &Vault {
        &self.0.vault
    }

    /// The key of a new object in the bucket, sealed as was wished, or else as the bucket has it.
    pub(super) async fn seal_new(&self, bucket: &Bucket, wish: Option<Wish>) -> Result<Option<Sealed>> {
        let wish = match wish {
            Some(wish) => Some(wish),
            None => default_wish(bucket)?,
        };
        match wish {
            Some(wish) => self.vault().seal(&wish).await.map(Some),
            None => Ok(None),
        }
    }

    /// Rings when there is something to be told to webhooks and pipelines.
    pub(super) fn bell(&self) -> Arc<Bell> {
        Arc::clone(&self.0.bell)
    }

    /// Access log lines that wait for their delivery.
    pub(super) fn logs(&self) -> &Logs {
        &self.0.logs
    }

    pub(super) fn starter(&self) -> Option<Arc<dyn Starter>> {
        self.0.pipelines.get()
    }

    /// Gives this floor the way to start pipelines, which live on a higher one.
    pub fn set_starter(&self, starter: Arc<dyn Starter>) {
        self.0.pipelines.set(starter);
    }

    /// Says in this process that an object came; `told` where a notice of it may have been written.
    pub(super) fn created(&self, bucket: &str, info: &ObjectInfo, told: bool) {
        self.0.bus.publish(Event::ObjectCreated {
            bucket: bucket.to_owned(),
            key: info.key.clone(),
            version: Some(info.version).filter(|version| *version != Version::Null).map(|v| v.to_string()),
            size: info.size,
            etag: info.etag.clone(),
        });
        self.ring(told);
    }

    fn removed(&self, bucket: &str, key: &str, deleted: &Deleted, told: bool) {
        self.0.bus.publish(Event::ObjectRemoved {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            version: deleted.version.map(|version| version.to_string()),
        });
        self.ring(told);
    }

    /// Wakes the courier where there may be something to deliver: its look around costs more than a small put.
    pub(super) fn ring(&self, told: bool) {
        if told {
            self.0.bell.ring();
        }
    }

    /// Puts an object; it is visible, whole and durable, when this returns.
    pub async fn put<S>(&self, bucket: &str, key: &str, body: S, options: PutOptions) -> Result<ObjectInfo>
    where
        S: Stream<Item = io::Result<Bytes>> + Send,
    {
        self.put_promised(bucket, key, body, options, Promise::default()).await
    }

    pub async fn put_bytes(
        &self,
        bucket: &str,
        key: &str,
        body: Bytes,
        content_type: Option<&str>,
    ) -> Result<ObjectInfo> {
        let options = PutOptions::of_type(content_type.map(str::to_owned));
        self.put(bucket, key, futures::stream::iter([Ok(body)]), options).await
    }

    /// Puts an object whose sender made promises about it; nothing is visible unless all are kept.
    pub async fn put_promised<S>(
        &self,
        bucket: &str,
        key: &str,
        body: S,
        options: PutOptions,
        promise: Promise,
    ) -> Result<ObjectInfo>
    where
        S: Stream<Item = io::Result<Bytes>> + Send,
    {
        names::check_key(key)?;
        names::check_traits(&options.traits)?;
        // A body of gigabytes need not be sent to learn that its bucket is missing.
        let rules = self.bucket(bucket).await?;
        let sealed = self.seal_new(&rules, options.wish).await?;
        let taken =
            intake::take(self.blobs(), body, promise, sealed.as_ref().map(|sealed| &sealed.key)).await?;
        let (record, blob) = taken.into_object(&rules, key, options.traits, sealed)?;
        self.commit_put(bucket, record, blob, options.condition, "s3:ObjectCreated:Put").await
    }

    pub(super) async fn commit_put(
        &self,
        bucket: &str,
        record: Record,
        blob: NewBlob,
        condition: Condition,
        event: &'static str,
    ) -> Result<ObjectInfo> {
        let mut info = record.info.clone();
        let (name, new, teller) = (bucket.to_owned(), blob.clone(), self.teller(bucket).await?);
        let told = teller.is_some();
        let write = move |c: &crate::store::Connection| {
            store::blob::insert(c, &new)?;
            let version = store::object::object_put(c, &name, &record, &condition)?;
            tell(c, teller.as_ref(), &Fact::created(event, &record.info, version))?;
            Ok(version)
        };
        info.version = settle(self.db().write(write).await, blob).await?;
        info.latest = true;
        self.created(bucket, &info, told);
        Ok(info)
    }

    /// The object and all its bytes.
    pub async fn get(&self, bucket: &str, key: &str) -> Result<(ObjectInfo, ByteStream)> {
        let opened = self.open(bucket, key, None).await?;
        let (info, size) = (opened.info.clone(), opened.info.size);
        Ok((info, opened.into_stream(0..size)))
    }

    /// The object and the bytes of `range`, which must lie within it.
    pub async fn get_range(
        &self,
        bucket: &str,
        key: &str,
        range: Range<u64>,
    ) -> Result<(ObjectInfo, ByteStream)> {
        let opened = self.open(bucket, key, None).await?;
        if range.start > range.end || range.end > opened.info.size {
            return Err(Fault::InvalidRange(format!("{}-{}", range.start, range.end)).into());
        }
        Ok((opened.info.clone(), opened.into_stream(range)))
    }

    /// The whole object in memory; one larger than `max` bytes is refused.
    pub async fn get_bytes(&self, bucket: &str, key: &str, max: usize) -> Result<Bytes> {
        let (info, stream) = self.get(bucket, key).await?;
        if info.size > max as u64 {
            let message =
                format!("The object {key:?} has {} bytes, more than the {max} this use allows.", info.size);
            return Err(Error::new(Kind::TooLarge, message));
        }
        let chunks: Vec<Bytes> = stream.try_collect().await?;
        Ok(match <[Bytes; 1]>::try_from(chunks) {
            Ok([only]) => only,
            Err(chunks) => chunks.concat().into(),
        })
    }

    /// A version of an object, or its latest, ready to be read.
    pub(super) async fn open(&self, bucket: &str, key: &str, version: Option<Version>) -> Result<Opened> {
        self.open_with(bucket, key, version, None).await
    }

    /// The same with the key of the customer who encrypted it.
    pub(super) async fn open_with(
        &self,
        bucket: &str,
        key: &str,
        version: Option<Version>,
        customer: Option<&CustomerKey>,
    ) -> Result<Opened> {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        let open = move |c: &crate::store::Connection| store::object::object_open(c, &bucket, &key, version);
        let (record, data) = self.db().look_up(open).await?;
        let (db, blobs) = (self.db().clone(), self.blobs().clone());
        match self.vault().open(record.info.traits.seal.as_ref(), customer).await? {
            Some(sealed) => Ok(Opened::new_sealed(record, data, db, blobs, sealed.key)?),
            None => Ok(Opened::new(record, data, db, blobs)),
        }
    }

    pub async fn head(&self, bucket: &str, key: &str) -> Result<ObjectInfo> {
        self.head_version(bucket, key, None).await
    }

    pub async fn head_version(
        &self,
        bucket: &str,
        key: &str,
        version: Option<Version>,
    ) -> Result<ObjectInfo> {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        let get = move |c: &crate::store::Connection| store::object::object_get(c, &bucket, &key, version);
        Ok(self.db().look_up(get).await?.info)
    }

    /// A page of a bucket in byte order of the keys; `next` of the page is `after` of the following one.
    pub async fn list(&self, bucket: &str, query: ListQuery) -> Result<ListPage> {
        let bucket = bucket.to_owned();
        self.db().read(move |c| store::list::object_list(c, &bucket, &query)).await
    }

    /// A page whose objects are written into `into` by `write`, row by row, and not kept.
    pub async fn list_into<T: Send + 'static>(
        &self,
        bucket: &str,
        query: ListQuery,
        mut into: T,
        write: fn(&mut T, Listed<'_>),
    ) -> Result<(ListPage, T)> {
        let bucket = bucket.to_owned();
        self.db()
            .read(move |c| {
                let page =
                    store::list::object_list_each(c, &bucket, &query, |listed| write(&mut into, listed))?;
                Ok((page, into))
            })
            .await
    }

    /// A page of every version and delete marker.
    pub async fn list_versions(&self, bucket: &str, query: VersionQuery) -> Result<VersionPage> {
        let bucket = bucket.to_owned();
        self.db().read(move |c| store::list::version_list(c, &bucket, &query)).await
    }

    /// Deletes the object; one that is not there is fine. Where versions are kept it is hidden by a
    /// delete marker.
    pub async fn delete(&self, bucket: &str, key: &str) -> Result<()> {
        let wanted = Deletion { key: key.to_owned(), ..Deletion::default() };
        self.delete_one(bucket, wanted, Owner::default()).await.map(drop)
    }

    /// Deletes an object or one version of it; `owner` owns the delete marker if one is made.
    pub async fn delete_one(&self, bucket: &str, wanted: Deletion, owner: Owner) -> Result<Deleted> {
        let (name, key, now) = (bucket.to_owned(), wanted.key.clone(), now_ms());
        let teller = self.teller(bucket).await?;
        let told = teller.is_some();
        let delete = move |c: &crate::store::Connection| {
            let deleted = store::object::object_delete(c, &name, &wanted, &owner, now)?;
            tell_removed(c, teller.as_ref(), &wanted, &deleted)?;
            Ok(deleted)
        };
        let deleted = self.db().write(delete).await?;
        if deleted.changed {
            self.removed(bucket, &key, &deleted, told);
        }
        Ok(deleted)
    }

    /// Deletes many in one transaction; answers for each what was done, or the fault that kept it.
    pub async fn delete_each(
        &self,
        bucket: &str,
        wanted: Vec<Deletion>,
        owner: Owner,
    ) -> Result<Vec<(Deletion, Result<Deleted, Fault>)>> {
        let (name, now, teller) = (bucket.to_owned(), now_ms(), self.teller(bucket).await?);
        let told = teller.is_some();
        let delete = move |c: &crate::store::Connection| {
            store::bucket::bucket_require(c, &name)?;
            let mut outcomes = Vec::new();
            for deletion in wanted {
                // A refused one has changed nothing: the others go on.
                let outcome = match store::object::object_delete(c, &name, &deletion, &owner, now) {
                    Ok(deleted) => {
                        tell_removed(c, teller.as_ref(), &deletion, &deleted)?;
                        Ok(deleted)
                    }
                    Err(error) => Err(Fault::of(&error).cloned().ok_or(error)?),
                };
                outcomes.push((deletion, outcome));
            }
            Ok(outcomes)
        };
        let outcomes = self.db().write(delete).await?;
        for (deletion, outcome) in &outcomes {
            if let Some(deleted) = outcome.as_ref().ok().filter(|deleted| deleted.changed) {
                self.removed(bucket, &deletion.key, deleted, told);
            }
        }
        Ok(outcomes)
    }

    /// Deletes every object whose key begins with `prefix`; answers how many there were.
    pub async fn delete_prefix(&self, bucket: &str, prefix: &str) -> Result<u64> {
        let mut deleted = 0;
        loop {
            let query = ListQuery { prefix: prefix.to_owned(), limit: DELETE_BATCH, ..ListQuery::default() };
            let page = self.list(bucket, query).await?;
            if page.objects.is_empty() {
                return Ok(deleted);
            }
            let named = |object: ObjectInfo| Deletion { key: object.key, ..Deletion::default() };
            let wanted = page.objects.into_iter().map(named).collect();
            deleted += self.delete_each(bucket, wanted, Owner::default()).await?.len() as u64;
        }
    }

    /// Changes the traits of a version (tags, lock, ...) in one transaction; a refusal of `change`
    /// leaves it as it was.
    pub async fn object_update(
        &self,
        bucket: &str,
        key: &str,
        version: Option<Version>,
        change: impl FnOnce(&mut Traits) -> Result<()> + Send + 'static,
    ) -> Result<ObjectInfo> {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        self.db().write(move |c| update(c, (&bucket, &key), version, change)).await
    }

    /// As `object_update`, and tells of the change as `event`.
    pub(super) async fn object_update_told(
        &self,
        event: &'static str,
        (bucket, key): (&str, &str),
        version: Option<Version>,
        change: impl FnOnce(&mut Traits) -> Result<()> + Send + 'static,
    ) -> Result<ObjectInfo> {
        let teller = self.teller(bucket).await?;
        let told = teller.is_some();
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        let write = move |c: &crate::store::Connection| {
            let info = update(c, (&bucket, &key), version, change)?;
            tell(c, teller.as_ref(), &Fact::created(event, &info, info.version))?;
            Ok(info)
        };
        let info = self.db().write(write).await?;
        self.ring(told);
        Ok(info)
    }

    pub async fn set_tags(
        &self,
        bucket: &str,
        key: &str,
        version: Option<Version>,
        tags: Vec<(String, String)>,
    ) -> Result<ObjectInfo> {
        names::check_tags(&tags)?;
        let event = if tags.is_empty() { "s3:ObjectTagging:Delete" } else { "s3:ObjectTagging:Put" };
        let set = move |traits: &mut Traits| {
            traits.tags = tags;
            Ok(())
        };
        self.object_update_told(event, (bucket, key), version, set).await
    }
}

fn update(
    c: &crate::store::Connection,
    (bucket, key): (&str, &str),
    version: Option<Version>,
    change: impl FnOnce(&mut Traits) -> Result<()>,
) -> Result<ObjectInfo> {
    let mut info = store::object::object_get(c, bucket, key, version)?.info;
    change(&mut info.traits)?;
    store::object::object_set_traits(c, bucket, &info)?;
    Ok(info)
}

/// After a refused commit the blob is garbage for certain and goes at once. After an internal error it
/// may have been committed all the same: the collector finds out.
pub(super) async fn settle<T>(outcome: Result<T>, blob: NewBlob) -> Result<T> {
    if outcome.as_ref().is_err_and(|error| error.kind != Kind::Internal) {
        blob.discard().await;
    }
    outcome
}
