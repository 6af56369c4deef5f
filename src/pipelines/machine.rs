//! The rules by which the tasks of one run move, as pure functions: no clock, no database. The
//! database's transactions call them, and the tests drive them through random lives.
//!
//! Invariants: a task runs only when all it needs succeeded; a state that is over never changes;
//! a run is over when all its tasks are; while it is not, some task can start, runs, or waits for
//! its retry.

use super::model::{Outcome, OutcomeKind, RunState, TaskInstance, TaskState};

/// Moves every waiting task that can move; returns the places of those that did.
pub fn settle(tasks: &mut [TaskInstance]) -> Vec<usize> {
    let mut moved = Vec::new();
    loop {
        let before = moved.len();
        for at in 0..tasks.len() {
            if let Some(state) = next_state(&tasks[at], tasks) {
                tasks[at].state = state;
                moved.push(at);
            }
        }
        // A task may stand before the ones it needs, so go round until nothing moves.
        if moved.len() == before {
            return moved;
        }
    }
}

fn next_state(task: &TaskInstance, tasks: &[TaskInstance]) -> Option<TaskState> {
    if task.state != TaskState::Waiting {
        return None;
    }
    let needs = || task.needs.iter().filter_map(|at| tasks.get(*at)).map(|need| need.state);
    if needs().any(TaskState::is_bad) {
        Some(TaskState::UpstreamFailed)
    } else if needs().any(|state| state == TaskState::Skipped) {
        Some(TaskState::Skipped)
    } else if needs().all(|state| state == TaskState::Success) {
        Some(TaskState::Queued)
    } else {
        None
    }
}

/// Begins a new attempt of a startable task.
pub fn start(task: &mut TaskInstance, now: i64) {
    task.state = TaskState::Running;
    task.attempt += 1;
    task.not_before = None;
    task.started_at = Some(now);
    (task.ended_at, task.exit_code, task.reason) = (None, None, None);
}

/// Takes in how the running attempt ended; returns the state that attempt itself ended in.
pub fn finish(task: &mut TaskInstance, outcome: &Outcome, cancel_requested: bool) -> TaskState {
    let (ended, may_retry) = match outcome.kind {
        OutcomeKind::Success => (TaskState::Success, false),
        OutcomeKind::Failed => (TaskState::Failed, true),
        OutcomeKind::Cancelled => (TaskState::Cancelled, false),
        OutcomeKind::Lost { proven_dead } => (TaskState::Lost, proven_dead),
    };
    let again = may_retry && !cancel_requested && task.attempt < task.max_attempts;
    task.state = if again { TaskState::UpForRetry } else { ended };
    task.not_before = again.then(|| outcome.ended_at.saturating_add(task.retry_delay_ms));
    task.started_at = outcome.started_at.or(task.started_at);
    task.ended_at = Some(outcome.ended_at);
    task.exit_code = outcome.exit_code;
    task.reason.clone_from(&outcome.reason);
    ended
}

/// Cancels every task that has not started; those that run are asked through their supervisors.
pub fn cancel(tasks: &mut [TaskInstance], now: i64) -> Vec<usize> {
    let idle = |state| matches!(state, TaskState::Waiting | TaskState::Queued | TaskState::UpForRetry);
    let places: Vec<usize> = (0..tasks.len()).filter(|at| idle(tasks[*at].state)).collect();
    for at in &places {
        let task = &mut tasks[*at];
        task.state = TaskState::Cancelled;
        task.not_before = None;
        task.ended_at = Some(now);
        task.reason = Some("the run was cancelled".into());
    }
    places
}

