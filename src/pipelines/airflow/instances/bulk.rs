//! Many task instances changed or deleted in one request.

use super::{
    Named, UNMAPPED,
    mark::{self, Target},
    one, remove,
};
use crate::{
    auth::Editor,
    kernel::error::{Error, Kind},
    pipelines::{
        airflow::{
            Answer, Door,
            asked::{Body, read},
            bulk::{self, Bulk, Entities},
            fault::Fault,
            runs::ANY,
        },
        service::Service,
    },
};
use axum::{
    Router,
    extract::{Path, State},
    routing::patch,
};
use http::StatusCode;
use serde_json::Value;

pub(super) fn routes() -> Router<Door> {
    Router::new().route("/dags/{dag_id}/dagRuns/{run_id}/taskInstances", patch(many))
}

async fn many(
    _: Editor,
    State(service): State<Service>,
    Path((dag, run)): Path<(String, String)>,
    body: Body<Bulk>,
) -> Answer {
    bulk::run(Instances { service, dag, run }, body).await
}

struct Instances {
    service: Service,
    dag: String,
    run: String,
}

/// Between the parts of a key: no id holds it.
const CUT: char = '\0';

/// What says which task instance an entity is; the rest says what becomes of it.
const IDENTITY: [&str; 4] = ["dag_id", "dag_run_id", "task_id", "map_index"];

fn named(key: &str) -> Result<Named, Fault> {
    let parts: Vec<&str> = key.split(CUT).collect();
    let [dag, run, task, index] = parts[..] else {
        return Err(Error::new(Kind::Invalid, "The entity names no task instance.").into());
    };
    if dag == ANY || run == ANY {
        let message = format!(
            "When using wildcard in path, dag_id and dag_run_id must be specified in request body for task_id: {task}"
        );
        return Err(Fault::new(StatusCode::BAD_REQUEST, message));
    }
    Ok(Named::new(dag.to_owned(), run.to_owned(), task.to_owned(), index.parse().ok()))
}

impl Entities for Instances {
    const KEY: &'static str = "task_id";

    fn key(&self, entity: &Value) -> String {
        let part = |name: &str, otherwise: &str| entity[name].as_str().unwrap_or(otherwise).to_owned();
        let task = entity.as_str().map_or_else(|| part("task_id", ""), str::to_owned);
        let index = entity["map_index"].as_i64().map(|index| index.to_string()).unwrap_or_default();
        [part("dag_id", &self.dag), part("dag_run_id", &self.run), task, index].join(&CUT.to_string())
    }

    fn called(&self, key: &str) -> String {
        match named(key) {
            Ok(one) => format!("{}.{}.{}[{}]", one.dag, one.run, one.task, one.index.unwrap_or(UNMAPPED)),
            Err(_) => key.replace(CUT, "."),
        }
    }

    async fn create(&self, _: Value) -> Result<(), Fault> {
        let message = "Task instances bulk create is not supported";
        Err(Fault::new(StatusCode::METHOD_NOT_ALLOWED, message))
    }

    async fn update(&self, key: &str, mut body: Value, mask: Option<&[&str]>) -> Result<(), Fault> {
        let named = named(key)?;
        if let Some(fields) = body.as_object_mut() {
            let masked =
                |name: &str| name.starts_with("include_") || mask.is_none_or(|names| names.contains(&name));
            fields.retain(|name, value| {
                !IDENTITY.contains(&name.as_str())
                    && masked(name)
                    && !(name == "new_state" && value.is_null())
            });
        }
        let target = Target {
            called: format!("Task id {}", named.task),
            markers: vec![(&named).into()],
            dag: named.dag,
            run: named.run,
        };
        mark::act(&self.service, target, read(body)?).await.map(drop)
    }

    async fn delete(&self, key: &str) -> Result<(), Fault> {
        remove::act(&self.service, &named(key)?).await
    }

    async fn exists(&self, key: &str) -> Result<bool, Fault> {
        let named = named(key)?;
        match one(&self.service, &named).await {
            Ok(_) => Ok(true),
            // A mapped task named without an index is there, as all its instances.
            Err(_) if named.index.is_none() => {
                let first = Named { index: Some(0), ..named };
                Ok(one(&self.service, &first).await.is_ok())
            }
            Err(_) => Ok(false),
        }
    }
}
