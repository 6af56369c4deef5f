//! Pools: how many slots the tasks that name one share.

use super::{
    Answer, Door,
    asked::{Asked, Body, given, mask, read},
    bulk::{self, Bulk, Entities},
    fault::Fault,
    search::{Page, fits, no_order},
};
use crate::{
    auth::{Editor, Viewer},
    pipelines::{
        model::{DEFAULT_POOL, Pool},
        service::Service,
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
        .route("/pools", get(list).post(create).patch(many))
        .route("/pools/{name}", get(show).patch(patch).delete(delete))
}

/// What Airflow writes as -1: so many slots that nothing ever waits for one.
const UNLIMITED: u32 = u32::MAX;

/// A new pool, or what is to change of one; clients send null for what they leave alone.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    #[serde(alias = "pool")]
    name: Option<String>,
    slots: Option<i64>,
    #[serde(default, deserialize_with = "given")]
    description: Option<Option<String>>,
    include_deferred: Option<bool>,
    team_name: Option<String>,
}

impl Wire {
    fn slots(&self) -> Result<Option<u32>, Fault> {
        let read = |slots: i64| match slots {
            -1 => Ok(UNLIMITED),
            _ => u32::try_from(slots).map_err(|_| {
                let message = "Input should be -1, for no limit, or a number of slots";
                Fault::unfit(&["body", "slots"], "greater_than_equal", message, &slots.into())
            }),
        };
        self.slots.map(read).transpose()
    }

    fn check(&self) -> Result<(), Fault> {
        if self.team_name.is_some() {
            let why = "There are no teams here: `team_name` cannot be given.";
            return Err(Fault::new(StatusCode::BAD_REQUEST, why));
        }
        Ok(())
    }
}

fn shape(pool: &Pool) -> Value {
    let unlimited = pool.slots == UNLIMITED;
    json!({
        "name": pool.name,
        "slots": if unlimited { -1 } else { i64::from(pool.slots) },
        "description": Some(&pool.description).filter(|text| !text.is_empty()),
        "include_deferred": pool.include_deferred,
        "team_name": null,
        "occupied_slots": pool.used,
        "running_slots": pool.used - if pool.include_deferred { pool.deferred } else { 0 },
        "queued_slots": pool.queued,
        "scheduled_slots": 0,
        "deferred_slots": pool.deferred,
        "open_slots": if unlimited { -1 } else { i64::from(pool.slots) - pool.used },
    })
}

async fn find(service: &Service, name: &str) -> Result<Pool, Fault> {
    let found = service.pools().await?.into_iter().find(|pool| pool.name == name);
    found.ok_or_else(|| Fault::not_found(format!("The Pool with name: `{name}` was not found")))
}

async fn list(_: Viewer, State(service): State<Service>, asked: Asked) -> Answer {
    let mut pools = service.pools().await?;
    pools.retain(|pool| fits(&asked, "pool_name", &pool.name));
    match asked.one("order_by").unwrap_or("name") {
        "name" | "pool" | "id" => {}
        "-name" | "-pool" | "-id" => pools.reverse(),
        other => return Err(no_order(other)),
    }
    let total = pools.len();
    let page = Page::of(&asked)?.cut(pools);
    Ok(Json(json!({ "pools": page.iter().map(shape).collect::<Vec<_>>(), "total_entries": total })))
}

async fn show(_: Viewer, State(service): State<Service>, Path(name): Path<String>) -> Answer {
    Ok(Json(shape(&find(&service, &name).await?)))
}

async fn create(
    _: Editor,
    State(service): State<Service>,
    Body(body): Body<Value>,
) -> Result<(StatusCode, Json<Value>), Fault> {
    Ok((StatusCode::CREATED, Json(make(&service, body).await?)))
}

async fn make(service: &Service, body: Value) -> Result<Value, Fault> {
    let body: Wire = read(body)?;
    body.check()?;
    let missing = |field| Fault::unfit(&["body", field], "missing", "Field required", &Value::Null);
    let slots = body.slots()?.ok_or_else(|| missing("slots"))?;
    let name = body.name.ok_or_else(|| missing("name"))?;
    if find(service, &name).await.is_ok() {
        let message = format!("The Pool with name: `{name}` already exists");
        return Err(Fault::new(StatusCode::CONFLICT, message));
    }
    let deferred = body.include_deferred.unwrap_or_default();
    service.set_pool(&name, slots, body.description.flatten().unwrap_or_default(), deferred).await?;
    Ok(shape(&find(service, &name).await?))
}

async fn patch(
    _: Editor,
    State(service): State<Service>,
    Path(name): Path<String>,
    asked: Asked,
    Body(body): Body<Value>,
) -> Answer {
    let named = mask(&asked, &["name", "pool", "slots", "description", "include_deferred"])?;
    Ok(Json(change(&service, &name, body, named.as_deref()).await?))
}

async fn change(service: &Service, name: &str, body: Value, mask: Option<&[&str]>) -> Result<Value, Fault> {
    let body: Wire = read(body)?;
    body.check()?;
    if body.name.as_ref().is_some_and(|given| given != name) {
        let message = "Invalid body, pool name from request body doesn't match uri parameter";
        return Err(Fault::new(StatusCode::BAD_REQUEST, message));
    }
    let old = find(service, name).await?;
    let wanted = |field| mask.is_none_or(|names| names.contains(&field));
    let slots = body.slots()?.filter(|_| wanted("slots")).unwrap_or(old.slots);
    let description = body.description.flatten().filter(|_| wanted("description"));
    let deferred = body.include_deferred.filter(|_| wanted("include_deferred"));
    let deferred = deferred.unwrap_or(old.include_deferred);
    service.set_pool(name, slots, description.unwrap_or(old.description), deferred).await?;
    Ok(shape(&find(service, name).await?))
}

async fn delete(
    _: Editor,
    State(service): State<Service>,
    Path(name): Path<String>,
) -> Result<StatusCode, Fault> {
    remove(&service, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn remove(service: &Service, name: &str) -> Result<(), Fault> {
    if name == DEFAULT_POOL {
        return Err(Fault::new(StatusCode::BAD_REQUEST, "Default Pool can't be deleted"));
    }
    find(service, name).await?;
    Ok(service.delete_pool(name).await?)
}

async fn many(_: Editor, State(service): State<Service>, body: Body<Bulk>) -> Answer {
    bulk::run(Pools(service), body).await
}

struct Pools(Service);

impl Entities for Pools {
    const KEY: &'static str = "name";

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
        Ok(self.0.pools().await?.iter().any(|pool| pool.name == key))
    }
}
