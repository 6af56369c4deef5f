//! Copying an object: new metadata over the same blobs, in one transaction, whatever its size; or, where
//! it is to be encrypted in another way, its bytes written anew.

use super::{
    crypt::{CustomerKey, DEFAULT_KEY, Mode, Seal, Wish, default_wish},
    error::Fault,
    intake::{self, Promise},
    lock,
    model::{Bucket, Condition, ObjectInfo, Record, Traits, Version, Versioning},
    names,
    notify::{Fact, tell},
    read::{ReadCondition, Verdict},
    service::Service,
    store,
};
use crate::kernel::{
    clock::now_ms,
    error::{Error, Result},
};
use std::sync::Arc;

/// What a copy keeps and what it changes.
#[derive(Clone, Debug, Default)]
pub struct CopyOptions {
    /// The version to copy; the latest without one.
    pub version: Option<Version>,
    /// The new object's traits. Those that a copy keeps are taken from the source, see below.
    pub traits: Traits,
    /// Type, headers and metadata are those given instead of the source's.
    pub replace: bool,
    /// So are the tags.
    pub replace_tags: bool,
    pub source: ReadCondition,
    pub condition: Condition,
    /// How to encrypt the copy; none leaves that to the bucket, and then to the source.
    pub wish: Option<Wish>,
    /// What the source was encrypted with, if a customer did it.
    pub customer: Option<CustomerKey>,
}

impl CopyOptions {
    fn traits(&self, source: &Traits) -> Traits {
        let mut traits = self.traits.clone();
        if !self.replace {
            traits.content_type.clone_from(&source.content_type);
            traits.headers.clone_from(&source.headers);
            traits.metadata.clone_from(&source.metadata);
        }
        if !self.replace_tags {
            traits.tags.clone_from(&source.tags);
        }
        traits
    }

    fn check(&self, source: &ObjectInfo, onto_itself: bool, versioning: Versioning) -> Result<()> {
        if onto_itself && !self.changes(source, versioning) {
            return Err(Fault::InvalidRequest(ONTO_ITSELF.into()).into());
        }
        if self.source.judge(source) != Verdict::Proceed {
            return Err(Fault::PreconditionFailed("x-amz-copy-source-if").into());
        }
        Ok(())
    }

    /// A copy onto the very same version must change something.
    fn changes(&self, source: &ObjectInfo, versioning: Versioning) -> bool {
        let another_place = versioning != Versioning::Off && self.version.is_some() && !source.latest;
        let same_class = self.traits.class == source.traits.class;
        self.replace || self.wish.is_some() || another_place || !same_class || self.traits.redirect.is_some()
    }
}

/// A copy made: the new object, and the version it was made from.
#[derive(Clone, Debug)]
pub struct Copied {
    pub info: ObjectInfo,
    pub source: Version,
}

impl Service {
    /// Copies `from` (bucket, key) to `to`. The ETag stays the source's, also when it was put in parts,
    /// unless the copy is encrypted in another way: then its bytes are written anew.
    pub async fn copy(&self, from: (&str, &str), to: (&str, &str), options: CopyOptions) -> Result<Copied> {
        names::check_key(to.1)?;
        names::check_traits(&options.traits)?;
        let rules = self.bucket(to.0).await?;
        let wish = options.wish.clone().map_or_else(|| default_wish(&rules), |wish| Ok(Some(wish)))?;
        let source = self.head_version(from.0, from.1, options.version).await?;
        if shares_bytes(source.traits.seal.as_ref(), wish.as_ref(), options.customer.as_ref())? {
            self.copy_shared(from, to, options, rules, wish).await
        } else {
            self.copy_anew(from, to, options, &rules, wish.unwrap_or(Wish::Server)).await
        }
    }

