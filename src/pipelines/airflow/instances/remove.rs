//! Deleting a task instance of a run that is over: its tries and logs go, and it is no longer found.

use super::{Named, UNMAPPED, one};
use crate::{
    auth::Editor,
    pipelines::{
        airflow::{Door, asked::Asked, fault::Fault},
        service::Service,
    },
};
use axum::{
    Json, Router,
    extract::{Path, State},
    routing::delete,
};
use serde_json::Value;

pub(super) fn routes() -> Router<Door> {
    const TASK: &str = "/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}";
    Router::new().route(TASK, delete(remove))
}

async fn remove(
    _: Editor,
    State(service): State<Service>,
    Path(named): Path<Named>,
    asked: Asked,
) -> Result<Json<Value>, Fault> {
    let named = named.asked(&asked)?;
    act(&service, &Named { index: named.index.or(Some(UNMAPPED)), ..named }).await?;
    Ok(Json(Value::Null))
}

pub(super) async fn act(service: &Service, named: &Named) -> Result<(), Fault> {
    let (of, task) = one(service, named).await?;
    Ok(service.delete_task(&of.run.id, &task.id).await?)
}
