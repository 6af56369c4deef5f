//! Tasks that wait for something outside. A wait is a row and a time to look again: no process, no
//! slot, nothing to be lost with the server. What came is told to the scheduler like any task's end;
//! until it is stored there, the wait is looked at again, so that it is never forgotten.

mod asked;
mod look;

use super::{
    definition::kinds::wait::What,
    executor::Executor,
    model::{AttemptKey, Outcome, OutcomeKind},
    store::{self, WaitRow},
};
use crate::{
    kernel::{
        clock::{now_ms, rfc3339},
        error::{Kind, Result},
        event::{Bus, Event},
    },
    store::Db,
};
use futures::{StreamExt, stream};
use look::{Look, Seen};
use std::{collections::BTreeSet, io::Write, sync::Arc, time::Duration};
use tokio::sync::{
    Notify,
    broadcast::{Receiver, error::RecvError},
    mpsc::UnboundedSender,
};
use tokio_util::sync::CancellationToken;

/// Waits looked at in one round, and at the same time.
const ROUND: usize = 500;
const AT_ONCE: usize = 16;
const SWEEP: Duration = Duration::from_secs(2);
/// Events may come by the thousand; the waits they concern are looked at no more often than this.
const EAGER: Duration = Duration::from_millis(200);
/// A wait whose timeout nobody gave ends all the same.
const DEFAULT_TIMEOUT_MS: i64 = 7 * 24 * 3600 * 1000;

/// Looks after all waits.
pub struct Waits {
    pub db: Db,
    pub bus: Bus,
    pub executor: Arc<Executor>,
    /// Rung when a task began to wait.
    pub bell: Arc<Notify>,
    pub ended: UnboundedSender<(AttemptKey, Outcome)>,
}

/// What an event may have brought.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum News {
    Bucket(String),
    Pipeline(String),
    /// Events were missed.
    Anything,
}

impl News {
    fn of(event: Result<Event, RecvError>) -> Option<Self> {
        match event {
            Ok(Event::ObjectCreated { bucket, .. }) => Some(Self::Bucket(bucket)),
            Ok(Event::PipelineRunChanged { pipeline, .. }) => Some(Self::Pipeline(pipeline)),
            Ok(_) | Err(RecvError::Closed) => None,
            Err(RecvError::Lagged(_)) => Some(Self::Anything),
        }
    }

    fn concerns(&self, what: &What) -> bool {
        match (self, what) {
            (Self::Bucket(news), What::Object { bucket, .. }) => news == bucket,
            (Self::Pipeline(news), What::Run { pipeline, .. }) => news == pipeline,
            (Self::Anything, What::Object { .. } | What::Run { .. }) => true,
            _ => false,
        }
    }
}

impl Waits {
    /// Runs until the server stops.
    pub async fn run(self, stop: CancellationToken) {
        let mut events = self.bus.subscribe();
        loop {
            let round = tokio::select! {
                () = stop.cancelled() => return,
                round = self.round() => round,
            };
            let pause = round.unwrap_or_else(|error| {
                tracing::error!(?error, "waits could not be looked at; the next round tries again");
                Some(SWEEP)
            });
            // Where nothing waits nobody listens: each object put would cost a round.
            let news = tokio::select! {
                () = stop.cancelled() => return,
                () = self.bell.notified() => None,
                () = tokio::time::sleep(pause.unwrap_or(SWEEP)) => None,
                event = events.recv(), if pause.is_some() => News::of(event),
            };
            if pause.is_none() {
                // What came until now came before the next round looks.
                events = self.bus.subscribe();
            }
            if let Some(news) = news
                && let Err(error) = self.hasten(news, &mut events).await
            {
                tracing::warn!(?error, "waits could not be hastened; they are looked at in their time");
            }
        }
    }

    /// Looks at what is due; answers how long nothing more will be, if anything waits.
    async fn round(&self) -> Result<Option<Duration>> {
        let now = now_ms();
        let due = self.db.read(move |db| store::wait_due(db, now, ROUND)).await?;
        stream::iter(due).for_each_concurrent(AT_ONCE, |wait| self.look_at(wait)).await;
        let next = self.db.read(store::wait_next).await?;
        let pause = |at| Duration::from_millis(u64::try_from(at - now_ms()).unwrap_or(0)).min(SWEEP);
        Ok(next.map(pause))
    }

