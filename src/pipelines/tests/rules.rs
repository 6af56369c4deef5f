//! What bounds and orders runs and tasks: limits, pools, priorities, the past; and what people do.

use super::{DAY, HOUR, Lab, bad, good};
use crate::pipelines::{
    backfill,
    by_hand::{self, Clearing},
    engine,
    history::{Policy, prune},
    model::{AttemptKey, RunState, TaskState, Trigger},
    store, waiting,
};
use crate::store::Connection;
use std::{collections::BTreeMap, time::Duration};

impl Lab {
    async fn reasons(&self, run: &str) -> Vec<String> {
        let run = run.to_owned();
        let view = self.with(move |db| waiting::view(db, &run, 16)).await;
        view.reasons.into_iter().map(Option::unwrap_or_default).collect()
    }

    async fn running_ids(&self) -> Vec<String> {
        self.running().await.into_iter().map(|key| key.task_id).collect()
    }
}

#[tokio::test]
async fn runs_beyond_max_active_wait_their_turn_and_say_so() {
    let lab = Lab::new();
    let yaml = "name: p\nmax_active_runs: 1\ntasks: [{id: a, run: x}]\n";
    let (first, second) = (lab.begin(yaml).await, lab.begin(yaml).await);
    lab.advance(5, 16, vec![]).await;
    assert_eq!(
        (lab.states(&first).await.0, lab.states(&second).await.0),
        (RunState::Running, RunState::Queued)
    );
    assert!(lab.reasons(&second).await[0].contains("max_active_runs is 1"));
    lab.end_all(6).await;
    assert_eq!(
        (lab.states(&first).await.0, lab.states(&second).await.0),
        (RunState::Success, RunState::Running)
    );
}

#[tokio::test]
async fn pools_bound_what_runs_and_the_urgent_goes_first() {
    let lab = Lab::new();
    let run = lab
        .begin("name: p\ntasks:\n  - {id: a, run: x, pool: gpu}\n  - {id: b, run: x, pool: gpu, priority: 9}\n  - {id: wide, run: x, pool: gpu, pool_slots: 2}\n  - {id: free, run: x}\n")
        .await;
    lab.advance(1, 16, vec![]).await;
    assert_eq!(lab.running_ids().await, ["free"]);
    assert!(lab.reasons(&run).await[0].contains("there is no pool \"gpu\""));
    lab.with(|db| store::pool_put(db, "gpu", 1, "", false)).await;
    lab.advance(2, 16, vec![]).await;
    assert_eq!(lab.running_ids().await, ["b", "free"]);
    assert!(lab.reasons(&run).await[0].contains("waits for 1 of the 1 slots of pool gpu"));
    lab.end_all(3).await;
    assert_eq!(lab.running_ids().await, ["a"]);
    lab.end_all(4).await;
    // What asks for more than the pool has does not hold up a turn; it starts once there is room.
    assert!(lab.running_ids().await.is_empty());
    lab.with(|db| store::pool_put(db, "gpu", 2, "", false)).await;
    lab.advance(5, 16, vec![]).await;
    assert_eq!(lab.running_ids().await, ["wide"]);
}

#[tokio::test]
async fn a_task_that_depends_on_its_past_waits_for_a_good_one() {
    let lab = Lab::new();
    let yaml = "name: p\ntasks: [{id: a, run: x, depends_on_past: true}]\n";
    let (first, second) = (lab.begin(yaml).await, lab.begin(yaml).await);
    lab.advance(1, 16, vec![]).await;
    let attempt = lab.running().await;
    assert_eq!(attempt.len(), 1);
    assert_eq!(attempt[0].run_id, first);
    lab.advance(2, 16, vec![(attempt[0].clone(), bad(2))]).await;
    assert!(lab.running().await.is_empty());
    assert!(lab.reasons(&second).await[0].contains(&format!("it is failed in run {first}")));
    let ids = vec!["a".to_owned()];
    lab.with(move |db| by_hand::mark(db, &first, &ids, TaskState::Success, 3).map(drop)).await;
    lab.advance(4, 16, vec![]).await;
    assert_eq!(lab.running().await[0].run_id, second);
}

