//! `crannog pipeline` as a person types it: output, exit codes, files named in errors.

use super::house::Server;
use std::{
    path::Path,
    process::{Command, Output},
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
