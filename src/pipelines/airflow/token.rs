//! Signing in and out: a user and a password become a bearer token that lasts a day; browsers are sent to the page.

use super::{
    Door,
    asked::{Asked, Body},
    fault::Fault,
};
use crate::auth::{Role, Viewer};
use axum::{Json, Router, extract::State, response::Redirect, routing::get};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

const DAY_MS: i64 = 24 * 3_600_000;
/// What tokens issued here are called in the list of tokens.
const LABEL: &str = "airflow client";
/// The page on which people sign in, where they are not.
const PAGE: &str = "/";

pub(super) fn routes() -> Router<Door> {
    Router::new().route("/auth/login", get(sign_in)).route("/auth/logout", get(sign_out))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignIn {
    username: String,
    password: String,
}

pub(super) async fn issue(
    State(door): State<Door>,
    Body(body): Body<SignIn>,
) -> Result<(StatusCode, Json<Value>), Fault> {
    let who = door.auth.password_check(&body.username, &body.password).await?;
    who.require(Role::Viewer)?;
    let token = door.auth.token_issue(&who.user, LABEL, Some(DAY_MS)).await?;
    Ok((StatusCode::CREATED, Json(json!({ "access_token": token }))))
}

/// Where to sign in; who comes here with a credential goes on to where they wanted to be, on this server alone.
async fn sign_in(_: Viewer, asked: Asked) -> Result<Redirect, Fault> {
    let next = asked.one("next").unwrap_or(PAGE);
    let is_here = next.starts_with('/') && !next.starts_with("//") && !next.contains(['\\', '\r', '\n']);
    match is_here {
        true => Ok(Redirect::temporary(next)),
        false => Err(Fault::new(StatusCode::BAD_REQUEST, "Invalid or unsafe next URL")),
    }
}

/// Makes the token that was brought worthless, if it was issued here; others are revoked where they were made.
async fn sign_out(_: Viewer, State(door): State<Door>, headers: HeaderMap) -> Result<Redirect, Fault> {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if let Some(token) = given.and_then(|value| value.strip_prefix("Bearer "))
        && door.auth.token_label(token).as_deref() == Some(LABEL)
    {
        door.auth.session_close(token).await?;
    }
    Ok(Redirect::temporary(PAGE))
}
