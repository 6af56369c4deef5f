//! A tracker read over MLflow's REST API: MLflow's own server, or this one.

use super::{
    source::{Body, File, Kind, Owner},
    store::is_elsewhere,
};
use crate::{
    cli::{Failure, client::Client, failure::Code, place::with_query},
    registry::import::{Alias, ModelRecord as Registered, VersionRecord},
    tracking::{
        import::{ModelRecord, RunRecord, Series},
        model::{Experiment, LoggedModel, Metric, Pair, Run},
    },
};
use futures::{StreamExt, TryStreamExt};
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Prompts are left out of a search that does not ask for them.
const PROMPTS: &str = "tags.`mlflow.prompt.is_prompt` = 'true'";
/// Points of a history in one answer.
const POINTS: &str = "25000";

pub struct Rest {
    client: Client,
    /// It reads files out of other stores, as MLflow's server does with its own clients for them.
    reaches_stores: bool,
}

impl Rest {
    /// An MLflow server.
    pub fn theirs(client: Client) -> Self {
        Self { client, reaches_stores: true }
    }

    /// This server.
    pub fn ours(client: Client) -> Self {
        Self { client, reaches_stores: false }
    }

    fn files_stay(&self, uri: &str) -> bool {
        !self.reaches_stores && is_elsewhere(uri)
    }

    pub async fn experiments(&self) -> Result<Vec<Experiment>, Failure> {
        let ask = json!({ "view_type": "ALL", "max_results": 1000 });
        self.pages("/experiments/search", ask, "experiments").await
    }

    pub async fn run_ids(&self, experiment: &str) -> Result<Vec<String>, Failure> {
        let ask = json!({ "experiment_ids": [experiment], "run_view_type": "ALL", "max_results": 500,
                          "order_by": ["attributes.start_time ASC"] });
        let runs: Vec<Run> = self.pages("/runs/search", ask, "runs").await?;
        Ok(runs.into_iter().map(|run| run.info.run_id).collect())
    }

    pub async fn run(&self, id: &str) -> Result<(RunRecord, Vec<Series>), Failure> {
        let mut answer = self.get("/runs/get", &[("run_id", Some(id))]).await?;
        let run: Run = parsed(answer["run"].take())?;
        let mut histories = Vec::new();
        for metric in &run.data.metrics {
            histories.push(self.history(id, &metric.key).await?);
        }
        let files_stay = self.files_stay(&run.info.artifact_uri);
        Ok((RunRecord { run, files_stay, ..RunRecord::default() }, histories))
    }

    async fn history(&self, run_id: &str, key: &str) -> Result<Series, Failure> {
        let mut series = Series { run_id: run_id.to_owned(), key: key.to_owned(), points: Vec::new() };
        let mut token: Option<String> = None;
        loop {
            let query = [
                ("run_id", Some(run_id)),
                ("metric_key", Some(key)),
                ("max_results", Some(POINTS)),
                ("page_token", token.as_deref()),
            ];
            let mut answer = self.get("/metrics/get-history", &query).await?;
            let points: Vec<Metric> = list(answer["metrics"].take())?;
            series.points.extend(points.into_iter().map(|point| (point.timestamp, point.step, point.value)));
            token = next(&answer);
            if token.is_none() {
                return Ok(series);
            }
        }
    }

    /// Deleted ones are on no answer of MLflow's.
    pub async fn logged_models(&self, experiment: &str) -> Result<Vec<ModelRecord>, Failure> {
        let ask = json!({ "experiment_ids": [experiment], "max_results": 50 });
        let models = match self.pages::<LoggedModel>("/logged-models/search", ask, "models").await {
            // A server older than 3 has none.
            Err(failure) if failure.code == Code::NotFound => Vec::new(),
            other => other?,
        };
        let record = |model: LoggedModel| {
            let files_stay = self.files_stay(&model.info.artifact_uri);
            ModelRecord { model, files_stay, ..ModelRecord::default() }
        };
        Ok(models.into_iter().map(record).collect())
    }