/// How the run ended, once all its tasks have.
pub fn verdict(tasks: &[TaskInstance], cancel_requested: bool) -> Option<RunState> {
    if !tasks.iter().all(|task| task.state.is_over()) {
        return None;
    }
    let any = |wanted: fn(TaskState) -> bool| tasks.iter().any(|task| wanted(task.state));
    Some(if cancel_requested && any(|state| state == TaskState::Cancelled) {
        RunState::Cancelled
    } else if any(TaskState::is_bad) {
        RunState::Failed
    } else {
        RunState::Success
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(id: usize, needs: Vec<usize>, max_attempts: u32) -> TaskInstance {
        TaskInstance {
            id: format!("t{id}"),
            needs,
            state: TaskState::Waiting,
            attempt: 0,
            max_attempts,
            retry_delay_ms: 10,
            started_at: None,
            ended_at: None,
            exit_code: None,
            reason: None,
            not_before: None,
        }
    }

    fn outcome(kind: OutcomeKind, at: i64) -> Outcome {
        Outcome { kind, exit_code: None, reason: None, started_at: None, ended_at: at }
    }

    fn states(tasks: &[TaskInstance]) -> Vec<&'static str> {
        tasks.iter().map(|task| task.state.as_str()).collect()
    }

    #[test]
    fn failure_spreads_to_all_that_need_it_and_to_no_other() {
        let mut tasks =
            vec![task(0, vec![], 1), task(1, vec![0], 1), task(2, vec![1], 1), task(3, vec![], 1)];
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
            assert_eq!(
                finish(&mut one, &outcome(OutcomeKind::Lost { proven_dead }, 5), false),
                TaskState::Lost
            );
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

    #[test]
    fn every_random_life_ends_and_breaks_no_invariant() {
        for seed in 0..2_000 {
            let mut dice = Dice(seed);
            let count = 1 + dice.roll(12) as usize;
            // Edges go from a random order's later to its earlier places, so there is no cycle.
            let mut tasks: Vec<_> = (0..count)
                .map(|at| {
                    let needs = (0..at).filter(|_| dice.roll(3) == 0).collect();
                    task(at, needs, 1 + dice.roll(3) as u32)
                })
                .collect();
            live(&mut dice, &mut tasks, seed);
        }
    }

    fn live(dice: &mut Dice, tasks: &mut [TaskInstance], seed: u64) {
        let (mut now, mut cancelled) = (0, false);
        settle(tasks);
        for _ in 0..1_000 {
            now += 5;
            let over: Vec<_> = tasks.iter().map(|task| task.state.is_over().then_some(task.state)).collect();
            let at = dice.roll(tasks.len() as u64) as usize;
            match tasks[at].state {
                TaskState::Queued => start(&mut tasks[at], now),
                TaskState::UpForRetry if tasks[at].not_before.is_some_and(|t| t <= now) => {
                    start(&mut tasks[at], now)
                }
                TaskState::Running => {
                    let kind = match dice.roll(5) {
                        0 => OutcomeKind::Failed,
                        1 => OutcomeKind::Lost { proven_dead: dice.roll(2) == 0 },
                        _ => OutcomeKind::Success,
                    };
                    finish(&mut tasks[at], &outcome(kind, now), cancelled);
                }
                _ if dice.roll(200) == 0 => {
                    cancelled = true;
                    cancel(tasks, now);
                }
                _ => {}
            }
            settle(tasks);
            check(tasks, &over, seed);
            if verdict(tasks, cancelled).is_some() {
                return;
            }
        }
        panic!("seed {seed}: the run is stuck: {:?}", states(tasks));
    }

    fn check(tasks: &[TaskInstance], over: &[Option<TaskState>], seed: u64) {
        for (task, before) in tasks.iter().zip(over) {
            assert!(
                before.is_none_or(|state| state == task.state),
                "seed {seed}: {} changed after its end",
                task.id
            );
            assert!(task.attempt <= task.max_attempts, "seed {seed}: {} has too many attempts", task.id);
            let ready = task.needs.iter().all(|at| tasks[*at].state == TaskState::Success);
            assert!(task.attempt == 0 || ready, "seed {seed}: {} started before what it needs", task.id);
        }
        let can_move = |s| matches!(s, TaskState::Queued | TaskState::Running | TaskState::UpForRetry);
        assert!(
            tasks.iter().all(|task| task.state.is_over()) || tasks.iter().any(|task| can_move(task.state)),
            "seed {seed}: nothing can move: {:?}",
            states(tasks)
        );
    }
}
