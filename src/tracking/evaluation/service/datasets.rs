//! Evaluation datasets: made, found, tagged and shared between experiments.

use crate::{
    kernel::{
        clock::now_ms,
        error::{Error, Result},
        id,
    },
    store::Connection,
    tracking::{
        Service, check,
        evaluation::{
            model::{EvaluationDataset, USER_TAG, tags_of},
            store::datasets::{self as store, NewDataset, Query},
        },
        model::Page,
        search::{
            self,
            page::{Ask, Asked},
        },
        service::experiment_ids,
        store::experiments,
    },
};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

const NAME_MAX: usize = 255;
const TAG_VALUE_MAX: usize = 5000;

/// What a search over datasets asks for.
#[derive(Clone, Debug, Default)]
pub struct DatasetSearch {
    pub experiments: Vec<String>,
    pub filter: String,
    pub order_by: Vec<String>,
    pub limit: Option<i64>,
    pub token: String,
}

/// A short mark of a dataset's state: another one after each change of its records.
pub(super) fn digest(name: &str, now: i64) -> String {
    let mut digest = hex::encode(Sha256::digest(format!("{name}:{now}")));
    digest.truncate(8);
    digest
}

fn checked_tags(tags: Map<String, Value>) -> Result<Vec<(String, String)>> {
    let tags = tags_of(tags);
    for (key, value) in &tags {
        check::length("key", NAME_MAX, key)?;
        check::length("value", TAG_VALUE_MAX, value)?;
    }
    Ok(tags)
}

impl Service {
    pub async fn evaluation_dataset_create(
        &self,
        name: &str,
        tags: Map<String, Value>,
        experiments: &[String],
    ) -> Result<EvaluationDataset> {
        check::length("name", NAME_MAX, name)?;
        let (tags, experiments) = (checked_tags(tags)?, experiment_ids(experiments)?);
        let now = now_ms();
        let new = NewDataset {
            dataset_id: format!("d-{}", id::hex32()),
            name: name.to_owned(),
            digest: digest(name, now),
            user: tags.iter().find(|(key, _)| key == USER_TAG).map(|(_, user)| user.clone()),
            now,
        };
        self.db()
            .write(move |c| {
                let row = store::dataset_create(c, &new)?;
                tags.iter().try_for_each(|(key, value)| store::dataset_tag_set(c, row, key, value))?;
                experiments.iter().try_for_each(|id| join(c, row, *id))?;
                store::dataset_get(c, &new.dataset_id)
            })
            .await
    }

    pub async fn evaluation_dataset_get(&self, id: &str) -> Result<EvaluationDataset> {
        let id = id.to_owned();
        self.db().read(move |c| store::dataset_get(c, &id)).await
    }

    /// Removes a dataset with its records. One that is not there is no error, as with MLflow.
    pub async fn evaluation_dataset_delete(&self, id: &str) -> Result<()> {
        let id = id.to_owned();
        self.db().write(move |c| store::dataset_delete(c, &id)).await
    }

    pub async fn evaluation_dataset_search(&self, asked: DatasetSearch) -> Result<Page<EvaluationDataset>> {
        let limit = search::page_size(asked.limit, search::PAGE_DEFAULT, search::PAGE_MAX)?;
        let same = Asked::of("evaluation datasets")
            .by("Experiment IDs", &asked.experiments)
            .by("Filter string", &asked.filter)
            .by("Order by", &asked.order_by);
        let ask = Ask::new(same, limit, &asked.token)?;
        let experiments = experiment_ids(&asked.experiments)?;
        let query = Query { experiments, filter: asked.filter, order_by: asked.order_by };
        self.db().read(move |c| store::dataset_search(c, &query, &ask)).await
    }

    /// Adds these tags to those a dataset has.
    pub async fn evaluation_dataset_tags_set(&self, id: &str, tags: Map<String, Value>) -> Result<()> {
        let (id, tags) = (id.to_owned(), checked_tags(tags)?);
        self.db()
            .write(move |c| {
                let missing = || Error::not_found(format!("Could not find evaluation dataset with ID {id}"));
                let row = store::dataset_find(c, &id)?.ok_or_else(missing)?.row;
                tags.iter().try_for_each(|(key, value)| store::dataset_tag_set(c, row, key, value))
            })
            .await
    }

    /// Takes a tag off. Neither a dataset nor a tag that is not there is an error.
    pub async fn evaluation_dataset_tag_delete(&self, id: &str, key: &str) -> Result<()> {
        let (id, key) = (id.to_owned(), key.to_owned());
        self.db().write(move |c| store::dataset_tag_delete(c, &id, &key)).await
    }

    /// The experiments of a dataset; none for one that is not there.
    pub async fn evaluation_dataset_experiments(&self, id: &str) -> Result<Vec<String>> {
        let id = id.to_owned();
        let found = self.db().read(move |c| store::dataset_find(c, &id)).await?;
        Ok(found.map(|dataset| dataset.experiment_ids).unwrap_or_default())
    }

    pub async fn evaluation_dataset_join(
        &self,
        id: &str,
        experiments: &[String],
    ) -> Result<EvaluationDataset> {
        let (id, experiments) = (id.to_owned(), experiment_ids(experiments)?);
        self.db()
            .write(move |c| {
                let row = shared(c, &id)?.row;
                experiments.iter().try_for_each(|experiment| join(c, row, *experiment))?;
                store::dataset_touch(c, row, now_ms())?;
                store::dataset_get(c, &id)
            })
            .await
    }

    /// Takes a dataset out of experiments. One it is not in changes nothing.
    pub async fn evaluation_dataset_leave(
        &self,
        id: &str,
        experiments: &[String],
    ) -> Result<EvaluationDataset> {
        let (id, experiments) = (id.to_owned(), experiment_ids(experiments)?);
        self.db()
            .write(move |c| {
                let row = shared(c, &id)?.row;
                let mut left = false;
                for experiment in experiments {
                    left |= store::dataset_experiment_remove(c, row, experiment)?;
                }
                if left {
                    store::dataset_touch(c, row, now_ms())?;
                }
                store::dataset_get(c, &id)
            })
            .await
    }
}

/// Adds a dataset to an experiment that is there.
fn join(db: &Connection, row: i64, experiment: i64) -> Result<()> {
    experiments::experiment_get(db, experiment)?;
    store::dataset_experiment_add(db, row, experiment)
}

/// A dataset that is to be shared, with MLflow's words for one that is not there.
fn shared(db: &Connection, id: &str) -> Result<EvaluationDataset> {
    store::dataset_find(db, id)?.ok_or_else(|| Error::not_found(format!("Dataset '{id}' not found")))
}
