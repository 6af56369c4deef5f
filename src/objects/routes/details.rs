//! All that is known of one version of an object, and the parts of it that can be changed.

use super::{
    super::{
        access::admit::Admitted,
        copy::CopyOptions,
        crypt::Mode,
        model::{ObjectInfo, Retention, RetentionMode, SystemHeaders, Traits, Version},
        s3::ops,
    },
    Answer, Ask, Asked, Shelf, Visitor,
    documents::request,
    settings::refusal,
    version,
};
use crate::kernel::{
    clock::rfc3339,
    error::{Error, Result},
    http::Json,
};
use axum::extract::{Path, State};
use chrono::{DateTime, Utc};
use s3s::{S3, dto::*};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::SystemTime};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    version: Option<String>,
}

type Pairs = BTreeMap<String, String>;

#[derive(Serialize)]
pub(super) struct Details {
    #[serde(flatten)]
    object: super::Object,
    owner: String,
    headers: SystemHeaders,
    metadata: Pairs,
    tags: Pairs,
    checksums: Pairs,
    /// How many parts it was uploaded in.
    parts: Option<usize>,
    retention: Option<Kept>,
    legal_hold: bool,
    redirect: Option<String>,
    /// Whose key it is encrypted with: `server`, `customer`, or the name of a key.
    encryption: Option<String>,
}

fn encryption(traits: &Traits) -> Option<String> {
    Some(match &traits.seal.as_ref()?.mode {
        Mode::Server => "server".to_owned(),
        Mode::Customer => "customer".to_owned(),
        Mode::Kms { key, .. } => key.clone(),
    })
}

/// Until when a version may not be deleted.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    mode: RetentionMode,
    until: DateTime<Utc>,
}

impl From<&Retention> for Kept {
    fn from(retention: &Retention) -> Self {
        let until = DateTime::from_timestamp_millis(retention.until_ms).unwrap_or_default();
        Self { mode: retention.mode, until }
    }
}

impl From<ObjectInfo> for Details {
    fn from(info: ObjectInfo) -> Self {
        let sums = info.checksums.values.iter().map(|(kind, sum)| (kind.name().to_owned(), sum.clone()));
        let traits = info.traits.clone();
        Self {
            owner: traits.owner.0,
            headers: traits.headers,
            metadata: traits.metadata.into_iter().collect(),
            tags: traits.tags.into_iter().collect(),
            checksums: sums.collect(),
            parts: info.parts.as_ref().map(Vec::len),
            retention: traits.retention.as_ref().map(Kept::from),
            legal_hold: traits.legal_hold.unwrap_or_default(),
            encryption: encryption(&info.traits),
            redirect: traits.redirect,
            object: info.into(),
        }
    }
}

pub(super) async fn show(
    visitor: Visitor,
    State(shelf): State<Shelf>,
    Path((bucket, key)): Path<(String, String)>,
    Asked(which): Asked<Which>,
) -> Answer<Json<Details>> {
    let ask = Ask::of("HeadObject", &bucket).key(&key).version(which.version.as_deref());
    shelf.admit(&visitor, ask).await?;
    let info = shelf.service().head_version(&bucket, &key, version(which.version.as_deref())?).await?;
    Ok(Json(info.into()))
}

/// What changes; what is absent stays as it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    tags: Option<Pairs>,
    /// These make a new version where versions are kept: what a version is never changes.
    content_type: Option<String>,
    headers: Option<SystemHeaders>,
    metadata: Option<Pairs>,
    legal_hold: Option<bool>,
    retention: Option<Kept>,
    #[serde(default)]
    bypass_governance: bool,
}

pub(super) async fn change(
    visitor: Visitor,
    State(shelf): State<Shelf>,
    Path((bucket, key)): Path<(String, String)>,
    Asked(which): Asked<Which>,
    Json(change): Json<Change>,
) -> Answer<Json<Details>> {
    let version = version(which.version.as_deref())?;
    let place = Place { shelf: &shelf, visitor: &visitor, bucket: &bucket, key: &key, version };
    let mut shown = version;
    if let Some(tags) = change.tags.clone() {
        let tags: Vec<_> = tags.into_iter().collect();
        shelf.admit(&visitor, place.ask("PutObjectTagging").tags(&tags)).await?;
        shelf.service().set_tags(&bucket, &key, version, tags).await?;
    }
    if let Some(hold) = change.legal_hold {
        place.hold(hold).await?;
    }
    if let Some(kept) = &change.retention {
        place.retain(kept, change.bypass_governance).await?;
    }
    if change.content_type.is_some() || change.headers.is_some() || change.metadata.is_some() {
        shown = Some(place.rewrite(change).await?);
    }
    let info = shelf.service().head_version(&bucket, &key, shown).await?;
    Ok(Json(info.into()))
}

