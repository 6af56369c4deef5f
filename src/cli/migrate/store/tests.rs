//! Databases and dumps as they are met: old ones, odd ones, and values at their limits.

use super::*;
use crate::{
    cli::migrate::source::Owner,
    tracking::{
        import::{RunRecord, Series},
        model::Experiment,
    },
};

/// As little as an MLflow of long ago had.
const OLD: &str = "
    CREATE TABLE experiments (experiment_id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, artifact_location TEXT,
        lifecycle_stage TEXT);
    CREATE TABLE runs (run_uuid TEXT PRIMARY KEY, experiment_id INTEGER, user_id TEXT, status TEXT,
        start_time BIGINT, end_time BIGINT, lifecycle_stage TEXT, artifact_uri TEXT);
    CREATE TABLE params (key TEXT, value TEXT, run_uuid TEXT, PRIMARY KEY (key, run_uuid));
    CREATE TABLE tags (key TEXT, value TEXT, run_uuid TEXT, PRIMARY KEY (key, run_uuid));
    CREATE TABLE metrics (key TEXT, value FLOAT NOT NULL, timestamp BIGINT, run_uuid TEXT, step BIGINT,
        is_nan BOOLEAN, PRIMARY KEY (key, timestamp, step, run_uuid, value, is_nan));
    CREATE TABLE latest_metrics (key TEXT, value FLOAT, timestamp BIGINT, step BIGINT, is_nan BOOLEAN,
        run_uuid TEXT, PRIMARY KEY (key, run_uuid));";

/// A database in a folder of its own, made by these statements.
fn made(sql: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("mlflow.db");
    Connection::open(&path).and_then(|db| db.execute_batch(sql)).expect("it is made");
    (folder, path)
}

fn rows(path: &Path, sql: &str) -> Vec<String> {
    let db = Connection::open(path).expect("it opens");
    let mut ask = db.prepare(sql).expect("it is SQL");
    let found = ask.query_map([], |row| row.get(0)).expect("it is asked");
    found.collect::<Result<_, _>>().expect("texts")
}

fn run(name: &str) -> RunRecord {
    let mut record = RunRecord::default();
    let info = &mut record.run.info;
    (info.run_id, info.experiment_id, info.run_name) = ("r1".into(), "3".into(), name.into());
    (info.status, info.lifecycle_stage) = ("FINISHED".into(), "active".into());
    info.artifact_uri = "mlflow-artifacts://here:5000/3/r1/artifacts".into();
    record
}

fn experiment(id: &str, name: &str, created: i64) -> Experiment {
    Experiment {
        experiment_id: id.into(),
        name: name.into(),
        artifact_location: format!("mlflow-artifacts:/{id}"),
        lifecycle_stage: "active".into(),
        creation_time: created,
        ..Experiment::default()
    }
}

#[test]
fn a_database_of_long_ago_is_read_for_what_it_has() {
    let (_folder, path) = made(&format!(
        "{OLD} INSERT INTO experiments VALUES (3, 'e', './mlruns/3', 'active');
         INSERT INTO runs VALUES ('r1', 3, 'me', 'FINISHED', 5, NULL, 'active', './mlruns/3/r1/artifacts');
         INSERT INTO tags VALUES ('mlflow.runName', 'by its tag', 'r1'), ('none', NULL, 'r1');
         INSERT INTO metrics VALUES ('m', 0, 9, 'r1', 1, 1), ('m', 2, 8, 'r1', 0, 0), ('m', 2.5, 8, 'r1', 0, 0);"
    ));
    let database = Database::open(&path, None).expect("it opens");
    let experiments = database.experiments().expect("it is read");
    assert_eq!((experiments[0].name.as_str(), experiments[0].creation_time), ("e", 0));
    assert_eq!(database.run_ids("3").expect("it is read"), ["r1"]);
    assert_eq!(database.run_ids("not a number").expect("it is read"), [""; 0]);
    let (record, series) = database.run("r1").expect("it is read");
    assert_eq!((record.run.info.run_name.as_str(), record.run.info.end_time), ("by its tag", None));
    assert_eq!(record.run.data.tags[1].value, "");
    let points: Vec<_> = series[0].points.iter().map(|(time, step, value)| (*time, *step, value.0)).collect();
    assert_eq!(points[..2], [(8, 0, 2.0), (8, 0, 2.5)]);
    assert!(points[2].2.is_nan());
    assert!(database.logged_models("3").expect("it is read").is_empty());
    assert!(database.registered().expect("it is read").is_empty());
    assert!(database.left_out().is_empty());
    assert_eq!(database.run("r2").err().map(|failure| failure.code), Some(Code::NotFound));
}

