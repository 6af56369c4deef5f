//! Tasks that wait for something outside: rows without a slot, ended by news, by hand, by their run's end.

use super::{Lab, good};
use crate::pipelines::{
    by_hand::{self, Clearing},
    engine,
    model::{AttemptKey, Outcome, OutcomeKind, RunState, TaskState},
    store,
};

const YAML: &str = "name: p\ntasks:\n  - {id: w, wait_for: {object: {bucket: b, key: k}}}\n  - {id: a, run: x, needs: [w]}\n  - {id: free, run: x}\n";

fn key(run: &str, attempt: u32) -> AttemptKey {
    AttemptKey { run_id: run.to_owned(), task_id: "w".to_owned(), attempt }
}

impl Lab {
    async fn waiting(&self) -> Vec<AttemptKey> {
        self.with(|db| store::wait_due(db, i64::MAX, 10)).await.into_iter().map(|wait| wait.key).collect()
    }

    async fn tries(&self, run: &str) -> Vec<&'static str> {
        let run = run.to_owned();
        let found = self.with(move |db| store::attempt_list(db, &run, "w")).await;
        found.iter().map(|one| one.state.as_str()).collect()
    }
}

#[tokio::test]
async fn a_wait_takes_no_slot_and_its_news_moves_the_run() {
    let lab = Lab::new();
    let run = lab.begin(YAML).await;
    let step = lab.advance(10, 1, vec![]).await;
    assert!(step.deferred);
    assert_eq!(lab.states(&run).await.1, ["deferred", "waiting", "running"]);
    assert_eq!(lab.waiting().await, [key(&run, 1)]);
    // The one slot is the command's; the wait is not among what runs.
    assert_eq!(lab.running().await.len(), 1);
    assert!(!lab.advance(11, 1, vec![]).await.deferred, "it began once");
    let again = key(&run, 1);
    assert!(lab.with(move |db| store::wait_again(db, &again, 500, "waits for it: there is none")).await);
    assert_eq!(lab.with(store::wait_next).await, Some(500));
    let news = vec![(key(&run, 1), good(20))];
    lab.advance(20, 4, news.clone()).await;
    assert_eq!(lab.states(&run).await.1, ["success", "running", "running"]);
    // The same news again, as after a crash before it was stored.
    lab.advance(21, 4, news).await;
    assert_eq!((lab.tries(&run).await, lab.waiting().await.len()), (vec!["success"], 0));
    let late = key(&run, 1);
    assert!(!lab.with(move |db| store::wait_again(db, &late, 900, "late")).await, "what ended stays so");
}

#[tokio::test]
async fn past_its_time_a_wait_fails_without_retry_or_is_skipped() {
    for (kind, state, after) in [
        (OutcomeKind::FailedForGood, "failed", "upstream_failed"),
        (OutcomeKind::Skipped, "skipped", "skipped"),
    ] {
        let lab = Lab::new();
        let run = lab.begin(YAML).await;
        lab.advance(1, 0, vec![]).await;
        lab.advance(2, 0, vec![(key(&run, 1), Outcome { kind, ..good(2) })]).await;
        assert_eq!(lab.states(&run).await.1[..2], [state, after]);
        assert_eq!(lab.tries(&run).await, [state]);
    }
}

#[tokio::test]
async fn a_wait_ends_with_its_run_and_by_hand_and_begins_anew_when_cleared() {
    let lab = Lab::new();
    let run = lab.begin(YAML).await;
    lab.advance(1, 0, vec![]).await;
    let id = run.clone();
    lab.with(move |db| by_hand::clear(db, &id, &Clearing::default(), 2).map(drop)).await;
    lab.advance(3, 0, vec![]).await;
    assert_eq!(
        (lab.tries(&run).await, lab.waiting().await),
        (vec!["cancelled", "deferred"], vec![key(&run, 2)])
    );
    let (id, ids) = (run.clone(), vec!["w".to_owned()]);
    lab.with(move |db| by_hand::mark(db, &id, &ids, TaskState::Success, 4).map(drop)).await;
    assert_eq!((lab.tries(&run).await, lab.waiting().await.len()), (vec!["cancelled", "success"], 0));

    let other = lab.begin(YAML).await;
    lab.advance(5, 0, vec![]).await;
    let id = other.clone();
    lab.with(move |db| engine::cancel(db, &id, 6).map(drop)).await;
    assert_eq!(lab.states(&other).await, (RunState::Cancelled, vec!["cancelled"; 3]));
    assert_eq!((lab.tries(&other).await, lab.waiting().await.len()), (vec!["cancelled"], 0));
}
