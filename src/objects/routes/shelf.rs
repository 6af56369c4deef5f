//! What every handler of the JSON API stands on: the store, who asks, and the same gatekeeper that
//! stands at the S3 door. A policy that denies something denies it here too.

use super::{
    super::{
        access::{
            admit::{Admitted, Gatekeeper},
            asked::{Asked, Signature, Tags, Version},
            decide::Caller,
        },
        model::{HOUSE, Owner},
        service::Service,
    },
    Address,
};
use crate::{
    auth::{Role, Viewer},
    kernel::{error::Result, http::Peer},
};
use axum::extract::{FromRef, FromRequestParts};
use http::{HeaderMap, HeaderValue, request::Parts};
use std::sync::Arc;

#[derive(Clone)]
pub struct Shelf {
    pub gatekeeper: Gatekeeper,
    pub address: Address,
}

impl FromRef<Shelf> for Service {
    fn from_ref(shelf: &Shelf) -> Self {
        shelf.gatekeeper.service.clone()
    }
}

/// A user of the house, and where from.
pub struct Visitor {
    pub caller: Arc<Caller>,
    peer: Option<Peer>,
}

impl<S: Send + Sync> FromRequestParts<S> for Visitor {
    type Rejection = <Viewer as FromRequestParts<S>>::Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let Viewer(principal) = Viewer::from_request_parts(parts, state).await?;
        let peer = parts.extensions.get::<Peer>().copied();
        Ok(Self { caller: Arc::new(Caller { principal, session: None }), peer })
    }
}

/// What is asked, in the words of the S3 API.
pub struct Ask<'a> {
    operation: &'static str,
    bucket: &'a str,
    key: &'a str,
    query: Vec<(String, String)>,
    tags: Tags,
    bypass: bool,
}

impl<'a> Ask<'a> {
    pub fn of(operation: &'static str, bucket: &'a str) -> Self {
        Self { operation, bucket, key: "", query: Vec::new(), tags: Tags::InHeader, bypass: false }
    }

    pub fn key(self, key: &'a str) -> Self {
        Self { key, ..self }
    }

    /// A parameter of the request that conditions of a policy look at.
    pub fn with(mut self, name: &str, value: Option<&str>) -> Self {
        self.query.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        self
    }

    pub fn version(self, version: Option<&str>) -> Self {
        self.with("versionId", version)
    }

    /// The tags it brings, which conditions may look at.
    pub fn tags(self, tags: &[(String, String)]) -> Self {
        Self { tags: Tags::Given(tags.to_vec()), ..self }
    }

    /// Whether retention in governance mode is to be passed over.
    pub fn bypass(self, bypass: bool) -> Self {
        Self { bypass, ..self }
    }

    fn headers(&self) -> HeaderMap {
        let bypass = ("x-amz-bypass-governance-retention", HeaderValue::from_static("true"));
        let given = self.bypass.then_some(bypass).into_iter();
        given.map(|(name, value)| (http::HeaderName::from_static(name), value)).collect()
    }
}

impl Shelf {
    pub fn service(&self) -> &Service {
        &self.gatekeeper.service
    }

    /// Lets the request in, or says why not.
    pub async fn admit(&self, visitor: &Visitor, ask: Ask<'_>) -> Result<Admitted> {
        let caller = Arc::clone(&visitor.caller);
        if let Some(owner) = self.guests(visitor, &ask).await? {
            return Ok(Admitted { caller: Some(caller), owner, bypass: ask.bypass, acl: None });
        }
        let headers = ask.headers();
        let asked = asked(visitor, &ask, &headers);
        self.gatekeeper.admit(&asked, Some(caller)).await
    }

    /// Whose the bucket is, if it is a guest's and an admin asks: who runs the server answers for its
    /// disk, and must be able to look after every bucket on it.
    async fn guests(&self, visitor: &Visitor, ask: &Ask<'_>) -> Result<Option<Owner>> {
        if visitor.caller.principal.role < Role::Admin || ask.bucket.is_empty() {
            return Ok(None);
        }
        let bucket = self.service().bucket(ask.bucket).await?;
        Ok((bucket.owner != HOUSE).then(|| Owner(bucket.owner.clone())))
    }

    /// Whether each of these keys or versions may be deleted.
    pub async fn may_delete(
        &self,
        visitor: &Visitor,
        bucket: &str,
        keys: &[(String, Option<String>)],
    ) -> Result<Vec<bool>> {
        let ask = Ask::of("DeleteObject", bucket);
        if self.guests(visitor, &ask).await?.is_some() {
            return Ok(vec![true; keys.len()]);
        }
        let headers = HeaderMap::new();
        self.gatekeeper.may_delete(&asked(visitor, &ask, &headers), Some(&visitor.caller), keys).await
    }
}

fn asked<'a>(visitor: &Visitor, ask: &Ask<'a>, headers: &'a HeaderMap) -> Asked<'a> {
    Asked {
        operation: ask.operation,
        bucket: ask.bucket,
        key: ask.key,
        headers,
        query: ask.query.clone(),
        peer: visitor.peer,
        signature: Signature::Header(Version::V4),
        tags: ask.tags.clone(),
    }
}