#[test]
fn files_are_found_where_the_store_was_moved_to() {
    let (folder, path) = made(OLD);
    let root = |uri: &str, kind, artifacts: Option<&Path>| {
        let owner = Owner { kind, id: "r1".into(), artifact_uri: uri.into() };
        Database::open(&path, artifacts).expect("it opens").root(&owner)
    };
    let at = folder.path();
    let found = |uri, kind| root(uri, kind, Some(at)).expect("a folder");
    assert_eq!(found("mlflow-artifacts:/3/r1/artifacts", Kind::Run), Some(at.join("3/r1/artifacts")));
    assert_eq!(found("file:///gone/a%20b/mlruns/3/r1/artifacts", Kind::Run), Some(at.join("3/r1/artifacts")));
    assert_eq!(found("/gone/3/models/m-1/artifacts", Kind::Model), Some(at.join("3/models/m-1/artifacts")));
    assert_eq!(found("s3://bucket/3/r1/artifacts", Kind::Run), None);
    assert_eq!(found(&at.to_string_lossy(), Kind::Run), Some(at.to_owned()));
    let told = root("mlflow-artifacts:/3/r1/artifacts", Kind::Run, None).expect_err("no folder was named");
    assert!(told.hint.is_some_and(|hint| hint.contains("--artifacts")));
}

#[test]
fn what_an_old_database_has_no_room_for_is_counted() {
    let (folder, path) = made(OLD);
    let target = Target::open(&path, folder.path()).expect("it opens");
    let (mut of_tag, mut other) = (run("as the tag"), run("another"));
    of_tag.run.data.tags = vec![Pair { key: "mlflow.runName".into(), value: "as the tag".into() }];
    target.fit_run(&mut of_tag, &mut []);
    target.fit_run(&mut other, &mut []);
    assert_eq!((of_tag.run.info.run_name.as_str(), other.run.info.run_name.as_str()), ("as the tag", ""));
    let mut models = vec![crate::tracking::import::ModelRecord::default(); 2];
    target.fit_models(&mut models);
    assert!(models.is_empty());
    target.experiment_put(&experiment("3", "e", 5)).expect("it is written");
    let place = target.run_put(&of_tag, &[]).expect("it is written");
    assert_eq!(place.artifact_uri, "mlflow-artifacts:/3/r1/artifacts");
    let (left_out, notes) = target.finish().expect("it is told");
    assert_eq!((left_out["logged models"], left_out["names of runs"]), (2, 1));
    assert_eq!(notes, [""; 0]);
}

#[test]
fn values_are_kept_as_mlflow_keeps_them_and_the_latest_is_by_its_rules() {
    let (folder, path) = made(OLD);
    let target = Target::open(&path, folder.path()).expect("it opens");
    let points = [
        (5, 9, f64::INFINITY),
        (5, 9, f64::MAX),
        (5, 9, f64::NAN),
        (7, 1, 0.5),
        (5, 2, f64::NEG_INFINITY),
        (5, 2, -0.0),
    ];
    let points = points.map(|(time, step, value)| (time, step, Double(value))).into();
    let mut series = [Series { run_id: "r1".into(), key: "m".into(), points }];
    let mut record = run("r");
    target.fit_run(&mut record, &mut series);
    assert_eq!(series[0].points.len(), 5, "two of them are one in a database");
    target.experiment_put(&experiment("3", "e", 5)).expect("it is written");
    let text = "SELECT json_array(step, timestamp, value, is_nan) FROM ";
    for _ in 0..2 {
        target.run_put(&record, &series).expect("it is written");
        assert_eq!(rows(&path, &format!("{text}metrics WHERE is_nan")), ["[9,5,0.0,1]"]);
        let largest =
            "SELECT step || ' ' || (value = 1.7976931348623157e308) FROM metrics WHERE abs(value) > 1e308";
        let mut found = rows(&path, largest);
        found.sort();
        assert_eq!(found, ["2 0", "9 1"]);
        assert_eq!(rows(&path, "SELECT step || ' ' || timestamp FROM latest_metrics"), ["9 5"]);
    }
    // What MLflow logged since stays the latest.
    Connection::open(&path)
        .and_then(|db| db.execute_batch("UPDATE latest_metrics SET step = 10, value = 1"))
        .expect("it is written");
    target.run_put(&record, &series).expect("it is written");
    assert_eq!(rows(&path, &format!("{text}latest_metrics")), ["[10,5,1.0,0]"]);
    assert_eq!(target.finish().expect("it is told").1.len(), 1);
}

#[test]
fn experiments_that_would_be_mixed_up_are_refused() {
    let (folder, path) = made(&format!(
        "{OLD} ALTER TABLE experiments ADD creation_time BIGINT;
         INSERT INTO experiments VALUES (0, 'Default', '', 'active', 1), (3, 'e', '', 'active', 5), (4, 'f', '', 'active', 6);"
    ));
    let target = Target::open(&path, folder.path()).expect("it opens");
    let told = |ours: &[Experiment]| target.check(ours).err().map(|failure| failure.message);
    assert_eq!(told(&[experiment("0", "Default", 9), experiment("3", "e", 9)]), None);
    assert_eq!(told(&[experiment("3", "renamed", 5)]), None);
    assert_eq!(
        told(&[experiment("3", "other", 9)]).as_deref(),
        Some("experiment 3 is \"e\" in the database and \"other\" here")
    );
    assert_eq!(
        told(&[experiment("7", "e", 9)]).as_deref(),
        Some("experiment \"e\" is number 3 in the database and 7 here")
    );
    // Its name is free, as who has it there is called otherwise by now.
    assert_eq!(told(&[experiment("3", "g", 5), experiment("7", "e", 9)]), None);
}

