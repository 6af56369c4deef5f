//! Reads what a plan asks for, by the REST handlers of the same things, and cuts the answer to it.

use super::{
    Outcome,
    plan::{Asked, Node, Plan},
    schema::{Kind, Read, Type},
};
use crate::{
    auth::Viewer,
    kernel::error::Kind as Failure,
    registry::{Service, routes},
    tracking::{
        self,
        search::reach::Reach,
        wire::{Fields, MlflowError},
    },
};
use axum::{Json, extract::State};
use serde_json::{Map, Value, json};
use std::collections::HashMap;

#[derive(Clone)]
pub struct Rooms {
    pub registry: Service,
    pub tracker: tracking::Service,
    /// What the asker's searches may find.
    pub reach: Reach,
}

/// The data, and what could not be read of it.
pub async fn answer(rooms: &Rooms, who: &Viewer, plan: &Plan) -> (Value, Vec<String>) {
    let (mut data, mut errors) = (Map::new(), Vec::new());
    for asked in &plan.roots {
        let found = root(rooms, who, asked).await.unwrap_or_else(|error| {
            errors.push(error);
            Value::Null
        });
        match (data.get_mut(&asked.key), found) {
            (Some(known), found) => merge(known, found),
            (None, found) => drop(data.insert(asked.key.clone(), found)),
        }
    }
    (Value::Object(data), errors)
}

async fn root(rooms: &Rooms, who: &Viewer, asked: &Asked) -> Outcome<Value> {
    let Some((root, input)) = &asked.root else { return Ok(asked.type_name.into()) };
    let fields = Fields::from_map(input.clone());
    let mut found = read(rooms, who, root.read, fields).await?;
    add_to_runs(rooms, who, &asked.nodes, &mut found).await?;
    Ok(object(root.output, &asked.nodes, &found))
}

async fn read(rooms: &Rooms, who: &Viewer, what: Read, fields: Fields) -> Outcome<Value> {
    let tracker = rooms.tracker.clone();
    let who = Viewer(who.0.clone());
    let what = match what {
        Read::Experiment => tracking::Read::Experiment,
        Read::Run => tracking::Read::Run,
        Read::Runs => tracking::Read::Runs,
        Read::Histories => tracking::Read::Histories,
        Read::Artifacts => tracking::Read::Artifacts,
        Read::Datasets => tracking::Read::Datasets,
        Read::Versions => {
            let found =
                routes::versions_search(who, State(rooms.registry.clone()), rooms.reach.clone(), fields)
                    .await;
            return found.map(|Json(found)| found).map_err(told);
        }
    };
    tracking::read(tracker, who, what, fields).await.map_err(told)
}

/// What the caller reads of a failure; the log reads the rest.
fn told(MlflowError(error): MlflowError) -> String {
    if error.kind == Failure::Internal {
        tracing::error!(?error, "a GraphQL query failed");
    }
    error.message
}

/// Beside what REST says of a run stand its experiment and the model versions made from it, when they
/// are asked for.
async fn add_to_runs(rooms: &Rooms, who: &Viewer, nodes: &[Node], found: &mut Value) -> Outcome<()> {
    let wants = |name: &str| {
        let runs = nodes.iter().filter(|node| matches!(node.name.as_str(), "run" | "runs"));
        runs.flat_map(|node| &node.nodes).any(|node| node.name == name)
    };
    let (experiment, versions) = (wants("experiment"), wants("modelVersions"));
    if !experiment && !versions {
        return Ok(());
    }
    let mut known: HashMap<String, Value> = HashMap::new();
    let runs = match found.get_mut("run").is_some() {
        true => found.get_mut("run").into_iter().collect::<Vec<_>>(),
        false => found.get_mut("runs").and_then(Value::as_array_mut).into_iter().flatten().collect(),
    };
    for run in runs {
        if experiment {
            let id = run["info"]["experiment_id"].as_str().unwrap_or_default().to_owned();
            if !known.contains_key(&id) {
                let asked = Fields::from_map(Map::from_iter([("experiment_id".into(), json!(id))]));
                let found = read(rooms, who, Read::Experiment, asked).await?;
                known.insert(id.clone(), found["experiment"].clone());
            }
            run["experiment"] = known[&id].clone();
        }
        if versions {
            let filter = format!("run_id='{}'", run["info"]["run_id"].as_str().unwrap_or_default());
            let asked = Fields::from_map(Map::from_iter([("filter".into(), json!(filter))]));
            let mut found = read(rooms, who, Read::Versions, asked).await?;
            run["model_versions"] = found["model_versions"].take();
        }
    }
    Ok(())
}

fn object(of: &'static Type, nodes: &[Node], found: &Value) -> Value {
    let mut out = Map::new();
    for node in nodes {
        let value = match node.kind {
            None => of.name.into(),
            Some(kind) => field(kind, &node.nodes, found.get(snake(&node.name))),
        };
        // A field asked for twice is one field with what both ask for.
        match out.get_mut(&node.key) {
            Some(known) => merge(known, value),
            None => drop(out.insert(node.key.clone(), value)),
        }
    }
    Value::Object(out)
}

/// A value as its type is written; what is absent is what protobuf has for it.
fn field(kind: Kind, nodes: &[Node], found: Option<&Value>) -> Value {
    let found = found.filter(|value| !value.is_null());
    match (kind, found) {
        (Kind::One(of), Some(found)) => object(of, nodes, found),
        (Kind::Many(of), Some(Value::Array(items))) => {
            items.iter().map(|item| object(of, nodes, item)).collect()
        }
        (Kind::Many(_) | Kind::Texts, None) => json!([]),
        (Kind::Long, Some(Value::Number(number))) => number.to_string().into(),
        (Kind::Long, None) => "0".into(),
        (Kind::Text, None) => "".into(),
        (Kind::Bool, None) => false.into(),
        // NaN and the infinities are texts in MLflow's JSON; GraphQL has no such numbers.
        (Kind::Float, Some(Value::String(_))) => Value::Null,
        (_, Some(found)) => found.clone(),
        (Kind::One(_) | Kind::Choice | Kind::Float, None) => Value::Null,
    }
}

fn merge(known: &mut Value, more: Value) {
    match (known, more) {
        (Value::Object(known), Value::Object(more)) => {
            for (key, value) in more {
                match known.get_mut(&key) {
                    Some(there) => merge(there, value),
                    None => drop(known.insert(key, value)),
                }
            }
        }
        (Value::Array(known), Value::Array(more)) => {
            known.iter_mut().zip(more).for_each(|(known, more)| merge(known, more));
        }
        _ => {}
    }
}

fn snake(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}
