//! Logging into a run: metrics, params, tags, batches, inputs and outputs. A batch holds as a whole
//! or not at all, so a client that retries one finds either nothing or everything.

use super::{Service, runs::RUN_NAME};
use crate::{
    kernel::error::{Error, Result},
    store::Connection,
    tracking::{
        check,
        model::{DatasetInput, Metric, ModelOutput, Pair},
        store::{
            datasets::{self, Direction},
            metrics, models, runs,
        },
    },
};
use serde_json::{Value, json};

/// What one `log-batch` carries.
#[derive(Debug, Default)]
pub struct Batch {
    pub metrics: Vec<Metric>,
    pub params: Vec<Pair>,
    pub tags: Vec<Pair>,
}

/// The tag in which MLflow 1 and 2 keep what `log_model` made.
const LOGGED_MODELS: &str = "mlflow.log-model.history";

impl Service {
    pub async fn metric_log(&self, run_id: &str, metric: Metric) -> Result<()> {
        check_metric(&metric, "name")?;
        self.log(run_id, Batch { metrics: vec![metric], ..Batch::default() }).await
    }

    pub async fn param_log(&self, run_id: &str, mut param: Pair) -> Result<()> {
        check::param(&mut param, "key")?;
        let run_id = run_id.to_owned();
        self.db()
            .write(move |c| {
                let (rid, _) = runs::run_writable(c, &run_id)?;
                match runs::param_get(c, rid, &param.key)? {
                    None => runs::param_create(c, rid, &param),
                    Some(old) if old == param.value => Ok(()),
                    Some(old) => Err(Error::invalid(format!(
                        "Changing param values is not allowed. Param with key='{}' was already logged with \
                         value='{old}' for run ID='{run_id}'. Attempted logging new value '{}'.",
                        param.key, param.value
                    ))),
                }
            })
            .await
    }

    pub async fn tag_set(&self, run_id: &str, mut tag: Pair) -> Result<()> {
        check::run_tag(&mut tag, "key")?;
        let run_id = run_id.to_owned();
        self.db()
            .write(move |c| {
                let (rid, _) = runs::run_writable(c, &run_id)?;
                set_tag(c, rid, &tag)
            })
            .await
    }

    pub async fn tag_delete(&self, run_id: &str, key: &str) -> Result<()> {
        let (run_id, key) = (run_id.to_owned(), key.to_owned());
        self.db()
            .write(move |c| {
                let (rid, _) = runs::run_writable(c, &run_id)?;
                if runs::tag_delete(c, rid, &key)? {
                    return Ok(());
                }
                Err(Error::not_found(format!("No tag with name: {key} in run with id {run_id}")))
            })
            .await
    }

    pub async fn batch_log(&self, run_id: &str, mut batch: Batch) -> Result<()> {
        check::run_id(run_id)?;
        check_batch(&mut batch)?;
        self.log(run_id, batch).await
    }

    async fn log(&self, run_id: &str, batch: Batch) -> Result<()> {
        let (run_id, keys) = (run_id.to_owned(), self.0.metric_keys.clone());
        let log = move |c: &Connection| {
            let (rid, _) = runs::run_writable(c, &run_id)?;
            log_params(c, rid, &run_id, &batch.params)?;
            batch.metrics.iter().try_for_each(|metric| log_model_metric(c, &run_id, metric))?;
            let new = metrics::metrics_log(c, rid, &keys, &batch.metrics)?;
            batch.tags.iter().try_for_each(|tag| set_tag(c, rid, tag))?;
            Ok(new)
        };
        let new = self.db().write(log).await?;
        self.0.metric_keys.learn(new);
        Ok(())
    }

    /// Notes datasets and models that went into a run.
    pub async fn inputs_log(
        &self,
        run_id: &str,
        inputs: Vec<DatasetInput>,
        models: Vec<String>,
    ) -> Result<()> {
        check::run_id(run_id)?;
        check::batch("datasets", check::BATCH_MAX, inputs.len())?;
        inputs.iter().try_for_each(check_input)?;
        let run_id = run_id.to_owned();
        self.db()
            .write(move |c| {
                let (rid, experiment) = runs::run_writable(c, &run_id)?;
                inputs.iter().try_for_each(|input| datasets::dataset_log(c, experiment, rid, input))?;
                models.iter().try_for_each(|id| datasets::run_model_log(c, rid, Direction::In, id, 0))
            })
            .await
    }

    /// Notes models that came out of a run.
    pub async fn outputs_log(&self, run_id: &str, outputs: Vec<ModelOutput>) -> Result<()> {
        let run_id = run_id.to_owned();
        self.db()
            .write(move |c| {
                let (rid, _) = runs::run_writable(c, &run_id)?;
                outputs.iter().try_for_each(|output| {
                    datasets::run_model_log(c, rid, Direction::Out, &output.model_id, output.step)
                })
            })
            .await
    }