#[test]
fn what_a_database_wants_besides_is_named() {
    for (sql, wanted) in [
        ("ALTER TABLE params RENAME value TO worth", "it has no params.value"),
        ("ALTER TABLE tags ADD mood TEXT NOT NULL DEFAULT ''", ""),
        (
            "CREATE TABLE inputs (input_uuid TEXT PRIMARY KEY, a TEXT NOT NULL, b INT NOT NULL)",
            "inputs.a, inputs.b",
        ),
        ("CREATE TABLE datasets (dataset_uuid TEXT)", "datasets has no primary key"),
        ("DROP TABLE runs", "is not a database of MLflow's"),
    ] {
        let (folder, path) = made(&format!("{OLD} {sql}"));
        let told =
            Target::open(&path, folder.path()).err().map(|failure| failure.message).unwrap_or_default();
        assert!(told.contains(wanted) && told.is_empty() == wanted.is_empty(), "{wanted:?}: {told:?}");
    }
}

#[test]
fn one_name_in_several_workspaces_is_refused() {
    let insert = |workspace: &str| {
        format!(
            "INSERT INTO experiments (experiment_id, name, workspace) VALUES
             ((SELECT count(*) FROM experiments), 'e', '{workspace}');"
        )
    };
    let tables = OLD.replace("name TEXT UNIQUE NOT NULL", "name TEXT, workspace TEXT");
    let (_folder, path) = made(&format!("{tables} {} {}", insert("default"), insert("other")));
    let failure = Database::open(&path, None).err().map(|failure| failure.message).unwrap_or_default();
    assert!(failure.ends_with("has experiments of the name \"e\" in several workspaces"), "{failure}");
    let (_folder, path) = made(&format!("{tables} {}", insert("other")));
    assert_eq!(Database::open(&path, None).expect("it opens").experiments().expect("it is read").len(), 1);
}

/// A dump with these statements, opened.
fn dumped(sql: &str) -> Result<Database, Failure> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("dump.sql");
    fs_err::write(&path, format!("{sql}\n-- PostgreSQL database dump complete\n")).expect("it is written");
    Database::of_dump(&path, None)
}

#[test]
fn a_dump_is_read_like_the_database_it_was_made_of() {
    let tables = "CREATE TABLE ml.experiments (experiment_id integer NOT NULL, name character varying(256));
        CREATE TABLE ml.runs (run_uuid character varying(32), experiment_id integer, start_time bigint);
        CREATE TABLE ml.metrics (key text, value real, \"timestamp\" bigint, run_uuid text, is_nan boolean, step int);";
    let database = dumped(&format!(
        "{tables}
COPY ml.experiments (experiment_id, name) FROM stdin;
3\ta\\tb
\\.
INSERT INTO ml.runs VALUES ('r1', 3, 7);
COPY ml.metrics (run_uuid, key, value, is_nan) FROM stdin;
r1\tm\t-Infinity\tf
r1\tm\t0\tt
\\.
COPY other.spans (a) FROM stdin;
not loaded
\\."
    ))
    .expect("it is read");
    assert_eq!(database.experiments().expect("it is read")[0].name, "a\tb");
    assert_eq!(database.run_ids("3").expect("it is read"), ["r1"]);
    let (record, series) = database.run("r1").expect("it is read");
    assert_eq!(record.run.info.start_time, 7);
    let values: Vec<_> = series[0].points.iter().map(|point| point.2.0).collect();
    assert!(values[0] == f64::NEG_INFINITY && values[1].is_nan(), "{values:?}");

    for (more, wanted) in [
        ("CREATE TABLE second.runs (a integer);", "table runs is in two schemas, \"ml\" and \"second\""),
        ("INSERT INTO ml.tags VALUES ('a');", "rows of table tags come without its CREATE TABLE"),
        ("INSERT INTO ml.runs VALUES ('a');", "a row has 1 values where 3 were expected"),
        ("INSERT INTO ml.runs (a, experiment_id) VALUES ('a', 3);", "table runs has no column a"),
        ("INSERT INTO ml.runs VALUES ('a', 'b', 3);", "\"b\" is not an integer"),
        ("INSERT INTO ml.metrics (is_nan) VALUES ('maybe');", "\"maybe\" is not true or false"),
    ] {
        let told =
            dumped(&format!("{tables}\n{more}")).err().map(|failure| failure.message).unwrap_or_default();
        assert!(told.contains(", line 4: ") && told.ends_with(wanted), "{wanted}: {told}");
    }
    let told = dumped("CREATE TABLE a (b integer);").err().map(|failure| failure.message).unwrap_or_default();
    assert!(told.ends_with("is not a database of MLflow's"), "{told}");
}
