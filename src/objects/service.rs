//! The rules of buckets and objects, and the door for every other room.

use super::{
    digest::Checksums,
    error::Fault,
    intake::{self, NewBlob, Promise},
    model::{BucketInfo, Condition, ListPage, ListQuery, ObjectInfo, PutOptions, Record},
    names,
    read::{ByteStream, Opened},
    store,
};
use crate::{
    kernel::{
        clock::now_ms,
        error::{Error, Kind, Result},
        event::{Bus, Event},
    },
    store::{Db, Stores, blob::Blobs},
};
use bytes::Bytes;
use futures::{Stream, TryStreamExt};
use std::{io, ops::Range, sync::Arc};

/// The object store. Cloning it is cheap.
#[derive(Clone)]
pub struct Service(Arc<Inner>);

struct Inner {
    db: Db,
    blobs: Blobs,
    bus: Bus,
}

/// Keys a prefix deletion takes in one transaction.
const DELETE_BATCH: usize = 1000;

impl Service {
    pub fn new(stores: &Stores, bus: Bus) -> Self {
        Self(Arc::new(Inner { db: stores.objects.clone(), blobs: stores.blobs.clone(), bus }))
    }

    pub(super) fn db(&self) -> &Db {
        &self.0.db
    }

    pub(super) fn blobs(&self) -> &Blobs {
        &self.0.blobs
    }

    pub(super) fn created(&self, bucket: &str, key: &str) {
        self.0.bus.publish(Event::ObjectCreated { bucket: bucket.to_owned(), key: key.to_owned() });
    }

    fn removed(&self, bucket: &str, key: &str) {
        self.0.bus.publish(Event::ObjectRemoved { bucket: bucket.to_owned(), key: key.to_owned() });
    }

    /// Makes the bucket unless it is there.
    pub async fn bucket_ensure(&self, name: &str) -> Result<()> {
        self.bucket_make(name).await.map(drop)
    }

    /// Makes the bucket; one that is there is refused.
    pub async fn bucket_create(&self, name: &str) -> Result<()> {
        match self.bucket_make(name).await? {
            true => Ok(()),
            false => Err(Fault::BucketExists(name.to_owned()).into()),
        }
    }

    async fn bucket_make(&self, name: &str) -> Result<bool> {
        names::check_bucket(name)?;
        let (name, now) = (name.to_owned(), now_ms());
        self.db().write(move |c| store::bucket::bucket_create(c, &name, now)).await
    }

    pub async fn bucket_get(&self, name: &str) -> Result<BucketInfo> {
        let name = name.to_owned();
        self.db().read(move |c| store::bucket::bucket_get(c, &name)).await
    }

    pub async fn bucket_list(&self) -> Result<Vec<BucketInfo>> {
        self.db().read(store::bucket::bucket_list).await
    }

    /// Removes an empty bucket.
    pub async fn bucket_delete(&self, name: &str) -> Result<()> {
        let (name, now) = (name.to_owned(), now_ms());
        self.db().write(move |c| store::bucket::bucket_delete(c, &name, now)).await
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
        let options = PutOptions { content_type: content_type.map(str::to_owned), ..PutOptions::default() };
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
        names::check_metadata(&options.metadata)?;
        names::check_tags(&options.tags)?;
        // A body of gigabytes need not be sent to learn that its bucket is missing.
        self.bucket_get(bucket).await?;
        let taken = intake::take(self.blobs(), body, promise).await?;
        let info = ObjectInfo {
            key: key.to_owned(),
            size: taken.blob.size,
            etag: hex::encode(taken.md5),
            last_modified_ms: now_ms(),
            content_type: options.content_type,
            headers: options.headers,
            metadata: options.metadata,
            tags: options.tags,
            checksums: Checksums { values: taken.checksums, ..Checksums::default() },
            parts: None,
            upload: None,
        };
        let record = Record { extents: taken.blob.extents(), info };
        self.commit_put(bucket, record, taken.blob, options.condition).await
    }

