//! The supervisor alone, over its folder of files, as a server of any version would use it.

use serde_json::{Value, json};
use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Patience for a condition: long, since a busy machine is slow, and never waited out in full.
const PATIENCE: Duration = Duration::from_secs(30);

/// A folder with what to run, as a server prepares it.
fn folder(spec: &Value) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let mut whole = json!({
        "version": 1, "command": "true", "folder": dir.path(), "env": [["PATH", std::env::var("PATH").unwrap_or_default()]],
        "timeout_ms": null, "grace_ms": 300, "log_limit": 1 << 20,
    });
    whole.as_object_mut().expect("an object").extend(spec.as_object().cloned().unwrap_or_default());
    fs_err::write(dir.path().join("spec.json"), whole.to_string()).expect("writes the spec");
    dir
}

fn start(dir: &Path) -> Child {
    let log =
        fs_err::OpenOptions::new().create(true).append(true).open(dir.join("log")).expect("opens the log");
    let mut command = Command::new(env!("CARGO_BIN_EXE_crannog"));
    command.arg("task-supervisor").arg(dir).stdin(Stdio::null()).stderr(log.into_file());
    command.spawn().expect("the supervisor starts")
}

fn run(dir: &Path) -> Value {
    assert!(start(dir).wait().expect("the supervisor ends").success());
    record(dir)
}

fn record(dir: &Path) -> Value {
    serde_json::from_slice(&fs_err::read(dir.join("exit.json")).expect("there is a record"))
        .expect("it is JSON")
}

fn log(dir: &Path) -> String {
    fs_err::read_to_string(dir.join("log")).unwrap_or_default()
}

#[track_caller]
fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "never came: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn alive(pid: &str) -> bool {
    // A process nobody has collected yet is dead all the same.
    let stat = fs_err::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

#[test]
fn output_exit_code_and_environment_are_the_commands_own() {
    let dir = folder(&json!({ "command": "echo out; echo err >&2; env; exit 7", "env": [["ONLY", "this"]] }));
    let exit = run(dir.path());
    assert_eq!((&exit["outcome"], &exit["exit_code"]), (&json!("exited"), &json!(7)));
    let log = log(dir.path());
    assert!(log.starts_with("out\nerr\n"), "{log}");
    assert!(log.contains("ONLY=this") && !log.contains("HOME="), "{log}");
    assert!(!dir.path().join("spec.json").exists(), "the specification holds secrets and must go");
}

#[test]
fn a_command_that_cannot_start_says_so() {
    let exit = run(folder(&json!({ "folder": "/nowhere/at/all" })).path());
    assert_eq!(exit["outcome"], "not_started");
    assert!(exit["reason"].as_str().is_some_and(|reason| reason.contains("/nowhere/at/all")), "{exit}");
}

#[test]
fn a_timeout_ends_the_whole_process_tree_even_one_that_ignores_sigterm() {
    let command = "trap '' TERM; sleep 1000 & echo $! > child; echo $$ > self; wait";
    let dir = folder(&json!({ "command": command, "timeout_ms": 300 }));
    let exit = run(dir.path());
    assert_eq!((&exit["outcome"], &exit["signal"]), (&json!("timed_out"), &json!(9)));
    let reason = exit["reason"].as_str().unwrap_or_default();
    assert!(reason.starts_with("timed out after 0.3 s; it ignored SIGTERM and was killed "), "{reason}");
    for pid in ["child", "self"] {
        let pid = fs_err::read_to_string(dir.path().join(pid)).expect("the pid was noted");
        eventually("the process is gone", || !alive(&pid));
    }
}

#[test]
fn one_that_heeds_sigterm_is_not_said_to_have_ignored_it() {
    let dir = folder(&json!({ "command": "exec sleep 1000", "timeout_ms": 100, "grace_ms": 20_000 }));
    assert_eq!(run(dir.path())["reason"], "timed out after 0.1 s");
}

#[test]
fn a_request_to_cancel_is_heeded_and_leaves_time_to_clean_up() {
    let command = "trap 'echo cleaned; exit 3' TERM; echo ready; while :; do sleep 0.05; done";
    let dir = folder(&json!({ "command": command, "grace_ms": 20_000 }));
    let mut child = start(dir.path());
    eventually("the command runs", || log(dir.path()).contains("ready"));
    fs_err::write(dir.path().join("cancel"), "").expect("asks");
    assert!(child.wait().expect("ends").success());
    let exit = record(dir.path());
    assert_eq!((&exit["outcome"], &exit["exit_code"]), (&json!("cancelled"), &json!(3)));
    assert!(log(dir.path()).contains("cleaned"));
}

#[test]
fn cancelled_before_it_began_it_never_runs() {
    let dir = folder(&json!({ "command": "touch ran" }));
    fs_err::write(dir.path().join("cancel"), "").expect("asks");
    assert_eq!(run(dir.path())["outcome"], "cancelled");
    assert!(!dir.path().join("ran").exists());
}

