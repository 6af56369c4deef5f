//! What callers ask of runs beside their tasks: to begin later, to be taken over to the latest definition.

use super::{Lab, good};
use crate::{
    pipelines::{
        by_hand::{self, Clearing},
        definition::Definition,
        engine,
        model::{RunState, TaskState, Trigger},
        store,
    },
    store::Connection,
};
use std::collections::BTreeMap;

#[tokio::test]
async fn a_run_begins_no_earlier_than_it_is_to() {
    let lab = Lab::new();
    let pipeline = lab.put("name: p\ntasks: [{id: a, run: x}]\n", 0).await;
    let create = move |db: &Connection| {
        let definition = Definition::parse(&pipeline.definition).expect("it is sound");
        let origin = engine::Origin { not_before: Some(1000), ..engine::Origin::default() };
        let (trigger, params) = (Trigger::Manual, BTreeMap::new());
        let run = engine::create_run_of(db, &pipeline, &definition, trigger, 1, params, origin, 1)?;
        Ok(run.expect("a manual run is always new").id)
    };
    let run = lab.with(create).await;
    let step = lab.advance(999, 16, vec![]).await;
    assert_eq!((step.wake_at, lab.states(&run).await.0), (Some(1000), RunState::Queued));
    let step = lab.advance(1000, 16, vec![]).await;
    assert_eq!((step.wake_at, step.claimed.len()), (None, 1));
    assert_eq!(lab.states(&run).await.0, RunState::Running);
}

#[tokio::test]
async fn a_run_is_taken_over_to_the_latest_definition() {
    let lab = Lab::new();
    let run = lab
        .begin("name: p\ntasks:\n  - {id: a, run: x}\n  - {id: b, run: x, needs: [a]}\n  - {id: c, run: x}\n")
        .await;
    lab.advance(1, 16, vec![]).await;
    lab.end_all(2).await;
    lab.end_all(3).await;
    assert_eq!(lab.states(&run).await, (RunState::Success, vec!["success"; 3]));
    // c is gone, d is new and stands between a and b; a has a parameter to name.
    lab.put(
        "name: p\nparams: {word: new}\ntasks:\n  - {id: b, run: x, needs: [d], retries: 2}\n  - {id: d, run: x, needs: [a]}\n  - {id: a, run: '{{ params.word }}'}\n",
        3,
    )
    .await;
    let (id, what) = (run.clone(), Clearing { tasks: vec!["b".into()], latest: true, ..Clearing::default() });
    let done = lab.with(move |db| by_hand::clear(db, &id, &what, 4)).await;
    assert_eq!((done.tasks, done.renewed.as_deref()), (vec!["b".to_owned()], Some(run.as_str())));
    assert_eq!(lab.states(&run).await.1, ["success", "waiting", "removed", "queued"]);
    let id = run.clone();
    let kept = lab.with(move |db| Ok((store::run_get(db, &id)?, store::task_get(db, &id, "b")?))).await;
    let (kept, b) = (kept.0.expect("the run"), kept.1.expect("the task"));
    assert_eq!(kept.params.get("word").map(String::as_str), Some("new"));
    assert_eq!((b.retries, b.needs), (2, vec![3]));
    lab.advance(5, 16, vec![]).await;
    assert_eq!(lab.running().await[0].task_id, "d");
    lab.end_all(6).await;
    lab.end_all(7).await;
    let ended = (RunState::Success, vec!["success", "success", "removed", "success"]);
    assert_eq!(lab.states(&run).await, ended);
    // Nothing is new any more.
    let id = run.clone();
    let done = lab.with(move |db| by_hand::add_new(db, &id, 8)).await;
    assert!(done.tasks.is_empty() && done.change.is_none());
    assert_eq!(lab.states(&run).await, ended);
}

#[tokio::test]
async fn what_runs_while_its_definition_changes_goes_on_and_is_gone_once_it_ended() {
    let lab = Lab::new();
    let run = lab.begin("name: p\ntasks:\n  - {id: a, run: x}\n  - {id: b, run: x, needs: [a]}\n").await;
    lab.advance(1, 16, vec![]).await;
    let attempt = lab.running().await.remove(0);
    lab.put("name: p\ntasks: [{id: c, run: x}]\n", 1).await;
    let id = run.clone();
    let done = lab.with(move |db| by_hand::add_new(db, &id, 2)).await;
    assert_eq!(done.tasks, ["c"]);
    assert_eq!(lab.states(&run).await.1, ["running", "removed", "queued"]);
    lab.advance(3, 16, vec![(attempt, good(3))]).await;
    lab.end_all(4).await;
    assert_eq!(lab.states(&run).await, (RunState::Success, vec!["success", "removed", "success"]));
}

#[tokio::test]
async fn a_pool_that_counts_waits_lets_as_many_begin_as_it_has_slots() {
    let lab = Lab::new();
    lab.with(|db| store::pool_put(db, "doors", 2, "", true)).await;
    let wait = |id: &str| format!("  - {{id: {id}, pool: doors, wait_for: {{time: 1h}}}}\n");
    let yaml = format!("name: p\ntasks:\n{}{}{}", wait("a"), wait("b"), wait("c"));
    let run = lab.begin(&yaml).await;
    lab.advance(1, 16, vec![]).await;
    assert_eq!(lab.states(&run).await.1, ["deferred", "deferred", "queued"]);
    let id = run.clone();
    let ids = vec!["a".to_owned()];
    lab.with(move |db| by_hand::mark(db, &id, &ids, TaskState::Success, 2).map(drop)).await;
    lab.advance(3, 16, vec![]).await;
    assert_eq!(lab.states(&run).await.1, ["success", "deferred", "deferred"]);
}
