//! Copying an object: new metadata over the same blobs, in one transaction, whatever its size.

use super::{
    error::Fault,
    lock,
    model::{Condition, ObjectInfo, Record, Traits, Version, Versioning},
    names,
    notify::{Fact, tell},
    read::{ReadCondition, Verdict},
    service::Service,
    store,
};
use crate::kernel::{clock::now_ms, error::Result};

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

    /// A copy onto the very same version must change something.
    fn changes(&self, source: &ObjectInfo, versioning: Versioning) -> bool {
        let another_place = versioning != Versioning::Off && self.version.is_some() && !source.latest;
        let same_class = self.traits.class == source.traits.class;
        self.replace || another_place || !same_class || self.traits.redirect.is_some()
    }
}

/// A copy made: the new object, and the version it was made from.
#[derive(Clone, Debug)]
pub struct Copied {
    pub info: ObjectInfo,
    pub source: Version,
}

impl Service {
    /// Copies `from` (bucket, key) to `to`. The ETag stays the source's, also when it was put in parts.
    pub async fn copy(&self, from: (&str, &str), to: (&str, &str), options: CopyOptions) -> Result<Copied> {
        names::check_key(to.1)?;
        names::check_traits(&options.traits)?;
        let onto_itself = from == to;
        let rules = self.bucket(to.0).await?;
        let from = (from.0.to_owned(), from.1.to_owned());
        let (bucket, key) = (to.0.to_owned(), to.1.to_owned());
        let teller = self.teller(to.0).await?;
        let copy = move |c: &crate::store::Connection| {
            store::bucket::bucket_require(c, &bucket)?;
            let Record { info: source, extents } =
                store::object::object_get(c, &from.0, &from.1, options.version)?;
            if onto_itself && !options.changes(&source, rules.versioning) {
                return Err(Fault::InvalidRequest(ONTO_ITSELF.into()).into());
            }
            if options.source.judge(&source) != Verdict::Proceed {
                return Err(Fault::PreconditionFailed("x-amz-copy-source-if").into());
            }
            let (mut traits, now) = (options.traits(&source.traits), now_ms());
            lock::retain_new(&rules, &mut traits, now)?;
            let version = source.version;
            let info = ObjectInfo { key, last_modified_ms: now, traits, upload: None, ..source };
            let mut record = Record { info, extents };
            // Retained before the target's old extents are let go: they may be the same.
            store::blob::retain(c, &record.extents)?;
            record.info.version = store::object::object_put(c, &bucket, &record, &options.condition)?;
            let info = ObjectInfo { latest: true, ..record.info };
            tell(c, teller.as_ref(), &Fact::created("s3:ObjectCreated:Copy", &info, info.version))?;
            Ok(Copied { info, source: version })
        };
        let copied = self.db().write(copy).await?;
        self.created(to.0, &copied.info);
        Ok(copied)
    }
}

const ONTO_ITSELF: &str = "This copy request is illegal because it is trying to copy an object to itself \
                           without changing the object's metadata, storage class, website redirect location or \
                           encryption attributes.";