    /// Makes the waits due that news may concern, with all news that follows within a moment.
    async fn hasten(&self, first: News, events: &mut Receiver<Event>) -> Result<()> {
        let mut news = BTreeSet::from([first]);
        let until = tokio::time::Instant::now() + EAGER;
        while let Ok(event) = tokio::time::timeout_at(until, events.recv()).await {
            let closed = matches!(event, Err(RecvError::Closed));
            news.extend(News::of(event));
            if closed {
                break;
            }
        }
        for wait in self.db.read(|db| store::wait_due(db, i64::MAX, ROUND)).await? {
            let concerned = match self.executor.wait(&wait.key).await {
                Ok(asked) => news.iter().any(|news| news.concerns(&asked.what)),
                Err(_) => true,
            };
            if concerned {
                self.look_at(wait).await;
            }
        }
        Ok(())
    }

    async fn look_at(&self, wait: WaitRow) {
        let key = wait.key.clone();
        if let Err(error) = self.try_look_at(wait).await {
            tracing::warn!(run = key.run_id, task = key.task_id, ?error, "a wait could not be looked at");
            // In its own time again, so that what fails does not take all of it.
            let at = now_ms() + 5_000;
            let note = "could not be looked at; the server's log says why";
            let _ = self.db.write(move |db| store::wait_again(db, &key, at, note)).await;
        }
    }

    async fn try_look_at(&self, wait: WaitRow) -> Result<()> {
        let asked = match self.executor.wait(&wait.key).await {
            Ok(asked) => asked,
            Err(error) if error.kind == Kind::Invalid => {
                self.tell(&wait, OutcomeKind::FailedForGood, Some(error.message), None);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let look = Look { db: &self.db, executor: &self.executor, asked: &asked };
        let (why, look_at) = match look.look().await? {
            Seen::Yes(output) => {
                self.log(&wait, &format!("{} is there", asked.what_text()));
                self.again(&wait, now_ms() + asked.interval_ms, "it is there").await?;
                self.tell(&wait, OutcomeKind::Success, None, Some(output));
                return Ok(());
            }
            Seen::NotYet { why, look_at } => (why, look_at),
        };
        let now = now_ms();
        let ends_at = wait.started_at.saturating_add(asked.timeout_ms.unwrap_or(DEFAULT_TIMEOUT_MS));
        let reason = format!("waits for {}: {why}", asked.what_text());
        if now >= ends_at {
            let seconds = (ends_at - wait.started_at) as f64 / 1000.0;
            let kind = if asked.soft_fail { OutcomeKind::Skipped } else { OutcomeKind::FailedForGood };
            let reason = format!("waited {seconds} s for {}: {why}", asked.what_text());
            self.log(&wait, &reason);
            self.again(&wait, now + asked.interval_ms, &reason).await?;
            self.tell(&wait, kind, Some(reason), None);
            return Ok(());
        }
        if wait.reason.as_deref() != Some(reason.as_str()) {
            self.log(&wait, &reason);
        }
        let at = look_at.unwrap_or(now + asked.interval_ms).clamp(now, ends_at);
        self.again(&wait, at, &reason).await
    }

    async fn again(&self, wait: &WaitRow, at: i64, reason: &str) -> Result<()> {
        let (key, reason) = (wait.key.clone(), reason.to_owned());
        self.db.write(move |db| store::wait_again(db, &key, at, &reason)).await.map(drop)
    }

    fn tell(
        &self,
        wait: &WaitRow,
        kind: OutcomeKind,
        reason: Option<String>,
        output: Option<serde_json::Value>,
    ) {
        let started_at = Some(wait.started_at);
        let outcome = Outcome { kind, exit_code: None, reason, started_at, ended_at: now_ms(), output };
        // The receiver is gone only when the server stops; the next one looks again.
        let _ = self.ended.send((wait.key.clone(), outcome));
    }

    /// A line for the task's log; a log that cannot be written does not end the wait.
    fn log(&self, wait: &WaitRow, line: &str) {
        let folder = self.executor.folder(&wait.key);
        let write = || -> std::io::Result<()> {
            fs_err::create_dir_all(folder.path())?;
            let mut log = fs_err::OpenOptions::new().create(true).append(true).open(folder.log())?;
            writeln!(log, "{} {line}", rfc3339(now_ms()))
        };
        if let Err(error) = write() {
            tracing::warn!(task = wait.key.task_id, ?error, "a wait's log could not be written");
        }
    }
}
