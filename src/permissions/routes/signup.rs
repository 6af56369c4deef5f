//! MLflow's page on which an admin makes a user: one form, with a token that another site's page cannot
//! know, for the browser sends the admin's password along by itself.

use super::Service;
use crate::{
    auth::{Admin, NewUser, Role, cookie_named},
    kernel::{
        error::{Error, Kind},
        id,
    },
};
use axum::{
    Form,
    extract::{State, rejection::FormRejection},
    response::{Html, IntoResponse, Response},
};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;

const COOKIE: &str = "crannog_signup";

pub async fn page(_: Admin) -> Response {
    let token = id::secret(32);
    let cookie = format!("{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age=3600");
    let form = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>New user</title>\
         <h1>New user</h1>\
         <p>Makes a member, who has of experiments and models what is granted.</p>\
         <form action=\"/api/2.0/mlflow/users/create-ui\" method=\"post\">\
         <input type=\"hidden\" name=\"csrf_token\" value=\"{token}\">\
         <p><label>Username <input name=\"username\" required autocomplete=\"off\"></label>\
         <p><label>Password <input name=\"password\" type=\"password\" minlength=\"12\" required \
         autocomplete=\"new-password\"></label>\
         <p><button>Sign up</button></form></html>"
    );
    ([(header::SET_COOKIE, cookie), (header::CACHE_CONTROL, "no-store".into())], Html(form)).into_response()
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Wanted {
    username: String,
    password: String,
    csrf_token: String,
}

pub async fn create(
    State(service): State<Service>,
    _: Admin,
    headers: HeaderMap,
    form: Result<Form<Wanted>, FormRejection>,
) -> Response {
    let wanted = form.map(|Form(wanted)| wanted).unwrap_or_default();
    if wanted.csrf_token.is_empty() {
        return words(StatusCode::BAD_REQUEST, "The CSRF token is missing.");
    }
    if cookie_named(&headers, COOKIE) != Some(wanted.csrf_token.as_str()) {
        return words(StatusCode::BAD_REQUEST, "The CSRF token is not the page's: open the page again.");
    }
    let user = NewUser {
        name: wanted.username,
        password: Some(wanted.password),
        role: Role::Member,
        email: None,
        display_name: None,
    };
    let name = user.name.clone();
    match service.auth().user_add(user).await {
        Ok(()) => words(StatusCode::OK, &format!("Successfully signed up user: {name}")),
        Err(Error { kind: Kind::Exists, .. }) => {
            words(StatusCode::CONFLICT, &format!("Username has already been taken: {name}"))
        }
        Err(error) => words(error.kind.status(), &error.message),
    }
}

/// As text, so that nothing in it is ever markup.
fn words(status: StatusCode, text: &str) -> Response {
    (status, format!("{text}\n")).into_response()
}