struct Place<'a> {
    shelf: &'a Shelf,
    visitor: &'a Visitor,
    bucket: &'a str,
    key: &'a str,
    version: Option<Version>,
}

impl Place<'_> {
    async fn admit(&self, operation: &'static str, bypass: bool) -> Result<Admitted> {
        self.shelf.admit(self.visitor, self.ask(operation).bypass(bypass)).await
    }

    fn ask(&self, operation: &'static str) -> Ask<'_> {
        let version = self.version.map(|version| version.to_string());
        Ask::of(operation, self.bucket).key(self.key).version(version.as_deref())
    }

    /// Copies the object onto itself with other metadata.
    async fn rewrite(&self, change: Change) -> Result<Version> {
        self.admit("GetObject", false).await?;
        let put = Ask::of("PutObject", self.bucket).key(self.key);
        let admitted = self.shelf.admit(self.visitor, put).await?;
        let service = self.shelf.service();
        let now = service.head_version(self.bucket, self.key, self.version).await?.traits;
        let mut traits = Traits {
            content_type: change.content_type.or(now.content_type),
            headers: change.headers.unwrap_or(now.headers),
            metadata: change.metadata.map_or(now.metadata, |pairs| pairs.into_iter().collect()),
            class: now.class,
            redirect: now.redirect,
            ..Traits::default()
        };
        admitted.mark(&mut traits);
        let options = CopyOptions { version: self.version, traits, replace: true, ..CopyOptions::default() };
        let place = (self.bucket, self.key);
        Ok(service.copy(place, place, options).await?.info.version)
    }

    /// Sets legal hold, by the rules of the S3 door.
    async fn hold(&self, hold: bool) -> Result<()> {
        let admitted = self.admit("PutObjectLegalHold", false).await?;
        let status = if hold { ObjectLockLegalHoldStatus::ON } else { ObjectLockLegalHoldStatus::OFF };
        let status = ObjectLockLegalHoldStatus::from_static(status);
        let input = PutObjectLegalHoldInput {
            bucket: self.bucket.to_owned(),
            key: self.key.to_owned(),
            version_id: self.version.map(|version| version.to_string()),
            legal_hold: Some(ObjectLockLegalHold { status: Some(status) }),
            ..Default::default()
        };
        let ops = ops(&self.shelf.gatekeeper);
        ops.put_object_legal_hold(request(input, &admitted)).await.map(drop).map_err(refusal)
    }

    /// Sets retention, by the rules of the S3 door.
    async fn retain(&self, kept: &Kept, bypass: bool) -> Result<()> {
        let admitted = self.admit("PutObjectRetention", bypass).await?;
        let input = PutObjectRetentionInput {
            bucket: self.bucket.to_owned(),
            key: self.key.to_owned(),
            version_id: self.version.map(|version| version.to_string()),
            bypass_governance_retention: Some(admitted.bypass),
            retention: Some(kept.to_s3()?),
            ..Default::default()
        };
        let ops = ops(&self.shelf.gatekeeper);
        ops.put_object_retention(request(input, &admitted)).await.map(drop).map_err(refusal)
    }
}

impl Kept {
    fn to_s3(&self) -> Result<ObjectLockRetention> {
        let mode = match self.mode {
            RetentionMode::Governance => ObjectLockRetentionMode::GOVERNANCE,
            RetentionMode::Compliance => ObjectLockRetentionMode::COMPLIANCE,
        };
        if self.until < Utc::now() {
            let shown = rfc3339(self.until.timestamp_millis());
            return Err(Error::invalid(format!("{shown} has passed: a retention ends in the future.")));
        }
        Ok(ObjectLockRetention {
            mode: Some(ObjectLockRetentionMode::from_static(mode)),
            retain_until_date: Some(SystemTime::from(self.until).into()),
        })
    }
}