#[tokio::test]
async fn cleared_tasks_run_again_with_all_that_follows() {
    let lab = Lab::new();
    let run = lab
        .begin("name: p\ntasks:\n  - {id: a, run: x}\n  - {id: b, run: x, needs: [a]}\n  - {id: c, run: x}\n")
        .await;
    lab.advance(1, 16, vec![]).await;
    let failing = lab.running().await.into_iter().map(|key| {
        let outcome = if key.task_id == "a" { bad(2) } else { good(2) };
        (key, outcome)
    });
    lab.advance(2, 16, failing.collect()).await;
    assert_eq!(lab.states(&run).await, (RunState::Failed, vec!["failed", "upstream_failed", "success"]));
    let what = Clearing { tasks: vec!["a".into()], downstream: true, dry_run: true, ..Clearing::default() };
    let (id, dry) = (run.clone(), what.clone());
    let done = lab.with(move |db| by_hand::clear(db, &id, &dry, 3)).await;
    assert_eq!(
        (done.tasks, lab.states(&run).await.0),
        (vec!["a".to_owned(), "b".to_owned()], RunState::Failed)
    );
    let id = run.clone();
    lab.with(move |db| by_hand::clear(db, &id, &Clearing { dry_run: false, ..what }, 4).map(drop)).await;
    lab.advance(5, 16, vec![]).await;
    let again = lab.running().await;
    assert_eq!((again.len(), again[0].task_id.as_str(), again[0].attempt), (1, "a", 2));
    lab.end_all(6).await;
    lab.end_all(7).await;
    assert_eq!(lab.states(&run).await, (RunState::Success, vec!["success"; 3]));
}

#[tokio::test]
async fn a_running_task_that_is_cleared_starts_again_only_after_its_end() {
    let lab = Lab::new();
    let run = lab.begin("name: p\ntasks: [{id: a, run: x}]\n").await;
    lab.advance(1, 16, vec![]).await;
    let first: AttemptKey = lab.running().await.remove(0);
    let id = run.clone();
    let done = lab.with(move |db| by_hand::clear(db, &id, &Clearing::default(), 2)).await;
    assert_eq!(done.to_end, std::slice::from_ref(&first));
    lab.advance(3, 16, vec![]).await;
    assert_eq!(lab.running().await, std::slice::from_ref(&first), "one attempt at most");
    assert!(lab.reasons(&run).await[0].contains("asked to end"));
    lab.advance(4, 16, vec![(first.clone(), bad(4))]).await;
    assert_eq!(lab.running().await, [AttemptKey { attempt: 2, ..first }]);
}

#[tokio::test]
async fn marking_opens_the_way_for_what_was_held_up() {
    let lab = Lab::new();
    let run = lab.begin("name: p\ntasks:\n  - {id: a, run: x}\n  - {id: b, run: x, needs: [a]}\n").await;
    lab.advance(1, 16, vec![]).await;
    let key = lab.running().await.remove(0);
    lab.advance(2, 16, vec![(key, bad(2))]).await;
    assert_eq!(lab.states(&run).await.0, RunState::Failed);
    let (id, ids) = (run.clone(), vec!["a".to_owned()]);
    lab.with(move |db| by_hand::mark(db, &id, &ids, TaskState::Success, 3).map(drop)).await;
    lab.advance(4, 16, vec![]).await;
    assert_eq!(lab.running_ids().await, ["b"]);
    lab.end_all(5).await;
    assert_eq!(lab.states(&run).await.0, RunState::Success);
}

