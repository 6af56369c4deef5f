//! IAM users: those an account makes for its programs. A key of theirs may do what their policies let it, and
//! never more than the user who made it.

mod store;

pub use store::{clear, is_taken, of_key};

use super::{
    keys::access_key_id,
    model::{IamKey, IamUser},
    service::Service,
    store::{NewKey, key_put, user_get},
};
use crate::{
    kernel::{
        clock::{now_ms, rfc3339},
        error::{Error, Result},
        id,
    },
    store::Connection,
};
use std::collections::BTreeMap;

/// Amazon's quotas.
const USERS_MAX: i64 = 5000;
const KEYS_MAX: usize = 2;
const POLICIES_MAX: usize = 20;
const DOCUMENTS_MAX: usize = 2048;

impl Service {
    pub async fn iam_user_create(&self, account: &str, name: String, path: String) -> Result<IamUser> {
        let account = account.to_owned();
        let create = move |db: &Connection| {
            if store::get(db, &account, &name)?.is_some() || is_user(db, &account, &name)? {
                return Err(Error::exists(format!("User with name {name} already exists.")));
            }
            if store::count(db, &account)? >= USERS_MAX {
                let message = format!("Cannot exceed quota for UsersPerAccount: {USERS_MAX}");
                return Err(Error::too_many(message));
            }
            let id = format!("AIDA{}", id::secret(17).to_ascii_uppercase());
            let user = IamUser { name, id, path, created_ms: now_ms(), policies: BTreeMap::new() };
            store::insert(db, &account, &user)?;
            Ok(user)
        };
        self.change(create).await
    }

    pub async fn iam_user(&self, account: &str, name: &str) -> Result<IamUser> {
        let (account, name) = (account.to_owned(), name.to_owned());
        self.0.db.read(move |db| store::find(db, &account, &name)).await
    }

    pub async fn iam_user_list(&self, account: &str) -> Result<Vec<IamUser>> {
        let account = account.to_owned();
        self.0.db.read(move |db| store::list(db, &account)).await
    }

    /// Only one without keys and policies goes.
    pub async fn iam_user_delete(&self, account: &str, name: &str) -> Result<()> {
        let (account, name) = (account.to_owned(), name.to_owned());
        let delete = move |db: &Connection| {
            let user = store::find(db, &account, &name)?;
            let in_the_way = match (store::keys(db, &user.id)?.is_empty(), user.policies.is_empty()) {
                (false, _) => "access keys",
                (_, false) => "policies",
                _ => return store::delete(db, &user.id),
            };
            Err(Error::conflict(format!("Cannot delete entity, must delete {in_the_way} first.")))
        };
        self.change(delete).await
    }

    /// Changes a user's policies: a document under its name, or a managed policy under its ARN.
    pub async fn iam_policies_change(
        &self,
        account: &str,
        name: &str,
        change: impl FnOnce(&mut BTreeMap<String, String>) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let (account, name) = (account.to_owned(), name.to_owned());
        let write = move |db: &Connection| {
            let mut user = store::find(db, &account, &name)?;
            change(&mut user.policies)?;
            let length: usize = user.policies.values().map(String::len).sum();
            if user.policies.len() > POLICIES_MAX || length > DOCUMENTS_MAX {
                return Err(Error::too_many(format!(
                    "A user has {POLICIES_MAX} policies at most, with {DOCUMENTS_MAX} bytes together."
                )));
            }
            store::set_policies(db, &user)
        };
        self.change(write).await
    }

    /// A key for an IAM user, made by `holder`, whose rights it has as far as its policies go.
    pub async fn iam_key_issue(&self, account: &str, name: &str, holder: &str) -> Result<(IamKey, String)> {
        let (access, secret) = (access_key_id(), id::secret(40));
        let sealed = self.0.sealer.seal(&access, &secret)?;
        let (account, name, holder) = (account.to_owned(), name.to_owned(), holder.to_owned());
        let put = move |db: &Connection| {
            let user = store::find(db, &account, &name)?;
            if store::keys(db, &user.id)?.len() >= KEYS_MAX {
                return Err(Error::too_many(format!(
                    "Cannot exceed quota for AccessKeysPerUser: {KEYS_MAX}"
                )));
            }
            let now = now_ms();
            let label = format!("iam/{}", user.name);
            let new = NewKey {
                access: &access,
                sealed: &sealed,
                user: &holder,
                label: &label,
                now,
                iam_user: Some(&user.id),
                ..NewKey::default()
            };
            key_put(db, &new)?;
            Ok(IamKey { access_key_id: access, created_at: rfc3339(now) })
        };
        Ok((self.change(put).await?, secret))
    }

    pub async fn iam_key_list(&self, account: &str, name: &str) -> Result<Vec<IamKey>> {
        let (account, name) = (account.to_owned(), name.to_owned());
        self.0.db.read(move |db| store::keys(db, &store::find(db, &account, &name)?.id)).await
    }

    pub async fn iam_key_delete(&self, account: &str, name: &str, access: &str) -> Result<()> {
        let (account, name, access) = (account.to_owned(), name.to_owned(), access.to_owned());
        let delete = move |db: &Connection| {
            let user = store::find(db, &account, &name)?;
            match store::key_delete(db, &access, &user.id)? {
                0 => Err(Error::not_found(format!("The Access Key with id {access} cannot be found."))),
                _ => Ok(()),
            }
        };
        self.change(delete).await
    }
}

/// Whether a user of this account has the name: in the words of a policy the two would be one.
fn is_user(db: &Connection, account: &str, name: &str) -> Result<bool> {
    let own = |user: &str| -> Result<_> { Ok(user_get(db, user)?.map(|(role, _)| role.has_own_account())) };
    match own(account)? {
        Some(true) => Ok(name == account),
        _ => Ok(own(name)? == Some(false)),
    }
}
