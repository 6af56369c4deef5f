//! The folder of an export: plain JSON and files, nothing else needed to read it.
//!
//! - `experiments.jsonl`, `registered_models.jsonl`: one record a line
//! - `runs/RUN/run.json`, `runs/RUN/metrics.jsonl`, `runs/RUN/artifacts/...`
//! - `logged_models/MODEL/model.json`, `logged_models/MODEL/artifacts/...`
//!
//! A file is written beside its place and moved there, so it is whole or not there.

use super::source::{Kind, Owner};
use crate::{
    cli::{Failure, failure::Code},
    registry::import::ModelRecord as Registered,
    tracking::{
        import::{ModelRecord, RunRecord, Series},
        model::Experiment,
    },
};
use fs_err as fs;
use serde::{Serialize, de::DeserializeOwned};
use std::path::{Path, PathBuf};

const EXPERIMENTS: &str = "experiments.jsonl";
const REGISTERED: &str = "registered_models.jsonl";

#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    pub fn create(path: &Path) -> Result<Self, Failure> {
        for room in ["runs", "logged_models"] {
            fs::create_dir_all(path.join(room)).map_err(broken)?;
        }
        Ok(Self(path.to_owned()))
    }

    pub fn open(path: &Path) -> Result<Self, Failure> {
        if path.join(EXPERIMENTS).is_file() {
            return Ok(Self(path.to_owned()));
        }
        Err(Failure::new(
            Code::Usage,
            format!("{} is no folder made by `crannog export mlflow`", path.display()),
        )
        .hint("for MLflow's own folder of artifacts give its mlflow.db, and the folder with --artifacts"))
    }

    fn home(&self, kind: Kind, id: &str) -> Result<PathBuf, Failure> {
        if id.is_empty() || !id.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_') {
            return Err(Failure::failed(format!("{id:?} cannot be the name of a folder")));
        }
        let room = match kind {
            Kind::Run => "runs",
            Kind::Model => "logged_models",
        };
        Ok(self.0.join(room).join(id))
    }

    /// Where an owner's files are.
    pub fn files(&self, owner: &Owner) -> PathBuf {
        // An id that cannot be a folder's name has none, which reads as empty.
        self.home(owner.kind, &owner.id).unwrap_or_else(|_| self.0.join("none")).join("artifacts")
    }

    pub fn experiments(&self) -> Result<Vec<Experiment>, Failure> {
        lines(&self.0.join(EXPERIMENTS))
    }

    pub fn experiment_put(&self, experiment: &Experiment) -> Result<(), Failure> {
        let path = self.0.join(EXPERIMENTS);
        let mut known: Vec<Experiment> = lines(&path)?;
        known.retain(|other| other.experiment_id != experiment.experiment_id);
        known.push(experiment.clone());
        write_lines(&path, &known)
    }

    pub fn run_ids(&self, experiment: &str) -> Result<Vec<String>, Failure> {
        let mut found = Vec::new();
        for home in homes(&self.0.join("runs"))? {
            let Some(record) = maybe::<RunRecord>(&home.join("run.json"))? else { continue };
            if record.run.info.experiment_id == experiment {
                found.push((record.run.info.start_time, record.run.info.run_id));
            }
        }
        found.sort();
        Ok(found.into_iter().map(|(_, id)| id).collect())
    }

    pub fn run(&self, id: &str) -> Result<(RunRecord, Vec<Series>), Failure> {
        let home = self.home(Kind::Run, id)?;
        let record = maybe(&home.join("run.json"))?;
        let record = record.ok_or_else(|| Failure::new(Code::NotFound, format!("run {id} is not there")))?;
        Ok((record, lines(&home.join("metrics.jsonl"))?))
    }

    /// The record goes last: a run with one is whole, but for its files.
    pub fn run_put(&self, record: &RunRecord, histories: &[Series]) -> Result<(), Failure> {
        let home = self.home(Kind::Run, &record.run.info.run_id)?;
        fs::create_dir_all(&home).map_err(broken)?;
        write_lines(&home.join("metrics.jsonl"), histories)?;
        write(&home.join("run.json"), &pretty(record)?)
    }

    pub fn logged_models(&self, experiment: &str) -> Result<Vec<ModelRecord>, Failure> {
        let mut found = Vec::new();
        for home in homes(&self.0.join("logged_models"))? {
            let record = maybe::<ModelRecord>(&home.join("model.json"))?;
            found.extend(record.filter(|record| record.model.info.experiment_id == experiment));
        }
        Ok(found)
    }

    pub fn model_put(&self, record: &ModelRecord) -> Result<(), Failure> {
        let home = self.home(Kind::Model, &record.model.info.model_id)?;
        fs::create_dir_all(&home).map_err(broken)?;
        write(&home.join("model.json"), &pretty(record)?)
    }

    pub fn registered(&self) -> Result<Vec<Registered>, Failure> {
        lines(&self.0.join(REGISTERED))
    }

    pub fn registered_put(&self, models: &[Registered]) -> Result<(), Failure> {
        write_lines(&self.0.join(REGISTERED), models)
    }
}

fn broken(error: std::io::Error) -> Failure {
    Failure::failed(error.to_string())
}

fn odd(path: &Path, error: &serde_json::Error) -> Failure {
    Failure::failed(format!("{}: {error}", path.display()))
}

fn pretty(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string_pretty(value).map_err(|error| Failure::failed(error.to_string()))
}

fn homes(room: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for entry in fs::read_dir(room).map_err(broken)? {
        found.push(entry.map_err(broken)?.path());
    }
    found.sort();
    Ok(found)
}

fn maybe<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Failure> {
    if !path.is_file() {
        return Ok(None);
    }
    let text = fs::read_to_string(path).map_err(broken)?;
    serde_json::from_str(&text).map(Some).map_err(|error| odd(path, &error))
}

/// A record a line; a file that is not there has none.
fn lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, Failure> {
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(path).map_err(broken)?;
    let found = text.lines().filter(|line| !line.is_empty()).map(serde_json::from_str);
    found.collect::<Result<_, _>>().map_err(|error| odd(path, &error))
}

fn write_lines<T: Serialize>(path: &Path, records: &[T]) -> Result<(), Failure> {
    let mut text = String::new();
    for record in records {
        let line = serde_json::to_string(record).map_err(|error| Failure::failed(error.to_string()))?;
        text.push_str(&line);
        text.push('\n');
    }
    write(path, &text)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let beside = path.with_extension("part");
    fs::write(&beside, text).map_err(broken)?;
    fs::rename(&beside, path).map_err(broken)
}
