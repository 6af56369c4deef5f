//! Identity over HTTP: who am I, sessions, users, tokens, S3 keys.

use super::{
    Admin, KeyWanted, Member, Principal, Role, Service,
    middleware::{self, Anyone},
    model, pages,
};
use crate::kernel::{
    error::Error,
    http::{Json, Problem},
};
use axum::{
    Router,
    extract::{Path, State},
    response::IntoResponse,
    routing::{delete, get, patch},
};
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::json;

type Answer<T> = Result<T, Problem>;

/// Routes of this room; `guard` protects them from outside.
pub fn router(service: Service) -> Router {
    Router::new()
        .route("/login", get(pages::show).post(pages::sign_in))
        .route("/login.css", get(pages::style))
        .route("/api/crannog/v1/me", get(me))
        .route("/api/crannog/v1/session", axum::routing::post(session_open).delete(session_close))
        .route("/api/crannog/v1/users", get(user_list).post(user_create))
        .route("/api/crannog/v1/users/{name}", patch(user_update).delete(user_delete))
        .route("/api/crannog/v1/tokens", get(token_list).post(token_issue))
        .route("/api/crannog/v1/tokens/{id}", delete(token_revoke))
        .route("/api/crannog/v1/s3-keys", get(key_list).post(key_issue))
        .route("/api/crannog/v1/s3-keys/{id}", delete(key_revoke))
        .with_state(service)
}

#[derive(Serialize)]
struct Me {
    user: String,
    role: Role,
}

async fn me(Anyone(who): Anyone) -> Json<Me> {
    Json(Me { user: who.user, role: who.role })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignIn {
    user: String,
    password: String,
}

async fn session_open(
    State(service): State<Service>,
    headers: HeaderMap,
    Json(body): Json<SignIn>,
) -> Answer<impl IntoResponse> {
    middleware::same_origin(&headers)?;
    let who = service.password_check(&body.user, &body.password).await?;
    let session = service.session_open(&who).await?;
    Ok((StatusCode::NO_CONTENT, pages::session_header(&session)))
}

async fn session_close(State(service): State<Service>, headers: HeaderMap) -> Answer<impl IntoResponse> {
    if let Some(session) = middleware::session_cookie(&headers) {
        service.session_close(session).await?;
    }
    let gone = format!("{}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0", middleware::SESSION_COOKIE);
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, gone)]))
}

async fn user_list(State(service): State<Service>, _: Admin) -> Answer<impl IntoResponse> {
    Ok(Json(json!({ "users": service.user_list().await? })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewUser {
    name: String,
    password: Option<String>,
    role: String,
    email: Option<String>,
    display_name: Option<String>,
}

async fn user_create(
    State(service): State<Service>,
    _: Admin,
    Json(body): Json<NewUser>,
) -> Answer<impl IntoResponse> {
    let role = Role::parse(&body.role)?;
    let NewUser { name, password, email, display_name, .. } = body;
    let user = model::NewUser { name: name.clone(), password, role, email, display_name };
    service.user_add(user).await?;
    Ok((StatusCode::CREATED, Json(Me { user: name, role })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserChange {
    password: Option<String>,
    role: Option<String>,
    email: Option<String>,
    display_name: Option<String>,
}

/// An admin changes anybody; everybody changes their own password.
async fn user_update(
    State(service): State<Service>,
    Anyone(who): Anyone,
    Path(name): Path<String>,
    Json(body): Json<UserChange>,
) -> Answer<StatusCode> {
    // By e-mail others name whom they grant something: who has an address is not for its user to say.
    if who.user != name || body.role.is_some() || body.email.is_some() || body.display_name.is_some() {
        who.require(Role::Admin)?;
    }
    let role = body.role.as_deref().map(Role::parse).transpose()?;
    let UserChange { password, email, display_name, .. } = body;
    service.user_update(&name, model::UserChange { password, role, email, display_name }).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn user_delete(
    State(service): State<Service>,
    _: Admin,
    Path(name): Path<String>,
) -> Answer<StatusCode> {
    service.user_delete(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// An admin sees and revokes everybody's tokens and keys, others their own.
fn whose(who: &Principal) -> Option<String> {
    (who.role < Role::Admin).then(|| who.user.clone())
}

async fn token_list(State(service): State<Service>, Member(who): Member) -> Answer<impl IntoResponse> {
    Ok(Json(json!({ "tokens": service.token_list(whose(&who)).await? })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewToken {
    #[serde(default)]
    label: String,
    /// Seconds from now; never expires when absent.
    ttl_s: Option<i64>,
}

async fn token_issue(
    State(service): State<Service>,
    Member(who): Member,
    Json(body): Json<NewToken>,
) -> Answer<impl IntoResponse> {
    check_label(&body.label)?;
    if body.ttl_s.is_some_and(|ttl| ttl < 1) {
        return Err(Error::invalid("ttl_s must be at least 1 second.").into());
    }
    let ttl_ms = body.ttl_s.map(|seconds| seconds.saturating_mul(1000));
    let token = service.token_issue(&who.user, &body.label, ttl_ms).await?;
    Ok((StatusCode::CREATED, Json(json!({ "token": token }))))
}

async fn token_revoke(
    State(service): State<Service>,
    Member(who): Member,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    service.token_revoke(&id, whose(&who)).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn key_list(State(service): State<Service>, Anyone(who): Anyone) -> Answer<impl IntoResponse> {
    let keys: Vec<model::KeyInfo> = service.s3_key_list(whose(&who)).await?;
    Ok(Json(json!({ "keys": keys })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewKey {
    #[serde(default)]
    label: String,
    /// Whose key; the caller's own when absent.
    user: Option<String>,
    /// A pair that clients have already, so that they need not be told of a new one.
    access_key_id: Option<String>,
    secret_access_key: Option<String>,
}

async fn key_issue(
    State(service): State<Service>,
    Anyone(who): Anyone,
    Json(body): Json<NewKey>,
) -> Answer<impl IntoResponse> {
    check_label(&body.label)?;
    let given = match (body.access_key_id, body.secret_access_key) {
        (None, None) => None,
        (Some(access), Some(secret)) => Some((access, secret)),
        _ => return Err(Error::invalid("Give access_key_id and secret_access_key together.").into()),
    };
    let user = body.user.unwrap_or_else(|| who.user.clone());
    if user != who.user || given.is_some() {
        who.require(Role::Admin)?;
    }
    let (access, secret) = service.s3_key_add(KeyWanted { user, label: body.label, given }).await?;
    Ok((StatusCode::CREATED, Json(json!({ "access_key_id": access, "secret_access_key": secret }))))
}

async fn key_revoke(
    State(service): State<Service>,
    Anyone(who): Anyone,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    service.s3_key_revoke(&id, whose(&who)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Labels of the server's own (`run:...`) cannot be taken by a caller: they are revoked together.
fn check_label(label: &str) -> Result<(), Error> {
    if label.len() <= 128 && !label.starts_with("run:") {
        return Ok(());
    }
    Err(Error::invalid("A label has at most 128 bytes and does not start with \"run:\"."))
}
