//! Connections: where another system is reached and how to sign in there. Password and extra are
//! sealed; a password is never shown again, nor what looks like a secret in the extra.

use super::{
    Answer, Door,
    absent::no_test,
    asked::{Asked, Body, mask, read},
    bulk::{self, Bulk, Entities},
    fault::Fault,
    search::{Page, fits, no_order},
    variables::{HIDDEN, is_secret},
};
use crate::{
    auth::Editor,
    pipelines::{
        secrets::{SealedConnection, connection_purpose, open_connection},
        store::{self, ConnectionRow},
    },
};
use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{get, post},
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub(super) fn routes() -> Router<Door> {
    Router::new()
        .route("/connections", get(list).post(create).patch(many))
        .route("/connections/test", post(no_test))
        .route("/connections/{id}", get(show).patch(patch).delete(delete))
}

/// A connection as it travels.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    connection_id: String,
    conn_type: String,
    description: Option<String>,
    host: Option<String>,
    login: Option<String>,
    schema: Option<String>,
    port: Option<i64>,
    password: Option<String>,
    extra: Option<String>,
    team_name: Option<String>,
}

const CHANGEABLE: [&str; 9] =
    ["connection_id", "conn_type", "description", "host", "login", "schema", "port", "password", "extra"];

impl Wire {
    fn check(&self) -> Result<(), Fault> {
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-');
        let id = &self.connection_id;
        if id.is_empty() || id.len() > 200 || !id.chars().all(plain) {
            let message = r"String should match pattern '^[\w.-]+$', 200 characters at most";
            let place = ["body", "connection_id"];
            return Err(Fault::unfit(&place, "string_pattern_mismatch", message, &id.as_str().into()));
        }
        if self.team_name.is_some() {
            return Err(Fault::new(
                StatusCode::BAD_REQUEST,
                "There are no teams here: `team_name` cannot be given.",
            ));
        }
        if let Some(extra) = self.extra.as_ref().filter(|extra| !extra.is_empty())
            && serde_json::from_str::<Map<String, Value>>(extra).is_err()
        {
            let message = "Value error, The `extra` field must be a valid JSON object";
            return Err(Fault::unfit(&["body", "extra"], "value_error", message, &extra.as_str().into()));
        }
        Ok(())
    }

    fn row(&self, door: &Door) -> Result<ConnectionRow, Fault> {
        let secret = json!(SealedConnection { password: self.password.clone(), extra: self.extra.clone() })
            .to_string();
        Ok(ConnectionRow {
            id: self.connection_id.clone(),
            conn_type: self.conn_type.clone(),
            description: self.description.clone(),
            host: self.host.clone(),
            login: self.login.clone(),
            schema: self.schema.clone(),
            port: self.port,
            sealed: door.auth.secret_seal(&connection_purpose(&self.connection_id), &secret)?,
        })
    }

    fn open(door: &Door, row: ConnectionRow) -> Result<Self, Fault> {
        let SealedConnection { password, extra } = open_connection(&door.auth, &row)?;
        Ok(Self {
            connection_id: row.id,
            conn_type: row.conn_type,
            description: row.description,
            host: row.host,
            login: row.login,
            schema: row.schema,
            port: row.port,
            password,
            extra,
            team_name: None,
        })
    }

    /// As it is shown: without its secrets.
    fn shape(mut self) -> Value {
        self.password = self.password.map(|_| HIDDEN.to_owned());
        self.extra = self.extra.map(|extra| match serde_json::from_str::<Map<String, Value>>(&extra) {
            Ok(fields) => Value::Object(hide(fields)).to_string(),
            Err(_) => extra,
        });
        json!(self)
    }
}

fn hide(fields: Map<String, Value>) -> Map<String, Value> {
    let hidden = fields.into_iter().map(|(name, value)| {
        let value = match value {
            _ if is_secret(&name) => HIDDEN.into(),
            Value::Object(inner) => Value::Object(hide(inner)),
            other => other,
        };
        (name, value)
    });
    hidden.collect()
}

async fn find(door: &Door, id: &str) -> Result<Wire, Fault> {
    let wanted = id.to_owned();
    let found = door.service.db().read(move |db| store::connection_list(db, Some(&wanted))).await?.pop();
    let missing = || Fault::not_found(format!("The Connection with connection_id: `{id}` was not found"));
    Wire::open(door, found.ok_or_else(missing)?)
}

