//! Care of what is kept: the check on demand, and the scrubber's notes.

use super::{super::fsck, Answer, Service};
use crate::{
    auth::{Admin, Viewer},
    kernel::{clock::rfc3339, http::Json},
};
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Depth {
    /// Whether to read every byte and compare it with its checksum.
    #[serde(default)]
    checksums: bool,
}

pub async fn fsck(
    _: Admin,
    State(service): State<Service>,
    Query(depth): Query<Depth>,
) -> Answer<Json<fsck::Report>> {
    Ok(Json(fsck::check(service.db(), service.blobs(), depth.checksums).await?))
}

#[derive(Serialize)]
pub struct Scrub {
    begun_at: Option<String>,
    /// Of the last whole pass.
    finished_at: Option<String>,
    /// Blobs and bytes read in this pass.
    checked: u64,
    bytes: u64,
    damaged: Vec<Damaged>,
}

#[derive(Serialize)]
struct Damaged {
    blob: String,
    found_at: String,
    what: String,
}

pub async fn scrub(_: Viewer, State(service): State<Service>) -> Answer<Json<Scrub>> {
    let (pass, damaged) = service.scrub_state().await?;
    let damaged = damaged.into_iter().map(|damage| Damaged {
        blob: damage.blob,
        found_at: rfc3339(damage.found_ms),
        what: damage.what,
    });
    Ok(Json(Scrub {
        begun_at: (pass.begun_ms > 0).then(|| rfc3339(pass.begun_ms)),
        finished_at: pass.finished_ms.map(rfc3339),
        checked: pass.checked,
        bytes: pass.bytes,
        damaged: damaged.collect(),
    }))
}
