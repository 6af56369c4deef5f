//! What is taken in twice, late, or after its source has changed.

use super::{Batch, ExperimentRecord, ModelRecord, RunRecord};
use crate::{
    kernel::{clock::now_ms, event::Bus},
    objects,
    store::{Connection, Stores},
    tracking::{
        Service,
        gc::{Claims, Wanted},
        model::{Double, Experiment, Metric, Pair},
    },
};

const DAY_MS: i64 = 24 * 3_600_000;

async fn open() -> (Service, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let stores = Stores::open(folder.path()).expect("the stores open");
    let bus = Bus::new();
    let objects = objects::Service::new(&stores, bus.clone());
    (Service::open(&stores, objects, bus).await.expect("the tracker opens"), folder)
}

/// A run that ended years ago and is deleted.
fn deleted_run(told: Option<i64>) -> RunRecord {
    let mut record = RunRecord { deleted_time: told, ..RunRecord::default() };
    let info = &mut record.run.info;
    info.run_id = "0123456789abcdef0123456789abcdef".into();
    info.experiment_id = "0".into();
    info.status = "FINISHED".into();
    info.lifecycle_stage = "deleted".into();
    (info.start_time, info.end_time) = (1_500_000_000_000, Some(1_500_000_001_000));
    record
}

async fn collected(tracker: &Service, older_than_ms: i64) -> u64 {
    let wanted = Wanted { older_than_ms, dry_run: true, ..Wanted::default() };
    tracker.collect_deleted(wanted, &Claims::default()).await.expect("it counts").runs
}

async fn deleted_at(tracker: &Service) -> i64 {
    let ask =
        |c: &Connection| Ok(c.query_row("SELECT deleted_at FROM runs", [], |row| row.get::<_, i64>(0))?);
    tracker.db().read(ask).await.expect("one run")
}

#[tokio::test]
async fn a_deletion_without_a_date_counts_from_the_first_import() {
    let (tracker, _folder) = open().await;
    let batch = |told| Batch { runs: vec![deleted_run(told)], ..Batch::default() };
    let before = now_ms();
    tracker.import(batch(None)).await.expect("it is taken in");
    assert_eq!(collected(&tracker, DAY_MS).await, 0);
    let first = deleted_at(&tracker).await;
    assert!(first >= before);
    while now_ms() == first {
        tokio::task::yield_now().await;
    }
    tracker.import(batch(None)).await.expect("it is taken in again");
    assert_eq!(deleted_at(&tracker).await, first);
    // A source that knows the date is believed.
    tracker.import(batch(Some(1_600_000_000_000))).await.expect("it is taken in");
    assert_eq!(collected(&tracker, DAY_MS).await, 1);
}

#[tokio::test]
async fn a_point_that_came_without_its_dataset_learns_of_it() {
    let (tracker, _folder) = open().await;
    let mut record = ModelRecord::default();
    let info = &mut record.model.info;
    (info.model_id, info.experiment_id) = ("m-1".into(), "0".into());
    info.status = "LOGGED_MODEL_READY".into();
    info.tags.push(Pair { key: "t".into(), value: "v".into() });
    let point = Metric { key: "auc".into(), value: Double(0.5), timestamp: 1, ..Metric::default() };
    record.model.data.metrics.push(point);
    let batch = |record: &ModelRecord| Batch { logged_models: vec![record.clone()], ..Batch::default() };
    tracker.import(batch(&record)).await.expect("it is taken in");
    let point = &mut record.model.data.metrics[0];
    (point.dataset_name, point.dataset_digest) = (Some("d".into()), Some("abc".into()));
    tracker.import(batch(&record)).await.expect("it is taken in again");
    let found = tracker.logged_model_get("m-1", false).await.expect("it is there").data.metrics;
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].dataset_name.as_deref(), found[0].dataset_digest.as_deref()),
        (Some("d"), Some("abc"))
    );
}

#[tokio::test]
async fn an_experiment_renamed_at_its_source_is_renamed_here() {
    let (tracker, _folder) = open().await;
    let experiment = |id: &str, name: &str, created| Experiment {
        experiment_id: id.into(),
        name: name.into(),
        lifecycle_stage: "active".into(),
        creation_time: created,
        last_update_time: created,
        ..Experiment::default()
    };
    let put = async |experiment: Experiment, runs: &[&str]| {
        let known_by_runs = runs.iter().map(|&id| id.to_owned()).collect();
        let record = ExperimentRecord { experiment, known_by_runs };
        let batch = Batch { experiments: vec![record], ..Batch::default() };
        tracker.import(batch).await.expect("it is taken in").experiments.remove(0)
    };
    let mut run = deleted_run(None);
    let first = put(experiment("7", "first", 5), &[]).await;
    run.run.info.experiment_id.clone_from(&first.id);
    let id = run.run.info.run_id.clone();
    tracker.import(Batch { runs: vec![run], ..Batch::default() }).await.expect("it is taken in");
    // Its number at the source says nothing once it has runs that are known.
    let renamed = put(experiment("9", "second", 6), &[id.as_str()]).await;
    assert_eq!((&renamed.id, renamed.new), (&first.id, false));
    assert_eq!(tracker.experiment_get(&first.id).await.expect("it is there").name, "second");
    let empty = put(experiment("8", "empty", 6), &[]).await;
    assert_eq!(put(experiment("8", "still empty", 6), &[]).await.id, empty.id);
    // A name that is taken stays with who has it.
    assert_eq!(put(experiment("7", "still empty", 5), &[id.as_str()]).await.id, first.id);
    assert_eq!(tracker.experiment_get(&first.id).await.expect("it is there").name, "second");
    assert!(put(experiment("8", "another", 99), &[]).await.new);
}
