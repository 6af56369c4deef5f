//! Grants on the wire: MLflow 3's one form for every kind, and the older one for each kind.

use super::{Service, grant_in, users::self_or_admin};
use crate::{
    auth::{Editor, Member, Principal, Role, UserInfo},
    kernel::error::{Error, Result},
    permissions::{
        model::{ALL, Grant, Kind, Permission},
        target,
    },
    tracking::wire::{Answer, Fields},
};
use axum::{Json, extract::State};
use serde_json::{Value, json};

/// Where the older form says what it is about, and what it calls its answer.
fn form(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Experiment => ("experiment_id", "experiment_permission"),
        _ => ("name", "registered_model_permission"),
    }
}

fn resource_in(kind: Kind, fields: &Fields) -> Result<String> {
    Ok(fields.required(form(kind).0)?.to_owned())
}

/// One grant in the older form.
pub fn old_json(kind: Kind, resource: &str, user: &UserInfo, permission: Permission) -> Value {
    let mut grant = json!({ form(kind).0: resource, "user_id": user.id, "permission": permission.name() });
    if kind != Kind::Experiment {
        grant["workspace"] = super::WORKSPACE.into();
    }
    grant
}

fn grant_json(kind: Kind, resource: &str, user: &UserInfo, permission: Permission) -> Value {
    json!({ form(kind).1: old_json(kind, resource, user, permission) })
}

async fn old_create(service: &Service, kind: Kind, fields: &Fields) -> Answer {
    let grant = grant_in(kind, &resource_in(kind, fields)?, fields)?;
    let (resource, permission) = (grant.resource.clone(), grant.permission);
    let user = service.grant_new(fields.required("username")?, grant).await?;
    Ok(Json(grant_json(kind, &resource, &user, permission)))
}

async fn old_get(service: &Service, kind: Kind, fields: &Fields) -> Answer {
    let resource = resource_in(kind, fields)?;
    let (user, permission) = service.granted_on(fields.required("username")?, kind, &resource).await?;
    Ok(Json(grant_json(kind, &resource, &user, permission)))
}

async fn old_update(service: &Service, kind: Kind, fields: &Fields) -> Answer {
    let grant = grant_in(kind, &resource_in(kind, fields)?, fields)?;
    service.grant_change(fields.required("username")?, grant).await?;
    Ok(Json(json!({})))
}

async fn old_delete(service: &Service, kind: Kind, fields: &Fields) -> Answer {
    service.revoke(fields.required("username")?, kind, &resource_in(kind, fields)?).await?;
    Ok(Json(json!({})))
}

macro_rules! old_form {
    ($kind:expr, $($name:ident => $work:ident),+) => {
        $(pub async fn $name(State(service): State<Service>, _: Editor, fields: Fields) -> Answer {
            $work(&service, $kind, &fields).await
        })+
    };
}
old_form!(Kind::Experiment, experiment_create => old_create, experiment_get => old_get,
    experiment_update => old_update, experiment_delete => old_delete);
old_form!(Kind::RegisteredModel, model_create => old_create, model_get => old_get,
    model_update => old_update, model_delete => old_delete);

pub async fn grant(State(service): State<Service>, Editor(who): Editor, fields: Fields) -> Answer {
    let kind = Kind::parse(fields.required("resource_type")?)?;
    let resource = fields.required("resource_id")?;
    all_is_for_admins(&who, resource)?;
    let Grant { kind, resource, permission } = grant_in(kind, resource, &fields)?;
    service.grant_new(fields.required("username")?, Grant { kind, resource, permission }).await?;
    Ok(Json(json!({})))
}

pub async fn revoke(State(service): State<Service>, Editor(who): Editor, fields: Fields) -> Answer {
    let (kind, resource) = named(&fields)?;
    all_is_for_admins(&who, &resource)?;
    service.revoke(fields.required("username")?, kind, &resource).await?;
    Ok(Json(json!({})))
}

/// A grant on everything belongs to nobody who manages one thing.
fn all_is_for_admins(who: &Principal, resource: &str) -> Result<()> {
    if resource != ALL || who.role == Role::Admin {
        return Ok(());
    }
    Err(Error::forbidden("Permission denied: only an admin grants something on all resources of a kind."))
}

fn named(fields: &Fields) -> Result<(Kind, String)> {
    let kind = Kind::parse(fields.required("resource_type")?)?;
    let resource = fields.required("resource_id")?;
    Ok(if resource == ALL { (kind, ALL.to_owned()) } else { target::resource(kind, resource) })
}

/// What a user may do in the end, whatever it comes from.
pub async fn effective(State(service): State<Service>, Member(who): Member, fields: Fields) -> Answer {
    let name = fields.required("username")?;
    self_or_admin(&who, name)?;
    let (kind, resource) = named(&fields)?;
    let user = service.user(name).await?;
    let rights = service.rights(&Principal { user: user.name, role: user.role }).await?;
    let permission = rights.on(kind, &resource);
    Ok(Json(json!({ "allowed": permission >= Permission::Use, "permission": permission.name() })))
}
