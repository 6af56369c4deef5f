//! Logged models.

use super::{Service, active_experiment, experiment_ids, names};
use crate::{
    kernel::{
        clock::now_ms,
        error::{Error, Result},
        id,
    },
    tracking::{
        check,
        model::{LoggedModel, Page, Pair},
        search::{
            self,
            models::{OnDataset, OrderBy},
            page::{Ask, Asked},
        },
        store::models::{self as rows, NewModel, Query},
    },
};

/// What a new logged model is made from.
#[derive(Debug, Default)]
pub struct NewLoggedModel {
    pub experiment_id: String,
    pub name: Option<String>,
    pub model_type: String,
    pub source_run_id: String,
    pub params: Vec<Pair>,
    pub tags: Vec<Pair>,
}

/// Models per page when the caller names no number.
const PAGE: i64 = 100;
/// Keys of params and tags of models.
const KEY_MAX: usize = 255;

impl Service {
    pub async fn logged_model_create(&self, new: NewLoggedModel) -> Result<LoggedModel> {
        if let Some(name) = &new.name {
            check::logged_model_name(name)?;
        }
        check_pairs(&new.params)?;
        check_pairs(&new.tags)?;
        let experiment = check::experiment_id(&new.experiment_id)?;
        self.db()
            .write(move |c| {
                let id = format!("m-{}", id::hex32());
                let location = active_experiment(c, experiment)?.artifact_location;
                let model = NewModel {
                    artifact_uri: format!("{}/models/{id}/artifacts", location.trim_end_matches('/')),
                    experiment_id: experiment,
                    name: new.name.unwrap_or_else(names::random),
                    model_type: new.model_type,
                    source_run_id: new.source_run_id,
                    created_at: now_ms(),
                    id,
                };
                rows::model_create(c, &model)?;
                new.params.iter().try_for_each(|param| rows::model_param_create(c, &model.id, param))?;
                new.tags.iter().try_for_each(|tag| rows::model_tag_set(c, &model.id, tag))?;
                rows::model_get(c, &model.id, false)
            })
            .await
    }

    pub async fn logged_model_get(&self, id: &str, deleted_too: bool) -> Result<LoggedModel> {
        let id = id.to_owned();
        self.db().look_up(move |c| rows::model_get(c, &id, deleted_too)).await
    }

    /// Sets the status by the protocol's number, once the upload has ended well or badly.
    pub async fn logged_model_finalize(&self, id: &str, status: i64) -> Result<LoggedModel> {
        let id = id.to_owned();
        self.db()
            .write(move |c| {
                rows::model_set_status(c, &id, rows::stored_status(status), now_ms())?;
                rows::model_get(c, &id, true)
            })
            .await
    }

    pub async fn logged_model_delete(&self, id: &str) -> Result<()> {
        let id = id.to_owned();
        self.db().write(move |c| rows::model_delete(c, &id, now_ms())).await
    }

    pub async fn logged_model_params_log(&self, id: &str, params: Vec<Pair>) -> Result<()> {
        check_pairs(&params)?;
        let id = id.to_owned();
        self.db()
            .write(move |c| {
                rows::model_get(c, &id, true)?;
                params.iter().try_for_each(|param| rows::model_param_create(c, &id, param))
            })
            .await
    }

    pub async fn logged_model_tags_set(&self, id: &str, tags: Vec<Pair>) -> Result<()> {
        check_pairs(&tags)?;
        let id = id.to_owned();
        self.db()
            .write(move |c| {
                rows::model_get(c, &id, true)?;
                tags.iter().try_for_each(|tag| rows::model_tag_set(c, &id, tag))
            })
            .await
    }

    pub async fn logged_model_tag_delete(&self, id: &str, key: &str) -> Result<()> {
        let (id, key) = (id.to_owned(), key.to_owned());
        self.db()
            .write(move |c| {
                rows::model_get(c, &id, true)?;
                if rows::model_tag_delete(c, &id, &key)? {
                    return Ok(());
                }
                Err(Error::not_found(format!("No tag with key '{key}' found for model with ID '{id}'.")))
            })
            .await
    }

    pub async fn logged_model_search(
        &self,
        experiments: &[String],
        filter: &str,
        datasets: Vec<OnDataset>,
        order_by: Vec<OrderBy>,
        limit: Option<i64>,
        token: &str,
    ) -> Result<Page<LoggedModel>> {
        let limit = search::page_size(limit.filter(|limit| *limit != 0), PAGE, search::PAGE_MAX)?;
        let order: Vec<_> = order_by.iter().map(OrderBy::parts).collect();
        let on: Vec<_> = datasets.iter().map(OnDataset::parts).collect();
        let asked = Asked::of("logged models")
            .by("Experiment IDs", &experiments)
            .by("Filter string", &filter)
            .by("Order by", &order)
            .by("Datasets", &on);
        let ask = Ask::new(asked, limit, token)?;
        let query = Query {
            experiments: experiment_ids(experiments)?,
            filter: filter.to_owned(),
            datasets,
            order_by,
        };
        self.db().read(move |c| rows::model_search(c, &query, &ask)).await
    }
}

fn check_pairs(pairs: &[Pair]) -> Result<()> {
    for pair in pairs {
        if pair.key.is_empty() {
            return Err(Error::invalid("Missing value for required parameter 'key'."));
        }
        check::length("key", KEY_MAX, &pair.key)?;
    }
    Ok(())
}
