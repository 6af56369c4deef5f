//! All that is known of one version of an object, and the parts of it that can be changed.

use super::{
    super::{
        copy::CopyOptions,
        model::{ObjectInfo, Retention, RetentionMode, SystemHeaders, Traits, Version},
        s3::ops,
    },
    Answer, Asked, Service,
    documents::request,
    settings::refusal,
    version,
};
use crate::{
    auth::{Editor, Principal, Role, Viewer},
    kernel::{
        clock::rfc3339,
        error::{Error, Result},
        http::Json,
    },
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
            redirect: traits.redirect,
            object: info.into(),
        }
    }
}

pub(super) async fn show(
    _: Viewer,
    State(service): State<Service>,
    Path((bucket, key)): Path<(String, String)>,
    Asked(which): Asked<Which>,
) -> Answer<Json<Details>> {
    let info = service.head_version(&bucket, &key, version(which.version.as_deref())?).await?;
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
    Editor(who): Editor,
    State(service): State<Service>,
    Path((bucket, key)): Path<(String, String)>,
    Asked(which): Asked<Which>,
    Json(change): Json<Change>,
) -> Answer<Json<Details>> {
    let place = Place { bucket, key, version: version(which.version.as_deref())? };
    let mut shown = place.version;
    if let Some(tags) = change.tags.clone() {
        let tags = tags.into_iter().collect();
        service.set_tags(&place.bucket, &place.key, place.version, tags).await?;
    }
    place.lock(&service, &who, &change).await?;
    if change.content_type.is_some() || change.headers.is_some() || change.metadata.is_some() {
        shown = Some(place.rewrite(&service, change).await?);
    }
    let info = service.head_version(&place.bucket, &place.key, shown).await?;
    Ok(Json(info.into()))
}

struct Place {
    bucket: String,
    key: String,
    version: Option<Version>,
}

impl Place {
    /// Copies the object onto itself with other metadata.
    async fn rewrite(&self, service: &Service, change: Change) -> Result<Version> {
        let now = service.head_version(&self.bucket, &self.key, self.version).await?.traits;
        let traits = Traits {
            content_type: change.content_type.or(now.content_type),
            headers: change.headers.unwrap_or(now.headers),
            metadata: change.metadata.map_or(now.metadata, |pairs| pairs.into_iter().collect()),
            class: now.class,
            redirect: now.redirect,
            owner: now.owner,
            ..Traits::default()
        };
        let options = CopyOptions { version: self.version, traits, replace: true, ..CopyOptions::default() };
        let from = (self.bucket.as_str(), self.key.as_str());
        Ok(service.copy(from, from, options).await?.info.version)
    }

    /// Sets legal hold and retention, by the rules of the S3 door.
    async fn lock(&self, service: &Service, who: &Principal, change: &Change) -> Result<()> {
        let (ops, version) = (ops(service), self.version.map(|version| version.to_string()));
        if let Some(hold) = change.legal_hold {
            let status = if hold { ObjectLockLegalHoldStatus::ON } else { ObjectLockLegalHoldStatus::OFF };
            let status = ObjectLockLegalHoldStatus::from_static(status);
            let input = PutObjectLegalHoldInput {
                bucket: self.bucket.clone(),
                key: self.key.clone(),
                version_id: version.clone(),
                legal_hold: Some(ObjectLockLegalHold { status: Some(status) }),
                ..Default::default()
            };
            ops.put_object_legal_hold(request(input, who)).await.map_err(refusal)?;
        }
        if let Some(kept) = &change.retention {
            if change.bypass_governance {
                who.require(Role::Admin)?;
            }
            let input = PutObjectRetentionInput {
                bucket: self.bucket.clone(),
                key: self.key.clone(),
                version_id: version,
                bypass_governance_retention: Some(change.bypass_governance),
                retention: Some(kept.to_s3()?),
                ..Default::default()
            };
            ops.put_object_retention(request(input, who)).await.map_err(refusal)?;
        }
        Ok(())
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
