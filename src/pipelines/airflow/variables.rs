//! Variables: text by a key, sealed where it is kept.

use super::{
    Answer, Door,
    asked::{Asked, Body, given, mask, read},
    bulk::{self, Bulk, Entities},
    fault::Fault,
    search::{Page, fits, no_order},
};
use crate::{
    auth::Editor,
    pipelines::{
        secrets::variable_purpose as purpose,
        store::{self, VariableRow},
    },
};
use axum::{
    Json, Router,
    extract::{Path, State},
    routing::get,
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) fn routes() -> Router<Door> {
    Router::new()
        .route("/variables", get(list).post(create).patch(many))
        .route("/variables/{key}", get(show).patch(patch).delete(delete))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VariableBody {
    key: String,
    value: Value,
    #[serde(default, deserialize_with = "given")]
    description: Option<Option<String>>,
    /// There are no teams: it is read for clients that send it as null.
    team_name: Option<String>,
}

impl VariableBody {
    fn check(&self) -> Result<(), Fault> {
        if self.team_name.is_some() {
            return Err(Fault::new(
                StatusCode::BAD_REQUEST,
                "There are no teams here: `team_name` cannot be given.",
            ));
        }
        if self.key.is_empty() || self.key.len() > 250 {
            let message = "String should have 1 to 250 characters";
            return Err(Fault::unfit(
                &["body", "key"],
                "string_too_long",
                message,
                &self.key.as_str().into(),
            ));
        }
        Ok(())
    }

    fn row(&self, door: &Door, description: Option<String>) -> Result<VariableRow, Fault> {
        let text = match &self.value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let sealed = door.auth.secret_seal(&purpose(&self.key), &text)?;
        Ok(VariableRow { key: self.key.clone(), description, sealed })
    }
}

/// Whether what goes by this name is not to be shown, as Airflow decides it.
pub(super) fn is_secret(name: &str) -> bool {
    const WORDS: [&str; 12] = [
        "access_token",
        "api_key",
        "apikey",
        "authorization",
        "passphrase",
        "passwd",
        "password",
        "private_key",
        "secret",
        "token",
        "keyfile_dict",
        "service_account",
    ];
    let name = name.to_ascii_lowercase();
    WORDS.iter().any(|word| name.contains(word))
}

/// What is shown in a secret's place.
pub(super) const HIDDEN: &str = "***";

fn shape(door: &Door, row: &VariableRow) -> Result<Value, Fault> {
    let clear = door.auth.secret_open(&purpose(&row.key), &row.sealed)?;
    let value = if is_secret(&row.key) { HIDDEN.to_owned() } else { clear };
    Ok(json!({
        "key": row.key, "value": value, "description": row.description, "is_encrypted": true, "team_name": null,
    }))
}

async fn find(door: &Door, key: &str) -> Result<VariableRow, Fault> {
    let wanted = key.to_owned();
    let found = door.service.db().read(move |db| store::variable_list(db, Some(&wanted))).await?.pop();
    found.ok_or_else(|| Fault::not_found(format!("The Variable with key: `{key}` was not found")))
}

async fn list(_: Editor, State(door): State<Door>, asked: Asked) -> Answer {
    let rows = door.service.db().read(|db| store::variable_list(db, None)).await?;
    let mut rows: Vec<_> = rows.into_iter().filter(|row| fits(&asked, "variable_key", &row.key)).collect();
    match asked.one("order_by").unwrap_or("key") {
        "key" | "id" => {}
        "-key" | "-id" => rows.reverse(),
        "description" => rows.sort_by(|a, b| a.description.cmp(&b.description)),
        "-description" => rows.sort_by(|a, b| b.description.cmp(&a.description)),
        other => return Err(no_order(other)),
    }
    let total = rows.len();
    let page = Page::of(&asked)?.cut(rows);
    let shown = page.iter().map(|row| shape(&door, row)).collect::<Result<Vec<_>, _>>()?;
    Ok(Json(json!({ "variables": shown, "total_entries": total })))
}

async fn show(_: Editor, State(door): State<Door>, Path(key): Path<String>) -> Answer {
    Ok(Json(shape(&door, &find(&door, &key).await?)?))
}

async fn create(
    _: Editor,
    State(door): State<Door>,
    Body(body): Body<Value>,
) -> Result<(StatusCode, Json<Value>), Fault> {
    Ok((StatusCode::CREATED, Json(make(&door, body).await?)))
}

async fn make(door: &Door, body: Value) -> Result<Value, Fault> {
    let body: VariableBody = read(body)?;
    body.check()?;
    let row = body.row(door, body.description.clone().flatten())?;
    let new = row.clone();
    if !door.service.db().write(move |db| store::variable_put(db, &new, true)).await? {
        let message = format!("The Variable with key: `{}` already exists", row.key);
        return Err(Fault::new(StatusCode::CONFLICT, message));
    }
    shape(door, &row)
}

async fn patch(
    _: Editor,
    State(door): State<Door>,
    Path(key): Path<String>,
    asked: Asked,
    Body(body): Body<Value>,
) -> Answer {
    let named = mask(&asked, &["key", "value", "description"])?;
    Ok(Json(change(&door, &key, body, named.as_deref()).await?))
}

async fn change(door: &Door, key: &str, body: Value, mask: Option<&[&str]>) -> Result<Value, Fault> {
    let body: VariableBody = read(body)?;
    body.check()?;
    if body.key != key {
        let message = "Invalid body, key from request body doesn't match uri parameter";
        return Err(Fault::new(StatusCode::BAD_REQUEST, message));
    }
    let old = find(door, key).await?;
    let wanted = |name| mask.is_none_or(|names| names.contains(&name));
    let mut row = old.clone();
    if let Some(description) = body.description.clone().filter(|_| wanted("description")) {
        row.description = description;
    }
    // Who sends back what was shown in a secret's place has not changed it.
    let hidden = is_secret(key) && body.value.as_str() == Some(HIDDEN);
    if wanted("value") && !hidden {
        row.sealed = body.row(door, None)?.sealed;
    }
    let new = row.clone();
    door.service.db().write(move |db| store::variable_put(db, &new, false)).await?;
    shape(door, &row)
}

async fn delete(_: Editor, State(door): State<Door>, Path(key): Path<String>) -> Result<StatusCode, Fault> {
    remove(&door, &key).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn remove(door: &Door, key: &str) -> Result<(), Fault> {
    find(door, key).await?;
    let key = key.to_owned();
    door.service.db().write(move |db| store::variable_delete(db, &key)).await?;
    Ok(())
}

async fn many(_: Editor, State(door): State<Door>, body: Body<Bulk>) -> Answer {
    bulk::run(Variables(door), body).await
}

struct Variables(Door);

impl Entities for Variables {
    const KEY: &'static str = "key";

    async fn create(&self, body: Value) -> Result<(), Fault> {
        make(&self.0, body).await.map(drop)
    }

    async fn update(&self, key: &str, body: Value, mask: Option<&[&str]>) -> Result<(), Fault> {
        change(&self.0, key, body, mask).await.map(drop)
    }

    async fn delete(&self, key: &str) -> Result<(), Fault> {
        remove(&self.0, key).await
    }

    async fn exists(&self, key: &str) -> Result<bool, Fault> {
        let key = key.to_owned();
        Ok(!self.0.service.db().read(move |db| store::variable_list(db, Some(&key))).await?.is_empty())
    }
}
