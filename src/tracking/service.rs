//! The tracker's rules, and the door for other rooms. Each call is one transaction: it holds or it
//! leaves nothing.

mod artifacts;
pub mod gc;
mod log;
mod metrics;
mod models;
mod names;
mod runs;

pub use artifacts::{BUCKET, Entry, file_key, path_is_safe, prefix_of};
pub use log::Batch;
pub use models::NewLoggedModel;
pub use runs::{CreateRun, FoundRuns, UpdateRun};

use super::{
    check,
    model::{DatasetSummary, Experiment, Page, Pair, Stage, View},
    search::{
        self,
        page::{Ask, Asked},
        reach::Reach,
    },
    store::{
        datasets,
        experiments::{self as rows, Query},
        metrics::Keys,
    },
};
use crate::{
    auth::Sealer,
    kernel::{
        clock::now_ms,
        error::{Error, Kind, Result},
        event::Bus,
    },
    objects,
    store::{Connection, Db, Stores},
};
use std::sync::Arc;

/// The tracker. Clones share it.
#[derive(Clone)]
pub struct Service(Arc<Inner>);

struct Inner {
    db: Db,
    objects: objects::Service,
    bus: Bus,
    sealer: Sealer,
    metric_keys: Keys,
}

impl Service {
    /// The tracker over `stores`; makes the bucket its artifacts live in.
    pub async fn open(stores: &Stores, objects: objects::Service, bus: Bus) -> Result<Self> {
        objects.bucket_ensure(artifacts::BUCKET).await?;
        let sealer = Sealer::open(&stores.secrets().join("master.key"))?;
        Ok(Self(Arc::new(Inner {
            db: stores.control.clone(),
            objects,
            bus,
            sealer,
            metric_keys: Keys::default(),
        })))
    }

    /// Seals what must not be read in the database.
    pub(super) fn sealer(&self) -> &Sealer {
        &self.0.sealer
    }

    pub(super) fn db(&self) -> &Db {
        &self.0.db
    }

    pub async fn experiment_create(
        &self,
        name: &str,
        location: Option<&str>,
        tags: Vec<Pair>,
    ) -> Result<i64> {
        check::experiment_name(name)?;
        if let Some(location) = location {
            check::artifact_location(location)?;
        }
        for tag in &tags {
            check::experiment_tag(tag)?;
        }
        let (name, location) = (name.to_owned(), location.map(absolute).transpose()?);
        self.db()
            .write(move |c| {
                let id = rows::experiment_create(c, &name, location.as_deref(), now_ms())?;
                tags.iter().try_for_each(|tag| rows::experiment_set_tag(c, id, tag))?;
                Ok(id)
            })
            .await
    }

    pub async fn experiment_get(&self, id: &str) -> Result<Experiment> {
        let id = check::experiment_id(id)?;
        self.db().look_up(move |c| rows::experiment_get(c, id)).await
    }

    pub async fn experiment_by_name(&self, name: &str) -> Result<Experiment> {
        let name = name.to_owned();
        self.db()
            .look_up(move |c| {
                rows::experiment_by_name(c, &name)?
                    .ok_or_else(|| Error::not_found(format!("Could not find experiment with name '{name}'")))
            })
            .await
    }

    /// Deletes an active experiment with its runs, or restores a deleted one with them.
    pub async fn experiment_set_stage(&self, id: &str, stage: Stage) -> Result<()> {
        let id = check::experiment_id(id)?;
        self.db()
            .write(move |c| {
                // MLflow finds only the experiments that are not yet what they are to become.
                if rows::experiment_get(c, id)?.lifecycle_stage == stage.word() {
                    return Err(rows::missing(id));
                }
                rows::experiment_set_stage(c, id, stage, now_ms())
            })
            .await
    }

