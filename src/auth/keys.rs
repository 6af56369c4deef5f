//! S3 keys: issued, looked up for every signed request, revoked; and the names of accounts.

use super::{
    iam,
    model::{self, KeyInfo, NewSession, Principal, S3Key, S3Session, TemporaryKey},
    seal,
    service::Service,
    store::{self, NewKey},
};
use crate::{
    kernel::{
        clock::now_ms,
        error::{Error, Result},
        id,
    },
    store::Connection,
};
use std::{collections::HashMap, sync::Arc};

/// Temporary keys of one user at a time.
const SESSIONS_MAX: i64 = 10_000;

/// A key to be issued. Without a given pair, a new one is made.
#[derive(Clone, Debug, Default)]
pub struct KeyWanted {
    pub user: String,
    pub label: String,
    /// Access key id and secret that clients have already.
    pub given: Option<(String, String)>,
}

impl Service {
    /// A new S3 key pair for `user`: access key id, secret access key.
    pub async fn s3_key_issue(&self, user: &str, label: &str) -> Result<(String, String)> {
        self.s3_key_add(KeyWanted { user: user.to_owned(), label: label.to_owned(), given: None }).await
    }

    pub async fn s3_key_add(&self, wanted: KeyWanted) -> Result<(String, String)> {
        let (access, secret) = match wanted.given {
            Some((access, secret)) => {
                model::check_given_key(&access, &secret)?;
                (access, secret)
            }
            None => (access_key_id(), id::secret(40)),
        };
        let sealed = self.0.sealer.seal(&access, &secret)?;
        let key = access.clone();
        let put = move |db: &Connection| {
            let (user, label) = (&wanted.user, &wanted.label);
            store::user_get(db, user)?
                .ok_or_else(|| Error::not_found(format!("There is no user {user:?}.")))?;
            if store::key_get(db, &key)?.is_some() {
                return Err(Error::exists(format!("The access key id {key:?} is in use already.")));
            }
            let (access, sealed) = (key.as_str(), sealed.as_slice());
            let now = now_ms();
            store::key_put(db, &NewKey { access, sealed, user, label, now, ..NewKey::default() })
        };
        self.change(put).await?;
        Ok((access, secret))
    }

    /// Keys that end by themselves, with a token that must come along with them.
    pub async fn s3_session_issue(&self, wanted: NewSession) -> Result<TemporaryKey> {
        let access = format!("TMP{}", id::secret(17).to_ascii_uppercase());
        let (secret, token) = (id::secret(40), id::secret(64));
        let sealed = self.0.sealer.seal(&access, &secret)?;
        let now = now_ms();
        let expires_ms = now.saturating_add(wanted.ttl_s.saturating_mul(1000));
        let label = wanted
            .role
            .as_ref()
            .map_or_else(|| "session".to_owned(), |(role, name)| format!("{role}/{name}"));
        let session = S3Session {
            token: hex::encode(seal::digest(&token)),
            role: wanted.role,
            at_most: wanted.at_most,
            policy: wanted.policy,
        };
        let session = serde_json::to_string(&session).map_err(Error::internal)?;
        let key = access.clone();
        let put = move |db: &Connection| {
            let (access, sealed, user, label) =
                (key.as_str(), sealed.as_slice(), &wanted.user, label.as_str());
            if store::session_count(db, user, now)? >= SESSIONS_MAX {
                let message =
                    format!("User {user:?} has {SESSIONS_MAX} temporary keys: wait for some to end.");
                return Err(Error::conflict(message));
            }
            let (expires_at, session) = (Some(expires_ms), Some(session.as_str()));
            store::key_put(
                db,
                &NewKey { access, sealed, user, label, now, expires_at, session, ..NewKey::default() },
            )
        };
        // A new key changes nothing that is remembered.
        self.0.db.write(put).await?;
        Ok(TemporaryKey {
            access_key_id: access,
            secret_access_key: secret,
            session_token: token,
            expires_ms,
        })
    }

    /// What a request signed with this key is checked against.
    pub async fn s3_key(&self, access_key: &str) -> Result<Option<Arc<S3Key>>> {
        let changes = match self.0.keys.get(access_key) {
            Ok(known) => return Ok(Some(known)),
            Err(changes) => changes,
        };
        let wanted = access_key.to_owned();
        let look_up = move |db: &Connection| {
            let Some(row) = store::key_get(db, &wanted)? else { return Ok(None) };
            let iam = row.iam_user.as_deref().map(|id| iam::of_key(db, id)).transpose()?;
            // A key whose user has gone is nobody's.
            Ok(match iam {
                Some(None) => None,
                iam => Some((row, iam.flatten())),
            })
        };
        let found = self.0.db.look_up(look_up).await?;
        let Some((row, iam)) = found else { return Ok(None) };
        let session: Option<S3Session> = match &row.session {
            Some(text) => Some(serde_json::from_str(text).map_err(Error::internal)?),
            None => None,
        };
        let role = row.principal.role;
        let role = session.as_ref().and_then(|session| session.at_most).map_or(role, |most| most.min(role));
        let key = Arc::new(S3Key {
            secret: self.0.sealer.unseal(access_key, &row.sealed)?,
            label: row.label.into(),
            principal: Principal { role, ..row.principal },
            expires_ms: row.expires_at,
            session,
            iam,
        });
        self.0.keys.learn(access_key, key.clone(), changes);
        Ok(Some(key))
    }

    pub async fn s3_key_list(&self, user: Option<String>) -> Result<Vec<KeyInfo>> {
        self.0.db.read(move |db| store::key_list(db, user.as_deref(), now_ms())).await
    }

    pub async fn s3_key_revoke(&self, access_key: &str, user: Option<String>) -> Result<()> {
        let wanted = access_key.to_owned();
        let gone = self.change(move |db| store::key_delete(db, &wanted, user.as_deref())).await?;
        if gone == 0 { Err(Error::not_found(format!("There is no S3 key {access_key:?}."))) } else { Ok(()) }
    }

    /// The user of this name.
    pub async fn user_find(&self, name: &str) -> Result<Option<Principal>> {
        let user = name.to_owned();
        let found = self.0.db.read(move |db| store::user_get(db, &user)).await?;
        Ok(found.map(|(role, _)| Principal { user: name.to_owned(), role }))
    }

    /// The user with this e-mail address.
    pub async fn user_by_email(&self, email: &str) -> Result<Option<Principal>> {
        let email = email.to_lowercase();
        self.0.db.read(move |db| store::user_by_email(db, &email)).await
    }

    /// The display names of guests that have one.
    pub async fn display_names(&self) -> Result<Arc<HashMap<String, String>>> {
        let changes = match self.0.names.get("") {
            Ok(names) => return Ok(names),
            Err(changes) => changes,
        };
        let guests = self.user_list().await?.into_iter().filter(|user| user.role.has_own_account());
        let names: HashMap<_, _> = guests.filter_map(|user| Some((user.name, user.display_name?))).collect();
        let names = Arc::new(names);
        self.0.names.learn("", names.clone(), changes);
        Ok(names)
    }
}

impl S3Key {
    /// Whether this is the session's token. Both are digests: how long comparing takes tells nothing.
    pub fn token_fits(&self, token: Option<&str>) -> bool {
        match (&self.session, token) {
            (None, None) => true,
            (Some(session), Some(token)) => session.token == hex::encode(seal::digest(token)),
            _ => false,
        }
    }
}

/// The shape AWS uses: 20 upper-case letters and digits.
pub fn access_key_id() -> String {
    format!("CRN{}", id::secret(17).to_ascii_uppercase())
}