#[tokio::test]
async fn a_backfill_makes_the_missing_runs_once_and_none_when_dry() {
    let lab = Lab::new();
    lab.put("name: daily\nschedule: '@daily'\ntasks: [{id: a, run: x}]\n", 0).await;
    lab.advance(2 * DAY, 0, vec![]).await;
    let fill = |dry_run| {
        move |db: &Connection| {
            let made = backfill::fill(db, "daily", (DAY, 4 * DAY), &BTreeMap::new(), dry_run, 5 * DAY)?;
            Ok(made
                .iter()
                .map(|one| (one.logical_at / DAY, one.exists, one.run.is_some()))
                .collect::<Vec<_>>())
        }
    };
    let dry = [(1, false, false), (2, true, false), (3, false, false), (4, false, false)];
    assert_eq!(lab.with(fill(true)).await, dry);
    assert_eq!(lab.firings("daily").await, [2 * DAY]);
    let made = [(1, false, true), (2, true, false), (3, false, true), (4, false, true)];
    assert_eq!(lab.with(fill(false)).await, made);
    assert!(lab.with(fill(false)).await.iter().all(|(_, exists, made)| *exists && !made));
}

#[tokio::test]
async fn catching_up_makes_every_missed_run_to_its_cap() {
    let lab = Lab::new();
    let rest = "schedule: '@hourly'\ncatchup: all\nmax_catchup: 5\ntasks: [{id: a, run: x}]\n";
    lab.put(&format!("name: all\n{rest}"), 0).await;
    lab.advance(3 * HOUR, 0, vec![]).await;
    assert_eq!(lab.firings("all").await, [HOUR, 2 * HOUR, 3 * HOUR]);
    lab.advance(100 * HOUR, 0, vec![]).await;
    assert_eq!(lab.firings("all").await[3..], [96, 97, 98, 99, 100].map(|hour| hour * HOUR));
}

#[tokio::test]
async fn old_runs_go_with_their_folders_and_the_newest_stay() {
    let lab = Lab::new();
    let tasks = tempfile::tempdir().expect("a folder");
    let yaml = "name: p\ntasks: [{id: a, run: x}]\n";
    let mut ids = Vec::new();
    for at in 1..=4 {
        let id = lab.begin(yaml).await;
        fs_err::create_dir_all(tasks.path().join(&id).join("a/1")).expect("makes");
        lab.advance(at * DAY, 16, vec![]).await;
        if at < 4 {
            lab.end_all(at * DAY).await;
            let done = id.clone();
            lab.with(move |db| store::run_set_credentials(db, &done, false)).await;
        }
        ids.push(id);
    }
    let policy = Policy { runs: 2, age: Duration::from_secs(24 * 3600) };
    assert_eq!(prune(&lab.db, tasks.path(), &policy, None, 9 * DAY).await.expect("prunes"), 2);
    let left = |id: &String| tasks.path().join(id).exists();
    assert_eq!(ids.iter().map(left).collect::<Vec<_>>(), [false, false, true, true]);
    let rows = lab.with(|db| store::run_list(db, "p", 10, None)).await;
    assert_eq!(rows.iter().map(|run| run.id.clone()).collect::<Vec<_>>(), [ids[3].clone(), ids[2].clone()]);
    // Neither the age nor the number alone lets a run go.
    let young = Policy { runs: 0, age: Duration::from_secs(30 * 24 * 3600) };
    assert_eq!(prune(&lab.db, tasks.path(), &young, None, 9 * DAY).await.expect("prunes"), 0);
}

/// A year of schedules under random ends and random hands: no task has two attempts at once, no
/// limit is passed, and when all is quiet every run is over.
#[tokio::test]
async fn a_year_of_random_days_leaves_nothing_running_twice_and_nothing_stuck() {
    let lab = Lab::new();
    lab.with(|db| store::pool_put(db, "gpu", 1, "", false)).await;
    let rest = "max_active_runs: 2\ntasks:\n  - {id: a, run: x, retries: 2, retry_delay: 30m, retry_backoff: 2, retry_jitter: 0.5, depends_on_past: true}\n  - {id: each, needs: [a], run: x, for_each: [1, 2, 3], pool: gpu}\n  - {id: ok, needs: [each], run: x, when: 'params.n > 1'}\n  - {id: alarm, needs: [each], run: x, trigger_rule: one_failed, priority: 5}\n  - {id: end, needs: [ok, alarm], run: x, trigger_rule: all_done}\n";
    lab.put(&format!("name: daily\nschedule: '@daily'\ncatchup: all\nparams: {{n: 2}}\n{rest}"), 0).await;
    lab.put(&format!("name: weekly\nschedule: ['0 6 * * 1', '0 18 * * 4']\nparams: {{n: 1}}\n{rest}"), 0)
        .await;
    lab.with(year).await;
}

