//! What is done to many objects, or from one place to another: deleting, copying, moving, restoring.

use super::{
    super::{
        access::admit::Admitted,
        copy::CopyOptions,
        model::{Deletion, ListQuery, Version, VersionQuery},
    },
    Answer, Ask, Object, Shelf, Visitor, version,
};
use crate::kernel::{
    error::{Error, Result},
    http::Json,
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
    visitor: Visitor,
    State(shelf): State<Shelf>,
    Path(bucket): Path<String>,
    Json(doomed): Json<Doomed>,
) -> Answer<Json<Outcome>> {
    let Doomed { objects, prefixes, versions, bypass_governance } = doomed;
    if objects.len() > BATCH {
        return Err(Error::invalid(format!("One request deletes at most {BATCH} objects by name.")).into());
    }
    let admitted = shelf.admit(&visitor, Ask::of("DeleteObjects", &bucket).bypass(bypass_governance)).await?;
    if bypass_governance && !admitted.bypass {
        return Err(Error::forbidden("You may not pass over retention in governance mode.").into());
    }
    let mut deletes = Deletes { shelf, visitor, bucket, admitted, outcome: Outcome::default() };
    let named = |named: Named| Ok::<_, Error>((named.key, version(named.version.as_deref())?));
    deletes.take(objects.into_iter().map(named).collect::<Result<_>>()?).await?;
    for prefix in prefixes {
        if versions { deletes.versions_below(prefix).await? } else { deletes.objects_below(prefix).await? }
    }
    Ok(Json(deletes.outcome))
}

/// A request to delete much, under way.
struct Deletes {
    shelf: Shelf,
    visitor: Visitor,
    bucket: String,
    admitted: Admitted,
    outcome: Outcome,
}

impl Deletes {
    async fn take(&mut self, keys: Vec<(String, Option<Version>)>) -> Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        let asked: Vec<_> =
            keys.iter().map(|(key, version)| (key.clone(), version.map(|v| v.to_string()))).collect();
        let allowed = self.shelf.may_delete(&self.visitor, &self.bucket, &asked).await?;
        let mut wanted = Vec::with_capacity(keys.len());
        for ((key, version), allowed) in keys.into_iter().zip(allowed) {
            if allowed {
                let bypass_governance = self.admitted.bypass;
                wanted.push(Deletion { key, version, bypass_governance, ..Deletion::default() });
            } else {
                self.refuse(key, version, "You may not delete it: a policy or your role says so.".into());
            }
        }
        let owner = self.admitted.owner.clone();
        for (deletion, outcome) in self.shelf.service().delete_each(&self.bucket, wanted, owner).await? {
            match outcome {
                Ok(_) => self.outcome.deleted += 1,
                Err(fault) => self.refuse(deletion.key, deletion.version, fault.to_string()),
            }
        }
        Ok(())
    }

    fn refuse(&mut self, key: String, version: Option<Version>, detail: String) {
        self.outcome.refused += 1;
        if self.outcome.errors.len() < REFUSALS {
            let version = version.map(|version| version.to_string());
            self.outcome.errors.push(Refused { key, version, detail });
        }
    }

    /// Goes through the objects once: those that are kept stay behind and are told of.
    async fn objects_below(&mut self, prefix: String) -> Result<()> {
        let mut query = ListQuery { prefix, limit: BATCH, ..ListQuery::default() };
        loop {
            let page = self.shelf.service().list(&self.bucket, query.clone()).await?;
            self.take(page.objects.into_iter().map(|found| (found.key, None)).collect()).await?;
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(()),
            }
        }
    }

    async fn versions_below(&mut self, prefix: String) -> Result<()> {
        let mut query = VersionQuery { prefix, limit: BATCH, ..VersionQuery::default() };
        loop {
            let page = self.shelf.service().list_versions(&self.bucket, query.clone()).await?;
            let found = page.versions.into_iter().map(|found| (found.key, Some(found.version)));
            self.take(found.collect()).await?;
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
    visitor: Visitor,
    State(shelf): State<Shelf>,
    Path(bucket): Path<String>,
    Json(wanted): Json<Wanted>,
) -> Answer<Json<Object>> {
    let ask = Ask::of("GetObject", &bucket).key(&wanted.key).version(wanted.version.as_deref());
    shelf.admit(&visitor, ask).await?;
    let service = shelf.service();
    let version = version(wanted.version.as_deref())?;
    let to_bucket = wanted.to_bucket.unwrap_or_else(|| bucket.clone());
    if wanted.moves && (to_bucket == bucket && wanted.to_key == wanted.key) {
        return Err(Error::invalid("The object is there already: name another key.").into());
    }
    if wanted.moves && version.is_some() {
        return Err(Error::invalid("A version cannot be moved, only copied.").into());
    }
    let put = Ask::of("PutObject", &to_bucket).key(&wanted.to_key);
    let admitted = shelf.admit(&visitor, put).await?;
    if wanted.moves {
        shelf.admit(&visitor, Ask::of("DeleteObject", &bucket).key(&wanted.key)).await?;
    }
    let source = service.head_version(&bucket, &wanted.key, version).await?;
    let mut options = CopyOptions { version, ..CopyOptions::default() };
    options.traits.class.clone_from(&source.traits.class);
    admitted.mark(&mut options.traits);
    let from = (bucket.as_str(), wanted.key.as_str());
    let copied = service.copy(from, (&to_bucket, &wanted.to_key), options).await?;
    if wanted.moves {
        let gone = Deletion { key: wanted.key, ..Deletion::default() };
        service.delete_one(&bucket, gone, admitted.owner).await?;
    }
    Ok(Json(copied.info.into()))
}