    pub async fn registered(&self) -> Result<Vec<Registered>, Failure> {
        let mut models = Vec::new();
        for filter in ["", PROMPTS] {
            let given = (!filter.is_empty()).then_some(filter);
            let found: Vec<Value> =
                self.gets("/registered-models/search", "registered_models", given, "100").await?;
            for model in &found {
                models.push(self.registered_model(model, filter).await?);
            }
        }
        // A server that knows no prompts gives the same answer twice.
        models.sort_by(|a, b| a.name.cmp(&b.name));
        models.dedup_by(|a, b| a.name == b.name);
        Ok(models)
    }

    async fn registered_model(&self, model: &Value, filter: &str) -> Result<Registered, Failure> {
        let name = text(model, "name");
        let quote = if name.contains('\'') { '"' } else { '\'' };
        let and = if filter.is_empty() { String::new() } else { format!(" AND {filter}") };
        let mine = format!("name={quote}{name}{quote}{and}");
        let found: Vec<Value> =
            self.gets("/model-versions/search", "model_versions", Some(&mine), "10000").await?;
        let mut versions = Vec::new();
        for version in &found {
            versions.push(self.version(&name, version).await?);
        }
        versions.sort_by_key(|version| version.version);
        let aliases = model["aliases"].as_array().map_or(&[][..], Vec::as_slice);
        Ok(Registered {
            description: text(model, "description"),
            creation_timestamp: int(model, "creation_timestamp"),
            last_updated_timestamp: int(model, "last_updated_timestamp"),
            tags: list(model["tags"].clone())?,
            aliases: aliases
                .iter()
                .map(|alias| Alias { alias: text(alias, "alias"), version: number(alias) })
                .collect(),
            versions,
            name,
        })
    }

    async fn version(&self, name: &str, version: &Value) -> Result<VersionRecord, Failure> {
        let number = number(version);
        let tags: Vec<Pair> = list(version["tags"].clone())?;
        let prompt = tags.iter().any(|tag| tag.key == "mlflow.prompt.is_prompt");
        let source = text(version, "source");
        let storage = if prompt {
            source.clone()
        } else {
            let asked = number.to_string();
            let query = [("name", Some(name)), ("version", Some(asked.as_str()))];
            text(&self.get("/model-versions/get-download-uri", &query).await?, "artifact_uri")
        };
        let model_id = text(version, "model_id");
        Ok(VersionRecord {
            version: number,
            creation_timestamp: int(version, "creation_timestamp"),
            last_updated_timestamp: int(version, "last_updated_timestamp"),
            current_stage: text(version, "current_stage"),
            description: text(version, "description"),
            user_id: text(version, "user_id"),
            run_id: text(version, "run_id"),
            run_link: text(version, "run_link"),
            model_id: if model_id.is_empty() { logged_model_in(&source) } else { model_id },
            source,
            storage,
            tags,
        })
    }

