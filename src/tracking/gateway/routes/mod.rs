//! The routes of the gateway: its configuration, the lists a form needs, and the doors through which
//! a model would be asked, which are closed.

mod bindings;
mod definitions;
mod endpoints;
mod lists;
mod secrets;

use crate::{
    auth::Viewer,
    kernel::error::{Error, Result},
    tracking::{
        Service,
        routes::both,
        wire::{self, Fields},
    },
};
use axum::{
    Router,
    http::StatusCode,
    response::Response,
    routing::{MethodRouter, any, delete, get, post},
};

type Route = (&'static str, MethodRouter<Service>);

pub fn router() -> Router<Service> {
    let routes = model_routes().into_iter().chain(endpoint_routes());
    let router = routes.fold(Router::new(), |router, (path, method)| {
        both(router, 3, &format!("/mlflow/gateway{path}"), method)
    });
    router
        .route("/ajax-api/3.0/mlflow/gateway/supported-providers", get(lists::providers))
        .route("/ajax-api/3.0/mlflow/gateway/supported-models", get(lists::models))
        .route("/ajax-api/3.0/mlflow/gateway/provider-config", get(lists::provider_config))
        .route("/ajax-api/3.0/mlflow/gateway/secrets/config", get(lists::secrets_config))
        .route("/ajax-api/2.0/mlflow/gateway-proxy", get(lists::proxy_get).post(lists::proxy_post))
        .route("/gateway/{*path}", any(closed))
}

fn model_routes() -> Vec<Route> {
    vec![
        ("/secrets/create", post(secrets::create)),
        ("/secrets/get", get(secrets::get)),
        ("/secrets/list", get(secrets::list)),
        ("/secrets/update", post(secrets::update)),
        ("/secrets/delete", delete(secrets::delete)),
        ("/model-definitions/create", post(definitions::create)),
        ("/model-definitions/get", get(definitions::get)),
        ("/model-definitions/list", get(definitions::list)),
        ("/model-definitions/update", post(definitions::update)),
        ("/model-definitions/delete", delete(definitions::delete)),
    ]
}

fn endpoint_routes() -> Vec<Route> {
    vec![
        ("/endpoints/create", post(endpoints::create)),
        ("/endpoints/get", get(endpoints::get)),
        ("/endpoints/list", get(endpoints::list)),
        ("/endpoints/update", post(endpoints::update)),
        ("/endpoints/delete", delete(endpoints::delete)),
        ("/endpoints/set-tag", post(endpoints::set_tag)),
        ("/endpoints/delete-tag", delete(endpoints::delete_tag)),
        ("/endpoints/models/attach", post(endpoints::attach)),
        ("/endpoints/models/detach", post(endpoints::detach)),
        ("/endpoints/bindings/create", post(bindings::create)),
        ("/endpoints/bindings/list", get(bindings::list)),
        ("/endpoints/bindings/delete", delete(bindings::delete)),
    ]
}

/// Where a model would be asked. No request leaves this server.
async fn closed(_: Viewer) -> Response {
    refusal()
}

fn refusal() -> Response {
    wire::failure(
        StatusCode::NOT_IMPLEMENTED,
        "NOT_IMPLEMENTED",
        "Crannog keeps the gateway's configuration and asks no model: no request leaves this server.",
    )
}

/// A text that is absent when empty, as protobuf has it.
fn filled(fields: &Fields, name: &str) -> Result<Option<String>> {
    Ok(fields.text(name)?.filter(|text| !text.is_empty()).map(str::to_owned))
}

/// What is looked up by its id or its name: one of the two, and not both.
fn key(fields: &Fields, id: &str, name: &str) -> Result<super::store::Key> {
    match (filled(fields, id)?, filled(fields, name)?) {
        (Some(id), None) => Ok(super::store::Key::Id(id)),
        (None, Some(name)) => Ok(super::store::Key::Name(name)),
        _ => Err(Error::invalid(format!("Exactly one of {id} or {name} must be provided"))),
    }
}
