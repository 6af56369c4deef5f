//! `evaluate`: a model version answers every row of a dataset, and its metrics go to the tracker.

use super::{Done, Inside, promote::EVALUATED};
use crate::{
    kernel::{
        clock::now_ms,
        error::{Error, Kind, Result},
    },
    pipelines::definition::kinds::models::Evaluate,
    serving::{Evaluation, Question},
    tracking::{
        model::{Double, Metric, Pair},
        service::{Batch, CreateRun, UpdateRun},
    },
};
use bytes::Bytes;
use serde_json::json;
use std::path::Path;

/// The largest dataset read into memory.
const MOST_BYTES: usize = 512 << 20;

impl Inside<'_> {
    pub(super) async fn evaluate(&self, evaluate: &Evaluate) -> Result<Done> {
        let rooms = self.executor.rooms()?;
        let (model, data) = (self.render(&evaluate.model)?, self.render(&evaluate.data)?);
        let target = self.render(&evaluate.target)?;
        let bytes = self.dataset(&data).await?;
        self.log(&format!("read {} bytes of {data}", bytes.len()));
        let question =
            Question { name: data.clone(), bytes, target: target.clone(), task: evaluate.task.clone() };
        let found = rooms.serving.evaluate(&model, question).await?;
        let Evaluation { model: name, version, task, rows, metrics } = &found;
        self.log(&format!("version {version} of {name} answered {rows} rows as a {task}"));
        for (metric, value) in metrics {
            self.log(&format!("{metric} = {value}"));
        }
        let run = self.log_to_tracker(evaluate, &found, (&model, &data, &target)).await?;
        // A model that is not registered has nowhere to remember it.
        if let Ok(number) = version.parse::<u32>() {
            rooms.registry.version_tag_set(name, number, EVALUATED, &run).await?;
        }
        let mut output = json!({ "model": name, "version": version, "run_id": run, "rows": rows });
        for (metric, value) in metrics {
            output[metric.as_str()] = json!(value);
        }
        Ok(Ok(output))
    }

    async fn dataset(&self, data: &str) -> Result<Bytes> {
        if let Some((bucket, key)) = data.strip_prefix("s3://").and_then(|rest| rest.split_once('/')) {
            return self.executor.rooms()?.objects.get_bytes(bucket, key, MOST_BYTES).await;
        }
        let folder = self.run.folder.as_deref().map_or(self.folder.path(), Path::new);
        let path = folder.join(data);
        let read = move || -> Result<Bytes> {
            let missing = || Error::invalid(format!("There is no dataset {}.", path.display()));
            let size = fs_err::metadata(&path).map_err(|_| missing())?.len();
            if size > MOST_BYTES as u64 {
                let message = format!("{} is larger than {} MiB.", path.display(), MOST_BYTES >> 20);
                return Err(Error::new(Kind::TooLarge, message));
            }
            fs_err::read(&path).map(Bytes::from).map_err(|_| missing())
        };
        tokio::task::spawn_blocking(read).await.map_err(Error::internal)?
    }

    /// The run of the tracker. An attempt that is done again goes on with the run it has begun.
    async fn log_to_tracker(
        &self,
        evaluate: &Evaluate,
        found: &Evaluation,
        (model, data, target): (&str, &str, &str),
    ) -> Result<String> {
        let tracking = &self.executor.rooms()?.tracking;
        let note = self.folder.path().join("tracker-run");
        let run_id = match fs_err::read_to_string(&note) {
            Ok(known) => known,
            Err(_) => {
                let experiment_id = self.experiment(evaluate).await?;
                let name = format!("{} v{} on {data}", found.model, found.version);
                let new = CreateRun {
                    experiment_id,
                    user_id: "pipelines".into(),
                    name,
                    started_at: None,
                    tags: Vec::new(),
                };
                let made = tracking.run_create(new).await?.info.run_id;
                fs_err::write(&note, &made)?;
                made
            }
        };
        let now = now_ms();
        let metric = |(key, value): &(String, f64)| Metric {
            key: key.clone(),
            value: Double(*value),
            timestamp: now,
            ..Metric::default()
        };
        let pair = |(key, value): (&str, &str)| Pair { key: key.into(), value: value.into() };
        let rows = found.rows.to_string();
        let params = [
            ("model", model),
            ("version", &found.version),
            ("data", data),
            ("target", target),
            ("task", found.task),
            ("rows", &rows),
        ];
        let tags = [
            ("crannog.pipeline", self.run.pipeline.as_str()),
            ("crannog.pipeline_run", &self.run.id),
            ("crannog.task", &self.key.task_id),
        ];
        let batch = Batch {
            metrics: found.metrics.iter().map(metric).collect(),
            params: params.into_iter().map(pair).collect(),
            tags: tags.into_iter().map(pair).collect(),
        };
        tracking.batch_log(&run_id, batch).await?;
        let ended = UpdateRun { status: Some("FINISHED"), ended_at: Some(now), name: None };
        tracking.run_update(&run_id, ended).await?;
        Ok(run_id)
    }

    /// The experiment's id; one that is not there is made.
    async fn experiment(&self, evaluate: &Evaluate) -> Result<String> {
        let tracking = &self.executor.rooms()?.tracking;
        let Some(name) = &evaluate.experiment else { return Ok(String::new()) };
        let name = self.render(name)?;
        match tracking.experiment_by_name(&name).await {
            Ok(found) => Ok(found.experiment_id),
            Err(error) if error.kind == Kind::NotFound => {
                Ok(tracking.experiment_create(&name, None, Vec::new()).await?.to_string())
            }
            Err(error) => Err(error),
        }
    }
}
