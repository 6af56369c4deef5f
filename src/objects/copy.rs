//! Copying an object: new metadata over the same blobs, in one transaction, whatever its size.

use super::{
    error::Fault,
    model::{Condition, ObjectInfo, SystemHeaders},
    names,
    read::{ReadCondition, Verdict},
    service::Service,
    store,
};
use crate::kernel::{clock::now_ms, error::Result};

/// What a copy keeps and what it changes.
#[derive(Clone, Debug, Default)]
pub struct CopyOptions {
    /// New metadata in place of the source's.
    pub replace: Option<Replacement>,
    pub tags: Option<Vec<(String, String)>>,
    pub source: ReadCondition,
    pub condition: Condition,
}

#[derive(Clone, Debug, Default)]
pub struct Replacement {
    pub content_type: Option<String>,
    pub headers: SystemHeaders,
    pub metadata: Vec<(String, String)>,
}

impl Service {
    /// Copies `from` (bucket, key) to `to`. The ETag stays the source's, also when it was put in parts.
    pub async fn copy(
        &self,
        from: (&str, &str),
        to: (&str, &str),
        options: CopyOptions,
    ) -> Result<ObjectInfo> {
        names::check_key(to.1)?;
        names::check_metadata(options.replace.as_ref().map_or(&[], |replace| replace.metadata.as_slice()))?;
        names::check_tags(options.tags.as_deref().unwrap_or_default())?;
        if from == to && options.replace.is_none() {
            let why = "This copy request is illegal because it is trying to copy an object to itself without \
                       changing the object's metadata.";
            return Err(Fault::InvalidRequest(why.into()).into());
        }
        let from = (from.0.to_owned(), from.1.to_owned());
        let (bucket, key) = (to.0.to_owned(), to.1.to_owned());
        let copy = move |c: &crate::store::Connection| {
            store::bucket::bucket_require(c, &bucket)?;
            let mut record = store::object::object_get(c, &from.0, &from.1)?;
            if options.source.judge(&record.info) != Verdict::Proceed {
                return Err(Fault::PreconditionFailed("x-amz-copy-source-if").into());
            }
            record.info.key = key;
            record.info.last_modified_ms = now_ms();
            record.info.upload = None;
            if let Some(replace) = options.replace {
                record.info.content_type = replace.content_type;
                record.info.headers = replace.headers;
                record.info.metadata = replace.metadata;
            }
            record.info.tags = options.tags.unwrap_or(record.info.tags);
            // Retained before the target's old extents are let go: they may be the same.
            store::blob::retain(c, &record.extents)?;
            store::object::object_put(c, &bucket, &record, &options.condition)?;
            Ok(record.info)
        };
        let info = self.db().write(copy).await?;
        self.created(to.0, to.1);
        Ok(info)
    }
}
