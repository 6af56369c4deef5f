//! Taking a body in: it is digested on its way, and every promise made about it (length, MD5,
//! checksums, signature) is checked before anything may refer to it.

use super::{
    crypt::{self, DataKey, Sealed, SealingTap},
    digest::{Algorithm, Checksums, Hashes},
    error::Fault,
    lock,
    model::{Bucket, Extent, INLINE_MAX, ObjectInfo, PUT_MAX, Record, Traits},
};
use crate::{
    kernel::{clock::now_ms, error::Result, id},
    store::blob::{Blobs, Claim, Crc, Tap},
};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use std::{io, pin::pin};

/// Reads the checksums that come after the body, once the body has ended.
pub type Trailer = Box<dyn FnOnce() -> Vec<(Algorithm, String)> + Send>;

/// What the sender promised about a body.
#[derive(Default)]
pub struct Promise {
    pub length: Option<u64>,
    pub md5: Option<[u8; 16]>,
    /// Checksums given before the body, in base64.
    pub checksums: Vec<(Algorithm, String)>,
    /// Checksums to compute though none was given yet.
    pub compute: Vec<Algorithm>,
    /// Checksums announced to come behind the body.
    pub trailing: Vec<Algorithm>,
    pub trailer: Option<Trailer>,
}

/// A body taken in and verified; nothing refers to it yet.
pub struct Taken {
    pub blob: NewBlob,
    pub md5: [u8; 16],
    /// In base64: each algorithm the promise named.
    pub checksums: Vec<(Algorithm, String)>,
}

impl Taken {
    /// The record of a new object with this body, and the blob that is to be committed with it.
    pub fn into_object(
        self,
        rules: &Bucket,
        key: &str,
        mut traits: Traits,
        sealed: Option<Sealed>,
    ) -> Result<(Record, NewBlob)> {
        let now = now_ms();
        lock::retain_new(rules, &mut traits, now)?;
        let etag = crypt::etag(sealed.as_ref(), &self.md5);
        traits.seal = sealed.map(|sealed| sealed.seal);
        let info = ObjectInfo {
            key: key.to_owned(),
            size: self.blob.size,
            etag,
            last_modified_ms: now,
            traits,
            checksums: Checksums { values: self.checksums, ..Checksums::default() },
            ..ObjectInfo::default()
        };
        Ok((Record { extents: self.blob.extents(), info }, self.blob))
    }
}

/// A blob for a row to be written: its bytes when small, else a durable file under a claim.
#[derive(Clone)]
pub struct NewBlob {
    pub id: String,
    /// Of its bytes in clear.
    pub size: u64,
    /// What the disk has of it is encrypted.
    pub sealed: bool,
    pub data: Option<Bytes>,
    pub claim: Option<Claim>,
}

impl NewBlob {
    pub fn extents(&self) -> Vec<Extent> {
        if self.size == 0 {
            return Vec::new();
        }
        vec![Extent(self.id.clone(), 0, self.size, self.data.is_some())]
    }

    /// Bytes the disk has of it.
    pub fn stored_size(&self) -> u64 {
        if self.sealed { crypt::stored_length(self.size) } else { self.size }
    }

    /// The checksum of what the disk gets of it.
    pub fn crc(&self) -> Option<u64> {
        let file = || self.claim.as_ref()?.crc();
        self.data.as_ref().map(|data| Crc::of(data)).or_else(file)
    }

    /// Removes the file of a body that will not be used.
    pub async fn discard(self) {
        if let Some(claim) = self.claim {
            claim.discard().await;
        }
    }
}

