//! Making a part of an upload from bytes of an object that is there.

use super::{
    crypt::CustomerKey,
    digest::{Algorithm, Hashes},
    error::Fault,
    intake::Promise,
    model::{Part, Upload, Version, slice},
    multipart::{PartTaken, check_number},
    read::{Opened, ReadCondition, Verdict, read_extents},
    service::Service,
    store,
};
use crate::{
    kernel::{
        clock::now_ms,
        error::{Error, Result},
    },
    store::blob::Tap,
};
use bytes::Bytes;
use futures::{Stream, TryStreamExt};
use std::{io, ops::Range};

/// Where a part is copied from.
#[derive(Clone, Debug, Default)]
pub struct PartSource {
    pub bucket: String,
    pub key: String,
    pub version: Option<Version>,
    pub range: Option<Range<u64>>,
    pub condition: ReadCondition,
    /// What the source was encrypted with, if a customer did it.
    pub customer: Option<CustomerKey>,
}

impl Service {
    /// Makes a part of a range of an object. The bytes are read for their digests, but written again
    /// only where encryption stands between the two.
    pub async fn part_copy(
        &self,
        at: (&str, &str, &str),
        number: u32,
        source: PartSource,
        customer: Option<&CustomerKey>,
    ) -> Result<(PartTaken, Version)> {
        check_number(number)?;
        let upload = self.upload_get(at.0, at.1, at.2).await?;
        let source_key = source.customer.as_ref();
        let opened = self.open_with(&source.bucket, &source.key, source.version, source_key).await?;
        if source.condition.judge(&opened.info) != Verdict::Proceed {
            return Err(Fault::PreconditionFailed("x-amz-copy-source-if").into());
        }
        let range = source.range.clone().unwrap_or(0..opened.info.size);
        if range.end > opened.info.size {
            return Err(Fault::InvalidRange(format!("{}-{}", range.start, range.end)).into());
        }
        let version = opened.info.version;
        let taken = if upload.traits.seal.is_some() || opened.info.traits.seal.is_some() {
            let promise = Promise { length: Some(range.end - range.start), ..Promise::default() };
            let stream = opened.into_stream(range);
            self.part_take(at, upload, number, stream, promise, customer).await?
        } else if customer.is_some() {
            return Err(Fault::CustomerKeyNotNeeded.into());
        } else {
            self.part_share(at, upload, number, source, opened, range).await?
        };
        Ok((taken, version))
    }

    /// A part made of the very bytes another object has.
    async fn part_share(
        &self,
        (bucket, key, id): (&str, &str, &str),
        upload: Upload,
        number: u32,
        source: PartSource,
        opened: Opened,
        range: Range<u64>,
    ) -> Result<PartTaken> {
        let extents = slice(&opened.extents, range);
        let stream = read_extents(self.db().clone(), self.blobs().clone(), extents.clone());
        let (md5, checksums) = digest(stream, upload.algorithm).await?;
        let part = Part {
            number,
            size: extents.iter().map(|extent| extent.length()).sum(),
            etag: hex::encode(md5),
            modified_ms: now_ms(),
            checksum: checksums.first().map(|(_, value)| value.clone()),
            extents,
        };
        let (bucket, key, id) = (bucket.to_owned(), key.to_owned(), id.to_owned());
        let (row, seen) = (part.clone(), opened.extents);
        let write = move |c: &crate::store::Connection| {
            store::upload::upload_get(c, &bucket, &key, &id)?;
            let there = store::object::object_get(c, &source.bucket, &source.key, source.version)?;
            if there.extents != seen {
                return Err(Error::conflict(
                    "The source was replaced while it was copied. Send the request again.",
                ));
            }
            store::blob::retain(c, &row.extents)?;
            store::upload::part_put(c, &id, &row)
        };
        self.db().write(write).await?;
        Ok(PartTaken { upload, part, checksums })
    }
}

async fn digest(
    stream: impl Stream<Item = io::Result<Bytes>>,
    algorithm: Option<Algorithm>,
) -> Result<([u8; 16], Vec<(Algorithm, String)>)> {
    let mut stream = std::pin::pin!(stream);
    let mut hashes = Hashes::new(algorithm);
    while let Some(chunk) = stream.try_next().await? {
        // A megabyte takes milliseconds to digest: not on a thread that others' requests wait for.
        hashes = tokio::task::spawn_blocking(move || {
            hashes.see(&chunk);
            hashes
        })
        .await
        .map_err(Error::internal)?;
    }
    Ok(hashes.finish())
}
