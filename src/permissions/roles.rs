//! Roles: sets of grants that users are given as a whole. What MLflow calls a role has nothing to do
//! with the roles of the house.

use super::{
    model::{Grant, Permission},
    service::Service,
    store::{self, Assignment, RoleGrant, RoleRow},
};
use crate::{
    kernel::error::{Error, Result},
    store::Connection,
};

impl Service {
    pub async fn role_create(
        &self,
        workspace: &str,
        name: &str,
        description: Option<String>,
    ) -> Result<RoleRow> {
        let (workspace, name) = (workspace.to_owned(), name.to_owned());
        self.change(move |db| {
            if store::role_named(db, &workspace, &name)?.is_some() {
                return Err(Error::exists(format!(
                    "Role (name={name}, workspace={workspace}) already exists."
                )));
            }
            let id = store::role_create(db, &workspace, &name, description.as_deref())?;
            role(db, id)
        })
        .await
    }

    pub async fn role_get(&self, id: i64) -> Result<RoleRow> {
        self.0.db.read(move |db| role(db, id)).await
    }

    pub async fn role_list(&self) -> Result<Vec<RoleRow>> {
        self.0.db.read(store::role_list).await
    }

    pub async fn roles_of(&self, user: &str) -> Result<Vec<RoleRow>> {
        let user = user.to_owned();
        self.0.db.read(move |db| store::roles_of(db, &user)).await
    }

    pub async fn role_update(
        &self,
        id: i64,
        name: Option<String>,
        description: Option<String>,
    ) -> Result<RoleRow> {
        self.change(move |db| {
            let now = role(db, id)?;
            let name = name.unwrap_or(now.name);
            if store::role_named(db, &now.workspace, &name)?.is_some_and(|other| other != id) {
                let workspace = now.workspace;
                let message = format!("Role with name={name} already exists in workspace={workspace}");
                return Err(Error::exists(message));
            }
            store::role_update(db, id, &name, description.or(now.description).as_deref())?;
            role(db, id)
        })
        .await
    }

    pub async fn role_delete(&self, id: i64) -> Result<()> {
        self.change(move |db| match store::role_delete(db, id)? {
            true => Ok(()),
            false => Err(no_role(id)),
        })
        .await
    }

    pub async fn role_grant_add(&self, id: i64, grant: Grant) -> Result<RoleGrant> {
        self.change(move |db| {
            role(db, id)?;
            let Some(made) = store::role_grant_add(db, id, &grant)? else {
                return Err(Error::exists(format!(
                    "Role permission (role_id={id}, resource_type={}, resource_pattern={}) already exists.",
                    grant.kind.name(),
                    grant.resource
                )));
            };
            Ok(RoleGrant { id: made, role: id, grant })
        })
        .await
    }

    pub async fn role_grant_set(&self, id: i64, permission: Permission) -> Result<RoleGrant> {
        self.change(move |db| {
            store::role_grant_set(db, id, permission)?;
            store::role_grant_get(db, id)?.ok_or_else(|| no_grant(id))
        })
        .await
    }

    pub async fn role_grant_remove(&self, id: i64) -> Result<()> {
        self.change(move |db| match store::role_grant_delete(db, id)? {
            true => Ok(()),
            false => Err(no_grant(id)),
        })
        .await
    }

    pub async fn role_assign(&self, name: &str, id: i64) -> Result<Assignment> {
        let (user, name) = (self.user(name).await?.id, name.to_owned());
        self.change(move |db| {
            role(db, id)?;
            let made = store::member_add(db, id, &name)?;
            let made = made.ok_or_else(|| {
                Error::exists(format!("User role assignment (user_id={user}, role_id={id}) already exists."))
            })?;
            Ok(Assignment { id: made, role: id, user })
        })
        .await
    }

    pub async fn role_unassign(&self, name: &str, id: i64) -> Result<()> {
        let (user, name) = (self.user(name).await?.id, name.to_owned());
        self.change(move |db| match store::member_delete(db, id, &name)? {
            true => Ok(()),
            false => Err(Error::not_found(format!(
                "User role assignment with user_id={user} and role_id={id} not found"
            ))),
        })
        .await
    }

    pub async fn role_members(&self, id: i64) -> Result<Vec<Assignment>> {
        let read = move |db: &Connection| {
            role(db, id)?;
            store::member_list(db, id)
        };
        self.0.db.read(read).await
    }
}

fn role(db: &Connection, id: i64) -> Result<RoleRow> {
    store::role_get(db, id)?.ok_or_else(|| no_role(id))
}

fn no_role(id: i64) -> Error {
    Error::not_found(format!("Role with id={id} not found"))
}

fn no_grant(id: i64) -> Error {
    Error::not_found(format!("Role permission with id={id} not found"))
}
