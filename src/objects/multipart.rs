//! Multipart uploads. A part is a blob of its own; completing is a metadata transaction that strings
//! the parts' blobs together, so that no byte is written twice.

use super::{
    crypt::{self, CustomerKey},
    digest::{Algorithm, ChecksumKind, Checksums, checksum_of_parts, etag_of_parts},
    error::Fault,
    intake::{self, Promise},
    lock,
    model::{
        Condition, OBJECT_MAX, ObjectInfo, PART_MIN, PART_NUMBER_MAX, Part, PartInfo, PutOptions, Record,
        Upload,
    },
    names,
    notify::{Fact, tell},
    service::{Service, settle},
    store,
};
use crate::kernel::{clock::now_ms, error::Result, id};
use bytes::Bytes;
use futures::Stream;
use std::{collections::HashMap, io};

/// A part as the client lists it on completion.
#[derive(Clone, Debug)]
pub struct ListedPart {
    pub number: u32,
    pub etag: String,
    pub checksums: Vec<(Algorithm, String)>,
}

/// What completing an upload takes.
#[derive(Clone, Debug, Default)]
pub struct Completion {
    pub parts: Vec<ListedPart>,
    pub condition: Condition,
    /// Checksums of the whole, when the client gave them.
    pub checksums: Vec<(Algorithm, String)>,
    pub size: Option<u64>,
    /// What the parts were encrypted with, if a customer did it.
    pub customer: Option<CustomerKey>,
}

/// A part that is in, and the upload it belongs to.
#[derive(Clone, Debug)]
pub struct PartTaken {
    pub upload: Upload,
    pub part: Part,
    pub checksums: Vec<(Algorithm, String)>,
}

impl Service {
    pub async fn upload_create(
        &self,
        bucket: &str,
        key: &str,
        options: PutOptions,
        checksum: Option<(Algorithm, ChecksumKind)>,
    ) -> Result<Upload> {
        names::check_key(key)?;
        names::check_traits(&options.traits)?;
        let rules = self.bucket(bucket).await?;
        let mut traits = options.traits;
        traits.seal = self.seal_new(&rules, options.wish).await?.map(|sealed| sealed.seal);
        let upload = Upload {
            id: id::ordered(),
            key: key.to_owned(),
            created_ms: now_ms(),
            traits,
            algorithm: checksum.map(|(algorithm, _)| algorithm),
            checksum_kind: checksum.map(|(_, kind)| kind).unwrap_or_default(),
        };
        let (bucket, row) = (bucket.to_owned(), upload.clone());
        self.db().write(move |c| store::upload::upload_create(c, &bucket, &row)).await?;
        Ok(upload)
    }

    pub async fn upload_get(&self, bucket: &str, key: &str, upload: &str) -> Result<Upload> {
        let (bucket, key, upload) = (bucket.to_owned(), key.to_owned(), upload.to_owned());
        self.db().look_up(move |c| store::upload::upload_get(c, &bucket, &key, &upload)).await
    }

    pub async fn upload_list(
        &self,
        bucket: &str,
        prefix: &str,
        after: (String, String),
        limit: usize,
    ) -> Result<Vec<Upload>> {
        let (bucket, prefix) = (bucket.to_owned(), prefix.to_owned());
        let list = move |c: &crate::store::Connection| {
            store::upload::upload_list(c, &bucket, &prefix, (&after.0, &after.1), limit)
        };
        self.db().read(list).await
    }

    pub async fn upload_abort(&self, bucket: &str, key: &str, upload: &str) -> Result<()> {
        let (bucket, key, upload) = (bucket.to_owned(), key.to_owned(), upload.to_owned());
        let abort = move |c: &crate::store::Connection| {
            store::upload::upload_get(c, &bucket, &key, &upload)?;
            store::upload::upload_remove(c, &upload, now_ms())
        };
        self.db().write(abort).await
    }

    pub async fn part_list(
        &self,
        bucket: &str,
        key: &str,
        upload: &str,
        after: u32,
        limit: usize,
    ) -> Result<(Upload, Vec<Part>)> {
        let (bucket, key, id) = (bucket.to_owned(), key.to_owned(), upload.to_owned());
        let list = move |c: &crate::store::Connection| {
            let upload = store::upload::upload_get(c, &bucket, &key, &id)?;
            let parts = store::upload::part_list(c, &id, after, limit)?;
            Ok((upload, parts))
        };
        self.db().read(list).await
    }

