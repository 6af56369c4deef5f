//! The scheduler's loop: woken by events, by tasks that end and by the next due time; a sweep
//! every two seconds is the safety net under all three. The decisions are `engine`'s.

use super::{
    engine::{self, RunChange, Step},
    executor::Executor,
    jump,
    model::{AttemptKey, Outcome},
    store,
    waits::Waits,
};
use crate::{
    kernel::{
        clock::now_ms,
        error::Result,
        event::{Bus, Event},
        tasks::Tasks,
    },
    store::{Connection, Db, outbox::Bell},
};
use std::{collections::HashSet, sync::Arc, time::Duration};
use tokio::{
    sync::{Notify, mpsc},
    time::Instant,
};

const SWEEP: Duration = Duration::from_secs(2);
/// The least between the beginnings of two turns: where tasks end by the hundred a turn takes in several.
const BETWEEN_TURNS: Duration = Duration::from_millis(4);

pub struct Scheduler {
    pub db: Db,
    pub bus: Bus,
    pub executor: Arc<Executor>,
    /// Told when a run was made, unpaused, cancelled.
    pub wake: Arc<Notify>,
    /// Rung when somebody is to be told of a run.
    pub bell: Arc<Bell>,
    /// Tasks that may run at once.
    pub slots: usize,
    pub tasks: Tasks,
}

type Ended = (AttemptKey, Outcome);

/// What the loop has in hand.
struct Hand {
    /// Ends that are not stored yet.
    outcomes: Vec<Ended>,
    /// Attempts that are seen through to their end.
    watched: HashSet<AttemptKey>,
    ended: mpsc::UnboundedSender<Ended>,
    /// Rung when a task began to wait.
    waits: Arc<Notify>,
    /// Something is to be done that no row tells.
    due: bool,
    /// When what runs was last compared with what is watched; at first never.
    swept: Option<Instant>,
}

