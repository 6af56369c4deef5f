//! Who is asking and what they may do: access keys from `auth`, roles per operation, and which host
//! names carry a bucket.

use super::{
    super::{asker::Asker, names},
    convert::error,
    refuse,
};
use crate::auth::{self, Principal, Role};
use s3s::{
    S3ErrorCode, S3Result,
    access::{S3Access, S3AccessContext},
    auth::{S3Auth, SecretKey},
    host::{S3Host, VirtualHost},
    validation::NameValidation,
};
use std::{cell::RefCell, future::Future};

tokio::task_local! {
    /// The owner of the key this request is signed with: found once, while its secret is looked up.
    static CALLER: RefCell<Option<(String, Principal)>>;
}

/// Runs one request with room to remember its caller.
pub async fn with_caller<T>(request: impl Future<Output = T>) -> T {
    CALLER.scope(RefCell::new(None), request).await
}

pub struct Keys(pub auth::Service);

#[async_trait::async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        let found = self.0.s3_secret(access_key).await.map_err(error)?;
        let (secret, principal) = found.ok_or_else(|| {
            refuse(S3ErrorCode::InvalidAccessKeyId, "The access key id is not known here, or was revoked.")
        })?;
        Asker::is(&principal.user);
        CALLER.with(|caller| caller.replace(Some((access_key.to_owned(), principal))));
        Ok(SecretKey::from(secret))
    }
}

pub struct Roles;

#[async_trait::async_trait]
impl S3Access for Roles {
    async fn check(&self, request: &mut S3AccessContext<'_>) -> S3Result<()> {
        let denied = |message: String| Err(refuse(S3ErrorCode::AccessDenied, message));
        let Some(credentials) = request.credentials() else {
            return denied("Every request must be signed: anonymous access is off.".into());
        };
        let caller = CALLER.with(|caller| caller.borrow().clone());
        let Some((_, principal)) = caller.filter(|(key, _)| *key == credentials.access_key) else {
            return denied("The owner of this access key is not known.".into());
        };
        let needed = if reads_only(request.s3_op().name()) { Role::Viewer } else { Role::Editor };
        principal.require(needed).or_else(|refusal| denied(refusal.message))
    }
}

fn reads_only(operation: &str) -> bool {
    ["Get", "Head", "List"].iter().any(|verb| operation.starts_with(verb))
}

/// The one list of rules for bucket names.
pub struct Names;

impl NameValidation for Names {
    fn validate_bucket_name(&self, name: &str) -> bool {
        names::check_bucket(name).is_ok()
    }
}

/// `bucket.localhost` is virtual-host style; every other host name is path style.
pub struct Hosts;

impl S3Host for Hosts {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        match bucket_in_host(host) {
            Some(bucket) => Ok(VirtualHost::new("localhost").with_bucket(bucket)),
            None => Ok(VirtualHost::new(host)),
        }
    }
}

/// The bucket a Host header names, if it is of the virtual-host style.
pub fn bucket_in_host(host: &str) -> Option<&str> {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name.strip_suffix(".localhost").filter(|bucket| !bucket.is_empty())
}
