//! Users on the wire, as MLflow's clients know them. A user made here is a member; an admin of MLflow is
//! an admin.

use super::{Service, grants::old_json, roles};
use crate::{
    auth::{Admin, Member, NewUser, Principal, Role, UserChange, UserInfo},
    kernel::error::{Error, Kind, Result},
    permissions::model::Kind as GrantKind,
    tracking::wire::{Answer, Fields},
};
use axum::{Json, extract::State};
use serde_json::{Value, json};

fn user_json(user: &UserInfo) -> Value {
    json!({ "id": user.id, "username": user.name, "is_admin": user.role == Role::Admin })
}

/// Refuses what concerns another user, unless an admin asks.
pub fn self_or_admin(who: &Principal, name: &str) -> Result<()> {
    if who.user == name || who.role == Role::Admin {
        return Ok(());
    }
    Err(Error::forbidden(format!("Permission denied: user {:?} may not ask about others.", who.user)))
}

/// With what was granted directly, which clients before 3.12 want to see.
async fn whole_json(service: &Service, name: &str) -> Result<Value> {
    let (user, _, grants) = service.direct(name).await?;
    let of = |experiments: bool| {
        let wanted = grants.iter().filter(|grant| (grant.kind == GrantKind::Experiment) == experiments);
        let shown = wanted.map(|grant| old_json(grant.kind, &grant.resource, &user, grant.permission));
        shown.collect::<Value>()
    };
    let mut shown = user_json(&user);
    shown["experiment_permissions"] = of(true);
    shown["registered_model_permissions"] = of(false);
    for kept_elsewhere in ["scorer", "gateway_secret", "gateway_endpoint", "gateway_model_definition"] {
        shown[format!("{kept_elsewhere}_permissions")] = json!([]);
    }
    Ok(shown)
}

pub async fn create(State(service): State<Service>, _: Admin, fields: Fields) -> Answer {
    let (name, password) = (fields.text_or_empty("username")?, fields.text_or_empty("password")?);
    if name.is_empty() || password.is_empty() {
        return Err(Error::invalid("Username and password cannot be empty.").into());
    }
    let user = NewUser {
        name: name.to_owned(),
        password: Some(password.to_owned()),
        role: Role::Member,
        email: None,
        display_name: None,
    };
    service.auth().user_add(user).await.map_err(|error| match error.kind {
        Kind::Exists => Error::exists(format!("User (username={name}) already exists.")),
        _ => error,
    })?;
    Ok(Json(json!({ "user": whole_json(&service, name).await? })))
}

pub async fn get(State(service): State<Service>, Member(who): Member, fields: Fields) -> Answer {
    let name = fields.required("username")?;
    self_or_admin(&who, name)?;
    Ok(Json(json!({ "user": whole_json(&service, name).await? })))
}

pub async fn list(State(service): State<Service>, _: Admin) -> Answer {
    let mut users = Vec::new();
    for user in service.auth().user_list().await? {
        let roles = service.roles_of(&user.name).await?;
        let mut shown = user_json(&user);
        shown["roles"] = roles.iter().map(roles::role_json).collect();
        users.push(shown);
    }
    Ok(Json(json!({ "users": users })))
}

/// A page has no other way to know whom the browser signed in.
pub async fn current(State(service): State<Service>, Member(who): Member) -> Answer {
    let user = user_json(&service.user(&who.user).await?);
    Ok(Json(json!({ "user": user, "is_basic_auth": true })))
}

/// Who changes their own password says the old one: a session left open must not do.
pub async fn update_password(State(service): State<Service>, Member(who): Member, fields: Fields) -> Answer {
    let (name, password) = (fields.required("username")?, fields.required("password")?);
    self_or_admin(&who, name)?;
    if who.user == name {
        let old = fields.text_or_empty("current_password")?;
        if old.is_empty() {
            return Err(
                Error::invalid("Current password is required when changing your own password.").into()
            );
        }
        if service.auth().password_check(name, old).await.is_err() {
            return Err(Error::invalid("Current password does not match.").into());
        }
        if old == password {
            return Err(Error::invalid("New password must differ from the current password.").into());
        }
    }
    service.user(name).await?;
    let change = UserChange { password: Some(password.to_owned()), ..UserChange::default() };
    service.auth().user_update(name, change).await?;
    Ok(Json(json!({})))
}

pub async fn update_admin(State(service): State<Service>, _: Admin, fields: Fields) -> Answer {
    let name = fields.required("username")?;
    let admin = fields.flag("is_admin")?.ok_or_else(|| fields.missing("is_admin"))?;
    let now = service.user(name).await?.role;
    let role = match (admin, now) {
        (true, _) => Role::Admin,
        (false, Role::Admin) => Role::Member,
        (false, role) => role,
    };
    service.auth().user_update(name, UserChange { role: Some(role), ..UserChange::default() }).await?;
    Ok(Json(json!({})))
}

pub async fn delete(State(service): State<Service>, Admin(who): Admin, fields: Fields) -> Answer {
    let name = fields.required("username")?;
    if who.user == name {
        let message = "Users cannot delete their own account. Ask another admin to delete this user instead.";
        return Err(Error::invalid(message).into());
    }
    service.user(name).await?;
    service.auth().user_delete(name).await?;
    Ok(Json(json!({})))
}

pub async fn current_permissions(State(service): State<Service>, Member(who): Member) -> Answer {
    permissions_of(&service, &who.user).await
}

pub async fn permissions(State(service): State<Service>, Member(who): Member, fields: Fields) -> Answer {
    let name = fields.required("username")?;
    self_or_admin(&who, name)?;
    permissions_of(&service, name).await
}

/// What was granted to the user directly and by roles. MLflow keeps direct grants in a role of the
/// user's own, by whose name its pages tell the two apart; here that role is only shown.
async fn permissions_of(service: &Service, name: &str) -> Answer {
    let (user, _, direct) = service.direct(name).await?;
    let own = format!("__user_{}__", user.id);
    let mut rows: Vec<Value> =
        direct.iter().map(|grant| roles::grant_row(-user.id, &own, super::WORKSPACE, grant)).collect();
    for role in service.roles_of(name).await? {
        let row = |it: &super::super::store::RoleGrant| {
            roles::grant_row(role.id, &role.name, &role.workspace, &it.grant)
        };
        rows.extend(role.grants.iter().map(row));
    }
    Ok(Json(json!({ "is_admin": user.role == Role::Admin, "permissions": rows })))
}