/// Takes the whole body in, encrypted if there is a key, or refuses it and leaves nothing.
pub async fn take<S>(blobs: &Blobs, body: S, mut promise: Promise, key: Option<&DataKey>) -> Result<Taken>
where
    S: Stream<Item = io::Result<Bytes>> + Send,
{
    if promise.length.is_some_and(|length| length > PUT_MAX) {
        return Err(Fault::EntityTooLarge(PUT_MAX).into());
    }
    let given = promise.checksums.iter().map(|(algorithm, _)| *algorithm);
    let hashes =
        Hashes::new(given.chain(promise.compute.iter().copied()).chain(promise.trailing.iter().copied()));
    let limit = promise.length.unwrap_or(PUT_MAX);
    let tap = SealingTap::new(hashes, key.cloned());
    let (blob, hashes) = receive(blobs, body, (tap, key), limit, promise.length.is_some()).await?;
    let (md5, checksums) = hashes.finish();
    match verify(&mut promise, blob.size, md5, &checksums) {
        Ok(()) => Ok(Taken { blob, md5, checksums }),
        Err(fault) => {
            blob.discard().await;
            Err(fault.into())
        }
    }
}

async fn receive<S>(
    blobs: &Blobs,
    body: S,
    (mut tap, key): (SealingTap, Option<&DataKey>),
    limit: u64,
    exact: bool,
) -> Result<(NewBlob, Hashes)>
where
    S: Stream<Item = io::Result<Bytes>> + Send,
{
    let mut body = pin!(body);
    let mut size = 0;
    let mut next = async || -> Result<Option<Bytes>> {
        let Some(chunk) = body.next().await else { return Ok(None) };
        let chunk = chunk.map_err(broken)?;
        size += chunk.len() as u64;
        match (size > limit, exact) {
            (false, _) => Ok(Some(chunk)),
            (true, true) => {
                Err(Fault::InvalidRequest("The body is longer than was announced.".into()).into())
            }
            (true, false) => Err(Fault::EntityTooLarge(limit).into()),
        }
    };
    let (mut head, mut length) = (Vec::new(), 0);
    while let Some(chunk) = next().await? {
        length += chunk.len();
        head.push(chunk);
        if length <= INLINE_MAX {
            continue;
        }
        let mut writer = blobs.writer(tap);
        for chunk in head {
            writer.write(chunk).await?;
        }
        while let Some(chunk) = next().await? {
            writer.write(chunk).await?;
        }
        let (claim, size, tap) = writer.finish().await?;
        let (id, sealed) = (claim.id().to_owned(), key.is_some());
        return Ok((NewBlob { id, size, sealed, data: None, claim: Some(claim) }, tap.hashes));
    }
    let data = joined(head);
    tap.see(&data);
    let (id, size, sealed) = (id::ordered(), data.len() as u64, key.is_some());
    let data = match key {
        Some(key) => crypt::seal_whole(key, &id, &data)?,
        None => data,
    };
    Ok((NewBlob { id, size, sealed, data: Some(data), claim: None }, tap.hashes))
}

fn joined(chunks: Vec<Bytes>) -> Bytes {
    match <[Bytes; 1]>::try_from(chunks) {
        Ok([only]) => only,
        Err(chunks) => chunks.concat().into(),
    }
}

/// A body stream that fails says why in a `Fault`; any other failure is a sender that went away.
fn broken(error: io::Error) -> Fault {
    error.get_ref().and_then(|inner| inner.downcast_ref::<Fault>()).cloned().unwrap_or(Fault::IncompleteBody)
}

fn verify(
    promise: &mut Promise,
    size: u64,
    md5: [u8; 16],
    sums: &[(Algorithm, String)],
) -> Result<(), Fault> {
    if promise.length.is_some_and(|length| size < length) {
        return Err(Fault::IncompleteBody);
    }
    if promise.md5.is_some_and(|promised| promised != md5) {
        return Err(Fault::BadDigest("Content-MD5"));
    }
    let mut promised = std::mem::take(&mut promise.checksums);
    if let Some(trailer) = promise.trailer.take() {
        let came = trailer();
        if promise.trailing.iter().any(|wanted| came.iter().all(|(algorithm, _)| algorithm != wanted)) {
            return Err(Fault::InvalidRequest(
                "The trailing checksum that was announced did not come.".into(),
            ));
        }
        promised.extend(came.into_iter().filter(|(algorithm, _)| promise.trailing.contains(algorithm)));
    }
    for (algorithm, value) in &promised {
        if sums.iter().all(|sum| (&sum.0, &sum.1) != (algorithm, value)) {
            return Err(Fault::BadDigest(algorithm.name()));
        }
    }
    Ok(())
}