impl Scheduler {
    /// Runs until the server stops. Tasks go on without it.
    pub async fn run(self) {
        let stop = self.tasks.stopping();
        let (ended, mut endings) = mpsc::unbounded_channel::<Ended>();
        let waits = self.look_after_waits(ended.clone());
        let (outcomes, watched) = (Vec::new(), HashSet::new());
        let mut hand = Hand { outcomes, watched, ended, waits, due: true, swept: None };
        self.recover().await;
        let mut wait = Duration::ZERO;
        let mut latest = now_ms();
        let mut began = Instant::now();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.wake.notified() => hand.due = true,
                Some(one) = endings.recv() => hand.outcomes.push(one),
                () = tokio::time::sleep(wait) => {}
            }
            tokio::time::sleep_until(began + BETWEEN_TURNS).await;
            began = Instant::now();
            while let Ok(one) = endings.try_recv() {
                hand.outcomes.push(one);
            }
            self.mind_the_clock(&mut latest).await;
            let turn = self.turn(&mut hand).await;
            hand.due = turn.is_err();
            wait = turn.unwrap_or_else(|error| {
                tracing::error!(?error, "the scheduler's turn failed; it will be tried again");
                SWEEP
            });
        }
    }

    async fn mind_the_clock(&self, latest: &mut i64) {
        let now = now_ms();
        let Some(by) = jump::went_back(latest, now) else { return };
        tracing::warn!(by_s = by / 1000, "the clock was set back; schedules and retries follow it");
        if let Err(error) = self.db.write(move |db| jump::take_back(db, now, by)).await {
            tracing::error!(?error, "schedules could not follow the clock");
        }
    }

    /// One turn; returns how long nothing is due. Outcomes are dropped only once they are stored.
    async fn turn(&self, hand: &mut Hand) -> Result<Duration> {
        let (now, slots) = (now_ms(), self.slots);
        let mut has_work = hand.due || !hand.outcomes.is_empty();
        let mut wake_at = None;
        if !has_work {
            (has_work, wake_at) = self.db.read(move |db| engine::outlook(db, now, slots)).await?;
        }
        if has_work {
            let batch = hand.outcomes.clone();
            let step = self.db.write(move |db| engine::advance(db, now, slots, &batch)).await?;
            for (key, _) in hand.outcomes.drain(..) {
                hand.watched.remove(&key);
            }
            wake_at = step.wake_at;
            if step.deferred {
                hand.waits.notify_one();
            }
            self.watch_all(hand, step.claimed.clone(), true);
            self.announce(&step).await;
        }
        // What the server before this one left, and what a turn that failed after its commit did not start.
        if hand.swept.is_none_or(|at| at.elapsed() >= SWEEP) {
            let running = self.db.read(store::attempt_running).await?;
            self.watch_all(hand, running, false);
            if hand.watched.is_empty() {
                self.executor.rest().await?;
            }
            hand.swept = Some(Instant::now());
        }
        let until =
            wake_at.map_or(SWEEP, |at| Duration::from_millis(u64::try_from(at - now_ms()).unwrap_or(0)));
        Ok(until.min(SWEEP))
    }

    /// Starts what looks after waits; rung where one begins.
    fn look_after_waits(&self, ended: mpsc::UnboundedSender<Ended>) -> Arc<Notify> {
        let bell = Arc::new(Notify::new());
        let (db, bus, executor) = (self.db.clone(), self.bus.clone(), Arc::clone(&self.executor));
        let waits = Waits { db, bus, executor, bell: Arc::clone(&bell), ended };
        self.tasks.spawn("pipelines: waits", waits.run(self.tasks.stopping()));
        bell
    }

    /// Sees these through to their end, but for those that are already.
    fn watch_all(&self, hand: &mut Hand, keys: Vec<AttemptKey>, are_new: bool) {
        for key in keys {
            if hand.watched.insert(key.clone()) {
                self.watch(key, are_new, hand.ended.clone());
            }
        }
    }

    fn watch(&self, key: AttemptKey, is_new: bool, ended: mpsc::UnboundedSender<Ended>) {
        let (executor, stop) = (Arc::clone(&self.executor), self.tasks.stopping());
        self.tasks.spawn("pipelines: task", async move {
            tokio::select! {
                () = stop.cancelled() => {}
                // The receiver is gone only when the server stops; the next one looks again.
                outcome = executor.see_through(&key, is_new) => drop(ended.send((key, outcome))),
            }
        });
    }

    async fn announce(&self, step: &Step) {
        publish(&self.bus, &step.changed);
        let over = step.changed.iter().any(|change| change.over);
        if over || step.told {
            self.bell.ring();
        }
        if over {
            self.release_over().await;
        }
    }

    /// Revokes the credentials of runs that are over; what fails now is tried at the next end or start.
    async fn release_over(&self) {
        let over = self.db.read(store::run_to_revoke).await.unwrap_or_default();
        for run_id in over {
            if let Err(error) = self.executor.release(&run_id).await {
                tracing::warn!(run = run_id, ?error, "a run's credentials could not be revoked yet");
            }
        }
    }

    /// After a start: what a crash may have left half done.
    async fn recover(&self) {
        let now = now_ms();
        let look = move |db: &Connection| {
            jump::reschedule(db, now)?;
            engine::reconcile(db, now)
        };
        match self.db.write(look).await {
            Ok(changed) => publish(&self.bus, &changed),
            Err(error) => tracing::error!(?error, "runs could not be examined after the start"),
        }
        if let Err(error) = self.executor.look_back().await {
            tracing::error!(?error, "attempts from before the machine's start could not be looked for");
        }
        let cancelled = self.db.read(store::attempt_to_cancel).await.unwrap_or_default();
        if let Err(error) = self.executor.request_cancel(&cancelled).await {
            tracing::warn!(?error, "a request to cancel could not be passed on");
        }
        self.release_over().await;
    }
}

/// Tells listeners, the UI's live views among them, which runs changed.
pub fn publish(bus: &Bus, changed: &[RunChange]) {
    for change in changed {
        bus.publish(Event::PipelineRunChanged {
            pipeline: change.pipeline.clone(),
            run_id: change.run_id.clone(),
        });
    }
}
