//! MLflow's SQLite backend store, read directly. Columns are found by their names, so that databases of
//! older versions, which lack some of them and some tables, are read as well. Nothing is written to it.

use super::{
    rest::logged_model_in,
    source::{Kind, Owner},
};
use crate::{
    cli::{Failure, failure::Code},
    registry::import::{Alias, ModelRecord as Registered, VersionRecord},
    tracking::{
        import::{ModelRecord, RunRecord, Series},
        model::{
            Dataset, DatasetInput, Double, Experiment, MODEL_STATUSES, Metric, ModelInput, ModelOutput, Pair,
        },
    },
};
use percent_encoding::percent_decode_str;
use rusqlite::{Connection, OpenFlags, Row, ToSql, types::Value};
use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

pub struct Database {
    db: Connection,
    artifacts: Option<PathBuf>,
}

/// One row by the names of its columns.
struct Record(HashMap<String, Value>);

impl Record {
    fn text(&self, column: &str) -> String {
        self.maybe(column).unwrap_or_default()
    }

    fn maybe(&self, column: &str) -> Option<String> {
        match self.0.get(column)? {
            Value::Text(text) => Some(text.clone()),
            Value::Integer(number) => Some(number.to_string()),
            Value::Real(number) => Some(number.to_string()),
            _ => None,
        }
    }

    fn int(&self, column: &str) -> i64 {
        self.maybe_int(column).unwrap_or_default()
    }

    fn maybe_int(&self, column: &str) -> Option<i64> {
        match self.0.get(column)? {
            Value::Integer(number) => Some(*number),
            Value::Text(text) => text.parse().ok(),
            _ => None,
        }
    }

    fn double(&self, value: &str, nan: &str) -> Double {
        if self.int(nan) != 0 {
            return Double(f64::NAN);
        }
        Double(match self.0.get(value) {
            Some(Value::Real(number)) => *number,
            Some(Value::Integer(number)) => *number as f64,
            _ => f64::NAN,
        })
    }
}

fn broken(error: rusqlite::Error) -> Failure {
    Failure::failed(format!("the database cannot be read: {error}"))
}

fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    let names = row.as_ref().column_names().enumerate();
    let columns = names.map(|(at, name)| Ok((name.to_owned(), row.get(at)?)));
    columns.collect::<rusqlite::Result<_>>().map(Record)
}

impl Database {
    pub fn open(path: &Path, artifacts: Option<&Path>) -> Result<Self, Failure> {
        let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(broken)?;
        let opened = Self { db, artifacts: artifacts.map(Path::to_owned) };
        if !opened.has("experiments")? || !opened.has("runs")? {
            let message = format!("{} is not a database of MLflow's", path.display());
            return Err(Failure::new(Code::Usage, message));
        }
        Ok(opened)
    }

    fn has(&self, table: &str) -> Result<bool, Failure> {
        let mut find = self
            .db
            .prepare_cached("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1")
            .map_err(broken)?;
        find.exists([table]).map_err(broken)
    }

    /// Rows of a table; none where the database is too old to have it.
    fn rows(&self, table: &str, rest: &str, binds: &[&dyn ToSql]) -> Result<Vec<Record>, Failure> {
        if !self.has(table)? {
            return Ok(Vec::new());
        }
        let sql = format!("SELECT * FROM {table} {rest}");
        let mut statement = self.db.prepare_cached(&sql).map_err(broken)?;
        let found = statement.query_map(binds, record).map_err(broken)?;
        found.collect::<rusqlite::Result<_>>().map_err(broken)
    }

    fn pairs(
        &self,
        table: &str,
        (key, value): (&str, &str),
        rest: &str,
        binds: &[&dyn ToSql],
    ) -> Result<Vec<Pair>, Failure> {
        let found = self.rows(table, rest, binds)?;
        Ok(found.iter().map(|row| Pair { key: row.text(key), value: row.text(value) }).collect())
    }

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

    pub fn left_out(&self) -> BTreeMap<&'static str, u64> {
        const TABLES: [(&str, &str); 5] = [
            ("traces", "trace_info"),
            ("assessments", "assessments"),
            ("evaluation datasets", "evaluation_datasets"),
            ("scorers", "scorers"),
            ("webhooks", "webhooks"),
        ];
        // A database too old to have a table has nothing of its kind.
        let count = |(what, table): (&'static str, &str)| {
            let sql = format!("SELECT count(*) FROM {table}");
            let count: i64 = self.db.query_row(&sql, [], |row| row.get(0)).ok()?;
            Some((what, u64::try_from(count).unwrap_or_default()))
        };
        TABLES.into_iter().filter_map(count).collect()
    }

    /// The folder of an owner's files on this machine; none where they are kept elsewhere.
    pub fn root(&self, owner: &Owner) -> Result<Option<PathBuf>, Failure> {
        let uri = &owner.artifact_uri;
        if is_elsewhere(uri) {
            return Ok(None);
        }
        if let Some(path) = crate::tracking::service::prefix_of(uri).ok().filter(|path| !path.is_empty()) {
            return match &self.artifacts {
                Some(root) => Ok(Some(root.join(path))),
                None => Err(Failure::new(Code::Usage, format!("the database names artifacts as {uri}"))
                    .hint(
                        "say where the server keeps them with --artifacts DIR (its --artifacts-destination)",
                    )),
            };
        }
        let path = uri.strip_prefix("file://").unwrap_or(uri);
        let path = PathBuf::from(percent_decode_str(path).decode_utf8_lossy().into_owned());
        if path.is_dir() {
            return Ok(Some(path));
        }
        // The store was moved: what is below the experiment's folder is looked for in --artifacts.
        let levels = match owner.kind {
            Kind::Run => 3,
            Kind::Model => 4,
        };
        let parts: Vec<_> = path.components().collect();
        let tail: PathBuf = parts[parts.len().saturating_sub(levels)..].iter().collect();
        Ok(self.artifacts.as_ref().map(|root| root.join(tail)))
    }
}

fn number(row: &Record) -> u32 {
    u32::try_from(row.int("version")).unwrap_or_default()
}

/// Whether files are in a store that only its own clients read, such as `s3://`.
fn is_elsewhere(uri: &str) -> bool {
    uri.split_once("://").is_some_and(|(scheme, _)| !["file", "mlflow-artifacts"].contains(&scheme))
}
