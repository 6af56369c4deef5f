//! Pipelines over HTTP: shapes, refusals, logs, and the task's own credentials.

use super::house::{PATIENCE, Server};
use std::time::{Duration, Instant};

const YAML: &str = "name: api\ndescription: d\nschedule: '0 9 * * 1'\ntimezone: Europe/Berlin\nparams: {n: 1}\ntasks:\n  - {id: a, run: 'echo ä; echo {{ params.n }}'}\n  - {id: b, needs: [a], run: 'true'}\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_is_put_shown_paused_run_and_deleted() {
    let data = tempfile::tempdir().expect("a folder");
    let server = Server::start(data.path()).await;
    let (status, put) = server.call("PUT", "/pipelines/api", YAML).await;
    assert_eq!(status, 200, "{put}");
    assert_eq!(put["schedule_text"], "every Monday at 09:00");
    assert!(put["next_run_at"].is_string() && put["error"].is_null());
    assert_eq!(put["tasks"], serde_json::json!([{"id": "a", "needs": []}, {"id": "b", "needs": ["a"]}]));
    assert_eq!(put["params"], serde_json::json!([{"name": "n", "default": "1"}]));
    assert_eq!(server.get("/pipelines/api").await["definition"], YAML);

    let (_, paused) = server.call("POST", "/pipelines/api/pause", "").await;
    assert!(paused["paused"] == true && paused["next_run_at"].is_null(), "{paused}");
    let (_, again) = server.call("PUT", "/pipelines/api", YAML).await;
    assert!(again["paused"] == true && again["next_run_at"].is_null(), "a new definition does not unpause");
    let (_, unpaused) = server.call("POST", "/pipelines/api/unpause", "").await;
    assert!(unpaused["paused"] == false && unpaused["next_run_at"].is_string(), "{unpaused}");

    let (status, run) = server.call("POST", "/pipelines/api/runs", r#"{"params": {"n": 7}}"#).await;
    assert_eq!((status, &run["params"]["n"], &run["trigger"]), (201, &"7".into(), &"manual".into()));
    let id = run["id"].as_str().expect("an id");
    assert_eq!(server.finished(id).await["state"], "success");
    let log = server.get(&format!("/pipeline-runs/{id}/tasks/a/log?offset=3")).await;
    assert_eq!((&log["text"], &log["next_offset"], &log["done"]), (&"7\n".into(), &5.into(), &true.into()));
    let list = server.get("/pipelines").await;
    assert_eq!(list["pipelines"][0]["recent_runs"][0]["id"], id);
    assert_eq!(server.get("/pipelines/api/runs?limit=1").await["runs"][0]["id"], id);

    assert_eq!(server.call("DELETE", "/pipelines/api", "").await.0, 204);
    assert_eq!(server.call("GET", "/pipelines/api", "").await.0, 404);
    assert_eq!(server.get(&format!("/pipeline-runs/{id}")).await["state"], "success");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_refused_in_plain_words_and_changes_nothing() {
    let data = tempfile::tempdir().expect("a folder");
    let server = Server::start(data.path()).await;
    assert_eq!(server.call("PUT", "/pipelines/api", YAML).await.0, 200);
    let cycle = "name: api\ntasks:\n  - {id: a, run: x, needs: [b]}\n  - {id: b, run: x, needs: [a]}\n";
    for (method, path, body, status, words) in [
        ("PUT", "/pipelines/api", cycle, 400, "a -> b -> a"),
        (
            "PUT",
            "/pipelines/api",
            "name: api\nschedul: x\ntasks: []\n",
            400,
            "line 2, column 1: unknown field `schedul`",
        ),
        ("PUT", "/pipelines/other", YAML, 400, "names itself \"api\""),
        ("PUT", "/pipelines/api", "{", 400, "line 1"),
        ("POST", "/pipelines/api/runs", r#"{"params": {"m": 1}}"#, 400, "no parameter \"m\""),
        ("POST", "/pipelines/api/runs", r#"{"params": [1]}"#, 400, "not the JSON"),
        ("POST", "/pipelines/api/runs", r#"{"params": {"n": {}}}"#, 400, "must be a string"),
        ("POST", "/pipelines/api/runs", r#"{"parms": {}}"#, 400, "unknown field"),
        ("POST", "/pipelines/nope/runs", "", 404, "no pipeline \"nope\""),
        ("GET", "/pipelines/nope/runs", "", 404, "no pipeline \"nope\""),
        ("GET", "/pipeline-runs/nope", "", 404, "no pipeline run"),
        ("GET", "/pipeline-runs/nope/tasks/a/log", "", 404, "no pipeline run"),
        ("POST", "/pipeline-runs/nope/cancel", "", 404, "no pipeline run"),
    ] {
        let (found, body) = server.call(method, path, body).await;
        assert_eq!(found, status, "{method} {path}: {body}");
        assert!(
            body["detail"].as_str().is_some_and(|detail| detail.contains(words)),
            "{method} {path}: {body}"
        );
    }
    let (status, report) = server.call("POST", "/pipelines/validate", cycle).await;
    assert_eq!(
        (status, &report["ok"], &report["errors"][0]["line"]),
        (200, &false.into(), &3.into()),
        "{report}"
    );
    assert_eq!(server.get("/pipelines/api").await["definition"], YAML);
    assert_eq!(server.get("/pipelines/api/runs").await["runs"], serde_json::json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_log_streams_and_ends_with_its_task() {
    let data = tempfile::tempdir().expect("a folder");
    let (server, go) = (Server::start(data.path()).await, data.path().join("go"));
    let script = format!("echo one; while ! test -e {}; do sleep 0.02; done; echo two", go.display());
    let run = server.begin("live", &format!("name: live\ntasks:\n  - {{id: a, run: '{script}'}}\n")).await;
    let mut stream = server
        .request("GET", &format!("/pipeline-runs/{run}/tasks/a/log/stream"))
        .send()
        .await
        .expect("answers");
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let mut text = String::new();
    while !text.contains("event: done") {
        let piece = tokio::time::timeout(PATIENCE, stream.chunk()).await.expect("in time").expect("whole");
        text += &String::from_utf8_lossy(&piece.expect("the stream does not end before it says so"));
        if text.contains("one") && !go.exists() {
            assert!(!text.contains("two"));
            fs_err::write(&go, "").expect("lets it go");
        }
    }
    assert!(
        text.contains(r#"{"text":"one\n","offset":0}"#) && text.contains(r#"{"text":"two\n","offset":4}"#),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_speaks_to_the_server_with_its_own_token_until_its_run_is_over() {
    let data = tempfile::tempdir().expect("a folder");
    let server = Server::start(data.path()).await;
    let out = data.path().join("env");
    let script = format!(
        "env > {}; crannog() {{ {} \"$@\"; }}; crannog pipeline list --json",
        out.display(),
        env!("CARGO_BIN_EXE_crannog")
    );
    let run = server.begin("own", &format!("name: own\ntasks:\n  - id: a\n    run: '{script}'\n")).await;
    let ended = server.finished(&run).await;
    let log = server.get(&format!("/pipeline-runs/{run}/tasks/a/log")).await;
    assert_eq!(ended["state"], "success", "{log}");
    assert!(log["text"].as_str().is_some_and(|text| text.contains("\"own\"")), "{log}");
    let env = fs_err::read_to_string(&out).expect("the environment");
    let value =
        |name: &str| env.lines().find_map(|line| line.strip_prefix(&format!("{name}="))).unwrap_or_default();
    assert_eq!((value("CRANNOG_RUN_ID"), value("MLFLOW_TRACKING_URI")), (run.as_str(), server.url.as_str()));
    assert_eq!(value("CRANNOG_TOKEN"), value("MLFLOW_TRACKING_TOKEN"));
    assert!(value("AWS_ENDPOINT_URL").starts_with("http://") && !value("AWS_SECRET_ACCESS_KEY").is_empty());
    assert!(!env.contains("CRANNOG_DATA_DIR"), "the server's own settings are not the task's");
    let (url, token) = (format!("{}/api/crannog/v1/me", server.url), value("CRANNOG_TOKEN"));
    let client = crannog::kernel::tls::Trust::plain().expect("a builder").build().expect("a client");
    let deadline = Instant::now() + PATIENCE;
    while client.get(&url).bearer_auth(token).send().await.expect("answers").status() != 401 {
        assert!(Instant::now() < deadline, "the token outlived its run");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
