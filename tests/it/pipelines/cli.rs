//! `crannog pipeline` as a person types it: output, exit codes, files named in errors.

use super::house::Server;
use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Output, Stdio},
};

/// Runs `crannog pipeline` on a data directory, away from the server's own threads.
async fn crannog(data: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crannog"));
    command.env_remove("CRANNOG_URL").env_remove("CRANNOG_TOKEN");
    command.arg("--data-dir").arg(data).arg("pipeline").args(arguments);
    tokio::task::spawn_blocking(move || command.output()).await.expect("joins").expect("the command runs")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_checked_without_a_server_and_problems_name_file_line_and_column() {
    let dir = tempfile::tempdir().expect("a folder");
    let (good, bad) = (dir.path().join("good.yaml"), dir.path().join("bad.yaml"));
    fs_err::write(&good, "name: g\ntasks: [{id: a, run: x}]\n").expect("writes");
    fs_err::write(&bad, "name: b\ntasks:\n  - {id: a, run: x, needs: [z]}\n").expect("writes");
    let paths = [good.to_string_lossy().into_owned(), bad.to_string_lossy().into_owned()];
    assert!(crannog(dir.path(), &["validate", &paths[0]]).await.status.success());
    let both = crannog(dir.path(), &["validate", &paths[0], &paths[1]]).await;
    assert_eq!(both.status.code(), Some(1));
    assert_eq!(
        out(&both),
        format!("{}: line 3, column 29: task \"a\" needs \"z\", which is not a task\n", paths[1])
    );
    let json = crannog(dir.path(), &["validate", "--json", &paths[1]]).await;
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(json["files"][0]["errors"][0]["column"], 29);
    assert_eq!(crannog(dir.path(), &["list"]).await.status.code(), Some(3), "no server runs");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_is_applied_run_watched_and_its_logs_are_read() {
    let data = tempfile::tempdir().expect("a folder");
    let _server = Server::start(data.path()).await;
    let file = data.path().join("p.yaml");
    let yaml = "name: talk\nparams: {word: hi}\ntasks:\n  - {id: say, run: 'echo {{ params.word }}'}\n  - {id: fail, needs: [say], run: exit 3}\n";
    fs_err::write(&file, yaml).expect("writes");
    let applied = crannog(data.path(), &["apply", &file.to_string_lossy()]).await;
    assert_eq!(out(&applied), "talk\n", "{}", err(&applied));

    let run = crannog(data.path(), &["run", "talk", "--param", "word=ho", "--wait"]).await;
    assert_eq!(run.status.code(), Some(1), "a run that failed");
    assert!(err(&run).contains("fail: failed (exit code 3)"), "{}", err(&run));
    let id = out(&run).trim().to_owned();
    assert_eq!(out(&crannog(data.path(), &["logs", "-f", &id, "say"]).await), "ho\n");
    assert!(out(&crannog(data.path(), &["show", &id]).await).contains("exit code 3"));
    assert!(out(&crannog(data.path(), &["show", "talk"]).await).contains("say"));
    assert!(out(&crannog(data.path(), &["list"]).await).contains("failed"));

    let typo = crannog(data.path(), &["run", "talk", "--param", "wrd=x"]).await;
    assert!(typo.status.code() == Some(1) && err(&typo).contains("It has: word."), "{}", err(&typo));
    assert_eq!(crannog(data.path(), &["show", "nope"]).await.status.code(), Some(4));
    assert_eq!(crannog(data.path(), &["run", "talk", "--param", "word"]).await.status.code(), Some(2));
    assert!(crannog(data.path(), &["delete", "talk"]).await.status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_and_standard_input_are_checked_and_a_bad_file_keeps_the_good_ones_from_being_applied() {
    let dir = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &[u8]| {
        let path = dir.path().join("defs").join(name);
        fs_err::create_dir_all(path.parent().expect("a parent")).expect("makes");
        fs_err::write(&path, text).expect("writes");
        path.to_string_lossy().into_owned()
    };
    let good = write("good.yaml", b"name: g\ntasks: [{id: a, run: x}]\n");
    let latin = write("below/latin.pipeline.yaml", b"name: p\ndescription: caf\xe9\n");
    write("below/settings.yaml", b"no: pipeline\n");
    let defs = dir.path().join("defs").to_string_lossy().into_owned();
    let checked = crannog(dir.path(), &["validate", &defs]).await;
    assert_eq!(
        (checked.status.code(), out(&checked)),
        (
            Some(1),
            format!("{latin}: line 2, column 17: the byte 0xe9 is not UTF-8; save the file as UTF-8\n")
        )
    );

    let mut command = Command::new(env!("CARGO_BIN_EXE_crannog"));
    command.args(["pipeline", "validate", "--json", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("starts");
    child
        .stdin
        .take()
        .expect("its input")
        .write_all(b"name: p\ntasks: [{id: a, run: x, retries: x}]\n")
        .expect("is read");
    let told = out(&child.wait_with_output().expect("ends"));
    assert!(told.ends_with("}\n") && told.contains("retries takes a whole number"), "{told}");

    let _server = Server::start(dir.path()).await;
    let applied = crannog(dir.path(), &["apply", &good, &latin]).await;
    assert_eq!((applied.status.code(), out(&applied)), (Some(1), String::new()));
    assert!(err(&applied).contains("nothing was applied"), "{}", err(&applied));
    assert_eq!(crannog(dir.path(), &["show", "g"]).await.status.code(), Some(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_asks_for_more_than_its_pool_has_is_said_never_to_run() {
    let data = tempfile::tempdir().expect("a folder");
    let server = Server::start(data.path()).await;
    assert!(crannog(data.path(), &["pool", "set", "gpu", "1"]).await.status.success());
    let file = data.path().join("p.yaml");
    fs_err::write(&file, "name: big\ntasks: [{id: a, run: x, pool: gpu, pool_slots: 5}]\n").expect("writes");
    let applied = crannog(data.path(), &["apply", &file.to_string_lossy()]).await;
    let never = "it can never run: it asks for 5 slots of pool gpu, which has 1";
    assert!(applied.status.success() && err(&applied).contains(never), "{}", err(&applied));
    let run = out(&crannog(data.path(), &["run", "big"]).await).trim().to_owned();
    server
        .until(&run, |run| run["tasks"][0]["waiting_for"].as_str().is_some_and(|why| why.contains(never)))
        .await;
    let shown = out(&crannog(data.path(), &["show", &run]).await);
    assert!(shown.contains("crannog pipeline pool set gpu 5"), "{shown}");
    // One task waits, for five slots.
    let pools = out(&crannog(data.path(), &["pool", "list"]).await);
    let gpu = pools.lines().find(|line| line.starts_with("gpu")).expect("the pool");
    assert_eq!(gpu.split_whitespace().collect::<Vec<_>>()[1..4], ["1", "0", "1"], "{pools}");
    let (_, checked) = server
        .call("POST", "/pipelines/validate", "name: b\ntasks: [{id: a, run: x, pool: gpu, pool_slots: 2}]")
        .await;
    assert!(
        checked["ok"] == true && checked["warnings"][0].as_str().is_some_and(|told| told.contains("never")),
        "{checked}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_followed_over_a_restart_of_the_server() {
    let data = tempfile::tempdir().expect("a folder");
    let server = Server::start(data.path()).await;
    let go = data.path().join("go");
    let wait = format!("while [ ! -e {} ]; do sleep 0.05; done", go.display());
    let run = server
        .begin("long", &format!("name: long\ntasks: [{{id: a, run: 'echo before; {wait}; echo after'}}]\n"))
        .await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_crannog"));
    command.env_remove("CRANNOG_URL").env_remove("CRANNOG_TOKEN").arg("--data-dir").arg(data.path());
    command.args(["pipeline", "logs", "-f", &run, "a"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("starts");
    let lines = child.stdout.take().expect("its output");
    let mut lines = BufReader::new(lines).lines();
    let (line, mut lines) = tokio::task::spawn_blocking(move || (lines.next(), lines)).await.expect("joins");
    assert_eq!(line.transpose().expect("reads").as_deref(), Some("before"));
    server.kill();
    let told = child.stderr.take().expect("its errors");
    let mut told = BufReader::new(told).lines();
    let (away, mut told) = tokio::task::spawn_blocking(move || (told.next(), told)).await.expect("joins");
    let away = away.transpose().expect("reads").unwrap_or_default();
    assert!(away.starts_with("The server does not answer."), "{away}");
    let _server = Server::start(data.path()).await;
    fs_err::write(&go, "").expect("lets it go on");
    let rest = tokio::task::spawn_blocking(move || {
        let line = lines.next().transpose().expect("reads");
        (line, lines.next().is_none(), told.next(), child.wait())
    });
    let (line, ended, back, status) = rest.await.expect("joins");
    assert_eq!((line.as_deref(), ended), (Some("after"), true));
    assert_eq!(back.transpose().expect("reads").as_deref(), Some("The server answers again."));
    assert!(status.expect("ends").success());
}
