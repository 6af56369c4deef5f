//! The rules of granting, and what a user's grants come to.

use super::{
    model::{Grant, Kind, Permission, Rights},
    store,
};
use crate::{
    auth::{self, Principal, Role, UserInfo},
    kernel::{
        error::{Error, Result},
        known::Known,
    },
    store::{Connection, Db},
    tracking,
};
use std::sync::Arc;

/// Permissions. Clones share one state.
#[derive(Clone)]
pub struct Service(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) db: Db,
    auth: auth::Service,
    tracking: tracking::Service,
    /// What a member has where nothing was granted.
    default: Permission,
    /// What was granted, by user, with the count of changes to users when it was read: a user who was
    /// removed and made anew has nothing of the old one.
    known: Known<(u64, Arc<Granted>)>,
}

/// What was granted to one user, in whatever way.
#[derive(Debug)]
pub struct Granted {
    pub default: Option<Permission>,
    pub grants: Vec<Grant>,
}

impl Service {
    pub fn new(db: Db, auth: auth::Service, tracking: tracking::Service, default: &str) -> Result<Self> {
        let default = Permission::parse(default)?;
        Ok(Self(Arc::new(Inner { db, auth, tracking, default, known: Known::default() })))
    }

    pub fn auth(&self) -> &auth::Service {
        &self.0.auth
    }

    pub fn tracking(&self) -> &tracking::Service {
        &self.0.tracking
    }

    /// What a user may do. Reads once after a change, and remembers.
    pub async fn rights(&self, who: &Principal) -> Result<Rights> {
        let granted = self.granted(&who.user).await?;
        Ok(Rights::new(who.role, self.default_of(who.role, granted.default), &granted.grants))
    }

    /// What a user has where nothing was granted; `own` is what was set for just this one.
    pub fn default_of(&self, role: Role, own: Option<Permission>) -> Permission {
        match role.has_own_account() {
            true => own.unwrap_or(self.0.default),
            false => Permission::of_role(role),
        }
    }

    async fn granted(&self, user: &str) -> Result<Arc<Granted>> {
        let users = self.0.auth.changes();
        let found = self.0.known.get(user);
        let changes = match found {
            Ok((read_at, granted)) if read_at == users => return Ok(granted),
            // What is remembered is of another time; the next change will forget it.
            Ok(_) => None,
            Err(changes) => Some(changes),
        };
        let name = user.to_owned();
        let read = move |db: &Connection| {
            let mut grants = store::grants_of(db, &name)?;
            grants.extend(store::grants_by_roles(db, &name)?);
            Ok(Granted { default: store::default_get(db, &name)?, grants })
        };
        let granted = Arc::new(self.0.db.read(read).await?);
        match changes {
            Some(changes) => self.0.known.learn(user, (users, granted.clone()), changes),
            None => self.0.known.forget(),
        }
        Ok(granted)
    }

    /// Forgets what is remembered, as after something that changed grants by itself.
    pub fn forget(&self) {
        self.0.known.forget();
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
            inner.known.forget();
            outcome
        };
        tokio::spawn(write).await.map_err(Error::internal)?
    }

    /// The user of this name, in MLflow's words when there is none.
    pub async fn user(&self, name: &str) -> Result<UserInfo> {
        let found = self.0.auth.user_info(name).await?;
        found.ok_or_else(|| Error::not_found(format!("User with username={name} not found")))
    }

    /// Grants, whatever was granted before. Only members can be refused something: what a role of the
    /// house allows, it allows in every room.
    pub async fn grant(&self, name: &str, grant: Grant) -> Result<UserInfo> {
        self.put(name, grant, false).await
    }

    /// Grants what was not granted yet.
    pub async fn grant_new(&self, name: &str, grant: Grant) -> Result<UserInfo> {
        self.put(name, grant, true).await
    }

    async fn put(&self, name: &str, grant: Grant, new: bool) -> Result<UserInfo> {
        let user = self.user(name).await?;
        if grant.permission < Permission::Read && !user.role.has_own_account() {
            return Err(Error::invalid(format!(
                "User {name:?} is {}, a role that may read everything: nothing can be refused to it. Make the \
                 user a member first.",
                user.role.as_str()
            )));
        }
        let name = name.to_owned();
        self.change(move |db| {
            let Grant { kind, resource, .. } = &grant;
            if new && store::grant_get(db, &name, *kind, resource)?.is_some() {
                return Err(Error::exists(match kind {
                    Kind::Experiment => format!(
                        "Experiment permission (experiment_id={resource}, username={name}) already exists."
                    ),
                    _ => format!(
                        "Registered model permission with workspace=default, name={resource} and \
                         username={name} already exists."
                    ),
                }));
            }
            store::grant_set(db, &name, &grant)
        })
        .await?;
        Ok(user)
    }

    /// Changes a grant there is.
    pub async fn grant_change(&self, name: &str, grant: Grant) -> Result<()> {
        self.granted_on(name, grant.kind, &grant.resource).await?;
        self.grant(name, grant).await.map(drop)
    }

    /// What was granted to the user on just this resource.
    pub async fn granted_on(&self, name: &str, kind: Kind, resource: &str) -> Result<(UserInfo, Permission)> {
        let user = self.user(name).await?;
        let (name, resource) = (name.to_owned(), resource.to_owned());
        let read = move |db: &Connection| {
            let found = store::grant_get(db, &name, kind, &resource)?;
            found.ok_or_else(|| not_granted(&name, kind, &resource))
        };
        Ok((user, self.0.db.read(read).await?))
    }

    pub async fn revoke(&self, name: &str, kind: Kind, resource: &str) -> Result<()> {
        self.user(name).await?;
        let (name, resource) = (name.to_owned(), resource.to_owned());
        self.change(move |db| match store::grant_delete(db, &name, kind, &resource)? {
            true => Ok(()),
            false => Err(not_granted(&name, kind, &resource)),
        })
        .await
    }

    /// What the user was granted directly, and the user's own default.
    pub async fn direct(&self, name: &str) -> Result<(UserInfo, Option<Permission>, Vec<Grant>)> {
        let user = self.user(name).await?;
        let name = name.to_owned();
        let read = move |db: &Connection| Ok((store::default_get(db, &name)?, store::grants_of(db, &name)?));
        let (default, grants) = self.0.db.read(read).await?;
        Ok((user, default, grants))
    }

    /// Sets what a user may do where nothing was granted; none is what the configuration says.
    pub async fn default_set(&self, name: &str, permission: Option<Permission>) -> Result<()> {
        let user = self.user(name).await?;
        if permission.is_some() && !user.role.has_own_account() {
            return Err(Error::invalid(format!(
                "User {name:?} is {}, which says what it may do: only a member has a default permission.",
                user.role.as_str()
            )));
        }
        if permission == Some(Permission::Deny) {
            return Err(Error::invalid("A default permission cannot be DENY: say NO_PERMISSIONS."));
        }
        let name = name.to_owned();
        self.change(move |db| store::default_set(db, &name, permission)).await
    }
}

fn not_granted(name: &str, kind: Kind, resource: &str) -> Error {
    Error::not_found(match kind {
        Kind::Experiment => {
            format!("Experiment permission with experiment_id={resource} and username={name} not found")
        }
        _ => format!(
            "Registered model permission with workspace=default, name={resource} and username={name} not found"
        ),
    })
}
