//! The rules of identity, and the door through which other rooms use it.

use super::{
    iam, keys,
    model::{self, FirstAdmin, Issued, NewUser, Principal, Role, S3Key, TokenInfo, UserChange, UserInfo},
    seal::{self, Sealer},
    store,
};
use crate::{
    kernel::{
        clock::now_ms,
        error::{Error, Kind, Result},
        id,
        known::Known,
        private,
    },
    store::{Connection, Db},
};
use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::Semaphore;

/// How long a browser stays signed in.
pub const SESSION_MS: i64 = 12 * 3_600_000;
/// Passwords verified lately, at most.
const REMEMBERED: usize = 1024;

/// In place of a password's hash: no password has it. To hash one that nobody knows would take 19 MiB for nothing.
const NO_PASSWORD: &str = "";

/// Users, tokens, sessions and S3 keys. Clones share one state.
#[derive(Clone)]
pub struct Service(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) db: Db,
    pub(super) sealer: Sealer,
    /// Counts the changes, for rooms that remember what depends on users.
    changes: AtomicU64,
    /// What stands behind an access key.
    pub(super) keys: Known<Arc<S3Key>>,
    /// The role and the password's hash of a user.
    users: Known<(Role, Arc<str>)>,
    /// Whose a token or session is and until when, by its kind and digest.
    tokens: Known<Issued>,
    /// The display names of accounts, all under one key.
    pub(super) names: Known<Arc<HashMap<String, String>>>,
    /// Digest of user, password and stored hash, for passwords that fitted: argon2 takes tens of
    /// milliseconds by design and Basic auth sends the password with every request. The stored hash
    /// is part of the key, so a changed password forgets the old one by itself.
    verified: Mutex<HashMap<[u8; 32], ()>>,
    /// Argon2 takes 19 MiB a call: a burst of wrong passwords must not take more than two.
    hashing: Semaphore,
}

impl Service {
    /// `secrets` is the data directory's folder for keys.
    pub fn open(db: Db, secrets: &Path) -> Result<Self> {
        let sealer = Sealer::open(&secrets.join("master.key"))?;
        Ok(Self(Arc::new(Inner {
            db,
            sealer,
            changes: AtomicU64::new(0),
            keys: Known::default(),
            users: Known::default(),
            tokens: Known::default(),
            names: Known::default(),
            verified: Mutex::default(),
            hashing: Semaphore::new(2),
        })))
    }

    /// On the first start, makes the admin with a random password (or `chosen`) and an S3 key, and
    /// keeps them in `secrets/admin.toml`. Later starts change nothing and answer `None`.
    pub async fn first_admin(&self, secrets: &Path, chosen: Option<String>) -> Result<Option<FirstAdmin>> {
        if self.0.db.read(store::user_count).await? > 0 {
            return Ok(None);
        }
        let path = secrets.join("admin.toml");
        // The file comes before the rows: a start cut short in between finds it and goes on from it.
        let admin = if path.exists() {
            toml::from_str(&fs_err::read_to_string(&path)?).map_err(Error::internal)?
        } else {
            let admin = FirstAdmin {
                user: "admin".into(),
                password: chosen.unwrap_or_else(|| id::secret(24)),
                access_key_id: keys::access_key_id(),
                secret_access_key: id::secret(40),
            };
            model::check_password(&admin.password)?;
            let text = toml::to_string(&admin).map_err(Error::internal)?;
            private::write(&path, text.as_bytes())?;
            admin
        };
        let hash = self.hash(admin.password.clone()).await?;
        let sealed = self.0.sealer.seal(&admin.access_key_id, &admin.secret_access_key)?;
        let made = admin.clone();
        let make = move |db: &Connection| {
            store::user_put(db, &made.user, &hash, Role::Admin, now_ms())?;
            let key = store::NewKey {
                access: &made.access_key_id,
                sealed: &sealed,
                user: &made.user,
                label: "first start",
                now: now_ms(),
                ..store::NewKey::default()
            };
            store::key_put(db, &key)
        };
        self.change(make).await?;
        Ok(Some(admin))
    }

