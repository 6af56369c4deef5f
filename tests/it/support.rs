//! The real server as a child process on ports of its own, and the command line as its user sees it.

use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::{Duration, Instant},
};

/// Long, since a busy machine is slow, and never waited out in full.
const PATIENCE: Duration = Duration::from_secs(60);
const GLANCE: Duration = Duration::from_millis(5);

/// A `crannog` command that sees none of the settings of whoever runs the tests.
pub fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crannog"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CRANNOG_")) {
        command.env_remove(name);
    }
    command.args(arguments).current_dir(folder).env("HOME", folder).stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub fn run(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().expect("the binary runs")
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[derive(Deserialize)]
struct Lock {
    pid: u32,
    http_url: String,
    s3_url: String,
}

#[derive(Deserialize)]
pub struct Admin {
    pub user: String,
    pub password: String,
    pub access_key_id: String,
    pub secret_access_key: String,
}

/// One running server; it is killed when dropped, its data stays with the caller.
pub struct TestServer {
    child: Child,
    folder: PathBuf,
    pub http: String,
    pub s3: String,
    pub admin: Admin,
    /// From the process's start to the first 200 of `/readyz`.
    pub ready_after: Duration,
    client: reqwest::Client,
}

impl TestServer {
    /// Starts on `folder/data` and waits until it is ready.
    pub async fn start(folder: &Path) -> Self {
        Self::start_with(folder, &[]).await
    }

    pub async fn start_with(folder: &Path, environment: &[(&str, &str)]) -> Self {
        let log = fs_err::OpenOptions::new().append(true).create(true).open(folder.join("server.log"));
        let log = log.expect("the folder is writable").into_parts().0;
        let begun = Instant::now();
        let listen =
            ["serve", "--data-dir", "data", "--http-listen", "127.0.0.1:0", "--s3-listen", "127.0.0.1:0"];
        let child = command(folder, &listen)
            .envs(environment.iter().copied())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the binary starts");
        let client = crannog::kernel::tls::Trust::plain().expect("a builder").build().expect("a client");
        let (http, s3, admin, child) = ready(child, folder, &client).await;
        let folder = folder.to_owned();
        Self { child, folder, http, s3, admin, ready_after: begun.elapsed(), client }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> String {
        log(&self.folder)
    }

    /// A request without a credential.
    pub fn anonymous(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = method.parse().expect("a method");
        self.client.request(method, format!("{}{path}", self.http))
    }

    /// A request of the administrator.
    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.anonymous(method, path).basic_auth(&self.admin.user, Some(&self.admin.password))
    }

    /// GET as the administrator, in JSON; any failure fails the test.
    pub async fn get(&self, path: &str) -> Value {
        let response = self.request("GET", path).send().await.expect("an answer");
        assert!(response.status().is_success(), "{path}: {}", response.status());
        response.json().await.expect("JSON")
    }

    /// What a power cut does to the process.
    pub fn kill9(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Asks it to stop and waits for its end.
    pub fn stop(mut self) -> ExitStatus {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).expect("it runs");
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it can be asked") {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "it does not stop:\n{}", self.log());
            std::thread::sleep(GLANCE);
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn log(folder: &Path) -> String {
    fs_err::read_to_string(folder.join("server.log")).unwrap_or_default()
}

async fn ready(mut child: Child, folder: &Path, client: &reqwest::Client) -> (String, String, Admin, Child) {
    let begun = Instant::now();
    loop {
        if let Some((lock, admin)) = announced(folder, child.id()) {
            let answer = client.get(format!("{}/readyz", lock.http_url)).send().await;
            if answer.is_ok_and(|answer| answer.status() == 200) {
                return (lock.http_url, lock.s3_url, admin, child);
            }
        }
        if let Some(status) = child.try_wait().expect("it can be asked") {
            panic!("the server ended with {status}:\n{}", log(folder));
        }
        assert!(begun.elapsed() < PATIENCE, "the server is not ready:\n{}", log(folder));
        tokio::time::sleep(GLANCE).await;
    }
}

/// After kill -9 the dead server's text is still in the lock: only the child's own counts.
fn announced(folder: &Path, pid: u32) -> Option<(Lock, Admin)> {
    let lock = fs_err::read_to_string(folder.join("data/lock")).ok()?;
    let lock: Lock = serde_json::from_str(&lock).ok().filter(|lock: &Lock| lock.pid == pid)?;
    let admin = fs_err::read_to_string(folder.join("data/secrets/admin.toml")).ok()?;
    Some((lock, toml::from_str(&admin).ok()?))
}
