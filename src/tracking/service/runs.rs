//! Runs: made, changed, deleted, restored, found.

use super::{Service, active_experiment, experiment_ids, names};
use crate::{
    kernel::{
        clock::now_ms,
        error::{Error, Result},
        event::Event,
        id,
    },
    tracking::{
        check,
        model::{Pair, Run, RunInfo, Stage, View},
        search::{
            self,
            page::{Ask, Asked},
        },
        store::{
            runs::{self as rows, NewRun, Query},
            runs_json::runs_json,
        },
    },
};

/// MLflow keeps a run's name as a tag as well, and clients read either.
pub(super) const RUN_NAME: &str = "mlflow.runName";

/// What a new run is made from.
#[derive(Debug, Default)]
pub struct CreateRun {
    /// Empty means the default experiment.
    pub experiment_id: String,
    pub user_id: String,
    pub name: String,
    pub started_at: Option<i64>,
    pub tags: Vec<Pair>,
}

/// What changes about a run; what is `None` stays.
#[derive(Debug, Default)]
pub struct UpdateRun {
    pub status: Option<&'static str>,
    pub ended_at: Option<i64>,
    pub name: Option<String>,
}

/// A page of a search.
#[derive(Debug)]
pub struct FoundRuns {
    /// The list of them, as JSON.
    pub runs: String,
    /// The token of the next page.
    pub next: Option<String>,
}

impl Service {
    pub async fn run_create(&self, mut new: CreateRun) -> Result<Run> {
        let experiment = match new.experiment_id.as_str() {
            "" => 0,
            id => check::experiment_id(id)?,
        };
        for (index, tag) in new.tags.iter_mut().enumerate() {
            check::run_tag(tag, &format!("tags[{index}].key"))?;
        }
        let name = settle_name(&mut new)?;
        self.db()
            .write(move |c| {
                let id = id::hex32();
                let experiment = active_experiment(c, experiment)?;
                let location = experiment.artifact_location.trim_end_matches('/');
                let run = NewRun {
                    artifact_uri: format!("{location}/{id}/artifacts"),
                    experiment_id: check::experiment_id(&experiment.experiment_id)?,
                    name,
                    user_id: new.user_id,
                    started_at: new.started_at.unwrap_or_else(now_ms),
                    id,
                };
                rows::run_create(c, run, new.tags)
            })
            .await
    }

    pub async fn run_get(&self, id: &str) -> Result<Run> {
        let id = id.to_owned();
        self.db().look_up(move |c| rows::run_get(c, &id)).await
    }

    pub async fn run_info(&self, id: &str) -> Result<RunInfo> {
        let id = id.to_owned();
        self.db().look_up(move |c| rows::run_info(c, &id)).await
    }

    pub async fn run_update(&self, id: &str, change: UpdateRun) -> Result<RunInfo> {
        let id = id.to_owned();
        let finished = change.status.filter(|status| matches!(*status, "FINISHED" | "FAILED" | "KILLED"));
        let info = self
            .db()
            .write(move |c| {
                let (rid, _) = rows::run_writable(c, &id)?;
                let name = change.name.filter(|name| !name.is_empty());
                rows::run_update(c, rid, change.status, change.ended_at, name.as_deref())?;
                if let Some(value) = name {
                    rows::tag_set(c, rid, &Pair { key: RUN_NAME.into(), value })?;
                }
                rows::run_info(c, &id)
            })
            .await?;
        if let Some(status) = finished {
            self.0.bus.publish(Event::RunFinished { run_id: info.run_id.clone(), status: status.to_owned() });
        }
        Ok(info)
    }

    pub async fn run_set_stage(&self, id: &str, stage: Stage) -> Result<()> {
        let id = id.to_owned();
        self.db().write(move |c| rows::run_set_stage(c, &id, stage, now_ms())).await
    }

    /// How many runs a search finds on all of its pages.
    pub async fn run_count(&self, experiments: &[String], filter: &str, view: View) -> Result<i64> {
        let experiments = experiment_ids(experiments)?;
        let query = Query { experiments, filter: filter.to_owned(), order_by: Vec::new(), view };
        self.db().read(move |c| rows::run_count(c, &query)).await
    }

    pub async fn run_search(
        &self,
        experiments: &[String],
        filter: &str,
        order_by: Vec<String>,
        view: View,
        limit: Option<i64>,
        token: &str,
    ) -> Result<FoundRuns> {
        let limit = search::page_size(limit, search::PAGE_DEFAULT, search::PAGE_MAX)?;
        let asked = Asked::of("runs")
            .by("Experiment IDs", &experiments)
            .by("Filter string", &filter)
            .by("Order by", &order_by)
            .by("Run view type", &view.stages());
        let ask = Ask::new(asked, limit, token)?;
        let experiments = experiment_ids(experiments)?;
        let query = Query { experiments, filter: filter.to_owned(), order_by, view };
        self.db()
            .read(move |c| {
                let page = rows::run_search(c, &query, &ask)?;
                Ok(FoundRuns { runs: runs_json(c, &page.items)?, next: page.next })
            })
            .await
    }
}

/// The run's name from its field or its tag, or a new one; afterwards both say the same.
fn settle_name(new: &mut CreateRun) -> Result<String> {
    let tag = new.tags.iter().find(|tag| tag.key == RUN_NAME).map(|tag| tag.value.clone());
    let tag = tag.filter(|name| !name.is_empty());
    if let Some(tag) = &tag
        && !new.name.is_empty()
        && *tag != new.name
    {
        return Err(Error::invalid(format!(
            "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values \
             (run_name='{}', mlflow.runName='{tag}').",
            new.name
        )));
    }
    let name = match (new.name.is_empty(), tag) {
        (false, _) => std::mem::take(&mut new.name),
        (true, Some(tag)) => tag,
        (true, None) => names::random(),
    };
    new.tags.retain(|tag| tag.key != RUN_NAME);
    new.tags.push(Pair { key: RUN_NAME.into(), value: name.clone() });
    Ok(name)
}
