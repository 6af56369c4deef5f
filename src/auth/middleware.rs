//! The guard in front of every plane, and the extractors by which a handler states whom it serves.

use super::{Principal, Role, Service, pages};
use crate::kernel::{
    error::{Error, Kind, Result},
    http::Problem,
};
use axum::{
    body::Body,
    extract::{FromRequestParts, Request, State},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderValue, Method, header, request::Parts};
use std::sync::Arc;

/// Paths that answer to anybody.
const PUBLIC: [&str; 9] = [
    "/livez",
    "/readyz",
    "/health",
    "/login",
    "/login.css",
    "/favicon.svg",
    // The certificate of the authority behind the doors: whoever is to trust it has to get it first.
    "/ca.pem",
    // Airflow's own client asks these two without its token.
    "/api/v2/version",
    "/api/v2/monitor/health",
];
/// Where a password is exchanged for a session or a token, by POST: here, and as Airflow's clients do.
const SIGN_IN: [&str; 3] = ["/api/crannog/v1/session", "/auth/token", "/auth/token/cli"];
/// Where what happens outside starts a pipeline, by POST with the pipeline's own token.
pub const HOOKS: &str = "/hooks/";
pub const SESSION_COOKIE: &str = "crannog_session";

/// Lets a request through with its `Principal`, or refuses it. For `axum::middleware::from_fn_with_state`.
pub async fn guard(State(service): State<Service>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path();
    // A hook brings a token of its own, which its handler checks.
    let hook = path.starts_with(HOOKS) && request.method() == Method::POST;
    let signs_in = hook || SIGN_IN.contains(&path) && request.method() == Method::POST;
    if PUBLIC.contains(&path) || signs_in {
        return next.run(request).await;
    }
    match identify(&service, request.method(), request.headers()).await {
        Ok(Some(who)) if who.role < Role::Viewer && !open_to(who.role, request.uri().path()) => {
            Refusal(closed_to(&who)).into_response()
        }
        Ok(Some(who)) => {
            let label = label(&service, request.headers());
            request.extensions_mut().insert(who);
            match label {
                Some(label) => super::caused_by(label, next.run(request)).await,
                None => next.run(request).await,
            }
        }
        Ok(None) => anonymous(&request),
        Err(error) if error.kind == Kind::Unauthenticated => {
            unauthenticated(&error.message, request.headers())
        }
        Err(error) if error.kind == Kind::Forbidden => Refusal(error).into_response(),
        Err(error) => Problem(error).into_response(),
    }
}

/// What a bearer token was issued for.
fn label(service: &Service, headers: &HeaderMap) -> Option<Arc<str>> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| service.token_label(token.trim())).flatten()
}

/// A guest may learn who they are, change their password and mind their own keys; a member may also
/// hold tokens, see the pages and call MLflow's routes, where the permissions decide. The rest of the
/// house is closed to them here, once for every room.
fn open_to(role: Role, path: &str) -> bool {
    let Some(rest) = path.strip_prefix("/api/crannog/v1/") else {
        return role == Role::Member && ["/v2", "/endpoints/"].iter().all(|shut| !path.starts_with(shut));
    };
    let mine = rest == "me" || ["s3-keys", "users/"].iter().any(|open| rest.starts_with(open));
    mine || role == Role::Member && ["session", "tokens"].iter().any(|open| rest.starts_with(open))
}

/// What a guest or member hears everywhere else.
fn closed_to(who: &Principal) -> Error {
    if who.role == Role::Guest {
        return guests_only_s3(&who.user);
    }
    let user = &who.user;
    Error::forbidden(format!("User {user:?} is a member, who may use MLflow's API and own buckets only."))
}

/// What a guest hears.
pub fn guests_only_s3(user: &str) -> Error {
    Error::forbidden(format!("User {user:?} is a guest, who may use the S3 door only."))
}

/// Who the headers say is asking; `None` when they carry no credential at all.
async fn identify(service: &Service, method: &Method, headers: &HeaderMap) -> Result<Option<Principal>> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        return by_header(service, value).await.map(Some);
    }
    let Some(session) = session_cookie(headers) else { return Ok(None) };
    let who = service.session_check(session).await?;
    if who.is_some() && !method.is_safe() {
        same_origin(headers)?;
    }
    Ok(who)
}

