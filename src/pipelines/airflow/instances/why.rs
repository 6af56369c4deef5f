//! Why a task instance has not started: what the house says of it, under the names Airflow has for
//! its dependencies.

use super::{Named, one};
use crate::{
    auth::Viewer,
    pipelines::{
        airflow::{Answer, Door, asked::Asked},
        model::TaskState,
        service::Service,
    },
};
use axum::{
    Json, Router,
    extract::{Path, State},
    routing::get,
};
use serde_json::json;

pub(super) fn routes() -> Router<Door> {
    const TASK: &str = "/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}";
    Router::new()
        .route(&format!("{TASK}/dependencies"), get(dependencies))
        .route(&format!("{TASK}/{{map_index}}/dependencies"), get(dependencies))
}

async fn dependencies(
    _: Viewer,
    State(service): State<Service>,
    Path(named): Path<Named>,
    asked: Asked,
) -> Answer {
    let (of, task) = one(&service, &named.asked(&asked)?).await?;
    let view = service.run(&of.run.id).await?;
    let at = view.tasks.iter().position(|one| one.id == task.id);
    let reason = at.filter(|_| task.state.is_idle()).and_then(|at| view.reasons[at].as_ref());
    let name = match task.state {
        _ if reason.is_some() && view.waiting_for.as_ref() == reason => "Dagrun Running",
        TaskState::Waiting => "Trigger Rule",
        TaskState::UpForRetry => "Not In Retry Period",
        _ if task.depends_on_past && reason.is_some_and(|text| text.starts_with("depends on its past")) => {
            "Previous Dagrun State"
        }
        _ => "Pool Slots Available",
    };
    let found: Vec<_> = reason.into_iter().map(|reason| json!({ "name": name, "reason": reason })).collect();
    Ok(Json(json!({ "dependencies": found })))
}
