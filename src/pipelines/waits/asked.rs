//! What a task waits for, with its texts spelled out by what is known when it is looked at.

use crate::{
    kernel::error::{Error, Result},
    pipelines::{
        definition::{
            Action,
            kinds::wait::{Ended, What},
        },
        executor::Executor,
        model::AttemptKey,
        template,
    },
};
use std::time::Duration;

/// A wait, with what it waits for spelled out.
pub struct Asked {
    pub what: What,
    pub interval_ms: i64,
    pub timeout_ms: Option<i64>,
    pub soft_fail: bool,
    pub zone: chrono_tz::Tz,
    pub logical_at: i64,
}

impl Asked {
    /// What is waited for, in words.
    pub fn what_text(&self) -> String {
        match &self.what {
            What::Object { bucket, key, prefix: false } => format!("the object s3://{bucket}/{key}"),
            What::Object { bucket, key, prefix: true } => format!("an object below s3://{bucket}/{key}"),
            What::Http { url, .. } => format!("an answer of {url}"),
            What::Time(text) => format!("the time {text}"),
            What::Run { pipeline, state: Ended::Anyhow, .. } => format!("the end of pipeline {pipeline}"),
            What::Run { pipeline, state, .. } => format!("a {} run of pipeline {pipeline}", state.as_str()),
        }
    }
}

impl Executor {
    /// What a task waits for, by what is known now.
    pub async fn wait(&self, key: &AttemptKey) -> Result<Asked> {
        let cell = self.context_cell(&key.run_id);
        let context = cell.get_or_try_init(|| self.load(&key.run_id)).await?;
        let task = context.task(&key.task_id)?;
        let Action::Wait(wait) = &task.action else {
            return Err(Error::invalid("the task does not wait for anything"));
        };
        let values = self.values(&context.run, key, true).await?;
        let render = |text: &str| template::render(text, &values).map_err(Error::invalid);
        let ms = |span: Duration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        let what = match wait.what.clone() {
            What::Object { bucket, key, prefix } => {
                What::Object { bucket: render(&bucket)?, key: render(&key)?, prefix }
            }
            What::Http { url, status, body } => What::Http { url: render(&url)?, status, body },
            What::Time(text) => What::Time(render(&text)?),
            What::Run { pipeline, state, offset } => {
                What::Run { pipeline: render(&pipeline)?, state, offset }
            }
        };
        Ok(Asked {
            what,
            interval_ms: ms(wait.interval),
            timeout_ms: task.timeout.map(ms),
            soft_fail: wait.soft_fail,
            zone: context.definition.zone,
            logical_at: context.run.logical_at,
        })
    }
}
