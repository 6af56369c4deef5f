//! Who is asking: access keys from `auth`; which names a bucket may have.

use super::{
    super::{
        access::{
            decide::{Caller, Session},
            policy::{Kind, Policy},
        },
        asker::Asker,
        names,
    },
    convert::error,
    iam::managed,
    refuse,
};
use crate::{
    auth::{self, IamUser, S3Key, S3Session},
    kernel::{clock::now_ms, error::Error},
};
use s3s::{
    S3ErrorCode, S3Result,
    auth::{S3Auth, SecretKey},
    validation::NameValidation,
};
use std::{cell::RefCell, future::Future, sync::Arc};

tokio::task_local! {
    /// The key this request is signed with: found once, while its secret is looked up.
    static KEY: RefCell<Option<(String, Arc<S3Key>)>>;
}

/// Runs one request with room to remember its key. (As an `async fn` it would have room for it twice.)
pub fn with_caller<T>(request: impl Future<Output = T>) -> impl Future<Output = T> {
    KEY.scope(RefCell::new(None), request)
}

pub struct Keys(pub auth::Service);

#[async_trait::async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        let found = self.0.s3_key(access_key).await.map_err(error)?;
        let key = found.ok_or_else(|| {
            refuse(S3ErrorCode::InvalidAccessKeyId, "The access key id is not known here, or was revoked.")
        })?;
        let secret = SecretKey::from(key.secret.clone());
        let user = key.iam.as_ref().map_or(&key.principal.user, |user| &user.name);
        Asker::is(user, &key.label);
        KEY.with(|known| known.replace(Some((access_key.to_owned(), key))));
        Ok(secret)
    }
}

/// Whom this request's key stands for. `token` is the session token that came along, if one did.
pub fn caller(access_key: &str, token: Option<&str>) -> S3Result<Caller> {
    let known = KEY.with(|known| known.borrow().clone());
    let Some((_, key)) = known.filter(|(known, _)| known == access_key) else {
        return Err(refuse(S3ErrorCode::AccessDenied, "The owner of this access key is not known."));
    };
    if key.expires_ms.is_some_and(|end| end <= now_ms()) {
        return Err(refuse(S3ErrorCode::ExpiredToken, "The provided token has expired."));
    }
    if !key.token_fits(token) {
        let message = "The security token does not belong to this access key, or is missing.";
        return Err(refuse(S3ErrorCode::InvalidToken, message));
    }
    let session = match (&key.session, &key.iam) {
        (Some(kept), _) => Some(session(kept)?),
        (None, Some(user)) => Some(of_iam_user(user)?),
        (None, None) => None,
    };
    Ok(Caller { principal: key.principal.clone(), session })
}

/// The limits of temporary keys, as decisions need them.
fn session(kept: &S3Session) -> S3Result<Session> {
    let policy = kept.policy.as_deref().map(|text| Policy::parse(text, Kind::Session)).transpose();
    let policy = policy.map_err(|bad| error(Error::internal(bad)))?.map(Arc::new);
    Ok(Session { role: kept.role.clone(), policy, user: None })
}

/// The limits of an IAM user's keys: what none of the policies allows, they may not.
fn of_iam_user(user: &IamUser) -> S3Result<Session> {
    let read = |(name, text): (&String, &String)| Policy::parse(managed(name).unwrap_or(text), Kind::Session);
    let policies = user.policies.iter().map(read);
    let policies = policies.collect::<Result<Vec<_>, _>>().map_err(|bad| error(Error::internal(bad)))?;
    let policy = Some(Arc::new(Policy::together(policies)));
    Ok(Session { role: None, policy, user: Some(user.name.clone()) })
}

/// The one list of rules for bucket names; an account may stand before one.
pub struct Names;

impl NameValidation for Names {
    fn validate_bucket_name(&self, name: &str) -> bool {
        names::check_bucket(names::qualified(name).1).is_ok()
    }
}