#[test]
fn processes_left_behind_end_with_the_command() {
    let dir = folder(&json!({ "command": "sleep 1000 & echo $! > child" }));
    assert_eq!(run(dir.path())["exit_code"], 0);
    let pid = fs_err::read_to_string(dir.path().join("child")).expect("the pid was noted");
    assert!(!alive(&pid));
    assert!(log(dir.path()).contains("left processes behind"));
}

#[test]
fn a_daemon_in_a_session_of_its_own_ends_with_the_command() {
    // Twice forked, away from the group, its output elsewhere, deaf to SIGTERM.
    let daemon = "trap \"\" TERM; echo $$ > daemon.new; mv daemon.new daemon; while :; do sleep 0.05; done";
    let command =
        format!("(setsid sh -c '{daemon}' > /dev/null 2>&1 &) ; until [ -e daemon ]; do sleep 0.01; done");
    for more in ["", "; sleep 1000"] {
        let dir = folder(&json!({ "command": format!("{command}{more}"), "timeout_ms": 1500 }));
        let exit = run(dir.path());
        assert_eq!(exit["outcome"], if more.is_empty() { "exited" } else { "timed_out" }, "{exit}");
        let pid = fs_err::read_to_string(dir.path().join("daemon")).expect("the pid was noted");
        assert!(!alive(&pid), "the daemon lives on");
    }
}

#[test]
fn a_process_gets_no_more_memory_and_cpu_than_its_limits() {
    let dir = folder(
        &json!({ "command": "ulimit -d; ulimit -t; while :; do :; done", "limits": { "memory": 64 << 20, "cpu_s": 1 } }),
    );
    let exit = run(dir.path());
    assert_eq!(exit["outcome"], "exited");
    assert_eq!(exit["reason"], "used more than 1 s of CPU, its cpu_time", "{exit}");
    assert_eq!(log(dir.path()), "65536\n1\n");
    let greedy = "head -c 200000000 /dev/zero | tail -c 150000000 | wc -c";
    let dir = folder(&json!({ "command": greedy, "limits": { "memory": 64 << 20 } }));
    run(dir.path());
    assert!(log(dir.path()).contains("memory"), "{}", log(dir.path()));
}

#[test]
fn of_a_flood_of_output_the_beginning_and_the_end_are_kept_and_the_command_goes_on() {
    let command = "echo first; head -c 3000000 /dev/zero | tr '\\0' '\\n'; echo last; touch done";
    let dir = folder(&json!({ "command": command, "log_limit": 100_000 }));
    assert_eq!(run(dir.path())["exit_code"], 0);
    let entries = fs_err::read_dir(dir.path()).expect("lists the folder").flatten();
    let mut segments: Vec<_> =
        entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("log")).collect();
    segments.sort_by_key(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name.split_once('.').map_or(0, |(_, start)| start.parse::<u64>().expect("a place"))
    });
    let texts: Vec<String> =
        segments.iter().map(|entry| fs_err::read_to_string(entry.path()).expect("reads")).collect();
    let kept: usize = texts.iter().map(String::len).sum();
    assert!((80_000..=100_000).contains(&kept), "{kept}");
    assert!(texts.first().is_some_and(|text| text.starts_with("first\n")));
    assert!(texts.last().is_some_and(|text| text.ends_with("\nlast\n")));
    assert!(dir.path().join("done").exists());
}

#[test]
fn of_many_supervisors_on_one_folder_exactly_one_runs_the_command() {
    let dir = folder(&json!({ "command": "echo ran >> ran; sleep 0.3" }));
    let mut all: Vec<Child> = (0..8).map(|_| start(dir.path())).collect();
    assert!(all.iter_mut().all(|child| child.wait().expect("ends").success()));
    assert!(start(dir.path()).wait().expect("ends").success());
    assert_eq!(fs_err::read_to_string(dir.path().join("ran")).expect("it ran"), "ran\n");
}

#[test]
fn ignored_signals_are_not_handed_down_to_the_command() {
    let dir = folder(&json!({ "command": "grep SigIgn /proc/self/status" }));
    // As under nohup, or in the background of a script.
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg("trap '' HUP INT QUIT TERM USR1; exec \"$@\"").arg("sh");
    shell.arg(env!("CARGO_BIN_EXE_crannog")).arg("task-supervisor").arg(dir.path());
    assert!(shell.status().expect("runs").success());
    let log = log(dir.path());
    let mask = log.trim().strip_prefix("SigIgn:\t").and_then(|mask| u64::from_str_radix(mask, 16).ok());
    // Above the 31 classic signals lie those that the C library keeps for itself.
    assert_eq!(mask.map(|mask| mask & 0x7FFF_FFFF), Some(0), "{log}");
}
