//! Links to one object, for our own API.

use super::{
    super::{
        links::{self, Signer},
        names,
    },
    Answer, Ask, Shelf, Visitor, version,
};
use crate::kernel::{clock::rfc3339, error::Error, http::Json};
use axum::extract::{Path, State};
use http::HeaderMap;
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    key: String,
    /// GET or PUT.
    #[serde(default)]
    method: Option<String>,
    version: Option<String>,
    expires_s: Option<u32>,
}

#[derive(Serialize)]
pub(super) struct Link {
    url: String,
    method: &'static str,
    expires_at: String,
}

pub(super) async fn make(
    visitor: Visitor,
    State(shelf): State<Shelf>,
    Path(bucket): Path<String>,
    headers: HeaderMap,
    Json(wanted): Json<Wanted>,
) -> Answer<Json<Link>> {
    let method = match wanted.method.as_deref().unwrap_or("GET") {
        "GET" => "GET",
        "PUT" => "PUT",
        other => {
            return Err(Error::invalid(format!("{other:?} is not a method of a link: GET or PUT.")).into());
        }
    };
    let expires_s = links::check_life(wanted.expires_s.map_or(3600, i64::from))?;
    names::check_key(&wanted.key).map_err(Error::from)?;
    let version = version(wanted.version.as_deref())?;
    let operation = if method == "PUT" { "PutObject" } else { "GetObject" };
    let ask = Ask::of(operation, &bucket).key(&wanted.key).version(wanted.version.as_deref());
    shelf.admit(&visitor, ask).await?;
    if method == "GET" {
        shelf.service().head_version(&bucket, &wanted.key, version).await?;
    }
    let signer = Signer::of(&shelf.gatekeeper.auth, &visitor.caller.principal).await?;
    let query: Vec<_> = version.map(|version| ("versionId", version.to_string())).into_iter().collect();
    let base = (shelf.address)(&headers);
    let link =
        links::Link { method, base: &base, bucket: &bucket, key: &wanted.key, query: &query, expires_s };
    let expires_at = rfc3339(signer.now.timestamp_millis() + i64::from(expires_s) * 1000);
    Ok(Json(Link { url: signer.sign(&link), method, expires_at }))
}
