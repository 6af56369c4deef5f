//! Waiting for a run: one line of JSON each time it is looked at, the last one when it is over, with what the tasks
//! that were asked for gave.

use super::{DagRun, one};
use crate::{
    auth::Viewer,
    pipelines::{
        airflow::{
            asked::{Asked, unfit},
            fault::Fault,
            shapes::run,
        },
        model::{TaskInstance, base_id},
        service::Service,
        store,
    },
    store::Connection,
};
use axum::{
    body::{Body, Bytes},
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use futures::stream;
use serde_json::{Map, Value, json};
use std::{convert::Infallible, time::Duration};

pub(super) async fn wait(
    _: Viewer,
    State(service): State<Service>,
    Path((dag, id)): Path<(String, String)>,
    asked: Asked,
) -> Result<Response, Fault> {
    let seconds =
        asked.number("interval")?.ok_or_else(|| unfit("interval", "missing", "Field required", ""))?;
    if seconds <= 0.0 {
        return Err(unfit(
            "interval",
            "greater_than",
            "Input should be greater than 0",
            &seconds.to_string(),
        ));
    }
    let found = one(&service, &dag, &id).await?;
    let interval =
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX).min(Duration::from_secs(3600));
    let wanted = asked.all("result").into_iter().map(str::to_owned).collect();
    let watch = Watch { service, dag, id, interval, wanted, next: Some(found) };
    let lines = stream::unfold(watch, |mut watch| async move {
        let line = watch.line().await?;
        Some((Ok::<_, Infallible>(line), watch))
    });
    // Airflow names no type, and its client refuses a body of the one that its documentation has.
    Ok(Body::from_stream(lines).into_response())
}

struct Watch {
    service: Service,
    dag: String,
    id: String,
    interval: Duration,
    /// Tasks whose results are told with the end.
    wanted: Vec<String>,
    /// What the next line tells; none once the last one was told.
    next: Option<DagRun>,
}

impl Watch {
    async fn line(&mut self) -> Option<Bytes> {
        let now = match self.next.take() {
            Some(first) => first,
            None => self.look_again().await?,
        };
        let mut line = json!({ "state": run::state(now.run.state) });
        if now.run.state.is_over() {
            self.interval = Duration::ZERO;
            let results = self.results(&now.run.id).await;
            if !results.is_empty() {
                line["results"] = results.into();
            }
        }
        Some(format!("{line}\n").into())
    }

    /// What the wanted tasks gave; nothing where that cannot be read, as the state is what is waited for.
    async fn results(&self, run: &str) -> Map<String, Value> {
        if self.wanted.is_empty() {
            return Map::new();
        }
        let run = run.to_owned();
        let tasks = self.service.db().read(move |db: &Connection| store::task_list(db, &run)).await;
        let tasks = tasks.unwrap_or_else(|error| {
            tracing::warn!(?error, "the results of a run that is over could not be read");
            Vec::new()
        });
        self.wanted.iter().filter_map(|id| Some((id.clone(), result_of(id, &tasks)?))).collect()
    }

    /// None when it is over, or the server stops.
    async fn look_again(&mut self) -> Option<DagRun> {
        if self.interval.is_zero() {
            return None;
        }
        tokio::select! {
            () = tokio::time::sleep(self.interval) => one(&self.service, &self.dag, &self.id).await.ok(),
            () = self.service.stopping() => None,
        }
    }
}

/// What a task gave: a list of them where it was mapped.
fn result_of(id: &str, tasks: &[TaskInstance]) -> Option<Value> {
    let is = |task: &&TaskInstance| base_id(&task.id).0 == id;
    let mut mapped = tasks.iter().filter(is).filter(|task| task.map_index.is_some()).peekable();
    match mapped.peek() {
        Some(_) => {
            let all: Vec<Value> = mapped.filter_map(given).collect();
            (!all.is_empty()).then(|| all.into())
        }
        None => given(tasks.iter().find(is)?),
    }
}

/// Airflow's name of what a function returned; without it, all that the task gave.
fn given(task: &TaskInstance) -> Option<Value> {
    let output = task.output.as_ref()?;
    Some(output.get("return_value").unwrap_or(output).clone())
}