    /// Takes one part in. The checksum of the upload's algorithm is computed whether or not it was sent.
    pub async fn part_put<S>(
        &self,
        at: (&str, &str, &str),
        number: u32,
        body: S,
        promise: Promise,
        customer: Option<&CustomerKey>,
    ) -> Result<PartTaken>
    where
        S: Stream<Item = io::Result<Bytes>> + Send,
    {
        check_number(number)?;
        let upload = self.upload_get(at.0, at.1, at.2).await?;
        self.part_take(at, upload, number, body, promise, customer).await
    }

    pub(super) async fn part_take<S>(
        &self,
        (bucket, key, id): (&str, &str, &str),
        upload: Upload,
        number: u32,
        body: S,
        mut promise: Promise,
        customer: Option<&CustomerKey>,
    ) -> Result<PartTaken>
    where
        S: Stream<Item = io::Result<Bytes>> + Send,
    {
        promise.compute.extend(upload.algorithm);
        let sealed = self.vault().open(upload.traits.seal.as_ref(), customer).await?;
        let taken =
            intake::take(self.blobs(), body, promise, sealed.as_ref().map(|sealed| &sealed.key)).await?;
        let wanted = |sum: &&(Algorithm, String)| Some(sum.0) == upload.algorithm;
        let part = Part {
            number,
            size: taken.blob.size,
            etag: crypt::etag(sealed.as_ref(), &taken.md5),
            modified_ms: now_ms(),
            checksum: taken.checksums.iter().find(wanted).map(|(_, value)| value.clone()),
            extents: taken.blob.extents(),
        };
        let (bucket, key, id) = (bucket.to_owned(), key.to_owned(), id.to_owned());
        let (new, row) = (taken.blob.clone(), part.clone());
        let write = move |c: &crate::store::Connection| {
            // The upload may have been aborted while the part was on its way.
            store::upload::upload_get(c, &bucket, &key, &id)?;
            store::blob::insert(c, &new)?;
            store::upload::part_put(c, &id, &row)
        };
        settle(self.db().write(write).await, taken.blob).await?;
        Ok(PartTaken { upload, part, checksums: taken.checksums })
    }

    /// Makes the object of the listed parts, all in one transaction.
    pub async fn upload_complete(
        &self,
        bucket: &str,
        key: &str,
        upload: &str,
        completion: Completion,
    ) -> Result<ObjectInfo> {
        if completion.parts.is_empty() {
            return Err(Fault::InvalidRequest("At least one part must be listed.".into()).into());
        }
        for part in &completion.parts {
            check_number(part.number)?;
        }
        let rules = self.bucket(bucket).await?;
        let (name, wanted, id) = (bucket.to_owned(), key.to_owned(), upload.to_owned());
        let teller = self.teller(bucket).await?;
        let told = teller.is_some();
        let complete = move |c: &crate::store::Connection| {
            let upload = match store::upload::upload_get(c, &name, &wanted, &id) {
                Ok(upload) => upload,
                // A client that lost our answer completes again, and hears the same.
                Err(refusal) => return completed_already(c, &name, &wanted, &id)?.ok_or(refusal),
            };
            check_customer(&upload, completion.customer.as_ref())?;
            let known = store::upload::part_list(c, &id, 0, usize::MAX)?;
            let parts = choose(known, &completion.parts, upload.algorithm)?;
            let mut record = assemble(upload, parts, &completion)?;
            lock::retain_new(&rules, &mut record.info.traits, record.info.last_modified_ms)?;
            store::blob::retain(c, &record.extents)?;
            record.info.version = store::object::object_put(c, &name, &record, &completion.condition)?;
            store::upload::upload_remove(c, &id, record.info.last_modified_ms)?;
            let info = ObjectInfo { latest: true, ..record.info };
            let event = "s3:ObjectCreated:CompleteMultipartUpload";
            tell(c, teller.as_ref(), &Fact::created(event, &info, info.version))?;
            Ok(info)
        };
        let info = self.db().write(complete).await?;
        self.created(bucket, &info, told);
        Ok(info)
    }
}

fn completed_already(
    c: &crate::store::Connection,
    bucket: &str,
    key: &str,
    upload: &str,
) -> Result<Option<ObjectInfo>> {
    let found = store::object::object_find(c, bucket, key, None)?;
    Ok(found.map(|record| record.info).filter(|info| info.upload.as_deref() == Some(upload)))
}

