//! The things in MLflow's database, as the import knows them.

use super::{Database, Record, is_elsewhere};
use crate::{
    cli::{Failure, failure::Code, migrate::rest::logged_model_in},
    registry::import::{Alias, ModelRecord as Registered, VersionRecord},
    tracking::{
        import::{ModelRecord, RunRecord, Series},
        model::{Dataset, DatasetInput, Experiment, MODEL_STATUSES, Metric, ModelInput, ModelOutput},
    },
};
use std::collections::BTreeMap;

impl Database {
    pub fn experiments(&self) -> Result<Vec<Experiment>, Failure> {
        let mut found = Vec::new();
        for row in self.rows("experiments", "ORDER BY experiment_id", &[])? {
            let id = row.text("experiment_id");
            let tags = self.pairs(
                "experiment_tags",
                ("key", "value"),
                "WHERE experiment_id = ?1",
                &[&row.int("experiment_id")],
            )?;
            found.push(Experiment {
                name: row.text("name"),
                artifact_location: row.text("artifact_location"),
                lifecycle_stage: row.text("lifecycle_stage"),
                creation_time: row.int("creation_time"),
                last_update_time: row.int("last_update_time"),
                tags,
                experiment_id: id,
            });
        }
        Ok(found)
    }

    pub fn run_ids(&self, experiment: &str) -> Result<Vec<String>, Failure> {
        let id: i64 = experiment.parse().unwrap_or(-1);
        let found = self.rows("runs", "WHERE experiment_id = ?1 ORDER BY start_time, run_uuid", &[&id])?;
        Ok(found.iter().map(|row| row.text("run_uuid")).collect())
    }

    pub fn run(&self, id: &str) -> Result<(RunRecord, Vec<Series>), Failure> {
        let found = self.rows("runs", "WHERE run_uuid = ?1", &[&id])?;
        let row = found.first().ok_or_else(|| Failure::new(Code::NotFound, format!("run {id} is gone")))?;
        let mut record = RunRecord { deleted_time: row.maybe_int("deleted_time"), ..RunRecord::default() };
        let (info, data) = (&mut record.run.info, &mut record.run.data);
        data.params = self.pairs("params", ("key", "value"), "WHERE run_uuid = ?1 ORDER BY key", &[&id])?;
        data.tags = self.pairs("tags", ("key", "value"), "WHERE run_uuid = ?1 ORDER BY key", &[&id])?;
        let named = data.tags.iter().find(|tag| tag.key == "mlflow.runName").map(|tag| tag.value.clone());
        info.run_id = id.to_owned();
        info.run_name = row.maybe("name").filter(|name| !name.is_empty()).or(named).unwrap_or_default();
        info.experiment_id = row.text("experiment_id");
        info.user_id = row.text("user_id");
        info.status = row.text("status");
        info.start_time = row.int("start_time");
        info.end_time = row.maybe_int("end_time");
        info.artifact_uri = row.text("artifact_uri");
        info.lifecycle_stage = row.text("lifecycle_stage");
        record.files_stay = is_elsewhere(&info.artifact_uri);
        self.inputs(id, &mut record)?;
        Ok((record, self.histories(id)?))
    }

    fn histories(&self, run: &str) -> Result<Vec<Series>, Failure> {
        let mut by_key: BTreeMap<String, Series> = BTreeMap::new();
        for row in
            self.rows("metrics", "WHERE run_uuid = ?1 ORDER BY key, timestamp, step, value", &[&run])?
        {
            let key = row.text("key");
            let series = by_key.entry(key.clone()).or_insert_with(|| Series {
                run_id: run.to_owned(),
                key,
                points: Vec::new(),
            });
            series.points.push((row.int("timestamp"), row.int("step"), row.double("value", "is_nan")));
        }
        Ok(by_key.into_values().collect())
    }

    /// Datasets and models that went into a run, and models that came out.
    fn inputs(&self, id: &str, record: &mut RunRecord) -> Result<(), Failure> {
        let run = &mut record.run;
        for row in self.rows("inputs", "WHERE destination_id = ?1 OR source_id = ?1", &[&id])? {
            let (from, to) = (row.text("source_type"), row.text("destination_type"));
            match (from.as_str(), to.as_str()) {
                ("DATASET", "RUN") => {
                    let tags = self.pairs(
                        "input_tags",
                        ("name", "value"),
                        "WHERE input_uuid = ?1",
                        &[&row.text("input_uuid")],
                    )?;
                    if let Some(dataset) = self.dataset(&row.text("source_id"))? {
                        run.inputs.dataset_inputs.push(DatasetInput { tags, dataset });
                    }
                }
                // MLflow writes both ways with the run as the source: the kind of link tells them apart.
                ("RUN_INPUT", "MODEL_INPUT") => {
                    run.inputs.model_inputs.push(ModelInput { model_id: row.text("destination_id") });
                }
                ("RUN_OUTPUT", "MODEL_OUTPUT") => run
                    .outputs
                    .model_outputs
                    .push(ModelOutput { model_id: row.text("destination_id"), step: row.int("step") }),
                _ => {}
            }
        }
        Ok(())
    }

