//! The scheduler's transactions over a real database and a clock of the test's own: schedules of a
//! year in a moment, missed firings, pauses, slots, repeated news.

mod asked;
mod backfills;
mod callbacks;
mod clock;
mod events;
mod rules;
mod waits;

use super::{
    definition::Definition,
    engine,
    model::{AttemptKey, Outcome, OutcomeKind, Pipeline, RunState, Trigger},
    store,
};
use crate::{
    kernel::error::Result,
    store::{Connection, Db, Durability, migrate},
};
use std::collections::BTreeMap;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

struct Lab {
    db: Db,
    _dir: tempfile::TempDir,
}

impl Lab {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let db =
            Db::open(&dir.path().join("control.db"), Durability::Normal, migrate::CONTROL).expect("opens");
        Self { db, _dir: dir }
    }

    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> T {
        self.db.write(work).await.expect("the write succeeds")
    }

    /// Stores a definition as of `now`.
    async fn put(&self, yaml: &str, now: i64) -> Pipeline {
        let definition = Definition::parse(yaml).expect("the definition is sound");
        let pipeline = Pipeline {
            name: definition.name.clone(),
            source: "api".into(),
            folder: None,
            commit: None,
            definition: yaml.to_owned(),
            error: None,
            rejected: None,
            paused: false,
            next_at: definition.first_due(None, now),
            max_active_runs: definition.max_active_runs,
            trigger_note: None,
        };
        let stored = pipeline.clone();
        let put = move |db: &Connection| {
            store::listeners_put(db, &stored.name, &super::events::asked_for(&definition))?;
            store::pipeline_put(db, &stored, now)
        };
        self.with(put).await;
        pipeline
    }

    async fn begin(&self, yaml: &str) -> String {
        let pipeline = self.put(yaml, 0).await;
        let create = move |db: &Connection| {
            let definition = Definition::parse(&pipeline.definition).expect("it is sound");
            let params = BTreeMap::new();
            let run = engine::create_run(db, &pipeline, &definition, Trigger::Manual, 1, params, 1)?;
            Ok(run.expect("a manual run is always new").id)
        };
        self.with(create).await
    }

    async fn advance(&self, now: i64, slots: usize, outcomes: Vec<(AttemptKey, Outcome)>) -> engine::Step {
        self.with(move |db| engine::advance(db, now, slots, &outcomes)).await
    }

    async fn running(&self) -> Vec<AttemptKey> {
        self.with(store::attempt_running).await
    }

    /// Ends every running attempt well.
    async fn end_all(&self, at: i64) {
        let ended = self.running().await.into_iter().map(|key| (key, good(at))).collect();
        self.advance(at, 16, ended).await;
    }

    /// The logical times of a pipeline's runs, oldest first.
    async fn firings(&self, name: &'static str) -> Vec<i64> {
        let mut runs = self.with(move |db| store::run_list(db, name, 10_000, None)).await;
        runs.reverse();
        runs.iter().map(|run| run.logical_at).collect()
    }

    async fn states(&self, run: &str) -> (RunState, Vec<&'static str>) {
        let run = run.to_owned();
        let read = move |db: &Connection| {
            let state = store::run_get(db, &run)?.expect("the run is there").state;
            Ok((state, store::task_list(db, &run)?.iter().map(|task| task.state.as_str()).collect()))
        };
        self.with(read).await
    }
}

fn good(at: i64) -> Outcome {
    Outcome {
        kind: OutcomeKind::Success,
        exit_code: Some(0),
        reason: None,
        started_at: Some(at),
        ended_at: at,
        output: None,
    }
}

fn bad(at: i64) -> Outcome {
    Outcome { kind: OutcomeKind::Failed, exit_code: Some(1), ..good(at) }
}

#[tokio::test]
async fn a_year_of_a_daily_schedule_is_one_run_a_day() {
    let lab = Lab::new();
    lab.put("name: daily\nschedule: '@daily'\ntasks: [{id: a, run: x}]\n", 0).await;
    for half_day in 1..=2 * 365 {
        // Twice a day and twice each: a sweep that finds nothing due makes nothing.
        for _ in 0..2 {
            lab.advance(half_day * DAY / 2 + 7, 0, vec![]).await;
        }
    }
    assert_eq!(lab.firings("daily").await, (1..=365).map(|day| day * DAY).collect::<Vec<_>>());
}

#[tokio::test]
async fn of_the_firings_missed_in_a_long_outage_the_latest_alone_is_made_up_for() {
    let lab = Lab::new();
    lab.put("name: hourly\nschedule: '@hourly'\ntasks: [{id: a, run: x}]\n", 0).await;
    let step = lab.advance(1000 * HOUR + 5, 0, vec![]).await;
    assert_eq!(lab.firings("hourly").await, [1000 * HOUR]);
    assert_eq!(step.wake_at, Some(1001 * HOUR));
}