async fn by_header(service: &Service, value: &HeaderValue) -> Result<Principal> {
    let (scheme, rest) = value.to_str().ok().and_then(|text| text.split_once(' ')).unwrap_or_default();
    if scheme.eq_ignore_ascii_case("bearer") {
        let known = service.token_check(rest.trim()).await?;
        return known.ok_or_else(|| refused("The bearer token is unknown, revoked or expired."));
    }
    if scheme.eq_ignore_ascii_case("basic") {
        let decoded =
            BASE64_STANDARD.decode(rest.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let decoded =
            decoded.ok_or_else(|| refused("The Authorization header is not valid Basic authentication."))?;
        let (user, password) =
            decoded.split_once(':').ok_or_else(|| refused("Basic authentication needs user:password."))?;
        return service.password_check(user, password).await;
    }
    Err(refused("The Authorization header must be Basic or Bearer (AWS signatures are for S3 requests)."))
}

fn refused(message: &str) -> Error {
    Error::new(Kind::Unauthenticated, message)
}

/// The session id in the request's cookies.
pub fn session_cookie(headers: &HeaderMap) -> Option<&str> {
    cookie_named(headers, SESSION_COOKIE)
}

/// The value of a cookie.
pub fn cookie_named<'a>(headers: &'a HeaderMap, wanted: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == wanted)
        .map(|(_, value)| value)
}

/// A cookie travels with requests another site made the browser send: those must not change anything.
pub fn same_origin(headers: &HeaderMap) -> Result<()> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let site_fits = text("sec-fetch-site").is_none_or(|site| site == "same-origin" || site == "none");
    let host = text("host");
    let origin_fits =
        text("origin").is_none_or(|origin| origin.split_once("://").map(|(_, rest)| rest) == host);
    if site_fits && origin_fits {
        return Ok(());
    }
    Err(Error::forbidden("The request came from another site's page; it was not carried out."))
}

/// A browser asking for a page goes to the login page, everything else hears 401.
fn anonymous(request: &Request<Body>) -> Response {
    let accepts =
        request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let api =
        ["/api/", "/ajax-api/", "/v2", "/endpoints/"].iter().any(|p| request.uri().path().starts_with(p));
    let page = request.method() == Method::GET && accepts.contains("text/html");
    if page && (!api || request.headers().get("sec-fetch-mode").is_some_and(|mode| mode == "navigate")) {
        let wanted = request.uri().path_and_query().map_or("/", |target| target.as_str());
        return Redirect::to(&pages::login_address(wanted)).into_response();
    }
    unauthenticated(
        "This needs a user and password (Basic) or a bearer token. `crannog env` prints them.",
        request.headers(),
    )
}

/// Asks for a credential. A page's own fetch must not make the browser open its password dialog.
fn unauthenticated(message: &str, headers: &HeaderMap) -> Response {
    let mut response = Refusal(refused(&format!("You are not authenticated. {message}"))).into_response();
    if !headers.contains_key("sec-fetch-mode") {
        response.headers_mut().insert(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Basic realm=\"crannog\", charset=\"UTF-8\""),
        );
    }
    response
}

/// A refusal on any plane: one body in which every client finds its own field, be it RFC 9457,
/// MLflow or Open Inference, for the guard stands in front of them all.
pub struct Refusal(Error);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(error) = self;
        let status = error.kind.status();
        let code = if error.kind == Kind::Forbidden { "PERMISSION_DENIED" } else { "UNAUTHENTICATED" };
        let body = serde_json::json!({
            "type": "about:blank", "title": status.canonical_reason(), "status": status.as_u16(),
            "detail": error.message, "error_code": code, "message": error.message, "error": error.message,
        });
        (status, axum::Json(body)).into_response()
    }
}

/// A signed-in user of any role, guests included.
pub struct Anyone(pub Principal);
/// A signed-in user who may call MLflow's API.
pub struct Member(pub Principal);
/// A signed-in user of the house.
pub struct Viewer(pub Principal);
/// A signed-in user who may write data.
pub struct Editor(pub Principal);
/// A signed-in user who may manage the server.
pub struct Admin(pub Principal);

fn principal(parts: &Parts, needed: Role) -> Result<Principal> {
    let who = parts.extensions.get::<Principal>().ok_or_else(|| refused("This needs a signed-in user."))?;
    who.require(needed)?;
    Ok(who.clone())
}

macro_rules! extracts {
    ($name:ident, $role:expr) => {
        impl<S: Send + Sync> FromRequestParts<S> for $name {
            type Rejection = Refusal;

            async fn from_request_parts(parts: &mut Parts, _: &S) -> std::result::Result<Self, Refusal> {
                principal(parts, $role).map(Self).map_err(Refusal)
            }
        }
    };
}
extracts!(Anyone, Role::Guest);
extracts!(Member, Role::Member);
extracts!(Viewer, Role::Viewer);
extracts!(Editor, Role::Editor);
extracts!(Admin, Role::Admin);
