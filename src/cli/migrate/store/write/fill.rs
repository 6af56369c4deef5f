//! The rows of a run, a logged model and a registered model in MLflow's tables.

use super::{Target, WORKSPACE, clash};
use crate::{
    cli::{
        Failure,
        migrate::store::{is_elsewhere, schema},
    },
    kernel::{clock::now_ms, id},
    registry::import::{ModelRecord as Registered, VersionRecord},
    tracking::{
        import::{ModelRecord, Place, RunRecord, Series},
        model::{Dataset, Double, Experiment, MODEL_STATUSES, Pair, Stage},
        service::prefix_of,
    },
};
use rusqlite::{
    Connection, OptionalExtension, params,
    types::ValueRef::{self, Integer, Null, Real},
};
use std::cmp::Ordering;

/// A point as MLflow keeps it: what makes it the latest comes first.
type Point = (i64, i64, f64, bool);

impl Target {
    pub fn experiment_put(&self, experiment: &Experiment) -> Result<Place, Failure> {
        let id = number(&experiment.experiment_id)?;
        let location = kept_at(&experiment.artifact_location)?;
        self.at_once(&format!("experiment {}", experiment.name), |db| {
            let row = [
                Integer(id),
                text(WORKSPACE),
                text(&experiment.name),
                text(&location),
                text(&experiment.lifecycle_stage),
                Integer(experiment.creation_time),
                Integer(experiment.last_update_time),
            ];
            self.put(db, &schema::EXPERIMENTS, [row])?;
            let tags = experiment.tags.iter();
            let tags = tags.map(|tag| [Integer(id), text(&tag.key), text(&tag.value)]);
            self.put(db, &schema::EXPERIMENT_TAGS, tags)
        })?;
        Ok(Place { id: experiment.experiment_id.clone(), ..Place::default() })
    }

    /// A run with its histories.
    pub fn run_put(&self, record: &RunRecord, histories: &[Series]) -> Result<Place, Failure> {
        let (info, data) = (&record.run.info, &record.run.data);
        let (id, experiment) = (info.run_id.as_str(), number(&info.experiment_id)?);
        let uri = kept_at(&info.artifact_uri)?;
        let artifact_uri = self.at_once(&format!("run {id}"), |db| {
            let row = [
                text(id),
                Integer(experiment),
                text(&info.run_name),
                text("UNKNOWN"),
                text(""),
                text(""),
                text(""),
                text(&info.user_id),
                text(&info.status),
                Integer(info.start_time),
                info.end_time.map_or(Null, Integer),
                self.deletion(db, record)?.map_or(Null, Integer),
                text(&info.lifecycle_stage),
                text(&uri),
            ];
            self.put(db, &schema::RUNS, [row])?;
            self.put(db, &schema::PARAMS, of(id, &data.params))?;
            self.put(db, &schema::TAGS, of(id, &data.tags))?;
            for series in histories {
                self.history_put(db, id, series)?;
            }
            self.links_put(db, experiment, record)?;
            db.query_row("SELECT artifact_uri FROM runs WHERE run_uuid = ?1", [id], |row| row.get(0))
        })?;
        Ok(Place { id: id.to_owned(), artifact_uri, new: false })
    }

    /// When a run was deleted; where nobody knows, the first export counts.
    fn deletion(&self, db: &Connection, record: &RunRecord) -> rusqlite::Result<Option<i64>> {
        let info = &record.run.info;
        if info.lifecycle_stage != Stage::Deleted.word() || !self.schema.has_column("runs", "deleted_time") {
            return Ok(None);
        }
        let ask = "SELECT deleted_time FROM runs WHERE run_uuid = ?1";
        let known: Option<i64> = db.query_row(ask, [&info.run_id], |row| row.get(0)).optional()?.flatten();
        Ok(Some(record.deleted_time.or(known).unwrap_or_else(now_ms)))
    }

