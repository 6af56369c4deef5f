//! The rules alone, without a database: the ends of random runs, and each rule by itself.

use super::{clear, downstream, mark, *};
use crate::pipelines::model::{ForEach, Rules, TaskKind, TriggerRule};
use serde_json::json;

fn task(id: usize, needs: Vec<usize>, max_attempts: u32) -> TaskInstance {
    TaskInstance {
        id: format!("t{id}"),
        kind: TaskKind::Run,
        needs,
        state: TaskState::Waiting,
        attempt: 0,
        max_attempts,
        retries: max_attempts - 1,
        retry_delay_ms: 10,
        started_at: None,
        ended_at: None,
        exit_code: None,
        reason: None,
        not_before: None,
        rules: Rules::default(),
        pool: "default_pool".into(),
        pool_slots: 1,
        priority: 0,
        depends_on_past: false,
        map_of: None,
        map_index: None,
        item: None,
        mapped: None,
        output: None,
    }
}

fn settle(tasks: &mut Vec<TaskInstance>) -> Vec<usize> {
    super::settle(tasks, &Values::default())
}

fn outcome(kind: OutcomeKind, at: i64) -> Outcome {
    Outcome { kind, exit_code: None, reason: None, started_at: None, ended_at: at, output: None }
}

fn states(tasks: &[TaskInstance]) -> Vec<&'static str> {
    tasks.iter().map(|task| task.state.as_str()).collect()
}

#[test]
fn failure_spreads_to_all_that_need_it_and_to_no_other() {
    let mut tasks = vec![task(0, vec![], 1), task(1, vec![0], 1), task(2, vec![1], 1), task(3, vec![], 1)];
    settle(&mut tasks);
    assert_eq!(states(&tasks), ["queued", "waiting", "waiting", "queued"]);
    start(&mut tasks[0], 1);
    finish(&mut tasks[0], &outcome(OutcomeKind::Failed, 2), false);
    settle(&mut tasks);
    assert_eq!(states(&tasks), ["failed", "upstream_failed", "upstream_failed", "queued"]);
    assert_eq!(verdict(&tasks, false), None);
    start(&mut tasks[3], 3);
    finish(&mut tasks[3], &outcome(OutcomeKind::Success, 4), false);
    assert_eq!(verdict(&tasks, false), Some(RunState::Failed));
}

#[test]
fn a_lost_attempt_is_retried_only_when_proven_dead() {
    for (proven_dead, expected) in [(true, TaskState::UpForRetry), (false, TaskState::Lost)] {
        let mut one = task(0, vec![], 2);
        start(&mut one, 1);
        finish(&mut one, &outcome(OutcomeKind::Lost { proven_dead }, 5), false);
        assert_eq!(one.state, expected);
        assert_eq!(one.not_before, proven_dead.then_some(15));
    }
}

#[test]
fn a_cancelled_run_does_not_retry() {
    let mut tasks = vec![task(0, vec![], 9), task(1, vec![0], 1)];
    settle(&mut tasks);
    start(&mut tasks[0], 1);
    assert_eq!(cancel(&mut tasks, 2), [1]);
    assert_eq!(verdict(&tasks, true), None);
    finish(&mut tasks[0], &outcome(OutcomeKind::Cancelled, 3), true);
    assert_eq!(verdict(&tasks, true), Some(RunState::Cancelled));
}

/// A small generator with a fixed seed: a failure names the seed and repeats.
struct Dice(u64);
impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

const RULES: [TriggerRule; 13] = TriggerRule::ALL;

/// A random run: rules, conditions and mapped tasks of all kinds.
fn random_tasks(dice: &mut Dice) -> Vec<TaskInstance> {
    let count = 1 + dice.roll(12) as usize;
    // Edges go from a random order's later to its earlier places, so there is no cycle.
    let one = |at: usize| {
        let needs = (0..at).filter(|_| dice.roll(3) == 0).collect();
        let mut one = task(at, needs, 1 + dice.roll(3) as u32);
        if dice.roll(2) == 0 {
            one.rules.trigger_rule = RULES[dice.roll(RULES.len() as u64) as usize];
        }
        if dice.roll(6) == 0 {
            one.rules.when = Some(if dice.roll(2) == 0 { "params.yes" } else { "params.no" }.into());
        }
        if dice.roll(5) == 0 {
            let items = (0..dice.roll(4)).map(Value::from).collect();
            one.rules.for_each = Some(ForEach::Items(items));
        }
        one.rules.backoff = 1.0 + dice.roll(3) as f64;
        one.rules.jitter = dice.roll(2) as f64;
        one
    };
    (0..count).map(one).collect()
}