    pub async fn experiment_rename(&self, id: &str, name: &str) -> Result<()> {
        check::experiment_name(name)?;
        let (id, name) = (check::experiment_id(id)?, name.to_owned());
        self.db()
            .write(move |c| {
                if rows::experiment_get(c, id)?.lifecycle_stage != Stage::Active.word() {
                    return Err(Error::new(Kind::Conflict, "Cannot rename a non-active experiment."));
                }
                match rows::experiment_by_name(c, &name)? {
                    Some(other) if other.experiment_id != id.to_string() => {
                        Err(Error::exists(format!("Experiment(name={name}) already exists.")))
                    }
                    _ => rows::experiment_rename(c, id, &name, now_ms()),
                }
            })
            .await
    }

    pub async fn experiment_set_tag(&self, id: &str, tag: Pair) -> Result<()> {
        check::experiment_tag(&tag)?;
        let id = check::experiment_id(id)?;
        self.db()
            .write(move |c| {
                active_experiment(c, id)?;
                rows::experiment_set_tag(c, id, &tag)
            })
            .await
    }

    pub async fn experiment_delete_tag(&self, id: &str, key: &str) -> Result<()> {
        let (id, key) = (check::experiment_id(id)?, key.to_owned());
        self.db()
            .write(move |c| {
                active_experiment(c, id)?;
                if rows::experiment_delete_tag(c, id, &key)? {
                    return Ok(());
                }
                Err(Error::not_found(format!("No tag with name: {key} in experiment with id {id}")))
            })
            .await
    }

    pub async fn experiment_search(
        &self,
        reach: Reach,
        filter: &str,
        order_by: Vec<String>,
        view: View,
        limit: Option<i64>,
        token: &str,
    ) -> Result<Page<Experiment>> {
        let limit = search::page_size(limit, search::PAGE_DEFAULT, search::PAGE_MAX)?;
        let asked = Asked::of("experiments")
            .by("Filter string", &filter)
            .by("Order by", &order_by)
            .by("View type", &view.stages());
        let ask = Ask::new(asked, limit, token)?;
        let query = Query { reach, filter: filter.to_owned(), order_by, view };
        self.db().read(move |c| rows::experiment_search(c, &query, &ask)).await
    }

    /// The id of every experiment and where its artifacts are.
    pub async fn experiment_places(&self) -> Result<Vec<(i64, String)>> {
        self.db().read(rows::experiment_places).await
    }

    /// The datasets that runs of these experiments used.
    pub async fn dataset_search(&self, experiments: &[String]) -> Result<Vec<DatasetSummary>> {
        const EXPERIMENTS: usize = 20;
        if experiments.is_empty() {
            return Err(Error::invalid("SearchDatasets request must specify at least one experiment_id."));
        }
        if experiments.len() > EXPERIMENTS {
            return Err(Error::invalid(format!(
                "SearchDatasets request cannot specify more than {EXPERIMENTS} experiment_ids. \
                 Received {} experiment_ids.",
                experiments.len()
            )));
        }
        let ids = experiment_ids(experiments)?;
        self.db().read(move |c| datasets::dataset_summaries(c, &ids)).await
    }
}

pub(super) fn experiment_ids(ids: &[String]) -> Result<Vec<i64>> {
    ids.iter().map(|id| check::experiment_id(id)).collect()
}

/// A relative path would mean another folder to every client: it is taken from where the server runs.
fn absolute(location: &str) -> Result<String> {
    if location.contains(':') {
        return Ok(location.to_owned());
    }
    Ok(std::path::absolute(location)?.to_string_lossy().into_owned())
}

/// The experiment, if it takes changes.
pub(super) fn active_experiment(db: &Connection, id: i64) -> Result<Experiment> {
    let experiment = rows::experiment_get(db, id)?;
    if experiment.lifecycle_stage == Stage::Active.word() {
        return Ok(experiment);
    }
    Err(Error::invalid(format!(
        "The experiment {id} must be in the 'active' state. Current state is {}.",
        experiment.lifecycle_stage
    )))
}
