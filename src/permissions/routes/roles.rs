//! Roles on the wire. Admins manage them; a member sees those that are the member's own.

use super::{Service, WORKSPACE, grant_in, users::self_or_admin};
use crate::{
    auth::{Admin, Member},
    kernel::error::{Error, Result},
    permissions::{
        model::{Grant, Kind, Permission},
        store::{Assignment, RoleGrant, RoleRow},
    },
    tracking::wire::{Answer, Fields},
};
use axum::{Json, extract::State};
use serde_json::{Value, json};

pub fn role_json(role: &RoleRow) -> Value {
    json!({
        "id": role.id,
        "name": role.name,
        "workspace": role.workspace,
        "description": role.description,
        "permissions": role.grants.iter().map(grant_json).collect::<Vec<_>>(),
    })
}

fn grant_json(it: &RoleGrant) -> Value {
    let Grant { kind, resource, permission } = &it.grant;
    json!({
        "id": it.id,
        "role_id": it.role,
        "resource_type": kind.name(),
        "resource_pattern": resource,
        "permission": permission.name(),
    })
}

/// A grant in the list of all that a user has.
pub fn grant_row(role: i64, name: &str, workspace: &str, grant: &Grant) -> Value {
    json!({
        "role_id": role,
        "role_name": name,
        "workspace": workspace,
        "resource_type": grant.kind.name(),
        "resource_pattern": grant.resource,
        "permission": grant.permission.name(),
    })
}

fn assignment_json(it: &Assignment) -> Value {
    json!({ "id": it.id, "user_id": it.user, "role_id": it.role })
}

fn id(fields: &Fields, name: &str) -> Result<i64> {
    fields.int(name)?.ok_or_else(|| fields.missing(name))
}

/// A text that is there and says something.
fn named<'a>(fields: &'a Fields, field: &str, what: &str) -> Result<&'a str> {
    let text = fields.text(field)?.ok_or_else(|| fields.missing(field))?;
    if text.trim().is_empty() { Err(Error::invalid(format!("{what} cannot be empty."))) } else { Ok(text) }
}

fn workspace_is_ours(workspace: &str) -> Result<()> {
    if workspace == WORKSPACE {
        return Ok(());
    }
    Err(Error::invalid(format!("There is no workspace '{workspace}': the only one is '{WORKSPACE}'.")))
}

pub async fn create(State(service): State<Service>, _: Admin, fields: Fields) -> Answer {
    let name = named(&fields, "name", "Role name")?;
    let workspace = named(&fields, "workspace", "Workspace")?;
    workspace_is_ours(workspace)?;
    let description = fields.text("description")?.map(str::to_owned);
    let role = service.role_create(workspace, name, description).await?;
    Ok(Json(json!({ "role": role_json(&role) })))
}

pub async fn get(State(service): State<Service>, _: Admin, fields: Fields) -> Answer {
    let role = service.role_get(id(&fields, "role_id")?).await?;
    Ok(Json(json!({ "role": role_json(&role) })))
}

pub async fn list(State(service): State<Service>, _: Admin, fields: Fields) -> Answer {
    let workspaces = fields.texts("workspace")?;
    let wanted = workspaces.is_empty() || workspaces.iter().any(|it| it == WORKSPACE);
    let roles = if wanted { service.role_list().await? } else { Vec::new() };
    Ok(Json(json!({ "roles": roles.iter().map(role_json).collect::<Vec<_>>() })))
}

pub async fn of_user(State(service): State<Service>, Member(who): Member, fields: Fields) -> Answer {
    let name = fields.required("username")?;
    self_or_admin(&who, name)?;
    service.user(name).await?;
    let roles = service.roles_of(name).await?;
    Ok(Json(json!({ "roles": roles.iter().map(role_json).collect::<Vec<_>>() })))
}

pub async fn update(State(service): State<Service>, _: Admin, fields: Fields) -> Answer {
    let name = fields.text("name")?.map(|_| named(&fields, "name", "Role name")).transpose()?;
    let description = fields.text("description")?.map(str::to_owned);
    if name.is_none() && description.is_none() {
        let message = "At least one of 'name' or 'description' must be provided to update a role.";
        return Err(Error::invalid(message).into());
    }
    let role = service.role_update(id(&fields, "role_id")?, name.map(str::to_owned), description).await?;
    Ok(Json(json!({ "role": role_json(&role) })))
}

pub async fn delete(State(service): State<Service>, _: Admin, fields: Fields) -> Answer {
    service.role_delete(id(&fields, "role_id")?).await?;
    Ok(Json(json!({})))
}

pub async fn grant_add(State(service): State<Service>, _: Admin, fields: Fields) -> Answer {
    let kind = Kind::parse(fields.required("resource_type")?)?;
    let grant = grant_in(kind, fields.required("resource_pattern")?, &fields)?;
    let made = service.role_grant_add(id(&fields, "role_id")?, grant).await?;
    Ok(Json(json!({ "role_permission": grant_json(&made) })))
}

pub async fn grant_remove(State(service): State<Service>, _: Admin, fields: Fields) -> Answer {
    service.role_grant_remove(id(&fields, "role_permission_id")?).await?;
    Ok(Json(json!({})))
}

pub async fn grant_list(State(service): State<Service>, _: Admin, fields: Fields) -> Answer {
    let role = service.role_get(id(&fields, "role_id")?).await?;
    Ok(Json(json!({ "role_permissions": role.grants.iter().map(grant_json).collect::<Vec<_>>() })))
}

pub async fn grant_update(State(service): State<Service>, _: Admin, fields: Fields) -> Answer {
    let permission = Permission::parse(fields.required("permission")?)?;
    let changed = service.role_grant_set(id(&fields, "role_permission_id")?, permission).await?;
    Ok(Json(json!({ "role_permission": grant_json(&changed) })))
}

pub async fn assign(State(service): State<Service>, _: Admin, fields: Fields) -> Answer {
    let made = service.role_assign(fields.required("username")?, id(&fields, "role_id")?).await?;
    Ok(Json(json!({ "assignment": assignment_json(&made) })))
}

pub async fn unassign(State(service): State<Service>, _: Admin, fields: Fields) -> Answer {
    service.role_unassign(fields.required("username")?, id(&fields, "role_id")?).await?;
    Ok(Json(json!({})))
}

pub async fn members(State(service): State<Service>, _: Admin, fields: Fields) -> Answer {
    let members = service.role_members(id(&fields, "role_id")?).await?;
    Ok(Json(json!({ "assignments": members.iter().map(assignment_json).collect::<Vec<_>>() })))
}