async fn list(_: Editor, State(door): State<Door>, asked: Asked) -> Answer {
    let rows = door.service.db().read(|db| store::connection_list(db, None)).await?;
    let mut rows: Vec<_> = rows.into_iter().filter(|row| fits(&asked, "connection_id", &row.id)).collect();
    let order = asked.one("order_by").unwrap_or("connection_id");
    match order.trim_start_matches('-') {
        "connection_id" | "conn_id" | "id" => {}
        "conn_type" => rows.sort_by(|a, b| a.conn_type.cmp(&b.conn_type)),
        "description" => rows.sort_by(|a, b| a.description.cmp(&b.description)),
        "host" => rows.sort_by(|a, b| a.host.cmp(&b.host)),
        "port" => rows.sort_by_key(|row| row.port),
        other => return Err(no_order(other)),
    }
    if order.starts_with('-') {
        rows.reverse();
    }
    let total = rows.len();
    let page = Page::of(&asked)?.cut(rows).into_iter();
    let shown = page.map(|row| Wire::open(&door, row).map(Wire::shape)).collect::<Result<Vec<_>, _>>()?;
    Ok(Json(json!({ "connections": shown, "total_entries": total })))
}

async fn show(_: Editor, State(door): State<Door>, Path(id): Path<String>) -> Answer {
    Ok(Json(find(&door, &id).await?.shape()))
}

async fn create(
    _: Editor,
    State(door): State<Door>,
    Body(body): Body<Value>,
) -> Result<(StatusCode, Json<Value>), Fault> {
    Ok((StatusCode::CREATED, Json(make(&door, body).await?)))
}

async fn make(door: &Door, body: Value) -> Result<Value, Fault> {
    let body: Wire = read(body)?;
    body.check()?;
    let row = body.row(door)?;
    if !door.service.db().write(move |db| store::connection_put(db, &row, true)).await? {
        let message = format!("The Connection with connection_id: `{}` already exists", body.connection_id);
        return Err(Fault::new(StatusCode::CONFLICT, message));
    }
    Ok(body.shape())
}

async fn patch(
    _: Editor,
    State(door): State<Door>,
    Path(id): Path<String>,
    asked: Asked,
    Body(body): Body<Value>,
) -> Answer {
    let named = mask(&asked, &CHANGEABLE)?;
    Ok(Json(change(&door, &id, body, named.as_deref()).await?))
}

/// Changes the fields the body names, or those of them the mask names.
async fn change(door: &Door, id: &str, body: Value, mask: Option<&[&str]>) -> Result<Value, Fault> {
    let whole: Wire = read(body.clone())?;
    whole.check()?;
    if whole.connection_id != id {
        let message = "The connection_id in the request body does not match the URL parameter";
        return Err(Fault::new(StatusCode::BAD_REQUEST, message));
    }
    let old = find(door, id).await?;
    let mut merged = json!(old);
    let fields = body.as_object().into_iter().flatten().filter(|(name, value)| {
        // Who sends back what was shown in a secret's place has not changed it.
        let unchanged = name.as_str() == "password" && value.as_str() == Some(HIDDEN);
        mask.is_none_or(|names| names.contains(&name.as_str())) && !unchanged
    });
    for (name, value) in fields {
        merged[name] = value.clone();
    }
    let new: Wire = read(merged)?;
    let row = new.row(door)?;
    door.service.db().write(move |db| store::connection_put(db, &row, false)).await?;
    Ok(new.shape())
}

async fn delete(_: Editor, State(door): State<Door>, Path(id): Path<String>) -> Result<StatusCode, Fault> {
    remove(&door, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn remove(door: &Door, id: &str) -> Result<(), Fault> {
    find(door, id).await?;
    let id = id.to_owned();
    door.service.db().write(move |db| store::connection_delete(db, &id)).await?;
    Ok(())
}

async fn many(_: Editor, State(door): State<Door>, body: Body<Bulk>) -> Answer {
    bulk::run(Connections(door), body).await
}

struct Connections(Door);

impl Entities for Connections {
    const KEY: &'static str = "connection_id";

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
        Ok(!self.0.service.db().read(move |db| store::connection_list(db, Some(&key))).await?.is_empty())
    }
}