    /// The user whose password this is.
    pub async fn password_check(&self, user: &str, password: &str) -> Result<Principal> {
        let known = self.known_user(user).await?;
        // An unknown user costs the same time as a wrong password, so that names cannot be guessed.
        let (role, hash) = known.map_or((None, "".into()), |(role, hash)| (Some(role), hash));
        let key = seal::digest(&format!("{user}\0{password}\0{hash}"));
        if let (Some(role), true) = (role, self.remembered(&key)) {
            return Ok(Principal { user: user.into(), role });
        }
        let fits = self.verify(password.to_owned(), hash.to_string()).await?;
        match role {
            Some(role) if fits => {
                self.remember(key);
                Ok(Principal { user: user.into(), role })
            }
            _ => Err(Error::new(Kind::Unauthenticated, "The user or the password is wrong.")),
        }
    }

    /// A user's role and password hash. Basic authentication asks with every request.
    async fn known_user(&self, user: &str) -> Result<Option<(Role, Arc<str>)>> {
        let changes = match self.0.users.get(user) {
            Ok(known) => return Ok(Some(known)),
            Err(changes) => changes,
        };
        let name = user.to_owned();
        let Some((role, hash)) = self.0.db.look_up(move |db| store::user_get(db, &name)).await? else {
            return Ok(None);
        };
        let known = (role, Arc::from(hash));
        self.0.users.learn(user, Clone::clone(&known), changes);
        Ok(Some(known))
    }

    /// The user for whom this bearer token was issued, if it is valid.
    pub async fn token_check(&self, token: &str) -> Result<Option<Principal>> {
        self.secret_check(token, "token").await
    }

    /// The label of a token that was found valid a moment ago.
    pub fn token_label(&self, token: &str) -> Option<Arc<str>> {
        let key = format!("token {}", hex::encode(seal::digest(token)));
        self.0.tokens.get(&key).ok().map(|issued| issued.label)
    }

    /// The user whose browser holds this session, if it is valid.
    pub async fn session_check(&self, session: &str) -> Result<Option<Principal>> {
        self.secret_check(session, "session").await
    }

    async fn secret_check(&self, secret: &str, kind: &'static str) -> Result<Option<Principal>> {
        let digest = seal::digest(secret);
        let key = format!("{kind} {}", hex::encode(digest));
        let issued = match self.0.tokens.get(&key) {
            Ok(issued) => Some(issued),
            Err(changes) => {
                let found = self.0.db.look_up(move |db| store::token_user(db, &digest, kind)).await?;
                if let Some(found) = &found {
                    self.0.tokens.learn(&key, found.clone(), changes);
                }
                found
            }
        };
        let valid = issued.filter(|issued| issued.expires_at.is_none_or(|end| end > now_ms()));
        Ok(valid.map(|issued| issued.who))
    }

    /// A bearer token for `user`; `ttl_ms` from now, or for good. The secret is not kept.
    pub async fn token_issue(&self, user: &str, label: &str, ttl_ms: Option<i64>) -> Result<String> {
        self.issue(user, "token", label, ttl_ms).await
    }

    /// A browser session for a user of the house.
    pub async fn session_open(&self, who: &Principal) -> Result<String> {
        if who.role == Role::Guest {
            return Err(super::middleware::guests_only_s3(&who.user));
        }
        self.issue(&who.user, "session", "browser", Some(SESSION_MS)).await
    }

    pub async fn session_close(&self, session: &str) -> Result<()> {
        let digest = seal::digest(session);
        self.change(move |db| store::token_delete_digest(db, &digest)).await
    }

    async fn issue(
        &self,
        user: &str,
        kind: &'static str,
        label: &str,
        ttl_ms: Option<i64>,
    ) -> Result<String> {
        let secret = format!("crn_{}", id::secret(40));
        let (digest, user, label) = (seal::digest(&secret), user.to_owned(), label.to_owned());
        let store_it = move |db: &Connection| {
            let now = now_ms();
            let token = store::NewToken {
                id: &id::ordered(),
                digest: &digest,
                user: &user,
                kind,
                label: &label,
                now,
                expires_at: ttl_ms.map(|ttl| now.saturating_add(ttl)),
            };
            store::token_put(db, &token)
        };
        self.change(store_it).await?;
        Ok(secret)
    }

