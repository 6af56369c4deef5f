//! The tracker over HTTP, as a client that writes its own requests meets it.

use super::Service;
use crate::{
    auth::{self, Principal, Role},
    kernel::event::{Bus, Event},
    objects,
    store::Stores,
};
use axum::{
    Extension, Router,
    body::{Body, to_bytes},
    http::{Method, Request, StatusCode, header},
};
use serde_json::{Value, json};
use std::sync::Arc;
use tower::ServiceExt;

struct Tracker {
    router: Router,
    bus: Bus,
    _folder: tempfile::TempDir,
}

impl Tracker {
    async fn open() -> Self {
        Self::open_as(Role::Admin).await
    }

    async fn open_as(role: Role) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let stores = Stores::open(folder.path()).expect("the stores open");
        let bus = Bus::new();
        let objects = objects::Service::new(&stores, bus.clone());
        let service = Service::open(&stores, objects, bus.clone()).await.expect("the tracker opens");
        let auth = auth::Service::open(stores.control.clone(), &stores.secrets()).expect("users open");
        let who = Principal { user: "someone".into(), role };
        let router = super::router(service, auth, Arc::new(|_| "http://here".into()));
        Self { router: router.layer(Extension(who)), bus, _folder: folder }
    }

    async fn send(&self, method: Method, uri: &str, body: impl Into<Body>) -> (StatusCode, Vec<u8>) {
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header(header::CONTENT_TYPE, "application/json")
            .body(body.into())
            .expect("the request is well-formed");
        let response = self.router.clone().oneshot(request).await.expect("a router always answers");
        let status = response.status();
        (status, to_bytes(response.into_body(), usize::MAX).await.expect("a whole body").to_vec())
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let (status, answer) =
            self.send(Method::POST, &format!("/api/2.0/mlflow/{path}"), body.to_string()).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        serde_json::from_str(&answer).expect("JSON")
    }

    async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.send(Method::GET, &format!("/ajax-api/2.0/mlflow/{path}"), "").await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        serde_json::from_str(&answer).expect("JSON")
    }

    /// The status, code and message of a refusal.
    async fn refused(&self, path: &str, body: Value) -> (u16, String, String) {
        let (status, answer) =
            self.send(Method::POST, &format!("/api/2.0/mlflow/{path}"), body.to_string()).await;
        let answer: Value = serde_json::from_slice(&answer).expect("JSON");
        assert_ne!(status, StatusCode::OK, "{path}: {answer}");
        let text = |field: &str| answer[field].as_str().expect("a text").to_owned();
        (status.as_u16(), text("error_code"), text("message"))
    }

    async fn run(&self) -> String {
        let answer = self.post("runs/create", json!({ "experiment_id": "0", "start_time": "5" })).await;
        answer["run"]["info"]["run_id"].as_str().expect("an id").to_owned()
    }
}