    async fn commit_put(
        &self,
        bucket: &str,
        record: Record,
        blob: NewBlob,
        condition: Condition,
    ) -> Result<ObjectInfo> {
        let info = record.info.clone();
        let (name, new) = (bucket.to_owned(), blob.clone());
        let write = move |c: &crate::store::Connection| {
            store::blob::insert(c, &new)?;
            store::object::object_put(c, &name, &record, &condition)
        };
        settle(self.db().write(write).await, blob).await?;
        self.created(bucket, &info.key);
        Ok(info)
    }

    /// The object and all its bytes.
    pub async fn get(&self, bucket: &str, key: &str) -> Result<(ObjectInfo, ByteStream)> {
        let opened = self.open(bucket, key).await?;
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
        let opened = self.open(bucket, key).await?;
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

    pub(super) async fn open(&self, bucket: &str, key: &str) -> Result<Opened> {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        let (record, data) = self.db().read(move |c| store::object::object_open(c, &bucket, &key)).await?;
        Ok(Opened::new(record, data, self.db().clone(), self.blobs().clone()))
    }

    pub async fn head(&self, bucket: &str, key: &str) -> Result<ObjectInfo> {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        Ok(self.db().read(move |c| store::object::object_get(c, &bucket, &key)).await?.info)
    }

    /// A page of a bucket in byte order of the keys; `next` of the page is `after` of the following one.
    pub async fn list(&self, bucket: &str, query: ListQuery) -> Result<ListPage> {
        let bucket = bucket.to_owned();
        self.db().read(move |c| store::list::object_list(c, &bucket, &query)).await
    }

    /// Deletes the object; one that is not there is fine.
    pub async fn delete(&self, bucket: &str, key: &str) -> Result<()> {
        self.delete_if(bucket, key, Condition::default()).await
    }

    pub async fn delete_if(&self, bucket: &str, key: &str, condition: Condition) -> Result<()> {
        let (name, wanted, now) = (bucket.to_owned(), key.to_owned(), now_ms());
        let delete = move |c: &crate::store::Connection| {
            store::object::object_delete(c, &name, &wanted, &condition, now)
        };
        if self.db().write(delete).await? {
            self.removed(bucket, key);
        }
        Ok(())
    }

    /// Deletes many keys in one transaction; answers for each the condition that kept it, if one did.
    pub async fn delete_each(
        &self,
        bucket: &str,
        keys: Vec<(String, Condition)>,
    ) -> Result<Vec<(String, Option<Fault>)>> {
        let (name, now) = (bucket.to_owned(), now_ms());
        let delete = move |c: &crate::store::Connection| {
            store::bucket::bucket_require(c, &name)?;
            let (mut outcomes, mut gone) = (Vec::new(), Vec::new());
            for (key, condition) in keys {
                // A refused condition has changed nothing: the others go on.
                let refusal = match store::object::object_delete(c, &name, &key, &condition, now) {
                    Ok(true) => {
                        gone.push(key.clone());
                        None
                    }
                    Ok(false) => None,
                    Err(error) => Some(Fault::of(&error).cloned().ok_or(error)?),
                };
                outcomes.push((key, refusal));
            }
            Ok((outcomes, gone))
        };
        let (outcomes, gone) = self.db().write(delete).await?;
        gone.iter().for_each(|key| self.removed(bucket, key));
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
            let keys = page.objects.into_iter().map(|object| (object.key, Condition::default()));
            deleted += self.delete_each(bucket, keys.collect()).await?.len() as u64;
        }
    }

    pub async fn set_tags(&self, bucket: &str, key: &str, tags: Vec<(String, String)>) -> Result<()> {
        names::check_tags(&tags)?;
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        self.db().write(move |c| store::object::object_set_tags(c, &bucket, &key, &tags)).await
    }
}

/// After a refused commit the blob is garbage for certain and goes at once. After an internal error it
/// may have been committed all the same: the collector finds out.
pub(super) async fn settle<T>(outcome: Result<T>, blob: NewBlob) -> Result<T> {
    if outcome.as_ref().is_err_and(|error| error.kind != Kind::Internal) {
        blob.discard().await;
    }
    outcome
}
