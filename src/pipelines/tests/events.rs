//! Runs made by events: once for each, by what the definition asks for, and never in a circle.

use super::{Lab, good};
use crate::{
    kernel::error::Kind,
    pipelines::{
        events::{self, Started},
        model::Trigger,
        store,
    },
    store::Connection,
};
use serde_json::{Value, json};

fn object(key: &str) -> Value {
    json!({ "kind": "object_created", "bucket": "b", "key": key, "size": 3 })
}

const YAML: &str = "name: p\nparams: {file: none}\ntriggers:\n  - object_created: {bucket: b, suffix: .csv}\n    params: {file: '{{ event.key }}'}\ntasks: [{id: a, run: x}]\n";

impl Lab {
    async fn told(&self, pipeline: &'static str, key: &'static str, event: Value) -> Result<Started, Kind> {
        let told = move |db: &Connection| Ok(events::happened(db, pipeline, key, &event, 9));
        self.with(told).await.map_err(|error| error.kind)
    }
}

#[tokio::test]
async fn an_event_makes_one_run_however_often_it_is_told() {
    let lab = Lab::new();
    lab.put(YAML, 0).await;
    let Ok(Started::Run(run)) = lab.told("p", "1", object("a.csv")).await else { panic!("a run") };
    assert_eq!((run.trigger, run.params["file"].as_str()), (Trigger::Event, "a.csv"));
    assert!(
        matches!(lab.told("p", "1", object("a.csv")).await, Ok(Started::Before(known)) if known == run.id)
    );
    assert!(matches!(lab.told("p", "2", object("a.txt")).await, Ok(Started::Not)));
    assert!(matches!(lab.told("p", "3", json!({ "kind": "webhook" })).await, Ok(Started::Not)));
    assert!(matches!(lab.told("p", "4", object("b.csv")).await, Ok(Started::Run(_))));
    assert_eq!(lab.told("gone", "5", object("a.csv")).await.err(), Some(Kind::NotFound));
    lab.with(|db| store::pipeline_set_schedule(db, "p", true, None)).await;
    assert!(matches!(lab.told("p", "6", object("c.csv")).await, Ok(Started::Not)));
}

#[tokio::test]
async fn the_end_of_a_run_is_told_in_its_own_transaction_and_comes_round_once() {
    let lab = Lab::new();
    for (name, after) in [("a", "c"), ("b", "a"), ("c", "b")] {
        lab.put(&format!("name: {name}\ntriggers: [{{run_finished: {{pipeline: {after}}}}}]\ntasks: [{{id: t, run: x}}]\n"), 0)
            .await;
    }
    lab.begin("name: start\ntasks: [{id: t, run: x}]\n").await;
    lab.put("name: a\ntriggers: [{run_finished: {pipeline: start}}, {run_finished: {pipeline: c}}]\ntasks: [{id: t, run: x}]\n", 0)
        .await;
    for at in 1..20 {
        let ended = lab.running().await.into_iter().map(|key| (key, good(at))).collect();
        lab.advance(at, 9, ended).await;
    }
    for name in ["a", "b", "c"] {
        assert_eq!(lab.firings(name).await.len(), 1, "{name}");
    }
    let chain = lab.with(|db| Ok(store::run_list(db, "c", 1, None)?.remove(0).chain)).await;
    assert_eq!(chain, ["start", "a", "b"]);
    let note = lab.with(|db| Ok(store::pipeline_get(db, "a")?.and_then(|one| one.trigger_note))).await;
    assert!(note.is_some_and(|note| note.contains("start -> a -> b -> c -> a")));
}

#[tokio::test]
async fn what_a_run_wrote_does_not_start_its_own_pipeline() {
    let lab = Lab::new();
    lab.put(YAML, 0).await;
    let Ok(Started::Run(run)) = lab.told("p", "1", object("a.csv")).await else { panic!("a run") };
    let mut own = object("b.csv");
    own["cause"] = format!("pipeline run {}", run.id).into();
    assert_eq!(lab.told("p", "2", own).await.err(), Some(Kind::Invalid));
    let mut of_person = object("b.csv");
    of_person["cause"] = "laptop".into();
    assert!(matches!(lab.told("p", "3", of_person).await, Ok(Started::Run(_))));
}
