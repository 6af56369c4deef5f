//! Every version of the objects below a prefix, delete markers included.

use super::{super::model::VersionQuery, Answer, Ask, Asked, Object, PAGE_MAX, Shelf, Visitor, version};
use crate::kernel::http::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listing {
    #[serde(default)]
    prefix: String,
    delimiter: Option<String>,
    after: Option<String>,
    /// With `after`: lists what is older of that key too.
    after_version: Option<String>,
    limit: Option<usize>,
}

#[derive(Serialize)]
pub(super) struct Page {
    prefixes: Vec<String>,
    versions: Vec<Object>,
    next: Option<Next>,
}

#[derive(Serialize)]
struct Next {
    after: String,
    after_version: Option<String>,
}

pub(super) async fn list(
    visitor: Visitor,
    State(shelf): State<Shelf>,
    Path(bucket): Path<String>,
    Asked(listing): Asked<Listing>,
) -> Answer<Json<Page>> {
    let ask = Ask::of("ListObjectVersions", &bucket).with("prefix", Some(&listing.prefix));
    shelf.admit(&visitor, ask.with("delimiter", listing.delimiter.as_deref())).await?;
    let older = version(listing.after_version.as_deref())?;
    let query = VersionQuery {
        prefix: listing.prefix,
        delimiter: listing.delimiter.filter(|delimiter| !delimiter.is_empty()),
        after: listing.after.filter(|after| !after.is_empty()).map(|after| (after, older)),
        limit: listing.limit.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX),
    };
    let page = shelf.service().list_versions(&bucket, query).await?;
    let next = page
        .next
        .map(|(after, version)| Next { after, after_version: version.map(|version| version.to_string()) });
    let versions = page.versions.into_iter().map(Object::from).collect();
    Ok(Json(Page { prefixes: page.prefixes, versions, next }))
}