fn year(db: &Connection) -> crate::kernel::error::Result<()> {
    let mut seed = 7_u64;
    let mut roll = |sides: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % sides
    };
    let mut now = 0;
    for hour in (0..366 * 24 + 1_500).step_by(2) {
        now = hour * HOUR;
        let busy = hour < 365 * 24;
        let mut ended = Vec::new();
        for key in store::attempt_running(db)? {
            match roll(8) {
                0 if busy => {}
                1 if busy => ended.push((key, bad(now))),
                _ => ended.push((key, good(now))),
            }
        }
        engine::advance(db, now, 4, &ended)?;
        if busy && hour % 50 == 8 {
            meddle(db, &mut roll, now)?;
        }
        if !busy {
            for name in ["daily", "weekly"] {
                store::pipeline_set_schedule(db, name, true, None)?;
            }
        }
        if hour % 100 == 0 {
            heal(db, now)?;
        }
        bounds_hold(db, hour)?;
    }
    assert!(store::run_open(db)?.is_empty(), "stuck at {now}: {:?}", store::run_open(db)?);
    let runs = store::run_list(db, "daily", 1_000, None)?;
    assert!(runs.iter().filter(|run| run.trigger == Trigger::Schedule).count() >= 364);
    Ok(())
}

fn meddle(db: &Connection, roll: &mut impl FnMut(u64) -> u64, now: i64) -> crate::kernel::error::Result<()> {
    let runs = store::run_list(db, "daily", 5, None)?;
    let Some(run) = runs.get(roll(5) as usize) else { return Ok(()) };
    match roll(3) {
        0 => {
            let what = Clearing { downstream: true, latest: roll(2) == 0, ..Clearing::default() };
            by_hand::clear(db, &run.id, &what, now)?;
        }
        1 => drop(by_hand::mark(db, &run.id, &["each".to_owned()], TaskState::Failed, now)?),
        _ if !run.state.is_over() => drop(engine::cancel(db, &run.id, now)?),
        _ => {}
    }
    Ok(())
}

/// A past that stays bad holds up every later run by design, so somebody looks at it.
fn heal(db: &Connection, now: i64) -> crate::kernel::error::Result<()> {
    for name in ["daily", "weekly"] {
        for run in store::run_list(db, name, 1_000, None)?.iter().filter(|run| run.state.is_over()) {
            let bad = store::task_list(db, &run.id)?.iter().any(|task| task.id == "a" && task.state.is_bad());
            if bad {
                by_hand::mark(db, &run.id, &["a".to_owned()], TaskState::Success, now)?;
            }
        }
    }
    Ok(())
}

fn bounds_hold(db: &Connection, hour: i64) -> crate::kernel::error::Result<()> {
    let running = store::attempt_running(db)?;
    let mut tasks: Vec<_> = running.iter().map(|key| (&key.run_id, &key.task_id)).collect();
    let all = tasks.len();
    tasks.sort();
    tasks.dedup();
    assert!(tasks.len() == all && all <= 4, "hour {hour}: {running:?}");
    let room = store::pool_room(db)?;
    assert!(room["gpu"] >= 0, "hour {hour}: the pool is overfull");
    for name in ["daily", "weekly"] {
        assert!(store::run_running_count(db, name)? <= 2, "hour {hour}: too many runs of {name}");
    }
    Ok(())
}