    /// The points of one metric, and the latest of them.
    fn history_put(&self, db: &Connection, run: &str, series: &Series) -> rusqlite::Result<()> {
        let row = |(step, time, value, nan): Point| {
            [text(run), text(&series.key), Integer(time), Integer(step), Real(value), Integer(nan.into())]
        };
        let points = || series.points.iter().map(point);
        self.put(db, &schema::METRICS, points().map(row))?;
        let Some(latest) = points().max_by(later) else { return Ok(()) };
        let ask =
            "SELECT step, timestamp, value, is_nan FROM latest_metrics WHERE run_uuid = ?1 AND key = ?2";
        let known = db
            .prepare_cached(ask)?
            .query_row(params![run, series.key], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })
            .optional()?;
        // One that was logged there since may be later than all that are here.
        if known.is_some_and(|known| later(&known, &latest).is_ge()) {
            return Ok(());
        }
        self.put(db, &schema::LATEST_METRICS, [row(latest)])
    }

    /// Datasets and models that went into a run, and models that came out.
    fn links_put(&self, db: &Connection, experiment: i64, record: &RunRecord) -> rusqlite::Result<()> {
        let (run, id) = (&record.run, record.run.info.run_id.as_str());
        for input in &run.inputs.dataset_inputs {
            let dataset = self.dataset_put(db, experiment, id, &input.dataset)?;
            let link = self.link_put(db, ("DATASET", &dataset), ("RUN", id), 0)?;
            self.put(db, &schema::INPUT_TAGS, of(&link, &input.tags))?;
        }
        for model in &run.inputs.model_inputs {
            self.link_put(db, ("RUN_INPUT", id), ("MODEL_INPUT", &model.model_id), 0)?;
        }
        for out in &run.outputs.model_outputs {
            self.link_put(db, ("RUN_OUTPUT", id), ("MODEL_OUTPUT", &out.model_id), out.step)?;
        }
        Ok(())
    }

    /// A dataset of a run; answers its id.
    fn dataset_put(
        &self,
        db: &Connection,
        experiment: i64,
        run: &str,
        set: &Dataset,
    ) -> rusqlite::Result<String> {
        let new = id::hex32();
        let row = [
            text(&new),
            Integer(experiment),
            text(&set.name),
            text(&set.digest),
            text(&set.source_type),
            text(&set.source),
            maybe(set.schema.as_deref()),
            maybe(set.profile.as_deref()),
        ];
        self.put(db, &schema::DATASETS, [row])?;
        let ask = "SELECT dataset_uuid FROM datasets WHERE experiment_id = ?1 AND name = ?2 AND digest = ?3";
        let id: String =
            db.prepare_cached(ask)?.query_row(params![experiment, set.name, set.digest], |row| row.get(0))?;
        let table = schema::LOGGED_MODEL_METRICS.table;
        if ["dataset_uuid", "dataset_name"].iter().all(|column| self.schema.has_column(table, column)) {
            // Logged models came before their runs, and their metrics know the dataset by its name only.
            db.prepare_cached(
                "UPDATE logged_model_metrics SET dataset_uuid = ?1
                 WHERE run_id = ?2 AND dataset_name = ?3 AND dataset_digest = ?4",
            )?
            .execute(params![id, run, set.name, set.digest])?;
        }
        Ok(id)
    }

    /// Writes a link and answers its id.
    fn link_put(
        &self,
        db: &Connection,
        from: (&str, &str),
        to: (&str, &str),
        step: i64,
    ) -> rusqlite::Result<String> {
        let new = id::hex32();
        let row = [text(&new), text(from.0), text(from.1), text(to.0), text(to.1), Integer(step)];
        self.put(db, &schema::INPUTS, [row])?;
        db.prepare_cached(
            "SELECT input_uuid FROM inputs
             WHERE source_type = ?1 AND source_id = ?2 AND destination_type = ?3 AND destination_id = ?4",
        )?
        .query_row([from.0, from.1, to.0, to.1], |row| row.get(0))
    }

    pub fn model_put(&self, record: &ModelRecord) -> Result<Place, Failure> {
        let (info, data) = (&record.model.info, &record.model.data);
        let (id, experiment) = (info.model_id.as_str(), number(&info.experiment_id)?);
        let status =
            MODEL_STATUSES.iter().find(|(word, _)| *word == info.status).map_or(0, |(_, number)| *number);
        let stage = if record.deleted { Stage::Deleted } else { Stage::Active };
        let uri = kept_at(&info.artifact_uri)?;
        let artifact_uri = self.at_once(&format!("logged model {id}"), |db| {
            let row = [
                text(id),
                Integer(experiment),
                text(&info.name),
                text(&uri),
                Integer(info.creation_timestamp_ms),
                Integer(info.last_updated_timestamp_ms),
                Integer(status),
                maybe(info.status_message.as_deref()),
                text(stage.word()),
                text(&info.model_type),
                text(&info.source_run_id),
            ];
            self.put(db, &schema::LOGGED_MODELS, [row])?;
            for (rows, pairs) in
                [(&schema::LOGGED_MODEL_PARAMS, &data.params), (&schema::LOGGED_MODEL_TAGS, &info.tags)]
            {
                let pairs = pairs.iter();
                let pairs =
                    pairs.map(|pair| [text(id), Integer(experiment), text(&pair.key), text(&pair.value)]);
                self.put(db, rows, pairs)?;
            }
            let points = data.metrics.iter().map(|point| {
                [
                    text(id),
                    Integer(experiment),
                    text(point.run_id.as_deref().unwrap_or_default()),
                    text(&point.key),
                    Integer(point.timestamp),
                    Integer(point.step),
                    Real(point.value.0),
                    maybe(point.dataset_name.as_deref()),
                    maybe(point.dataset_digest.as_deref()),
                ]
            });
            self.put(db, &schema::LOGGED_MODEL_METRICS, points)?;
            let ask = "SELECT artifact_location FROM logged_models WHERE model_id = ?1";
            db.query_row(ask, [id], |row| row.get(0))
        })?;
        Ok(Place { id: id.to_owned(), artifact_uri, new: false })
    }

    /// The registry: each model with its versions in one transaction.
    pub fn registered_put(&self, models: &[Registered]) -> Result<(), Failure> {
        let there = self.read.registered()?;
        for model in models {
            let other = there.iter().find(|other| other.name == model.name);
            for found in other.iter().flat_map(|other| &other.versions) {
                let same = |one: &&VersionRecord| one.version == found.version;
                let ours = model.versions.iter().find(same).map(|one| one.creation_timestamp);
                if ours.is_some_and(|made| made != found.creation_timestamp) {
                    return Err(clash(format!(
                        "version {} of registered model {} is in the database already and is another one",
                        found.version, model.name
                    )));
                }
            }
        }
        for model in models {
            self.at_once(&format!("registered model {}", model.name), |db| {
                self.registered_model_put(db, model)
            })?;
        }
        Ok(())
    }

    fn registered_model_put(&self, db: &Connection, model: &Registered) -> rusqlite::Result<()> {
        let name = text(&model.name);
        let row = [
            text(WORKSPACE),
            name,
            Integer(model.creation_timestamp),
            Integer(model.last_updated_timestamp),
            text(&model.description),
        ];
        self.put(db, &schema::REGISTERED_MODELS, [row])?;
        let tags = model.tags.iter();
        let tags = tags.map(|tag| [text(WORKSPACE), name, text(&tag.key), text(&tag.value)]);
        self.put(db, &schema::REGISTERED_MODEL_TAGS, tags)?;
        for version in &model.versions {
            let number = Integer(version.version.into());
            let stage = if version.current_stage.is_empty() { "None" } else { &version.current_stage };
            let row = [
                text(WORKSPACE),
                name,
                number,
                Integer(version.creation_timestamp),
                Integer(version.last_updated_timestamp),
                text(&version.description),
                filled(&version.user_id),
                text(stage),
                text(&version.source),
                filled(&version.storage),
                text(&version.run_id),
                text(&version.run_link),
                text("READY"),
            ];
            self.put(db, &schema::MODEL_VERSIONS, [row])?;
            let tags = version.tags.iter();
            let tags = tags.map(|tag| [text(WORKSPACE), name, number, text(&tag.key), text(&tag.value)]);
            self.put(db, &schema::MODEL_VERSION_TAGS, tags)?;
        }
        let aliases = model.aliases.iter();
        let aliases =
            aliases.map(|one| [text(WORKSPACE), name, text(&one.alias), Integer(one.version.into())]);
        self.put(db, &schema::REGISTERED_MODEL_ALIASES, aliases)
    }
}

