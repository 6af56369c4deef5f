//! What a form offers, and the old proxy, behind which there is nobody.

use super::refusal;
use crate::{
    auth::Viewer,
    kernel::error::{Error, Result},
    tracking::{
        gateway::providers,
        wire::{Answer, Fields, MlflowError},
    },
};
use axum::{Json, response::Response};
use serde_json::json;

pub async fn providers(_: Viewer) -> Answer {
    Ok(Json(json!({ "providers": providers::names() })))
}

pub async fn models(_: Viewer, fields: Fields) -> Answer {
    let provider = fields.text("provider")?.filter(|provider| !provider.is_empty());
    Ok(Json(json!({ "models": providers::models(provider) })))
}

pub async fn provider_config(_: Viewer, fields: Fields) -> Answer {
    match fields.text_or_empty("provider")? {
        "" => Err(Error::invalid("Provider parameter is required").into()),
        provider => Ok(Json(providers::config(provider))),
    }
}

/// Credentials are sealed with this data directory's own key, which is nobody's default.
pub async fn secrets_config(_: Viewer) -> Answer {
    Ok(Json(json!({ "secrets_available": true, "using_default_passphrase": false })))
}

fn check_path(fields: &Fields, method: &str, fits: impl Fn(&[&str]) -> bool) -> Result<()> {
    let path = fields.text_or_empty("gateway_path")?;
    if path.is_empty() {
        return Err(Error::invalid("Deployments proxy request must specify a gateway_path."));
    }
    let parts: Vec<_> = path.trim_matches('/').split('/').collect();
    if fits(&parts) {
        return Ok(());
    }
    Err(Error::invalid(format!("Invalid gateway_path: {path} for method: {method}")))
}

/// The endpoints of a gateway beside the server: there is none.
pub async fn proxy_get(_: Viewer, fields: Fields) -> Answer {
    check_path(&fields, "GET", |parts| parts == ["api", "2.0", "endpoints"])?;
    Ok(Json(json!({ "endpoints": [] })))
}

pub async fn proxy_post(_: Viewer, fields: Fields) -> Result<Response, MlflowError> {
    check_path(
        &fields,
        "POST",
        |parts| matches!(parts, ["gateway", name, "invocations"] if !name.is_empty()),
    )?;
    Ok(refusal())
}