    fn dataset(&self, id: &str) -> Result<Option<Dataset>, Failure> {
        let found = self.rows("datasets", "WHERE dataset_uuid = ?1", &[&id])?;
        Ok(found.first().map(|row| Dataset {
            name: row.text("name"),
            digest: row.text("digest"),
            source_type: row.text("dataset_source_type"),
            source: row.text("dataset_source"),
            schema: row.maybe("dataset_schema"),
            profile: row.maybe("dataset_profile"),
        }))
    }

    pub fn logged_models(&self, experiment: &str) -> Result<Vec<ModelRecord>, Failure> {
        let id: i64 = experiment.parse().unwrap_or(-1);
        let found = self.rows("logged_models", "WHERE experiment_id = ?1 ORDER BY model_id", &[&id])?;
        found.iter().map(|row| self.logged_model(row)).collect()
    }

    fn logged_model(&self, row: &Record) -> Result<ModelRecord, Failure> {
        let id = row.text("model_id");
        let mut record =
            ModelRecord { deleted: row.text("lifecycle_stage") == "deleted", ..ModelRecord::default() };
        let (info, data) = (&mut record.model.info, &mut record.model.data);
        let status = MODEL_STATUSES.iter().find(|(_, number)| *number == row.int("status"));
        info.experiment_id = row.text("experiment_id");
        info.name = row.text("name");
        info.creation_timestamp_ms = row.int("creation_timestamp_ms");
        info.last_updated_timestamp_ms = row.int("last_updated_timestamp_ms");
        info.artifact_uri = row.text("artifact_location");
        info.status = status.map_or("LOGGED_MODEL_STATUS_UNSPECIFIED", |(word, _)| word).to_owned();
        info.model_type = row.text("model_type");
        info.source_run_id = row.text("source_run_id");
        info.status_message = row.maybe("status_message");
        info.tags =
            self.pairs("logged_model_tags", ("tag_key", "tag_value"), "WHERE model_id = ?1", &[&id])?;
        data.params =
            self.pairs("logged_model_params", ("param_key", "param_value"), "WHERE model_id = ?1", &[&id])?;
        for row in self.rows("logged_model_metrics", "WHERE model_id = ?1", &[&id])? {
            let digest = row.maybe("dataset_digest");
            // The row names the dataset itself; its number is there only when the run has it as an input.
            let (dataset_name, dataset_digest) = match row.maybe("dataset_name") {
                Some(name) => (Some(name), digest),
                None => {
                    let id = row.maybe("dataset_uuid");
                    let dataset = id.map(|id| self.dataset(&id)).transpose()?.flatten();
                    dataset.map(|dataset| (dataset.name, dataset.digest)).unzip()
                }
            };
            data.metrics.push(Metric {
                key: row.text("metric_name"),
                value: row.double("metric_value", ""),
                timestamp: row.int("metric_timestamp_ms"),
                step: row.int("metric_step"),
                model_id: Some(id.clone()),
                run_id: row.maybe("run_id"),
                dataset_name,
                dataset_digest,
            });
        }
        record.files_stay = is_elsewhere(&info.artifact_uri);
        info.model_id = id;
        Ok(record)
    }

    pub fn registered(&self) -> Result<Vec<Registered>, Failure> {
        let mut models = Vec::new();
        for row in self.rows("registered_models", "ORDER BY name", &[])? {
            let name = row.text("name");
            let tags = self.pairs(
                "registered_model_tags",
                ("key", "value"),
                "WHERE name = ?1 ORDER BY key",
                &[&name],
            )?;
            let aliases =
                self.rows("registered_model_aliases", "WHERE name = ?1 ORDER BY alias", &[&name])?;
            models.push(Registered {
                description: row.text("description"),
                creation_timestamp: row.int("creation_time"),
                last_updated_timestamp: row.int("last_updated_time"),
                tags,
                aliases: aliases
                    .iter()
                    .map(|row| Alias { alias: row.text("alias"), version: number(row) })
                    .collect(),
                versions: self.versions(&name)?,
                name,
            });
        }
        Ok(models)
    }

    /// A version that was deleted is left behind: MLflow keeps nothing of it but its number.
    fn versions(&self, name: &str) -> Result<Vec<VersionRecord>, Failure> {
        let found = self.rows(
            "model_versions",
            "WHERE name = ?1 AND current_stage <> 'Deleted_Internal' ORDER BY version",
            &[&name],
        )?;
        let version = |row: &Record| {
            let tags = self.pairs(
                "model_version_tags",
                ("key", "value"),
                "WHERE name = ?1 AND version = ?2 ORDER BY key",
                &[&name, &row.int("version")],
            )?;
            Ok(VersionRecord {
                version: number(row),
                creation_timestamp: row.int("creation_time"),
                last_updated_timestamp: row.int("last_updated_time"),
                current_stage: row.text("current_stage"),
                description: row.text("description"),
                user_id: row.text("user_id"),
                storage: row.text("storage_location"),
                run_id: row.text("run_id"),
                run_link: row.text("run_link"),
                model_id: logged_model_in(&row.text("source")),
                source: row.text("source"),
                tags,
            })
        };
        found.iter().map(version).collect()
    }
}

fn number(row: &Record) -> u32 {
    u32::try_from(row.int("version")).unwrap_or_default()
}
