//! What is done to many objects, or from one place to another: deleting, copying, moving, restoring.

use super::{
    super::{
        copy::CopyOptions,
        model::{Deletion, Owner, VersionQuery},
    },
    Answer, Object, Service, version,
};
use crate::{
    auth::{Editor, Role},
    kernel::{
        error::{Error, Result},
        http::Json,
    },
};
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};

/// Keys a request names, and versions one transaction deletes, at most.
const BATCH: usize = 1000;
/// Refusals an answer tells of; a locked bucket has as many as objects.
const REFUSALS: usize = 100;

/// Objects by name, or all below prefixes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Doomed {
    #[serde(default)]
    objects: Vec<Named>,
    #[serde(default)]
    prefixes: Vec<String>,
    /// With prefixes: every version and delete marker, for good.
    #[serde(default)]
    versions: bool,
    #[serde(default)]
    bypass_governance: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    key: String,
    version: Option<String>,
}

#[derive(Default, Serialize)]
pub(super) struct Outcome {
    deleted: u64,
    /// How many were kept; the first of them say why.
    refused: u64,
    errors: Vec<Refused>,
}

#[derive(Serialize)]
struct Refused {
    key: String,
    version: Option<String>,
    detail: String,
}

pub(super) async fn delete(
    Editor(who): Editor,
    State(service): State<Service>,
    Path(bucket): Path<String>,
    Json(doomed): Json<Doomed>,
) -> Answer<Json<Outcome>> {
    if doomed.bypass_governance {
        who.require(Role::Admin)?;
    }
    if doomed.objects.len() > BATCH {
        return Err(Error::invalid(format!("One request deletes at most {BATCH} objects by name.")).into());
    }
    let mut outcome = Outcome::default();
    let mut wanted = Vec::with_capacity(doomed.objects.len());
    for named in doomed.objects {
        let version = version(named.version.as_deref())?;
        wanted.push(Deletion {
            key: named.key,
            version,
            bypass_governance: doomed.bypass_governance,
            ..Deletion::default()
        });
    }
    outcome.take(&service, &bucket, wanted).await?;
    for prefix in doomed.prefixes {
        if doomed.versions {
            outcome.versions_below(&service, &bucket, prefix, doomed.bypass_governance).await?;
        } else {
            outcome.deleted += service.delete_prefix(&bucket, &prefix).await?;
        }
    }
    Ok(Json(outcome))
}

impl Outcome {
    async fn take(&mut self, service: &Service, bucket: &str, wanted: Vec<Deletion>) -> Result<()> {
        if wanted.is_empty() {
            return Ok(());
        }
        for (deletion, outcome) in service.delete_each(bucket, wanted, Owner::default()).await? {
            match outcome {
                Ok(_) => self.deleted += 1,
                Err(fault) => {
                    self.refused += 1;
                    if self.errors.len() < REFUSALS {
                        let version = deletion.version.map(|version| version.to_string());
                        self.errors.push(Refused { key: deletion.key, version, detail: fault.to_string() });
                    }
                }
            }
        }
        Ok(())
    }

    /// Goes through the versions once: those that are locked stay behind and are told of.
    async fn versions_below(
        &mut self,
        service: &Service,
        bucket: &str,
        prefix: String,
        bypass_governance: bool,
    ) -> Result<()> {
        let mut query = VersionQuery { prefix, limit: BATCH, ..VersionQuery::default() };
        loop {
            let page = service.list_versions(bucket, query.clone()).await?;
            let wanted = page.versions.into_iter().map(|found| Deletion {
                key: found.key,
                version: Some(found.version),
                bypass_governance,
                ..Deletion::default()
            });
            self.take(service, bucket, wanted.collect()).await?;
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(()),
            }
        }
    }
}

/// From where to where. A version copied onto its own key is thereby restored.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    key: String,
    version: Option<String>,
    to_bucket: Option<String>,
    to_key: String,
    /// Deletes the source when the copy is there.
    #[serde(default, rename = "move")]
    moves: bool,
}

pub(super) async fn copy(
    _: Editor,
    State(service): State<Service>,
    Path(bucket): Path<String>,
    Json(wanted): Json<Wanted>,
) -> Answer<Json<Object>> {
    let version = version(wanted.version.as_deref())?;
    let to_bucket = wanted.to_bucket.unwrap_or_else(|| bucket.clone());
    if wanted.moves && (to_bucket == bucket && wanted.to_key == wanted.key) {
        return Err(Error::invalid("The object is there already: name another key.").into());
    }
    if wanted.moves && version.is_some() {
        return Err(Error::invalid("A version cannot be moved, only copied.").into());
    }
    let source = service.head_version(&bucket, &wanted.key, version).await?;
    let mut options = CopyOptions { version, ..CopyOptions::default() };
    options.traits.class.clone_from(&source.traits.class);
    let from = (bucket.as_str(), wanted.key.as_str());
    let copied = service.copy(from, (&to_bucket, &wanted.to_key), options).await?;
    if wanted.moves {
        let gone = Deletion { key: wanted.key, ..Deletion::default() };
        service.delete_one(&bucket, gone, Owner::default()).await?;
    }
    Ok(Json(copied.info.into()))
}