fn text(text: &str) -> ValueRef<'_> {
    ValueRef::Text(text.as_bytes())
}

fn maybe(value: Option<&str>) -> ValueRef<'_> {
    value.map_or(Null, text)
}

/// What MLflow sets by itself is NULL where it was not, and never empty.
fn filled(value: &str) -> ValueRef<'_> {
    if value.is_empty() { Null } else { text(value) }
}

/// Pairs after the id of whom they belong to.
fn of<'a>(owner: &'a str, pairs: &'a [Pair]) -> impl Iterator<Item = [ValueRef<'a>; 3]> {
    pairs.iter().map(move |pair| [text(owner), text(&pair.key), text(&pair.value)])
}

fn point(&(time, step, Double(value)): &(i64, i64, Double)) -> Point {
    let nan = value.is_nan();
    (step, time, if nan { 0.0 } else { value }, nan)
}

/// Which of two points is the latest one: by step, then time, then value.
fn later(a: &Point, b: &Point) -> Ordering {
    (a.0, a.1).cmp(&(b.0, b.1)).then(a.2.total_cmp(&b.2))
}

/// MLflow numbers its experiments.
fn number(id: &str) -> Result<i64, Failure> {
    id.parse().map_err(|_| Failure::failed(format!("{id:?} is not the number of an experiment")))
}

/// The address of files on the other side: this server's host, where one is named, goes.
fn kept_at(uri: &str) -> Result<String, Failure> {
    if is_elsewhere(uri) {
        return Ok(uri.to_owned());
    }
    Ok(format!("mlflow-artifacts:/{}", prefix_of(uri)?))
}