#[tokio::test]
async fn a_search_of_no_experiments_finds_nothing_and_reads_its_filter() {
    let tracker = Tracker::open().await;
    tracker.run().await;
    assert_eq!(tracker.post("runs/search", json!({})).await, json!({ "runs": [] }));
    let (status, ..) = tracker.refused("runs/search", json!({ "filter": "metrics.a >" })).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn the_default_experiment_is_there_from_the_start() {
    let tracker = Tracker::open().await;
    let answer = tracker.get("experiments/get?experiment_id=0").await;
    assert_eq!(answer["experiment"]["name"], "Default");
    assert_eq!(answer["experiment"]["artifact_location"], "mlflow-artifacts:/0");
    let made = tracker.post("experiments/create", json!({ "name": "one" })).await;
    assert_eq!(made["experiment_id"], "1");
}

#[tokio::test]
async fn a_point_sent_twice_is_one_point_and_the_latest_is_by_step() {
    let tracker = Tracker::open().await;
    let run = tracker.run().await;
    let metric = |value: Value, timestamp: i64, step: i64| json!({ "run_id": run, "key": "m", "value": value, "timestamp": timestamp, "step": step });
    for body in [metric(json!(1.0), 10, 5), metric(json!(2.0), 20, 1), metric(json!(1.0), 10, 5)] {
        tracker.post("runs/log-metric", body).await;
    }
    tracker.post("runs/log-metric", metric(json!("NaN"), 30, 2)).await;
    tracker.post("runs/log-metric", metric(json!("-Infinity"), 40, 3)).await;
    let history = tracker.get(&format!("metrics/get-history?run_id={run}&metric_key=m")).await;
    let values: Vec<_> = history["metrics"].as_array().unwrap().iter().map(|m| m["value"].clone()).collect();
    assert_eq!(values, [json!(1.0), json!(2.0), json!("NaN"), json!("-Infinity")]);
    let latest = tracker.get(&format!("runs/get?run_id={run}")).await;
    assert_eq!(latest["run"]["data"]["metrics"][0]["value"], 1.0);
}

#[tokio::test]
async fn histories_come_in_pages_and_samples() {
    let tracker = Tracker::open().await;
    let run = tracker.run().await;
    let metrics: Vec<_> = (0..1000)
        .map(|i| json!({ "key": "m", "value": i, "timestamp": i.to_string(), "step": i / 2 }))
        .collect();
    tracker.post("runs/log-batch", json!({ "run_id": run, "metrics": metrics })).await;
    let path = format!("metrics/get-history?run_id={run}&metric_key=m&max_results=400");
    let (mut seen, mut token) = (0, String::new());
    loop {
        let page = tracker.get(&format!("{path}&page_token={token}")).await;
        seen += page["metrics"].as_array().unwrap().len();
        match page["next_page_token"].as_str() {
            Some(next) => token = next.replace('=', "%3D").replace('+', "%2B"),
            None => break,
        }
    }
    assert_eq!(seen, 1000);
    let interval = format!("metrics/get-history-bulk-interval?run_ids={run}&metric_key=m");
    let sampled = tracker.get(&format!("{interval}&max_results=10")).await;
    let steps: Vec<_> =
        sampled["metrics"].as_array().unwrap().iter().map(|m| m["step"].as_i64().unwrap()).collect();
    // Ten steps and the last, with the two points each has.
    assert_eq!((steps.len(), steps[0], steps[21]), (22, 0, 499));
    let part = tracker.get(&format!("{interval}&start_step=10&end_step=12")).await;
    assert_eq!(part["metrics"].as_array().unwrap().len(), 6);
    let bulk =
        tracker.get(&format!("metrics/get-history-bulk?run_id={run}&metric_key=m&max_results=7")).await;
    assert_eq!(bulk["metrics"].as_array().unwrap().len(), 7);
    assert_eq!(bulk["metrics"][0]["run_id"], run.as_str());
}

#[tokio::test]
async fn a_batch_with_one_wrong_part_leaves_nothing() {
    let tracker = Tracker::open().await;
    let run = tracker.run().await;
    tracker.post("runs/log-parameter", json!({ "run_id": run, "key": "p", "value": "1" })).await;
    let batch = json!({
        "run_id": run,
        "metrics": [{ "key": "m", "value": 1, "timestamp": 1 }],
        "params": [{ "key": "new", "value": "x" }, { "key": "p", "value": "2" }],
    });
    let (status, code, message) = tracker.refused("runs/log-batch", batch).await;
    assert_eq!((status, code.as_str()), (400, "INVALID_PARAMETER_VALUE"));
    assert!(message.starts_with("Changing param values is not allowed."), "{message}");
    let data = &tracker.get(&format!("runs/get?run_id={run}")).await["run"]["data"];
    assert_eq!(data["metrics"], json!([]));
    assert_eq!(data["params"], json!([{ "key": "p", "value": "1" }]));
}

#[tokio::test]
async fn bad_input_is_refused_in_mlflows_words() {
    let tracker = Tracker::open().await;
    let run = tracker.run().await;
    let many = |count: usize| -> Vec<_> {
        (0..count).map(|i| json!({ "key": format!("k{i}"), "value": "1", "timestamp": 1 })).collect()
    };
    let long = "k".repeat(251);
    let cases = [
        (
            "runs/log-metric",
            json!({ "run_id": run, "key": "m" }),
            "Missing value for required parameter 'value'",
        ),
        ("runs/log-metric", json!({ "run_id": 5 }), "Invalid value 5 for parameter 'run_id' supplied"),
        (
            "runs/log-metric",
            json!({ "run_id": run, "key": "m", "value": "high", "timestamp": 1 }),
            "Invalid value \"high\" for parameter 'value' supplied",
        ),
        (
            "runs/log-metric",
            json!({ "run_id": run, "key": "m", "value": 1, "timestamp": -1 }),
            "Timestamp must be a nonnegative long",
        ),
        (
            "runs/log-metric",
            json!({ "run_id": run, "key": "../m", "value": 1, "timestamp": 1 }),
            "must not resolve to other names",
        ),
        (
            "runs/log-metric",
            json!({ "run_id": run, "key": long, "value": 1, "timestamp": 1 }),
            "'Metric name' exceeds the maximum length of 250 characters",
        ),
        (
            "runs/set-tag",
            json!({ "run_id": run, "key": long, "value": "" }),
            "exceeds the maximum length of 250",
        ),
        (
            "runs/log-batch",
            json!({ "run_id": run, "metrics": many(1001) }),
            "A batch logging request can contain at most 1000 metrics. Got 1001 metrics.",
        ),
        (
            "runs/log-batch",
            json!({ "run_id": run, "params": many(101) }),
            "at most 100 params. Got 101 params",
        ),
        ("runs/log-batch", json!({ "run_id": run, "tags": many(101) }), "at most 100 tags. Got 101 tags"),
        (
            "runs/log-batch",
            json!({ "run_id": run, "metrics": many(901), "params": many(100) }),
            "at most 1000 metrics, params, and tags. Got 1001",
        ),
        (
            "runs/log-batch",
            json!({ "run_id": run, "params": [{ "key": "a", "value": "1" }, { "key": "a", "value": "1" }] }),
            "Duplicate parameter keys have been submitted: ['a']",
        ),
        (
            "runs/log-metric",
            json!({ "run_id": run, "key": "m", "value": 1, "timestamp": 1, "dataset_name": "d" }),
            "Both dataset_name and dataset_digest must be provided if one is provided",
        ),
        (
            "runs/log-batch",
            json!({ "run_id": run, "metrics": [{ "key": "m", "value": 1, "timestamp": 1, "dataset_digest": "d" }] }),
            "Both dataset_name and dataset_digest must be provided if one is provided",
        ),
        ("runs/update", json!({ "run_id": run, "status": "DONE" }), "for parameter 'status' supplied"),
        ("experiments/create", json!({ "name": "" }), "Missing value for required parameter 'name'"),
        (
            "experiments/create",
            json!({ "name": "n".repeat(501) }),
            "'name' exceeds the maximum length of 500",
        ),
        (
            "experiments/create",
            json!({ "name": "x", "artifact_location": "runs:/1" }),
            "Artifact location cannot be a runs:/ URI",
        ),
        (
            "experiments/create",
            json!({ "name": "x", "artifact_location": "mlflow-artifacts://elsewhere/x" }),
            "'artifact_location' cannot use the 'mlflow-artifacts' scheme",
        ),
        ("runs/create", json!({}), "Missing value for required parameter 'experiment_id'"),
        ("runs/create", json!({ "experiment_id": "abc" }), "Experiment ID must be a valid integer"),
        ("runs/search", json!({ "experiment_ids": "0" }), "for parameter 'experiment_ids' supplied"),
        ("runs/search", json!({ "experiment_ids": ["0"], "max_results": 50001 }), "max_results"),
        (
            "runs/search",
            json!({ "experiment_ids": ["0"], "filter": "metrics.m >" }),
            "Invalid clause(s) in filter string",
        ),
        ("runs/search", json!({ "experiment_ids": ["0"], "page_token": "zzz" }), "Invalid page token"),
    ];
    for (path, body, expected) in cases {
        let (status, code, message) = tracker.refused(path, body).await;
        assert_eq!((status, code.as_str()), (400, "INVALID_PARAMETER_VALUE"), "{path}: {message}");
        assert!(message.contains(expected), "{path}: {message}");
    }
    let (status, code, _) = tracker.refused("runs/delete", json!({ "run_id": "nope" })).await;
    assert_eq!((status, code.as_str()), (404, "RESOURCE_DOES_NOT_EXIST"));
    let (status, code, message) = tracker.refused("experiments/create", json!({ "name": "Default" })).await;
    assert_eq!((status, code.as_str()), (400, "RESOURCE_ALREADY_EXISTS"), "{message}");
    let data = &tracker.get(&format!("runs/get?run_id={run}")).await["run"]["data"];
    assert_eq!((&data["metrics"], &data["params"]), (&json!([]), &json!([])), "nothing was changed");
}

#[tokio::test]
async fn values_too_long_are_cut_as_mlflows_server_does() {
    let tracker = Tracker::open().await;
    let run = tracker.run().await;
    let body = json!({ "run_id": run, "key": "p", "value": "é".repeat(6001) });
    tracker.post("runs/log-parameter", body.clone()).await;
    tracker.post("runs/log-parameter", body).await;
    let data = &tracker.get(&format!("runs/get?run_id={run}")).await["run"]["data"];
    assert_eq!(data["params"][0]["value"].as_str().unwrap().chars().count(), 6000);
    // All that the counts and lengths allow, and every character escaped, is one batch.
    let pair = |index: usize| format!(r#"{{"key":"k{index}","value":"{}"}}"#, r"\ud83d\ude00".repeat(6000));
    let pairs: Vec<_> = (0..100).map(pair).collect();
    let pairs = pairs.join(",");
    let body = format!(r#"{{"run_id":"{run}","params":[{pairs}],"tags":[{pairs}]}}"#);
    assert!(body.len() > 14_000_000);
    let (status, _) = tracker.send(Method::POST, "/api/2.0/mlflow/runs/log-batch", body).await;
    assert_eq!(status, StatusCode::OK);
    let data = &tracker.get(&format!("runs/get?run_id={run}")).await["run"]["data"];
    assert_eq!(data["params"].as_array().map(Vec::len), Some(101));
}

#[tokio::test]
async fn a_number_too_large_for_a_double_is_infinite() {
    let tracker = Tracker::open().await;
    let run = tracker.run().await;
    for (path, metric) in [("log-metric", "a"), ("log-batch", "b")] {
        let point = format!(r#""key":"{metric}","value":-1e400,"timestamp":1"#);
        let body = match path {
            "log-metric" => format!(r#"{{"run_id":"{run}",{point}}}"#),
            _ => format!(r#"{{"run_id":"{run}","metrics":[{{{point}}}]}}"#),
        };
        let (status, answer) =
            tracker.send(Method::POST, &format!("/api/2.0/mlflow/runs/{path}"), body).await;
        assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&answer));
    }
    let data = &tracker.get(&format!("runs/get?run_id={run}")).await["run"]["data"];
    let values: Vec<_> = data["metrics"].as_array().unwrap().iter().map(|metric| &metric["value"]).collect();
    assert_eq!(values, ["-Infinity", "-Infinity"]);
}

#[tokio::test]
async fn a_logged_models_params_are_written_once() {
    let tracker = Tracker::open().await;
    let model = tracker.post("logged-models", json!({ "experiment_id": "0" })).await["model"].clone();
    let id = model["info"]["model_id"].as_str().expect("an id").to_owned();
    let path = format!("logged-models/{id}/params");
    let params = |value: &str| json!({ "model_id": id, "params": [{ "key": "a", "value": value }] });
    tracker.post(&path, params("1")).await;
    let (status, code, message) = tracker.refused(&path, params("2")).await;
    assert_eq!((status, code.as_str()), (400, "INVALID_PARAMETER_VALUE"), "{message}");
    let kept = tracker.get(&format!("logged-models/{id}")).await["model"]["data"]["params"].clone();
    assert_eq!(kept, json!([{ "key": "a", "value": "1" }]));
}

#[tokio::test]
async fn a_file_and_a_folder_have_no_name_in_common() {
    let tracker = Tracker::open().await;
    let base = "/api/2.0/mlflow-artifacts/artifacts/0/r";
    let put = async |path: &str| tracker.send(Method::PUT, &format!("{base}/{path}"), "x").await;
    for path in ["fd/x.txt", "fd/x.txt", "fd/y/z.txt", "fd0", "fd-", "f", "fd/y0"] {
        assert_eq!(put(path).await.0, StatusCode::OK, "{path}");
    }
    for (path, words) in [
        ("fd", "is a folder"),
        ("fd/y", "is a folder"),
        ("fd/x.txt/in", "is a file"),
        ("fd/x.txt/in/deep", "is a file"),
        ("fd/", "must include a filename"),
        ("fd/.", "would resolve to"),
        ("fd//q", "would resolve to"),
    ] {
        let (status, answer) = put(path).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(status == StatusCode::BAD_REQUEST && answer.contains(words), "{path}: {status} {answer}");
    }
    let (_, listing) = tracker.send(Method::GET, "/api/2.0/mlflow-artifacts/artifacts?path=0/r", "").await;
    let listing: Value = serde_json::from_slice(&listing).unwrap();
    let names: Vec<_> = listing["files"].as_array().unwrap().iter().map(|file| &file["path"]).collect();
    assert_eq!(names, ["f", "fd", "fd-", "fd0"]);
}

#[tokio::test]
async fn a_finished_run_is_announced() {
    let tracker = Tracker::open().await;
    let mut events = tracker.bus.subscribe();
    let run = tracker.run().await;
    tracker.post("runs/update", json!({ "run_id": run, "run_name": "renamed" })).await;
    let answer =
        tracker.post("runs/update", json!({ "run_id": run, "status": "FINISHED", "end_time": 9 })).await;
    assert_eq!(answer["run_info"]["run_name"], "renamed");
    assert_eq!(answer["run_info"]["end_time"], 9);
    let event = events.try_recv().expect("an event");
    assert!(matches!(event, Event::RunFinished { run_id, status } if run_id == run && status == "FINISHED"));
    assert!(events.try_recv().is_err(), "a new name is no end");
}

#[tokio::test]
async fn deleting_an_experiment_takes_its_runs_along_and_restoring_brings_them_back() {
    let tracker = Tracker::open().await;
    let run = tracker.run().await;
    tracker.post("experiments/delete", json!({ "experiment_id": "0" })).await;
    let (_, _, message) = tracker.refused("runs/create", json!({ "experiment_id": "0" })).await;
    assert_eq!(message, "The experiment 0 must be in the 'active' state. Current state is deleted.");
    let (_, _, message) =
        tracker.refused("runs/set-tag", json!({ "run_id": run, "key": "k", "value": "v" })).await;
    assert!(message.contains("must be in the 'active' state"), "{message}");
    let (status, ..) = tracker.refused("experiments/delete", json!({ "experiment_id": "0" })).await;
    assert_eq!(status, 404);
    tracker.post("experiments/restore", json!({ "experiment_id": "0" })).await;
    let found = tracker.post("runs/search", json!({ "experiment_ids": ["0"] })).await;
    assert_eq!(found["runs"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn artifacts_stay_under_their_root() {
    let tracker = Tracker::open().await;
    let base = "/api/2.0/mlflow-artifacts/artifacts";
    let (status, _) = tracker.send(Method::PUT, &format!("{base}/0/r/a/b.txt"), "text").await;
    assert_eq!(status, StatusCode::OK);
    for path in ["0/..%2F..%2Fx", "%2e%2e/x", "0/%252e%252e/x", "a%5C..%5Cb", "0/x%23y"] {
        for method in [Method::PUT, Method::GET, Method::DELETE] {
            let (status, answer) = tracker.send(method.clone(), &format!("{base}/{path}"), "x").await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{method} {path}");
            assert!(String::from_utf8_lossy(&answer).contains("Invalid path"), "{path}");
        }
        let (status, _) = tracker.send(Method::GET, &format!("{base}?path={path}"), "").await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}");
    }
    let (status, _) = tracker.send(Method::GET, &format!("{base}/0/r/a"), "").await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "a folder is no file");
    let (status, _) = tracker.send(Method::GET, &format!("{base}/0/r/none"), "").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (_, text) = tracker.send(Method::GET, &format!("{base}/0/r/a/b.txt"), "").await;
    assert_eq!(text, b"text");
    tracker.send(Method::DELETE, &format!("{base}/0/r/a"), "").await;
    let (_, listing) = tracker.send(Method::GET, &format!("{base}?path=0/r"), "").await;
    assert_eq!(serde_json::from_slice::<Value>(&listing).unwrap(), json!({ "files": [] }));
}

#[tokio::test]
async fn viewers_read_and_do_not_write() {
    let tracker = Tracker::open_as(Role::Viewer).await;
    let (status, _) = tracker.send(Method::GET, "/api/2.0/mlflow/experiments/get?experiment_id=0", "").await;
    assert_eq!(status, StatusCode::OK);
    let search = json!({ "experiment_ids": ["0"] }).to_string();
    let (status, _) = tracker.send(Method::POST, "/api/2.0/mlflow/runs/search", search).await;
    assert_eq!(status, StatusCode::OK);
    let (status, _) = tracker.send(Method::POST, "/api/2.0/mlflow/runs/create", "{}").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let (status, _) = tracker.send(Method::PUT, "/api/2.0/mlflow-artifacts/artifacts/x", "x").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn what_a_search_finds_is_counted_and_several_experiments_are_one_list() {
    let tracker = Tracker::open().await;
    let other = tracker.post("experiments/create", json!({ "name": "other" })).await;
    let experiments = json!(["0", other["experiment_id"], "0"]);
    for start in 0..9 {
        let run = json!({ "experiment_id": experiments[start % 2], "start_time": start, "run_name": "r" });
        let run = tracker.post("runs/create", run).await["run"]["info"]["run_id"].clone();
        let metric = json!({ "run_id": run, "key": "m", "value": start % 3, "timestamp": 1 });
        tracker.post("runs/log-metric", metric).await;
    }
    let filter = "metrics.m < 2 and tags.`mlflow.runName` = 'r'";
    let asked = json!({ "experiment_ids": experiments, "filter": filter });
    assert_eq!(tracker.post("runs/count", asked.clone()).await, json!({ "count": 6 }));
    assert_eq!(tracker.post("runs/count", json!({ "experiment_ids": ["0"] })).await, json!({ "count": 5 }));
    for order in [json!([]), json!(["start_time DESC"]), json!(["attributes.created DESC"])] {
        let (mut starts, mut token) = (Vec::new(), json!(""));
        while !token.is_null() {
            let mut asked = asked.clone();
            asked["max_results"] = 4.into();
            asked["order_by"] = order.clone();
            asked["page_token"] = token;
            let mut page = tracker.post("runs/search", asked).await;
            token = page["next_page_token"].take();
            let runs = page["runs"].as_array().unwrap();
            starts.extend(runs.iter().map(|run| run["info"]["start_time"].as_i64().unwrap()));
        }
        assert_eq!(starts, [7, 6, 4, 3, 1, 0], "{order}");
    }
}
