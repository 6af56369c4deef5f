//! Many creations, changes and deletions in one request: each entity succeeds or fails by itself.

use super::{Answer, asked::Body, fault::Fault};
use axum::Json;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// What a bulk request acts on.
pub(super) trait Entities: Sync {
    /// The field that names an entity.
    const KEY: &'static str;

    /// What the methods below know an entity by.
    fn key(&self, entity: &Value) -> String {
        entity.as_str().or_else(|| entity[Self::KEY].as_str()).unwrap_or_default().to_owned()
    }
    /// How an entity is called in the answer.
    fn called(&self, key: &str) -> String {
        key.to_owned()
    }
    fn create(&self, body: Value) -> impl Future<Output = Result<(), Fault>> + Send;
    fn update(
        &self,
        key: &str,
        body: Value,
        mask: Option<&[&str]>,
    ) -> impl Future<Output = Result<(), Fault>> + Send;
    fn delete(&self, key: &str) -> impl Future<Output = Result<(), Fault>> + Send;
    fn exists(&self, key: &str) -> impl Future<Output = Result<bool, Fault>> + Send;
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bulk {
    actions: Vec<Action>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Action {
    action: Kind,
    entities: Vec<Value>,
    #[serde(default)]
    action_on_existence: Otherwise,
    #[serde(default)]
    action_on_non_existence: Otherwise,
    update_mask: Option<Vec<String>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Create,
    Update,
    Delete,
}

#[derive(Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Otherwise {
    #[default]
    Fail,
    Skip,
    Overwrite,
}

pub(super) async fn run<E: Entities>(entities: E, Body(body): Body<Bulk>) -> Answer {
    let mut answer = Map::new();
    for action in body.actions {
        let name = match action.action {
            Kind::Create => "create",
            Kind::Update => "update",
            Kind::Delete => "delete",
        };
        let (mut done, mut errors) = (Vec::new(), Vec::new());
        for entity in &action.entities {
            let key = entities.key(entity);
            match act(&entities, &action, &key, entity).await {
                Ok(true) => done.push(Value::from(entities.called(&key))),
                Ok(false) => {}
                Err(fault) => {
                    let (status, detail) = fault.into_parts();
                    errors.push(json!({ "error": detail, "status_code": status }));
                }
            }
        }
        let all = answer.entry(name).or_insert_with(|| json!({ "success": [], "errors": [] }));
        for (field, more) in [("success", done), ("errors", errors)] {
            if let Some(list) = all[field].as_array_mut() {
                list.extend(more);
            }
        }
    }
    Ok(Json(Value::Object(answer)))
}

/// Whether something was done; a skipped entity is neither a success nor an error.
async fn act<E: Entities>(entities: &E, action: &Action, key: &str, entity: &Value) -> Result<bool, Fault> {
    let there = entities.exists(key).await?;
    match action.action {
        Kind::Create if there && action.action_on_existence == Otherwise::Skip => return Ok(false),
        Kind::Create if there && action.action_on_existence == Otherwise::Overwrite => {
            entities.update(key, entity.clone(), None).await?;
        }
        Kind::Create => entities.create(entity.clone()).await?,
        _ if !there && action.action_on_non_existence == Otherwise::Skip => return Ok(false),
        Kind::Update => {
            let mask: Option<Vec<&str>> =
                action.update_mask.as_ref().map(|names| names.iter().map(String::as_str).collect());
            entities.update(key, entity.clone(), mask.as_deref()).await?;
        }
        Kind::Delete => entities.delete(key).await?,
    }
    Ok(true)
}
