//! Our own form of granting, for the command line: one user's grants as one resource, set as often as
//! one likes.

use super::{Service, target};
use crate::{
    auth::{Admin, Member},
    kernel::{
        error::Result,
        http::{Json, Problem},
    },
    permissions::model::{ALL, Grant, Kind, Permission},
};
use axum::extract::{Path, State};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

type Answer<T> = std::result::Result<T, Problem>;

pub async fn show(
    State(service): State<Service>,
    Member(who): Member,
    Path(name): Path<String>,
) -> Answer<Json<Value>> {
    super::users::self_or_admin(&who, &name)?;
    let (user, default, grants) = service.direct(&name).await?;
    let roles = service.roles_of(&name).await?;
    let row = |via: Option<&str>, grant: &Grant| {
        json!({
            "resource_type": grant.kind.name(),
            "resource": grant.resource,
            "permission": grant.permission.name(),
            "via_role": via,
        })
    };
    let mut rows: Vec<Value> = grants.iter().map(|grant| row(None, grant)).collect();
    for role in &roles {
        rows.extend(role.grants.iter().map(|it| row(Some(&role.name), &it.grant)));
    }
    Ok(Json(json!({
        "user": user.name,
        "role": user.role,
        "default_permission": service.default_of(user.role, default).name(),
        "permissions": rows,
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    resource_type: String,
    resource: String,
    permission: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unwanted {
    resource_type: String,
    resource: String,
}

fn named(kind: &str, resource: &str) -> Result<(Kind, String)> {
    let kind = Kind::parse(kind)?;
    Ok(if resource == ALL { (kind, ALL.to_owned()) } else { target::resource(kind, resource) })
}

pub async fn set(
    State(service): State<Service>,
    _: Admin,
    Path(name): Path<String>,
    Json(wanted): Json<Wanted>,
) -> Answer<StatusCode> {
    let (kind, resource) = named(&wanted.resource_type, &wanted.resource)?;
    let permission = Permission::parse(&wanted.permission)?;
    service.grant(&name, Grant { kind, resource, permission }).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn unset(
    State(service): State<Service>,
    _: Admin,
    Path(name): Path<String>,
    Json(unwanted): Json<Unwanted>,
) -> Answer<StatusCode> {
    let (kind, resource) = named(&unwanted.resource_type, &unwanted.resource)?;
    service.revoke(&name, kind, &resource).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewDefault {
    /// None is what the configuration says.
    permission: Option<String>,
}

pub async fn default_set(
    State(service): State<Service>,
    _: Admin,
    Path(name): Path<String>,
    Json(wanted): Json<NewDefault>,
) -> Answer<StatusCode> {
    let permission = wanted.permission.as_deref().map(Permission::parse).transpose()?;
    service.default_set(&name, permission).await?;
    Ok(StatusCode::NO_CONTENT)
}