    /// Revokes every token and S3 key with this label.
    pub async fn label_revoke(&self, label: &str) -> Result<()> {
        let label = label.to_owned();
        self.change(move |db| store::label_delete(db, &label)).await
    }

    pub async fn token_list(&self, user: Option<String>) -> Result<Vec<TokenInfo>> {
        self.0.db.read(move |db| store::token_list(db, user.as_deref())).await
    }

    /// Revokes one token; `user` limits whose.
    pub async fn token_revoke(&self, token: &str, user: Option<String>) -> Result<()> {
        let wanted = token.to_owned();
        let gone = self.change(move |db| store::token_delete(db, &wanted, user.as_deref())).await?;
        if gone == 0 { Err(Error::not_found(format!("There is no token {token:?}."))) } else { Ok(()) }
    }

    /// Seals a secret of another room for one purpose, so that it cannot stand for another.
    pub fn secret_seal(&self, purpose: &str, clear: &str) -> Result<Vec<u8>> {
        self.0.sealer.seal(purpose, clear)
    }

    pub fn secret_open(&self, purpose: &str, sealed: &[u8]) -> Result<String> {
        self.0.sealer.unseal(purpose, sealed)
    }

    /// How often users, tokens or keys changed: who remembers something about a user may, as long as
    /// this stays.
    pub fn changes(&self) -> u64 {
        self.0.changes.load(Ordering::Acquire)
    }

    /// A user as the list has it.
    pub async fn user_info(&self, name: &str) -> Result<Option<UserInfo>> {
        let name = name.to_owned();
        self.0.db.read(move |db| store::user_info(db, &name)).await
    }

    pub async fn user_list(&self) -> Result<Vec<UserInfo>> {
        self.0.db.read(store::user_list).await
    }

    pub async fn user_create(&self, name: &str, password: String, role: Role) -> Result<()> {
        let name = name.to_owned();
        let user = NewUser { name, password: Some(password), role, email: None, display_name: None };
        self.user_add(user).await
    }

    /// Makes a user. A guest without a password has S3 keys only.
    pub async fn user_add(&self, user: NewUser) -> Result<()> {
        model::check_user_name(&user.name)?;
        if user.role.has_own_account() {
            model::check_guest_name(&user.name)?;
        }
        let hash = match user.password.clone() {
            Some(password) => {
                model::check_password(&password)?;
                self.hash(password).await?
            }
            None if user.role == Role::Guest => NO_PASSWORD.into(),
            None => return Err(Error::invalid("A user needs a password; a guest can do without.")),
        };
        self.user_put(user, hash).await
    }

    /// Makes a user whom no password lets in: one that acts by tokens and keys alone.
    pub async fn user_create_locked(&self, name: &str, role: Role) -> Result<()> {
        model::check_user_name(name)?;
        let user = NewUser { name: name.to_owned(), password: None, role, email: None, display_name: None };
        self.user_put(user, NO_PASSWORD.into()).await
    }

    async fn user_put(&self, user: NewUser, hash: String) -> Result<()> {
        let (email, shown) = names(user.email.as_deref(), user.display_name.as_deref())?;
        let create = move |db: &Connection| {
            let name = &user.name;
            if store::user_get(db, name)?.is_some() {
                return Err(Error::exists(format!("User {name:?} exists already.")));
            }
            not_taken(db, name, user.role)?;
            store::user_put(db, name, &hash, user.role, now_ms())?;
            set_names(db, name, email, shown)
        };
        self.change(create).await
    }

    /// Changes what is given. A new password ends the user's open sessions.
    pub async fn user_update(&self, name: &str, change: UserChange) -> Result<()> {
        let hash = match change.password {
            Some(password) => {
                model::check_password(&password)?;
                Some(self.hash(password).await?)
            }
            None => None,
        };
        if change.role.is_some_and(Role::has_own_account) {
            model::check_guest_name(name)?;
        }
        let (email, shown) = names(change.email.as_deref(), change.display_name.as_deref())?;
        let name = name.to_owned();
        let update = move |db: &Connection| {
            let (before, _) = store::user_get(db, &name)?.ok_or_else(|| no_user(&name))?;
            if let Some(hash) = hash {
                store::user_set_password(db, &name, &hash)?;
                store::user_sign_out(db, &name)?;
            }
            if let Some(role) = change.role {
                if before.has_own_account() != role.has_own_account() {
                    iam::clear(db, &name)?;
                    not_taken(db, &name, role)?;
                }
                store::user_set_role(db, &name, role)?;
            }
            set_names(db, &name, email, shown)?;
            keep_an_admin(db)
        };
        self.change(update).await
    }

