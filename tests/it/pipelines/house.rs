//! A real server on a data directory, to be killed and started again.

use serde_json::Value;
use std::{
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Long, since a busy machine is slow, and never waited out in full.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct Server {
    process: Child,
    pub url: String,
    password: String,
    http: reqwest::Client,
}

impl Server {
    /// Starts a server and waits until it is ready.
    pub async fn start(data: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_crannog"));
        command.arg("--data-dir").arg(data).arg("serve");
        command.args(["--http-listen", "127.0.0.1:0", "--s3-listen", "127.0.0.1:0", "--log-level", "warn"]);
        // The variables of whoever runs the tests are not the server's business.
        command.env_remove("CRANNOG_URL").env_remove("CRANNOG_TOKEN").stdin(Stdio::null());
        let log = fs_err::OpenOptions::new().create(true).append(true).open(data.join("server.log"));
        command.stderr(log.expect("opens the server's log").into_file());
        let process = command.spawn().expect("the server starts");
        let http = crannog::kernel::tls::Trust::plain().expect("a builder").build().expect("a client");
        let pid = u64::from(process.id());
        let mut server = Self { process, url: String::new(), password: String::new(), http };
        let deadline = Instant::now() + PATIENCE;
        while !server.ready(data, pid).await {
            assert!(Instant::now() < deadline, "the server never became ready");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        server
    }

    async fn ready(&mut self, data: &Path, pid: u64) -> bool {
        let lock = fs_err::read_to_string(data.join("lock")).unwrap_or_default();
        let lock: Value = serde_json::from_str(&lock).unwrap_or_default();
        if lock["pid"] != pid {
            return false;
        }
        self.url = lock["http_url"].as_str().unwrap_or_default().to_owned();
        let admin = fs_err::read_to_string(data.join("secrets/admin.toml")).unwrap_or_default();
        let admin: toml::Table = admin.parse().unwrap_or_default();
        self.password = admin.get("password").and_then(toml::Value::as_str).unwrap_or_default().to_owned();
        let ready = self.http.get(format!("{}/readyz", self.url)).send().await;
        !self.password.is_empty() && ready.is_ok_and(|answer| answer.status().is_success())
    }

    /// The end no program can prepare for.
    pub fn kill(mut self) {
        self.process.kill().expect("kills");
        self.process.wait().expect("is gone");
    }

    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = method.parse().expect("a method");
        let url = format!("{}/api/crannog/v1{path}", self.url);
        self.http.request(method, url).basic_auth("admin", Some(&self.password))
    }

    /// Status and JSON body of a call.
    pub async fn call(&self, method: &str, path: &str, body: impl Into<reqwest::Body>) -> (u16, Value) {
        let answer = self.request(method, path).body(body).send().await.expect("the server answers");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("a body");
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    pub async fn get(&self, path: &str) -> Value {
        let (status, body) = self.call("GET", path, "").await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// Stores a definition under its name and starts a run; answers the run's id.
    pub async fn begin(&self, name: &str, yaml: &str) -> String {
        let (status, body) = self.call("PUT", &format!("/pipelines/{name}"), yaml.to_owned()).await;
        assert_eq!(status, 200, "{body}");
        let (status, run) = self.call("POST", &format!("/pipelines/{name}/runs"), "{}").await;
        assert_eq!(status, 201, "{run}");
        run["id"].as_str().expect("an id").to_owned()
    }

    /// Waits until the run is as wanted.
    pub async fn until(&self, run: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.get(&format!("/pipeline-runs/{run}")).await;
            if holds(&found) {
                return found;
            }
            assert!(Instant::now() < deadline, "never came: {found:#}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn finished(&self, run: &str) -> Value {
        self.until(run, |run| !matches!(run["state"].as_str(), Some("queued" | "running"))).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
