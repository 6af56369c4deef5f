//! Waiting for a run: one line of JSON each time it is looked at, the last one when it is over.

use super::{DagRun, one};
use crate::{
    auth::Viewer,
    pipelines::{
        airflow::{
            asked::{Asked, unfit},
            fault::Fault,
            shapes::run,
        },
        service::Service,
    },
};
use axum::{
    body::{Body, Bytes},
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use futures::stream;
use http::header;
use serde_json::json;
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
    let watch = Watch { service, dag, id, interval, next: Some(found) };
    let lines = stream::unfold(watch, |mut watch| async move {
        let line = watch.line().await?;
        Some((Ok::<_, Infallible>(line), watch))
    });
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response())
}

struct Watch {
    service: Service,
    dag: String,
    id: String,
    interval: Duration,
    /// What the next line tells; none once the last one was told.
    next: Option<DagRun>,
}

impl Watch {
    async fn line(&mut self) -> Option<Bytes> {
        let now = match self.next.take() {
            Some(first) => first,
            None => self.look_again().await?,
        };
        let line = format!("{}\n", json!({ "state": run::state(now.run.state) }));
        if now.run.state.is_over() {
            self.interval = Duration::ZERO;
        }
        Some(line.into())
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