    /// Notes a model the way MLflow 1 and 2 do: in a tag that lists them.
    pub async fn model_record(&self, run_id: &str, model: &Value) -> Result<()> {
        let kept = ["run_id", "artifact_path", "utc_time_created", "model_uuid", "flavors"];
        let entry: serde_json::Map<_, _> =
            kept.iter().filter_map(|field| Some(((*field).to_owned(), model.get(field)?.clone()))).collect();
        let run_id = run_id.to_owned();
        self.db()
            .write(move |c| {
                let (rid, _) = runs::run_writable(c, &run_id)?;
                let old = runs::tag_get(c, rid, LOGGED_MODELS)?;
                let mut list =
                    old.and_then(|old| serde_json::from_str::<Vec<Value>>(&old).ok()).unwrap_or_default();
                list.push(Value::Object(entry));
                let value = json!(list).to_string();
                check::length("value", check::TAG_VALUE_MAX, &value)?;
                runs::tag_set(c, rid, &Pair { key: LOGGED_MODELS.into(), value })
            })
            .await
    }
}

/// A new name in the tag is a new name of the run.
fn set_tag(db: &Connection, rid: i64, tag: &Pair) -> Result<()> {
    if tag.key == RUN_NAME && !tag.value.is_empty() {
        runs::run_update(db, rid, None, None, Some(&tag.value))?;
    }
    runs::tag_set(db, rid, tag)
}

/// A point that was taken of a logged model is kept with the model too.
fn log_model_metric(db: &Connection, run_id: &str, metric: &Metric) -> Result<()> {
    let Some(model_id) = &metric.model_id else { return Ok(()) };
    models::model_get(db, model_id, true)?;
    models::model_metric_log(db, model_id, run_id, metric)
}

/// Params are written once: the same value again is fine, another is not.
fn log_params(db: &Connection, rid: i64, run_id: &str, params: &[Pair]) -> Result<()> {
    let mut changed = Vec::new();
    for param in params {
        match runs::param_get(db, rid, &param.key)? {
            None => runs::param_create(db, rid, param)?,
            Some(old) if old == param.value => {}
            Some(old) => changed.push(format!(
                "{{'key': '{}', 'old_value': '{old}', 'new_value': '{}'}}",
                param.key, param.value
            )),
        }
    }
    if changed.is_empty() {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "Changing param values is not allowed. Params were already logged='[{}]' for run ID='{run_id}'.",
        changed.join(", ")
    )))
}

fn check_metric(metric: &Metric, path: &str) -> Result<()> {
    check::name(path, &metric.key)?;
    if metric.timestamp < 0 {
        let path = path.replace("name", "timestamp");
        return Err(Error::invalid(format!(
            "Invalid value {} for parameter '{path}' supplied: metric '{}' (value={:?}). Timestamp must be a \
             nonnegative long (64-bit integer) ",
            metric.timestamp, metric.key, metric.value.0
        )));
    }
    check::length("Metric name", check::KEY_MAX, &metric.key)
}

fn check_batch(batch: &mut Batch) -> Result<()> {
    for (index, metric) in batch.metrics.iter().enumerate() {
        // A place is put in words only for the one that is refused.
        check_metric(metric, "name").or_else(|_| check_metric(metric, &format!("metrics[{index}].name")))?;
    }
    for (index, param) in batch.params.iter_mut().enumerate() {
        check::param(param, &format!("params[{index}].key"))?;
    }
    for (index, tag) in batch.tags.iter_mut().enumerate() {
        check::run_tag(tag, &format!("tags[{index}].key"))?;
    }
    let Batch { metrics, params, tags } = batch;
    check::batch("metrics", check::BATCH_MAX, metrics.len())?;
    check::batch("params", check::BATCH_PAIRS_MAX, params.len())?;
    check::batch("tags", check::BATCH_PAIRS_MAX, tags.len())?;
    let total = metrics.len() + params.len() + tags.len();
    check::batch("metrics, params, and tags", check::BATCH_MAX, total)?;
    let mut seen = std::collections::HashSet::new();
    let twice: Vec<_> = params
        .iter()
        .filter(|param| !seen.insert(&param.key))
        .map(|param| format!("'{}'", param.key))
        .collect();
    if twice.is_empty() {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "Duplicate parameter keys have been submitted: [{}]. Please ensure the request contains only one \
         param value per param key.",
        twice.join(", ")
    )))
}

fn check_input(input: &DatasetInput) -> Result<()> {
    let dataset = &input.dataset;
    check::length("name", 500, &dataset.name)?;
    check::length("digest", 36, &dataset.digest)?;
    check::length("source", 65_535, &dataset.source)?;
    check::length("schema", 1_048_575, dataset.schema.as_deref().unwrap_or_default())?;
    check::length("profile", 16_777_215, dataset.profile.as_deref().unwrap_or_default())?;
    for tag in &input.tags {
        check::length("key", 255, &tag.key)?;
        check::length("value", 500, &tag.value)?;
    }
    Ok(())
}