    /// What a server does not tell, as an older one does not, is not counted.
    pub async fn left_out(&self, experiments: &[&str]) -> BTreeMap<&'static str, u64> {
        let mut found = BTreeMap::new();
        for (what, view, metric) in
            [("traces", "TRACES", "trace_count"), ("assessments", "ASSESSMENTS", "assessment_count")]
        {
            let ask = json!({ "experiment_ids": experiments, "view_type": view, "metric_name": metric,
                              "aggregations": [{ "aggregation_type": "COUNT" }] });
            let Ok(answer) = self.client.post("/api/3.0/mlflow/traces/metrics", &ask).await else { continue };
            let points = answer["data_points"].as_array().map_or(&[][..], Vec::as_slice);
            let count = points.iter().filter_map(|point| point["values"]["COUNT"].as_f64()).sum::<f64>();
            found.insert(what, count as u64);
        }
        for (what, path) in [("webhooks", "/webhooks"), ("users", "/users/list")] {
            let Ok(answer) = self.get(path, &[]).await else { continue };
            found.insert(what, answer[what].as_array().map_or(0, Vec::len) as u64);
        }
        found
    }

    pub async fn files(&self, owner: &Owner) -> Result<Vec<File>, Failure> {
        let (mut found, mut open) = (Vec::new(), vec![String::new()]);
        while let Some(folder) = open.pop() {
            for entry in self.folder(owner, &folder).await? {
                let path = text(&entry, "path");
                if entry["is_dir"] == true {
                    open.push(path);
                } else {
                    found.push(File {
                        path,
                        size: u64::try_from(int(&entry, "file_size")).unwrap_or_default(),
                    });
                }
            }
        }
        Ok(found)
    }

    async fn folder(&self, owner: &Owner, folder: &str) -> Result<Vec<Value>, Failure> {
        let folder = (!folder.is_empty()).then_some(folder);
        let (path, base) = match owner.kind {
            Kind::Run => {
                ("/artifacts/list".to_owned(), vec![("run_id", Some(owner.id.as_str())), ("path", folder)])
            }
            Kind::Model => (
                format!("/logged-models/{}/artifacts/directories", owner.id),
                vec![("artifact_directory_path", folder)],
            ),
        };
        let (mut found, mut token) = (Vec::new(), None::<String>);
        loop {
            let query = [base.as_slice(), &[("page_token", token.as_deref())]].concat();
            let mut answer = self.get(&path, &query).await?;
            found.extend(list::<Value>(answer["files"].take())?);
            token = next(&answer);
            if token.is_none() {
                return Ok(found);
            }
        }
    }

    pub async fn read(&self, owner: &Owner, path: &str) -> Result<Body, Failure> {
        let path = match owner.kind {
            Kind::Run => {
                let query = [("run_uuid", Some(owner.id.as_str())), ("path", Some(path))];
                with_query("/get-artifact".into(), &query)
            }
            Kind::Model => {
                let address = format!("/ajax-api/2.0/mlflow/logged-models/{}/artifacts/files", owner.id);
                with_query(address, &[("artifact_file_path", Some(path))])
            }
        };
        let response = self.client.send(self.client.request(Method::GET, &path)).await?;
        Ok(response.bytes_stream().map_err(std::io::Error::other).boxed())
    }

    async fn get(&self, path: &str, query: &[(&str, Option<&str>)]) -> Result<Value, Failure> {
        self.client.get(&with_query(format!("/api/2.0/mlflow{path}"), query)).await
    }

    /// All pages of a search that is asked by POST.
    async fn pages<T: DeserializeOwned>(
        &self,
        path: &str,
        mut ask: Value,
        field: &str,
    ) -> Result<Vec<T>, Failure> {
        let mut found = Vec::new();
        loop {
            let mut answer = self.client.post(&format!("/api/2.0/mlflow{path}"), &ask).await?;
            found.extend(list::<T>(answer[field].take())?);
            match next(&answer) {
                Some(token) => ask["page_token"] = token.into(),
                None => return Ok(found),
            }
        }
    }

    /// All pages of a search that is asked by GET.
    async fn gets(
        &self,
        path: &str,
        field: &str,
        filter: Option<&str>,
        page: &str,
    ) -> Result<Vec<Value>, Failure> {
        let (mut found, mut token) = (Vec::new(), None::<String>);
        loop {
            let query = [("filter", filter), ("max_results", Some(page)), ("page_token", token.as_deref())];
            let mut answer = self.get(path, &query).await?;
            found.extend(list::<Value>(answer[field].take())?);
            token = next(&answer);
            if token.is_none() {
                return Ok(found);
            }
        }
    }
}

/// The logged model a source of the form `models:/m-...` names.
pub fn logged_model_in(source: &str) -> String {
    let id = source.strip_prefix("models:/").unwrap_or_default();
    if id.starts_with("m-") && !id.contains('/') { id.to_owned() } else { String::new() }
}

fn next(answer: &Value) -> Option<String> {
    answer["next_page_token"].as_str().filter(|token| !token.is_empty()).map(str::to_owned)
}

fn parsed<T: DeserializeOwned>(value: Value) -> Result<T, Failure> {
    serde_json::from_value(value)
        .map_err(|error| Failure::failed(format!("the server's answer is not MLflow's: {error}")))
}

/// Protobuf leaves an empty list out.
fn list<T: DeserializeOwned>(value: Value) -> Result<Vec<T>, Failure> {
    if value.is_null() { Ok(Vec::new()) } else { parsed(value) }
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}

fn int(value: &Value, field: &str) -> i64 {
    let found = &value[field];
    found.as_i64().or_else(|| found.as_str()?.parse().ok()).unwrap_or_default()
}

fn number(value: &Value) -> u32 {
    u32::try_from(int(value, "version")).unwrap_or_default()
}
