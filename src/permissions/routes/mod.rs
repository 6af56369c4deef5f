//! The routes of MLflow's auth app, and ours for the command line. Who may call a route that names a
//! resource has been decided by the layer; about users and roles the handlers decide.

mod grants;
mod own;
mod roles;
mod signup;
mod users;

use super::{
    Service,
    model::{ALL, Grant, Kind, Permission},
    target,
};
use crate::{kernel::error::Result, tracking::wire::Fields};
use axum::{
    Router,
    routing::{MethodRouter, delete, get, patch, post, put},
};

/// The one workspace there is.
const WORKSPACE: &str = "default";

/// Routes under both of MLflow's prefixes.
fn both(
    version: u8,
    routes: impl IntoIterator<Item = (&'static str, MethodRouter<Service>)>,
) -> Router<Service> {
    routes.into_iter().fold(Router::new(), |router, (path, method)| {
        router
            .route(&format!("/api/{version}.0/mlflow/{path}"), method.clone())
            .route(&format!("/ajax-api/{version}.0/mlflow/{path}"), method)
    })
}

/// MLflow's routes of this room, to stand inside of the layer.
pub fn router(service: Service) -> Router {
    let users = [
        ("users/create", post(users::create)),
        ("users/get", get(users::get)),
        ("users/create-ui", post(signup::create)),
        ("users/list", get(users::list)),
        ("users/current", get(users::current)),
        ("users/update-password", patch(users::update_password)),
        ("users/update-admin", patch(users::update_admin)),
        ("users/delete", delete(users::delete)),
        ("experiments/permissions/create", post(grants::experiment_create)),
        ("experiments/permissions/get", get(grants::experiment_get)),
        ("experiments/permissions/update", patch(grants::experiment_update)),
        ("experiments/permissions/delete", delete(grants::experiment_delete)),
        ("registered-models/permissions/create", post(grants::model_create)),
        ("registered-models/permissions/get", get(grants::model_get)),
        ("registered-models/permissions/update", patch(grants::model_update)),
        ("registered-models/permissions/delete", delete(grants::model_delete)),
    ];
    let roles = [
        ("users/current/permissions", get(users::current_permissions)),
        ("users/permissions/list", get(users::permissions)),
        ("users/permissions/get", get(grants::effective)),
        ("users/permissions/grant", post(grants::grant)),
        ("users/permissions/revoke", post(grants::revoke)),
        ("users/roles/list", get(roles::of_user)),
        ("roles/create", post(roles::create)),
        ("roles/get", get(roles::get)),
        ("roles/list", get(roles::list)),
        ("roles/update", patch(roles::update)),
        ("roles/delete", delete(roles::delete)),
        ("roles/permissions/add", post(roles::grant_add)),
        ("roles/permissions/remove", delete(roles::grant_remove)),
        ("roles/permissions/list", get(roles::grant_list)),
        ("roles/permissions/update", patch(roles::grant_update)),
        ("roles/assign", post(roles::assign)),
        ("roles/unassign", delete(roles::unassign)),
        ("roles/users/list", get(roles::members)),
    ];
    Router::new()
        .merge(both(2, users))
        .merge(both(3, roles))
        .route("/signup", get(signup::page))
        .with_state(service)
}

/// Our own routes of this room.
pub fn own_router(service: Service) -> Router {
    let grants = get(own::show).put(own::set).delete(own::unset);
    Router::new()
        .route("/api/crannog/v1/users/{name}/permissions", grants)
        .route("/api/crannog/v1/users/{name}/default-permission", put(own::default_set))
        .with_state(service)
}

/// What a request wants to grant.
fn grant_in(kind: Kind, resource: &str, fields: &Fields) -> Result<Grant> {
    let permission = Permission::parse(fields.required("permission")?)?;
    let (kind, resource) =
        if resource == ALL { (kind, ALL.to_owned()) } else { target::resource(kind, resource) };
    Ok(Grant { kind, resource, permission })
}
