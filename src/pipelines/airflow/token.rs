//! A user and a password become a bearer token that lasts a day.

use super::{Door, asked::Body, fault::Fault};
use crate::auth::Role;
use axum::{Json, extract::State};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

const DAY_MS: i64 = 24 * 3_600_000;

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
    let token = door.auth.token_issue(&who.user, "airflow client", Some(DAY_MS)).await?;
    Ok((StatusCode::CREATED, Json(json!({ "access_token": token }))))
}