/// A customer's key is asked for again when their upload is completed.
fn check_customer(upload: &Upload, customer: Option<&CustomerKey>) -> Result<()> {
    match &upload.traits.seal {
        Some(seal) => Ok(seal.check_customer(customer)?),
        None if customer.is_some() => Err(Fault::CustomerKeyNotNeeded.into()),
        None => Ok(()),
    }
}

pub(super) fn check_number(number: u32) -> Result<()> {
    if (1..=PART_NUMBER_MAX).contains(&number) {
        return Ok(());
    }
    Err(Fault::InvalidArgument(format!("A part number is between 1 and {PART_NUMBER_MAX}, inclusive."))
        .into())
}

/// The uploaded parts that were listed, if the list is right.
fn choose(known: Vec<Part>, listed: &[ListedPart], algorithm: Option<Algorithm>) -> Result<Vec<Part>> {
    let mut known: HashMap<u32, Part> = known.into_iter().map(|part| (part.number, part)).collect();
    if listed.windows(2).any(|pair| pair[0].number > pair[1].number) {
        return Err(Fault::InvalidPartOrder.into());
    }
    // Of a part that was sent, and so is listed, more than once the last counts.
    let superseded =
        |index: usize| listed.get(index + 1).is_some_and(|next| next.number == listed[index].number);
    let listed: Vec<&ListedPart> =
        listed.iter().enumerate().filter(|(i, _)| !superseded(*i)).map(|(_, p)| p).collect();
    let mut parts = Vec::with_capacity(listed.len());
    for wanted in &listed {
        let part = known.remove(&wanted.number).filter(|part| part.etag == wanted.etag);
        let part = part.ok_or(Fault::InvalidPart(wanted.number))?;
        let contradicts =
            |(a, value): &(Algorithm, String)| Some(*a) == algorithm && part.checksum.as_ref() != Some(value);
        if wanted.checksums.iter().any(contradicts) {
            return Err(Fault::InvalidPart(wanted.number).into());
        }
        parts.push(part);
    }
    let all_but_last = &parts[..parts.len().saturating_sub(1)];
    match all_but_last.iter().find(|part| part.size < PART_MIN) {
        Some(small) => Err(Fault::EntityTooSmall(small.number).into()),
        None => Ok(parts),
    }
}

fn assemble(upload: Upload, parts: Vec<Part>, completion: &Completion) -> Result<Record> {
    let size = parts.iter().map(|part| part.size).sum();
    if size > OBJECT_MAX {
        return Err(Fault::EntityTooLarge(OBJECT_MAX).into());
    }
    if completion.size.is_some_and(|announced| announced != size) {
        return Err(
            Fault::InvalidRequest("The size announced is not that of the parts together.".into()).into()
        );
    }
    let mut checksums = Checksums { kind: upload.checksum_kind, values: Vec::new() };
    if let Some(algorithm) = upload.algorithm {
        let sums: Vec<(u64, Option<&str>)> =
            parts.iter().map(|part| (part.size, part.checksum.as_deref())).collect();
        checksums
            .values
            .extend(checksum_of_parts(algorithm, upload.checksum_kind, &sums).map(|sum| (algorithm, sum)));
    }
    let matches =
        |algorithm: Algorithm, given: &str| checksums.get(algorithm).is_none_or(|ours| same_sum(ours, given));
    if let Some((algorithm, _)) =
        completion.checksums.iter().find(|(algorithm, given)| !matches(*algorithm, given))
    {
        return Err(Fault::BadDigest(algorithm.name()).into());
    }
    let info = ObjectInfo {
        key: upload.key,
        size,
        etag: etag_of_parts(parts.iter().map(|part| part.etag.as_str())),
        last_modified_ms: now_ms(),
        traits: upload.traits,
        checksums,
        parts: Some(parts.iter().map(|p| PartInfo(p.number, p.size, p.checksum.clone())).collect()),
        upload: Some(upload.id),
        ..ObjectInfo::default()
    };
    Ok(Record { info, extents: parts.into_iter().flat_map(|part| part.extents).collect() })
}

/// Some clients leave the number of parts off a composite checksum.
fn same_sum(ours: &str, given: &str) -> bool {
    ours == given || ours.rsplit_once('-').is_some_and(|(sum, _)| sum == given)
}