#[test]
fn every_random_life_ends_and_breaks_no_invariant() {
    for seed in 0..3_000 {
        let mut dice = Dice(seed);
        let mut tasks = random_tasks(&mut dice);
        live(&mut dice, &mut tasks, seed);
    }
}

fn live(dice: &mut Dice, tasks: &mut Vec<TaskInstance>, seed: u64) {
    let values = Values { params: [("yes".to_owned(), "1".to_owned())].into(), ..Values::default() };
    let (mut now, mut cancelled, mut by_hand) = (0, false, 5);
    super::settle(tasks, &values);
    for _ in 0..5_000 {
        now += 50;
        let over: Vec<_> = tasks.iter().map(|task| task.state.is_over().then_some(task.state)).collect();
        let at = dice.roll(tasks.len() as u64) as usize;
        let mut touched = Vec::new();
        match tasks[at].state {
            TaskState::Queued => start(&mut tasks[at], now),
            TaskState::UpForRetry if tasks[at].not_before.is_some_and(|t| t <= now) => {
                start(&mut tasks[at], now)
            }
            TaskState::Running if tasks[at].mapped.is_none() => {
                let kind = match dice.roll(5) {
                    0 => OutcomeKind::Failed,
                    1 => OutcomeKind::Lost { proven_dead: dice.roll(2) == 0 },
                    _ => OutcomeKind::Success,
                };
                finish(&mut tasks[at], &outcome(kind, now), cancelled);
            }
            _ if by_hand > 0 && dice.roll(60) == 0 => {
                by_hand -= 1;
                touched = by_hand_at_random(dice, tasks, at, now);
            }
            _ if dice.roll(400) == 0 => {
                cancelled = true;
                cancel(tasks, now);
            }
            _ => {}
        }
        super::settle(tasks, &values);
        check(tasks, &over, &touched, seed);
        if verdict(tasks, cancelled).is_some() {
            return;
        }
    }
    panic!("seed {seed}: the run is stuck: {:?}", states(tasks));
}

/// Clears or marks; what does so may change again what was over.
fn by_hand_at_random(dice: &mut Dice, tasks: &mut [TaskInstance], at: usize, now: i64) -> Vec<usize> {
    if dice.roll(2) == 0 {
        mark(tasks, &[at], if dice.roll(2) == 0 { TaskState::Success } else { TaskState::Failed }, now);
    } else {
        let places = downstream(tasks, &[at]);
        clear(tasks, &places);
    }
    (0..tasks.len()).collect()
}

fn check(tasks: &[TaskInstance], over: &[Option<TaskState>], touched: &[usize], seed: u64) {
    for (at, (task, before)) in tasks.iter().zip(over).enumerate() {
        assert!(
            touched.contains(&at) || before.is_none_or(|state| state == task.state),
            "seed {seed}: {} changed after its end",
            task.id
        );
        assert!(task.attempt <= task.max_attempts, "seed {seed}: {} has too many attempts", task.id);
        assert!(task.attempt == 0 || task.rules.for_each.is_none(), "seed {seed}: a whole was started");
    }
    let can_move = |task: &TaskInstance| {
        let begins = matches!(task.state, TaskState::Queued | TaskState::UpForRetry);
        begins || task.state == TaskState::Running && task.mapped.is_none()
    };
    assert!(
        tasks.iter().all(|task| task.state.is_over()) || tasks.iter().any(can_move),
        "seed {seed}: nothing can move: {:?}",
        states(tasks)
    );
}

fn run_all(tasks: &mut Vec<TaskInstance>, kind: OutcomeKind) {
    for task in tasks.iter_mut().filter(|task| task.state == TaskState::Queued) {
        start(task, 1);
        finish(task, &outcome(kind, 2), true);
    }
    settle(tasks);
}