    /// New metadata over the same blobs.
    async fn copy_shared(
        &self,
        from: (&str, &str),
        to: (&str, &str),
        options: CopyOptions,
        rules: Arc<Bucket>,
        wish: Option<Wish>,
    ) -> Result<Copied> {
        let onto_itself = from == to;
        let from = (from.0.to_owned(), from.1.to_owned());
        let (bucket, key) = (to.0.to_owned(), to.1.to_owned());
        let teller = self.teller(to.0).await?;
        let told = teller.is_some();
        let copy = move |c: &crate::store::Connection| {
            store::bucket::bucket_require(c, &bucket)?;
            let Record { info: source, extents } =
                store::object::object_get(c, &from.0, &from.1, options.version)?;
            options.check(&source, onto_itself, rules.versioning)?;
            if !shares_bytes(source.traits.seal.as_ref(), wish.as_ref(), options.customer.as_ref())? {
                let why = "The source was replaced while it was copied. Send the request again.";
                return Err(Error::conflict(why));
            }
            let (mut traits, now) = (options.traits(&source.traits), now_ms());
            lock::retain_new(&rules, &mut traits, now)?;
            traits.seal.clone_from(&source.traits.seal);
            let version = source.version;
            let info = ObjectInfo { key, last_modified_ms: now, traits, upload: None, ..source };
            let mut record = Record { info, extents };
            // Retained before the target's old extents are let go: they may be the same.
            store::blob::retain(c, &record.extents)?;
            record.info.version = store::object::object_put(c, &bucket, &record, &options.condition)?;
            let info = ObjectInfo { latest: true, ..record.info };
            tell(c, teller.as_ref(), &Fact::created(EVENT, &info, info.version))?;
            Ok(Copied { info, source: version })
        };
        let copied = self.db().write(copy).await?;
        self.created(to.0, &copied.info, told);
        Ok(copied)
    }

    /// The bytes, read with the source's key and written with another.
    async fn copy_anew(
        &self,
        from: (&str, &str),
        to: (&str, &str),
        options: CopyOptions,
        rules: &Bucket,
        wish: Wish,
    ) -> Result<Copied> {
        let opened = self.open_with(from.0, from.1, options.version, options.customer.as_ref()).await?;
        let source = opened.info.clone();
        options.check(&source, from == to, rules.versioning)?;
        let sealed = self.vault().seal(&wish).await?;
        let compute = source.checksums.values.iter().map(|(algorithm, _)| *algorithm).collect();
        let promise = Promise { length: Some(source.size), compute, ..Promise::default() };
        let bytes = opened.into_stream(0..source.size);
        let taken = intake::take(self.blobs(), bytes, promise, Some(&sealed.key)).await?;
        let traits = options.traits(&source.traits);
        let (record, blob) = taken.into_object(rules, to.1, traits, Some(sealed))?;
        let info = self.commit_put(to.0, record, blob, options.condition, EVENT).await?;
        Ok(Copied { info, source: source.version })
    }
}

/// Whether a copy can have the source's bytes as they are: it is to be encrypted in the same way, or
/// nothing was asked for. Encryption is never dropped silently; but what a customer's key opened is the
/// server's to keep afterwards, unless they give a key for the copy.
fn shares_bytes(
    source: Option<&Seal>,
    wish: Option<&Wish>,
    source_key: Option<&CustomerKey>,
) -> Result<bool> {
    let Some(seal) = source else {
        return match source_key {
            Some(_) => Err(Fault::CustomerKeyNotNeeded.into()),
            None => Ok(wish.is_none()),
        };
    };
    seal.check_customer(source_key)?;
    Ok(match (&seal.mode, wish) {
        (Mode::Server | Mode::Kms { .. }, None) | (Mode::Server, Some(Wish::Server)) => true,
        (
            Mode::Kms { key, context, bucket_key },
            Some(Wish::Kms { key: wanted, context: bound, bucket_key: wanted_bucket_key }),
        ) => {
            wanted.as_deref().unwrap_or(DEFAULT_KEY) == key
                && bound == context
                && wanted_bucket_key == bucket_key
        }
        (Mode::Customer, Some(Wish::Customer(wanted))) => source_key == Some(wanted),
        _ => false,
    })
}

/// What a copy is told as.
const EVENT: &str = "s3:ObjectCreated:Copy";
const ONTO_ITSELF: &str = "This copy request is illegal because it is trying to copy an object to itself \
                           without changing the object's metadata, storage class, website redirect location or \
                           encryption attributes.";
