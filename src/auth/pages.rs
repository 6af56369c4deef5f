//! The login page: plain HTML and one style sheet, no script, the only page shown to strangers.

use super::{Service, middleware};
use crate::kernel::error::Kind;
use axum::{
    Form,
    extract::{Query, State},
    response::{Html, IntoResponse, Redirect, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

const PAGE: &str = include_str!("login.html");
const STYLE: &str = include_str!("login.css");

#[derive(Deserialize)]
pub struct Wanted {
    #[serde(default)]
    next: String,
}

#[derive(Deserialize)]
pub struct Credentials {
    #[serde(default)]
    user: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    next: String,
}

/// Where to sign in on the way to `wanted`.
pub fn login_address(wanted: &str) -> String {
    if wanted == "/" {
        return "/login".into();
    }
    format!("/login?next={}", utf8_percent_encode(wanted, NON_ALPHANUMERIC))
}

pub async fn show(Query(wanted): Query<Wanted>) -> Response {
    page(StatusCode::OK, &wanted.next, "", "")
}

pub async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")], STYLE)
        .into_response()
}

pub async fn sign_in(
    State(service): State<Service>,
    headers: HeaderMap,
    Form(form): Form<Credentials>,
) -> Response {
    if let Err(error) = middleware::same_origin(&headers) {
        return page(StatusCode::FORBIDDEN, &form.next, &form.user, &error.message);
    }
    let opened = match service.password_check(&form.user, &form.password).await {
        Ok(who) => service.session_open(&who).await,
        Err(error) => Err(error),
    };
    match opened {
        Ok(session) => (session_header(&session), Redirect::to(local(&form.next))).into_response(),
        Err(error) if error.kind == Kind::Unauthenticated => {
            page(StatusCode::UNAUTHORIZED, &form.next, &form.user, &error.message)
        }
        Err(error) if error.kind == Kind::Forbidden => {
            page(StatusCode::FORBIDDEN, &form.next, &form.user, &error.message)
        }
        Err(error) => {
            tracing::error!(%error, "signing in failed");
            page(StatusCode::INTERNAL_SERVER_ERROR, &form.next, &form.user, &error.message)
        }
    }
}

/// The Set-Cookie header of a new session.
pub fn session_header(session: &str) -> [(HeaderName, String); 1] {
    let seconds = super::service::SESSION_MS / 1000;
    [(
        header::SET_COOKIE,
        format!(
            "{}={session}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}",
            middleware::SESSION_COOKIE
        ),
    )]
}

/// Only a path of this server is followed: another site's address must not be reachable from here.
fn local(next: &str) -> &str {
    let local = next.starts_with('/')
        && !next.starts_with("//")
        && !next.starts_with("/\\")
        && !next.starts_with("/login")
        && HeaderValue::from_str(next).is_ok();
    if local { next } else { "/" }
}

fn page(status: StatusCode, next: &str, user: &str, message: &str) -> Response {
    let notice = if message.is_empty() {
        String::new()
    } else {
        format!("<p class=\"error\" role=\"alert\">{}</p>", escape(message))
    };
    let html = PAGE
        .replace("{{notice}}", &notice)
        .replace("{{next}}", &escape(next))
        .replace("{{user}}", &escape(user))
        .replace("{{version}}", crate::kernel::VERSION);
    let headers = [
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'self'; frame-ancestors 'none'; base-uri 'none'"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, Html(html)).into_response()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('{', "&#123;")
}
