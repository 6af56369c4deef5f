//! Buckets and objects in our own JSON API, for the UI and the command line.

mod batch;
mod buckets;
mod care;
mod details;
mod documents;
mod objects;
mod presign;
mod quota;
mod settings;
mod shelf;
mod uploads;
mod versions;
mod webhooks;

use super::{
    access::admit::Gatekeeper,
    model::{ObjectInfo, Version},
    service::Service,
};
use crate::{
    auth,
    kernel::{
        clock::rfc3339,
        error::{Error, Result},
        http::Problem,
    },
};
use axum::{
    Router,
    extract::{FromRequestParts, Query},
    routing::{get, post, put},
};
use http::{HeaderMap, request::Parts};
use serde::{Serialize, de::DeserializeOwned};
use shelf::{Ask, Shelf, Visitor};
use std::sync::Arc;

type Answer<T> = std::result::Result<T, Problem>;

/// The S3 door's address as the asker of a request can reach it.
pub type Address = Arc<dyn Fn(&HeaderMap) -> String + Send + Sync>;

/// Entries in a page of a listing, at most and unless told otherwise.
const PAGE_MAX: usize = 1000;

/// `/api/crannog/v1/buckets` and below. Where a path ends in a key, the key has its slashes.
pub fn router(service: Service, auth: auth::Service, address: Address) -> Router {
    let at = |rest: &str| format!("/api/crannog/v1/buckets{rest}");
    let keys = super::crypt::router(service.clone());
    let shelf = Shelf { gatekeeper: Gatekeeper { service, auth }, address };
    Router::new()
        .route(&at(""), get(buckets::list).post(buckets::create))
        .route(&at("/{bucket}"), get(buckets::show).patch(buckets::change).delete(buckets::delete))
        .route(&at("/{bucket}/settings"), get(settings::all))
        .route(
            &at("/{bucket}/settings/{name}"),
            get(settings::show).put(settings::put).delete(settings::delete),
        )
        .route(&at("/{bucket}/quota"), get(quota::get).put(quota::put))
        .route("/api/crannog/v1/fsck", post(care::fsck))
        .route("/api/crannog/v1/scrub", get(care::scrub))
        .route("/api/crannog/v1/webhooks", get(webhooks::list))
        .route("/api/crannog/v1/webhooks/{name}", put(webhooks::put).delete(webhooks::delete))
        .route(&at("/{bucket}/objects"), get(objects::list))
        .route(&at("/{bucket}/objects/{*key}"), get(objects::get).put(objects::put).delete(objects::delete))
        .route(&at("/{bucket}/versions"), get(versions::list))
        .route(&at("/{bucket}/details/{*key}"), get(details::show).patch(details::change))
        .route(&at("/{bucket}/delete"), post(batch::delete))
        .route(&at("/{bucket}/copy"), post(batch::copy))
        .route(&at("/{bucket}/uploads"), get(uploads::list).post(uploads::begin))
        .route(&at("/{bucket}/uploads/{upload}"), post(uploads::complete).delete(uploads::abort))
        .route(&at("/{bucket}/uploads/{upload}/{part}"), put(uploads::part))
        .route(&at("/{bucket}/presign"), post(presign::make))
        .with_state(shelf)
        .merge(keys)
}

/// The query of a request; one that does not fit is answered with what is wrong.
struct Asked<T>(T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> std::result::Result<Self, Problem> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        let Query(asked) = query.map_err(|rejection| Error::invalid(rejection.body_text()))?;
        Ok(Self(asked))
    }
}

/// An object, or one version of it, in a listing.
#[derive(Serialize)]
struct Object {
    key: String,
    version: String,
    latest: bool,
    marker: bool,
    size: u64,
    etag: String,
    last_modified: String,
    content_type: Option<String>,
    storage_class: Option<String>,
}

impl From<ObjectInfo> for Object {
    fn from(info: ObjectInfo) -> Self {
        let last_modified = rfc3339(info.last_modified_ms);
        Self {
            key: info.key,
            version: info.version.to_string(),
            latest: info.latest,
            marker: info.marker,
            size: info.size,
            etag: info.etag,
            last_modified,
            content_type: info.traits.content_type,
            storage_class: info.traits.class,
        }
    }
}

/// The version a request names, if it names one.
fn version(text: Option<&str>) -> Result<Option<Version>> {
    Ok(text.filter(|text| !text.is_empty()).map(Version::parse).transpose()?)
}
