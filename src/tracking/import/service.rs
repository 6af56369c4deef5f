//! The checks of a batch and the order in which it is written.

use super::{Batch, ModelRecord, Placed, RunRecord, Series, store};
use crate::{
    kernel::error::{Error, Result},
    tracking::{
        Service, check,
        model::{Double, Experiment, MODEL_STATUSES, Pair, Point, RUN_STATUSES, Stage},
        store::{metrics, runs},
    },
};

impl Service {
    /// Takes in one batch; all of it holds, or nothing.
    pub async fn import(&self, batch: Batch) -> Result<Placed> {
        batch.experiments.iter().try_for_each(|record| check_experiment(&record.experiment))?;
        batch.runs.iter().try_for_each(check_run)?;
        batch.logged_models.iter().try_for_each(check_model)?;
        batch.metrics.iter().try_for_each(check_series)?;
        self.db()
            .write(move |c| {
                let mut placed = Placed::default();
                for experiment in &batch.experiments {
                    placed.experiments.push(store::experiment_put(c, experiment)?);
                }
                for run in &batch.runs {
                    placed.runs.push(store::run_put(c, run)?);
                }
                for model in &batch.logged_models {
                    placed.logged_models.push(store::model_put(c, model)?);
                }
                for Series { run_id, key, points } in &batch.metrics {
                    let rid = runs::run_info(c, run_id)?.rid;
                    let key = metrics::key_id_or_new(c, key)?;
                    let points: Vec<_> = points
                        .iter()
                        .map(|&(timestamp, step, Double(value))| (key, Point { timestamp, step, value }))
                        .collect();
                    metrics::points_log(c, rid, &points)?;
                }
                Ok(placed)
            })
            .await
    }
}

fn check_experiment(experiment: &Experiment) -> Result<()> {
    check::experiment_name(&experiment.name)?;
    check_stage(&experiment.lifecycle_stage)?;
    check_keys(&experiment.tags)
}

fn check_run(record: &RunRecord) -> Result<()> {
    let info = &record.run.info;
    check::run_id(&info.run_id)?;
    check::experiment_id(&info.experiment_id)?;
    check_stage(&info.lifecycle_stage)?;
    if !RUN_STATUSES.iter().any(|(word, _)| *word == info.status) {
        return Err(Error::invalid(format!(
            "Run {}: {:?} is not the status of a run.",
            info.run_id, info.status
        )));
    }
    check_keys(&record.run.data.params)?;
    check_keys(&record.run.data.tags)
}

fn check_model(record: &ModelRecord) -> Result<()> {
    let info = &record.model.info;
    check::run_id(&info.model_id)?;
    check::experiment_id(&info.experiment_id)?;
    if !MODEL_STATUSES.iter().any(|(word, _)| *word == info.status) {
        let (id, status) = (&info.model_id, &info.status);
        return Err(Error::invalid(format!("Logged model {id}: {status:?} is not the status of a model.")));
    }
    check_keys(&record.model.data.params)?;
    check_keys(&info.tags)
}

fn check_series(series: &Series) -> Result<()> {
    if series.key.is_empty() {
        return Err(Error::invalid(format!("A metric of run {} has no name.", series.run_id)));
    }
    Ok(())
}

fn check_stage(stage: &str) -> Result<()> {
    if [Stage::Active, Stage::Deleted].iter().any(|known| known.word() == stage) {
        return Ok(());
    }
    Err(Error::invalid(format!("{stage:?} is not a lifecycle stage: it is active or deleted.")))
}

fn check_keys(pairs: &[Pair]) -> Result<()> {
    if pairs.iter().any(|pair| pair.key.is_empty()) {
        return Err(Error::invalid("A param or tag has no name."));
    }
    Ok(())
}
