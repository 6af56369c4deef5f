//! kill -9 of the real server in the midst of pipelines: no task lost, none run twice.

use super::house::Server;
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};

/// How often the server is killed while the pipelines run.
const KILLS: u64 = 12;

fn lines(path: &std::path::Path) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for line in fs_err::read_to_string(path).unwrap_or_default().lines() {
        *counts.entry(line.to_owned()).or_default() += 1;
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn however_often_the_server_is_killed_each_task_runs_exactly_once() {
    let data = tempfile::tempdir().expect("a folder");
    let ran = data.path().join("ran");
    // Chains beside each other: at any moment some task starts, some runs and some ends.
    let task = |chain: u32, step: u32| {
        let needs = if step == 0 { String::new() } else { format!("c{chain}s{}", step - 1) };
        let script =
            format!("echo $CRANNOG_RUN_ID $CRANNOG_TASK_ID >> {}; sleep 0.1; echo said", ran.display());
        format!("  - {{id: c{chain}s{step}, needs: [{needs}], run: '{script}'}}\n")
    };
    let tasks: String = (0..4).flat_map(|chain| (0..12).map(move |step| task(chain, step))).collect();
    let yaml = format!("name: storm\ntasks:\n{tasks}");

    let mut server = Server::start(data.path()).await;
    let runs = [server.begin("storm", &yaml).await, server.begin("storm", &yaml).await];
    let mut seed = u64::from(std::process::id());
    for _ in 0..KILLS {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // The moment is the point of the test: anywhere between two starts of a task.
        tokio::time::sleep(Duration::from_millis((seed >> 33) % 250)).await;
        server.kill();
        server = Server::start(data.path()).await;
    }
    for run in &runs {
        let ended = server.finished(run).await;
        assert_eq!(ended["state"], "success", "{ended:#}");
        let tasks = ended["tasks"].as_array().expect("tasks");
        assert!(tasks.iter().all(|task| task["attempt"] == 1), "{ended:#}");
        for task in tasks {
            let path = format!("/pipeline-runs/{run}/tasks/{}/log", task["id"].as_str().expect("an id"));
            let log = server.get(&path).await;
            assert_eq!((&log["text"], &log["done"]), (&Value::from("said\n"), &Value::from(true)), "{path}");
        }
    }
    let counts = lines(&ran);
    assert_eq!(counts.len(), 96, "some task never ran");
    assert!(counts.values().all(|count| *count == 1), "run twice: {counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_task_survives_the_server_and_the_next_one_can_cancel_it() {
    let data = tempfile::tempdir().expect("a folder");
    let pid = data.path().join("pid");
    let server = Server::start(data.path()).await;
    let script = format!("echo $$ > {0}.new; mv {0}.new {0}; echo up; sleep 1000", pid.display());
    let run = server.begin("long", &format!("name: long\ntasks:\n  - {{id: a, run: '{script}'}}\n")).await;
    server.until(&run, |_| pid.exists()).await;
    server.kill();
    let stat = format!("/proc/{}/stat", fs_err::read_to_string(&pid).expect("a pid").trim());
    assert!(fs_err::read_to_string(&stat).is_ok(), "the task died with its server");

    let server = Server::start(data.path()).await;
    let found = server.get(&format!("/pipeline-runs/{run}")).await;
    assert_eq!(found["tasks"][0]["state"], "running");
    let (status, _) = server.call("POST", &format!("/pipeline-runs/{run}/cancel"), "").await;
    assert_eq!(status, 200);
    let ended = server.finished(&run).await;
    assert_eq!((&ended["state"], &ended["tasks"][0]["state"]), (&"cancelled".into(), &"cancelled".into()));
    assert!(fs_err::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z")), "the task still runs");
}
