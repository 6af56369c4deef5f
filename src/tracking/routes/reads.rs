//! The reads another protocol offers as well: each is the REST handler, called as a function.

use super::{artifacts, experiments, metrics, runs};
use crate::{
    auth::Viewer,
    kernel::error::Error,
    tracking::{
        Service,
        wire::{Fields, MlflowError},
    },
};
use axum::{Json, extract::State};
use serde::Serialize;
use serde_json::Value;

#[derive(Clone, Copy, Debug)]
pub enum Read {
    Experiment,
    Run,
    Runs,
    Histories,
    Artifacts,
    Datasets,
}

/// What the REST route of that name answers for these fields.
pub async fn read(tracker: Service, who: Viewer, what: Read, fields: Fields) -> Result<Value, MlflowError> {
    let tracker = State(tracker);
    match what {
        Read::Experiment => value(experiments::get(tracker, who, fields).await?),
        Read::Run => value(runs::get(tracker, who, fields).await?),
        Read::Runs => {
            let text = runs::found(&tracker, &fields).await?;
            Ok(serde_json::from_str(&text).map_err(Error::internal)?)
        }
        Read::Histories => value(metrics::history_bulk_interval(tracker, who, fields).await?),
        Read::Artifacts => value(artifacts::list_of_run(tracker, who, fields).await?),
        Read::Datasets => value(experiments::search_datasets(tracker, who, fields).await?),
    }
}

fn value(Json(answer): Json<impl Serialize>) -> Result<Value, MlflowError> {
    Ok(serde_json::to_value(answer).map_err(Error::internal)?)
}