    /// Removes a user with all tokens and keys.
    pub async fn user_delete(&self, name: &str) -> Result<()> {
        let name = name.to_owned();
        let delete = move |db: &Connection| {
            let (role, _) = store::user_get(db, &name)?.ok_or_else(|| no_user(&name))?;
            if role.has_own_account() {
                iam::clear(db, &name)?;
            }
            store::user_delete(db, &name)?;
            keep_an_admin(db)
        };
        self.change(delete).await
    }

    /// Every write of this room. It goes on when its caller hangs up, so that what it made untrue is
    /// forgotten without fail.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let inner = Arc::clone(&self.0);
        let write = async move {
            let outcome = inner.db.write(work).await;
            inner.changes.fetch_add(1, Ordering::Release);
            inner.keys.forget();
            inner.users.forget();
            inner.tokens.forget();
            inner.names.forget();
            outcome
        };
        tokio::spawn(write).await.map_err(Error::internal)?
    }

    async fn hash(&self, password: String) -> Result<String> {
        let _turn = self.0.hashing.acquire().await.map_err(Error::internal)?;
        tokio::task::spawn_blocking(move || seal::hash_password(&password)).await.map_err(Error::internal)?
    }

    async fn verify(&self, password: String, hash: String) -> Result<bool> {
        let _turn = self.0.hashing.acquire().await.map_err(Error::internal)?;
        let check = move || match hash.is_empty() {
            true => seal::hash_password(&password).map(|_| false),
            false => Ok(seal::password_fits(&password, &hash)),
        };
        tokio::task::spawn_blocking(check).await.map_err(Error::internal)?
    }

    fn remembered(&self, key: &[u8; 32]) -> bool {
        self.0.verified.lock().unwrap_or_else(PoisonError::into_inner).contains_key(key)
    }

    fn remember(&self, key: [u8; 32]) {
        let mut verified = self.0.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if verified.len() >= REMEMBERED {
            verified.clear();
        }
        verified.insert(key, ());
    }
}

/// An e-mail address and a display name, checked; an empty text stands for none.
type Names = (Option<Option<String>>, Option<Option<String>>);

fn names(email: Option<&str>, shown: Option<&str>) -> Result<Names> {
    let filled = |text: &&str| !text.is_empty();
    let email =
        email.map(|text| Some(text).filter(filled).map(model::check_email).transpose()).transpose()?;
    if let Some(shown) = shown.filter(filled) {
        model::check_display_name(shown)?;
    }
    Ok((email, shown.map(|text| Some(text).filter(filled).map(str::to_owned))))
}

fn set_names(
    db: &Connection,
    name: &str,
    email: Option<Option<String>>,
    shown: Option<Option<String>>,
) -> Result<()> {
    if let Some(email) = email {
        let taken = email.as_deref().map(|email| store::user_by_email(db, email)).transpose()?.flatten();
        if taken.is_some_and(|other| other.user != name) {
            return Err(Error::exists("Another user has this e-mail address."));
        }
        store::user_set_email(db, name, email.as_deref())?;
    }
    if let Some(shown) = shown {
        store::user_set_display_name(db, name, shown.as_deref())?;
    }
    Ok(())
}

/// A policy could not tell a user of the house from an IAM user of this name.
fn not_taken(db: &Connection, name: &str, role: Role) -> Result<()> {
    match !role.has_own_account() && iam::is_taken(db, name)? {
        true => {
            Err(Error::exists(format!("There is an IAM user {name:?} of the house: choose another name.")))
        }
        false => Ok(()),
    }
}

fn no_user(name: &str) -> Error {
    Error::not_found(format!("There is no user {name:?}."))
}

fn keep_an_admin(db: &Connection) -> Result<()> {
    if store::admin_count(db)? == 0 {
        return Err(Error::conflict("This is the last admin: make another user admin first."));
    }
    Ok(())
}
