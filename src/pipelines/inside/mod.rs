//! Tasks done by the server itself: `http`, `evaluate`, `promote`. They use the same folder as a
//! supervisor does, so that logs, cancelling and what a new server finds are alike: begun without an
//! end, and no server that runs it, means that its server is gone. What may be done twice is then done
//! again; what may not is lost, with nothing of it running any more.

mod evaluate;
mod http;
mod promote;

use super::{
    attempt::{Ending, Exit, Folder, VERSION},
    definition::{Action, Task},
    executor::Executor,
    model::{AttemptKey, Run},
    template::{self, Values},
};
use crate::{
    auth,
    kernel::{
        clock::{now_ms, rfc3339},
        error::{Error, Kind, Result},
    },
};
use serde_json::Value;
use std::{io::Write, time::Duration};

/// How often somebody who wants it to end is looked for.
const CANCEL_POLL: Duration = Duration::from_millis(100);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
/// A model on a large dataset takes its time.
const EVALUATE_TIMEOUT: Duration = Duration::from_secs(3600);

/// One attempt, with all it needs to know.
pub struct Inside<'a> {
    pub executor: &'a Executor,
    pub key: &'a AttemptKey,
    pub folder: &'a Folder,
    pub run: &'a Run,
    pub task: &'a Task,
    pub values: Values,
}

/// Whether the server does it itself.
pub fn is_inside(action: &Action) -> bool {
    matches!(action, Action::Http(_) | Action::Evaluate(_) | Action::Promote(_))
}

/// Whether it may be done again where it is not known how far it came.
pub fn is_repeatable(action: &Action) -> bool {
    match action {
        Action::Http(request) => request.is_repeatable(),
        _ => true,
    }
}

/// Records that it never could be begun.
pub fn not_begun(folder: &Folder, why: String) -> Result<()> {
    let now = now_ms();
    fs_err::create_dir_all(folder.path())?;
    folder.finish(&Exit {
        version: VERSION,
        outcome: Ending::NotStarted,
        exit_code: None,
        signal: None,
        reason: Some(why),
        started_at_ms: now,
        ended_at_ms: now,
    })
}

/// What it gives, or in plain words why it failed.
type Done = Result<Value, String>;

impl Inside<'_> {
    /// Does it, and leaves a record as a supervisor would.
    pub async fn see_through(&self) -> Result<()> {
        let started_at_ms = now_ms();
        fs_err::create_dir_all(self.folder.path())?;
        self.folder.begin(started_at_ms)?;
        let limit = match &self.task.action {
            Action::Evaluate(_) => EVALUATE_TIMEOUT,
            _ => DEFAULT_TIMEOUT,
        };
        let limit = self.task.timeout.unwrap_or(limit);
        let label = super::environment::label(&self.run.id);
        let (outcome, reason) = tokio::select! {
            done = auth::caused_by(label.into(), self.act()) => match done? {
                Ok(output) => {
                    fs_err::write(self.folder.output(), serde_json::to_vec(&output).map_err(Error::internal)?)?;
                    (Ending::Exited, None)
                }
                Err(why) => (Ending::NotStarted, Some(why)),
            },
            () = tokio::time::sleep(limit) => {
                (Ending::TimedOut, Some(format!("timed out after {} s", limit.as_secs_f64())))
            }
            () = self.cancelled() => (Ending::Cancelled, Some("cancelled".to_owned())),
        };
        if let Some(why) = &reason {
            self.log(why);
        }
        self.folder.finish(&Exit {
            version: VERSION,
            outcome,
            exit_code: matches!(outcome, Ending::Exited).then_some(0),
            signal: None,
            reason,
            started_at_ms,
            ended_at_ms: now_ms(),
        })
    }

    async fn act(&self) -> Result<Done> {
        let done = match &self.task.action {
            Action::Http(request) => self.http(request).await,
            Action::Evaluate(evaluate) => self.evaluate(evaluate).await,
            Action::Promote(promote) => self.promote(promote).await,
            Action::Run(_) | Action::Python(_) | Action::Wait(_) => {
                Err(Error::internal("a task of another kind came to the server"))
            }
        };
        match done {
            Ok(done) => Ok(done),
            // What the rooms below refuse is the task's failure, and what they say is its reason.
            Err(error) if !matches!(error.kind, Kind::Internal | Kind::Full) => Ok(Err(error.message)),
            Err(error) => Err(error),
        }
    }

    async fn cancelled(&self) {
        while !self.folder.cancel_requested() {
            tokio::time::sleep(CANCEL_POLL).await;
        }
    }

    fn render(&self, text: &str) -> Result<String> {
        template::render(text, &self.values).map_err(Error::invalid)
    }

    /// A line for the task's log; a log that cannot be written does not end the task.
    fn log(&self, line: &str) {
        let write = || -> std::io::Result<()> {
            let mut log = fs_err::OpenOptions::new().create(true).append(true).open(self.folder.log())?;
            writeln!(log, "{} {line}", rfc3339(now_ms()))
        };
        if let Err(error) = write() {
            tracing::warn!(task = self.key.task_id, ?error, "a task's log could not be written");
        }
    }
}