#[tokio::test]
async fn a_paused_schedule_does_not_fire() {
    let lab = Lab::new();
    lab.put("name: paused\nschedule: '@hourly'\ntasks: [{id: a, run: x}]\n", 0).await;
    lab.with(|db| store::pipeline_set_schedule(db, "paused", true, None)).await;
    assert_eq!(lab.advance(DAY, 1, vec![]).await.wake_at, None);
    assert!(lab.firings("paused").await.is_empty());
}

#[tokio::test]
async fn a_firing_makes_one_run_even_if_its_due_time_comes_back() {
    let lab = Lab::new();
    let pipeline = lab.put("name: once\nschedule: '@hourly'\ntasks: [{id: a, run: x}]\n", 0).await;
    lab.advance(HOUR, 0, vec![]).await;
    // As after a restore of the row, or a clock set back.
    lab.with(move |db| store::pipeline_set_schedule(db, "once", false, pipeline.next_at)).await;
    lab.advance(HOUR, 0, vec![]).await;
    assert_eq!(lab.firings("once").await, [HOUR]);
}

#[tokio::test]
async fn claims_keep_to_the_slots_and_news_told_twice_changes_nothing() {
    let lab = Lab::new();
    let run = lab
        .begin("name: p\ntasks:\n  - {id: a, run: x}\n  - {id: b, run: x}\n  - {id: c, run: x, needs: [a]}\n")
        .await;
    lab.advance(10, 1, vec![]).await;
    lab.advance(11, 1, vec![]).await;
    let first = lab.running().await;
    assert_eq!(first.iter().map(|key| key.task_id.as_str()).collect::<Vec<_>>(), ["a"]);
    let news = vec![(first[0].clone(), good(20))];
    lab.advance(20, 1, news.clone()).await;
    assert_eq!(lab.states(&run).await, (RunState::Running, vec!["success", "running", "queued"]));
    lab.advance(21, 1, news).await;
    assert_eq!(lab.states(&run).await, (RunState::Running, vec!["success", "running", "queued"]));
    for at in [30, 40] {
        let running = lab.running().await;
        lab.advance(at, 1, vec![(running[0].clone(), good(at))]).await;
    }
    assert_eq!(lab.states(&run).await, (RunState::Success, vec!["success"; 3]));
    assert_eq!(lab.with(store::run_to_revoke).await, [run]);
}

#[tokio::test]
async fn a_retry_waits_for_its_delay_and_says_when_it_is_due() {
    let lab = Lab::new();
    let run = lab.begin("name: p\ntasks: [{id: a, run: x, retries: 1, retry_delay: 1m}]\n").await;
    lab.advance(0, 4, vec![]).await;
    let attempt = lab.running().await.remove(0);
    let step = lab.advance(1000, 4, vec![(attempt.clone(), bad(1000))]).await;
    assert_eq!((step.wake_at, lab.states(&run).await.1), (Some(61_000), vec!["up_for_retry"]));
    lab.advance(60_999, 4, vec![]).await;
    assert!(lab.running().await.is_empty());
    lab.advance(61_000, 4, vec![]).await;
    assert_eq!(lab.running().await, [AttemptKey { attempt: 2, ..attempt.clone() }]);
    // Old news of the first attempt does not end the second.
    lab.advance(61_001, 4, vec![(attempt, good(61_001))]).await;
    assert_eq!(lab.states(&run).await, (RunState::Running, vec!["running"]));
}

#[tokio::test]
async fn cancelling_a_run_that_has_not_started_ends_it_at_once() {
    let lab = Lab::new();
    let run = lab.begin("name: p\ntasks:\n  - {id: a, run: x}\n  - {id: b, run: x, needs: [a]}\n").await;
    let wanted = run.clone();
    let (_, running) = lab.with(move |db| engine::cancel(db, &wanted, 5)).await;
    assert!(running.is_empty());
    assert_eq!(lab.states(&run).await, (RunState::Cancelled, vec!["cancelled", "cancelled"]));
    lab.advance(6, 4, vec![]).await;
    assert!(lab.running().await.is_empty());
}

#[tokio::test]
async fn a_step_that_a_crash_cut_short_is_made_up_for_at_the_start() {
    let lab = Lab::new();
    let run = lab.begin("name: p\ntasks:\n  - {id: a, run: x}\n  - {id: b, run: x, needs: [a]}\n").await;
    let cut = run.clone();
    // What no transaction of ours leaves behind, yet another version might.
    lab.with(move |db| {
        let mut tasks = store::task_list(db, &cut)?;
        tasks[0].state = super::model::TaskState::Success;
        store::task_update(db, &cut, &tasks[0])
    })
    .await;
    lab.with(|db| engine::reconcile(db, 9)).await;
    assert_eq!(lab.states(&run).await.1, ["success", "queued"]);
}