#[test]
fn a_mapped_task_is_as_many_and_sums_them_up() {
    let mut tasks = vec![task(0, vec![], 1), task(1, vec![0], 1), task(2, vec![1], 1)];
    tasks[1].rules.for_each = Some(ForEach::Name("outputs.t0.list".into()));
    settle(&mut tasks);
    start(&mut tasks[0], 1);
    let given = Outcome { output: Some(json!({"list": ["a", "b"]})), ..outcome(OutcomeKind::Success, 2) };
    finish(&mut tasks[0], &given, false);
    settle(&mut tasks);
    assert_eq!(states(&tasks), ["success", "running", "waiting", "queued", "queued"]);
    assert_eq!((tasks[3].id.as_str(), &tasks[4].item), ("t1[0]", &Some(json!("b"))));
    start(&mut tasks[3], 3);
    finish(&mut tasks[3], &outcome(OutcomeKind::Success, 4), false);
    run_all(&mut tasks, OutcomeKind::Failed);
    assert_eq!(states(&tasks), ["success", "failed", "upstream_failed", "success", "failed"]);

    // Cleared, with a shorter list: one instance is no longer, and the rest follows.
    let places = downstream(&tasks, &[0]);
    clear(&mut tasks, &places);
    settle(&mut tasks);
    assert_eq!(states(&tasks), ["queued", "waiting", "waiting", "waiting", "waiting"]);
    start(&mut tasks[0], 5);
    let shorter = Outcome { output: Some(json!({"list": ["c"]})), ..outcome(OutcomeKind::Success, 6) };
    finish(&mut tasks[0], &shorter, false);
    settle(&mut tasks);
    assert_eq!(states(&tasks), ["success", "running", "waiting", "queued", "removed"]);
    run_all(&mut tasks, OutcomeKind::Success);
    run_all(&mut tasks, OutcomeKind::Success);
    assert_eq!((tasks[3].attempt, &tasks[3].item), (2, &Some(json!("c"))));
    assert_eq!(verdict(&tasks, false), Some(RunState::Success));
}

#[test]
fn a_list_that_is_none_fails_and_an_empty_one_skips() {
    for (list, expected, why) in [
        (json!("words"), "failed", "not a list"),
        (json!([]), "skipped", "empty"),
        (json!(vec![0; 1025]), "failed", "1025 items"),
        (Value::Null, "failed", "not a list"),
    ] {
        let mut tasks = vec![task(0, vec![], 1), task(1, vec![0], 1)];
        tasks[1].rules.for_each = Some(ForEach::Name("outputs.t0.list".into()));
        (tasks[0].state, tasks[0].output) = (TaskState::Success, Some(json!({ "list": list })));
        settle(&mut tasks);
        assert_eq!(tasks[1].state.as_str(), expected);
        assert!(
            tasks[1].reason.as_deref().is_some_and(|reason| reason.contains(why)),
            "{:?}",
            tasks[1].reason
        );
    }
}

#[test]
fn delays_grow_to_their_bound_and_are_spread() {
    let mut one = task(0, vec![], 6);
    (one.retry_delay_ms, one.rules.backoff, one.rules.max_delay_ms) = (1_000, 2.0, 5_000);
    let mut delays = Vec::new();
    for at in 0..5 {
        start(&mut one, at);
        finish(&mut one, &outcome(OutcomeKind::Failed, 0), false);
        delays.extend(one.not_before);
    }
    assert_eq!(delays, [1_000, 2_000, 4_000, 5_000, 5_000]);
    // Cleared, it begins again with the first delay.
    one = one.begun_anew();
    start(&mut one, 9);
    one.rules.jitter = 0.5;
    finish(&mut one, &outcome(OutcomeKind::Failed, 0), false);
    let first = one.not_before.expect("it is tried again");
    assert!((1_000..=1_500).contains(&first), "{first}");
    let others: std::collections::BTreeSet<_> =
        (0..50).map(|n| spread(&format!("t{n}"), 1, None).to_bits()).collect();
    assert!(others.len() > 45, "tasks that fail together come back apart");
}

#[test]
fn a_failure_that_is_handled_is_no_failed_run() {
    let mut tasks = vec![task(0, vec![], 1), task(1, vec![0], 1)];
    tasks[1].rules.trigger_rule = TriggerRule::OneFailed;
    settle(&mut tasks);
    run_all(&mut tasks, OutcomeKind::Failed);
    assert_eq!(verdict(&tasks, false), None);
    run_all(&mut tasks, OutcomeKind::Success);
    assert_eq!(
        (states(&tasks), verdict(&tasks, false)),
        (vec!["failed", "success"], Some(RunState::Success))
    );
}
