//! GraphQL, as far as MLflow's pages speak it: `mlflowGetExperiment`, `mlflowGetRun`, `mlflowSearchRuns`
//! and their like, answered by the REST handlers of the same name. It stands in the registry because a
//! run is asked for together with the model versions made from it.
//!
//! The whole query language is read (fragments, variables, aliases, `@skip`, `@include`); of the schema
//! there is what MLflow 3.17 has, but no introspection. Errors are a list of texts beside `data`, with
//! status 200, as MLflow answers them.

mod answer;
mod lexer;
mod limits;
mod parse;
mod plan;
mod schema;
#[cfg(test)]
mod tests;

use super::Service;
use crate::{
    auth::Viewer,
    tracking::{self, search::reach::Reach, wire::Fields},
};
use axum::{Json, Router, extract::State, routing::get};
use serde_json::{Map, Value, json};

/// What a query failed of, for its caller.
type Outcome<T> = Result<T, String>;

pub fn router(registry: Service, tracker: tracking::Service) -> Router {
    let state = answer::Rooms { registry, tracker, reach: Reach::All };
    Router::new().route("/graphql", get(ask).post(ask)).with_state(state)
}

async fn ask(who: Viewer, State(rooms): State<answer::Rooms>, reach: Reach, fields: Fields) -> Json<Value> {
    let rooms = answer::Rooms { reach, ..rooms };
    let answered = match prepare(&fields) {
        Ok(plan) => answer::answer(&rooms, &who, &plan).await,
        Err(error) => (Value::Null, vec![error]),
    };
    let (data, errors) = answered;
    let errors = if errors.is_empty() { Value::Null } else { json!(errors) };
    Json(json!({ "data": data, "errors": errors }))
}

fn prepare(fields: &Fields) -> Outcome<plan::Plan> {
    let text = fields.text("query").ok().flatten().ok_or("Must provide query string.")?;
    let document = parse::document(text)?;
    limits::check(&document)?;
    let name = fields.text("operationName").ok().flatten().filter(|name| !name.is_empty());
    plan::plan(&document, name, &variables(fields)?)
}

/// Variables come as an object; in a query string as its text.
fn variables(fields: &Fields) -> Outcome<Map<String, Value>> {
    let given = match fields.raw("variables") {
        Some(Value::Array(texts)) => texts.first().and_then(Value::as_str).unwrap_or("{}").parse(),
        Some(other) => Ok(other.clone()),
        None => return Ok(Map::new()),
    };
    match given {
        Ok(Value::Object(map)) => Ok(map),
        Ok(Value::Null) => Ok(Map::new()),
        _ => Err("Variables must be an object.".into()),
    }
}
