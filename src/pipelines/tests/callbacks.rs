//! Callbacks are written down with what they tell of: the end of a run, and that it is late, each once.

use super::{HOUR, Lab, bad};
use crate::{pipelines::model::RunState, store::outbox};

const YAML: &str = "name: p\ndeadline: 1h\ncallbacks:\n  - {url: 'http://x/', on: [failure, deadline]}\n  - {url: 'http://y/', on: [success]}\ntasks: [{id: a, run: x}]\n";

impl Lab {
    async fn letters(&self) -> Vec<(String, u64)> {
        self.with(outbox::waiting).await.into_iter().map(|one| (one.name, one.count)).collect()
    }
}

#[tokio::test]
async fn the_end_and_the_lateness_of_a_run_are_told_once_to_who_asks() {
    let lab = Lab::new();
    let run = lab.begin(YAML).await;
    assert_eq!(lab.advance(2, 4, vec![]).await.wake_at, Some(HOUR + 1));
    assert!(lab.letters().await.is_empty());
    assert!(lab.advance(HOUR + 1, 4, vec![]).await.told);
    assert!(!lab.advance(HOUR + 2, 4, vec![]).await.told);
    assert_eq!(lab.letters().await, [("p 0".to_owned(), 1)]);
    let key = lab.running().await.remove(0);
    for at in [HOUR + 3, HOUR + 4] {
        lab.advance(at, 4, vec![(key.clone(), bad(HOUR + 3))]).await;
    }
    assert_eq!(lab.letters().await, [("p 0".to_owned(), 2)]);
    assert_eq!(lab.states(&run).await.0, RunState::Failed);
}
