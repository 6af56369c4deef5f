//! Writes down what a change of an object is to be told to whom, inside the transaction that makes it.

use super::{
    super::{
        asker::Asker,
        model::{Bucket, Deleted, Deletion, ObjectInfo, Version, Versioning},
        s3::REGION,
        service::Service,
        store,
    },
    deliver::{Hearing, TRIGGER},
    filter,
    record::{self, Happening},
};
use crate::{
    kernel::{
        clock::{now_ms, rfc3339},
        error::Result,
    },
    store::{Connection, outbox},
};
use s3s::dto::NotificationConfiguration;
use serde_json::json;
use std::sync::Arc;

/// Tells what happens in one bucket that has a notification configuration, or that a pipeline asks for.
#[derive(Clone)]
pub struct Teller {
    bucket: Arc<Bucket>,
    config: Option<Arc<NotificationConfiguration>>,
    hearing: Vec<Hearing>,
    asker: Option<Arc<Asker>>,
    cause: Option<Arc<str>>,
}

/// What happened to one object.
#[derive(Clone, Copy, Debug)]
pub struct Fact<'a> {
    /// As a configuration names it: `s3:ObjectCreated:Put`.
    pub event: &'a str,
    pub key: &'a str,
    pub version: Option<Version>,
    pub size: Option<u64>,
    pub etag: Option<&'a str>,
}

impl<'a> Fact<'a> {
    /// An event on an object that is there.
    pub fn created(event: &'a str, info: &'a ObjectInfo, version: Version) -> Self {
        Self { event, key: &info.key, version: Some(version), size: Some(info.size), etag: Some(&info.etag) }
    }
}

/// Tells of a fact where there is somebody to tell.
pub fn tell(c: &Connection, teller: Option<&Teller>, fact: &Fact<'_>) -> Result<()> {
    teller.map_or(Ok(()), |teller| teller.tell(c, fact))
}

/// Tells of a deletion, if it changed anything.
pub fn tell_removed(
    c: &Connection,
    teller: Option<&Teller>,
    wanted: &Deletion,
    deleted: &Deleted,
) -> Result<()> {
    if !deleted.changed {
        return Ok(());
    }
    let made_marker = deleted.marker && wanted.version.is_none();
    let event = if made_marker { "s3:ObjectRemoved:DeleteMarkerCreated" } else { "s3:ObjectRemoved:Delete" };
    let fact = Fact { event, key: &wanted.key, version: deleted.version, size: None, etag: None };
    tell(c, teller, &fact)
}

impl Service {
    /// Who tells of changes in this bucket; nobody in most.
    pub(in crate::objects) async fn teller(&self, bucket: &str) -> Result<Option<Teller>> {
        let bucket = self.bucket(bucket).await?;
        let config = bucket.settings.get::<NotificationConfiguration>()?;
        let hearing = self.starter().map(|starter| starter.hearing(&bucket.name)).unwrap_or_default();
        if config.is_none() && hearing.is_empty() {
            return Ok(None);
        }
        let (asker, cause) = (Asker::current(), Asker::cause());
        Ok(Some(Teller { bucket, config, hearing, asker, cause }))
    }
}

impl Teller {
    /// Writes a notice for every pipeline whose definition asks for it.
    fn tell_pipelines(&self, c: &Connection, event: &str, fact: &Fact<'_>) -> Result<()> {
        let Some(what) = event.strip_prefix("s3:").filter(|what| what.starts_with("ObjectCreated:")) else {
            return Ok(());
        };
        let now = now_ms();
        for one in self.hearing.iter().filter(|one| one.takes(fact.key)) {
            let version = fact.version.filter(|_| self.bucket.versioning != Versioning::Off);
            let facts = json!({
                "kind": "object_created", "event": what, "bucket": self.bucket.name, "key": fact.key,
                "version": version.map(|version| version.to_string()), "size": fact.size, "etag": fact.etag,
                "time": rfc3339(now), "cause": self.cause.as_deref(),
            });
            outbox::put(c, TRIGGER, &one.pipeline, &facts.to_string(), now)?;
        }
        Ok(())
    }

    /// Writes a notice for every destination that is to hear of the fact.
    pub fn tell(&self, c: &Connection, fact: &Fact<'_>) -> Result<()> {
        let asker = self.asker.as_deref();
        let event = asker.map_or(fact.event, |asker| asker.event(fact.event));
        self.tell_pipelines(c, event, fact)?;
        let Some(config) = &self.config else { return Ok(()) };
        let heard = filter::heard(config, event, fact.key);
        if heard.is_empty() {
            return Ok(());
        }
        let at_ms = now_ms();
        let version = fact.version.filter(|_| self.bucket.versioning != Versioning::Off);
        let sequencer = match fact.version {
            Some(Version::Id(seq)) => seq.unsigned_abs(),
            _ => at_ms.saturating_mul(1000).unsigned_abs(),
        };
        let principal = asker.and_then(Asker::principal).unwrap_or_else(|| "crannog".to_owned());
        let happening = Happening {
            event,
            bucket: &self.bucket.name,
            owner: &self.bucket.owner,
            key: fact.key,
            version: version.map(|version| version.to_string()),
            size: fact.size,
            etag: fact.etag,
            at_ms,
            sequencer,
            principal: &principal,
            address: asker.map_or("", Asker::address),
            request_id: asker.map_or("", Asker::request_id),
        };
        for one in heard {
            let body = record::record(&happening, &one.id, REGION).to_string();
            store::notice::notice_put(c, &one.destination, &body, at_ms)?;
        }
        Ok(())
    }
}
