//! How the server is: `/livez`, `/readyz?verbose`, and for those who signed in `/status` and
//! `/client-env`.

use crate::{
    auth::Viewer,
    kernel::{
        VERSION, clock,
        config::Config,
        http::Json,
        tasks::Tasks,
        tls::{self, Identity},
    },
    objects,
};
use axum::{
    Router,
    extract::{RawQuery, State},
    response::{IntoResponse, Response},
    routing::get,
};
use futures::future::BoxFuture;
use http::{HeaderMap, StatusCode, header};
use serde::Serialize;
use serde_json::json;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// A check that takes longer has failed: a hung disk must not hang the probe.
const CHECK_LIMIT: Duration = Duration::from_secs(2);
/// Below this the server still reads but should not be sent new work.
const DISK_RESERVE: u64 = 64 << 20;

type Probe = Arc<dyn Fn() -> BoxFuture<'static, Result<String, String>> + Send + Sync>;

/// What the server knows about itself. Clones share one state.
#[derive(Clone)]
pub struct Health(Arc<Inner>);

struct Inner {
    config: Config,
    http: SocketAddr,
    s3: SocketAddr,
    tls: Option<Arc<Identity>>,
    started_at_ms: i64,
    started: Instant,
    tasks: Tasks,
    probes: Mutex<Vec<(&'static str, Probe)>>,
}

/// The outcome of one check.
#[derive(Serialize)]
pub struct Check {
    pub name: &'static str,
    pub ok: bool,
    pub detail: String,
}

impl Health {
    pub fn new(
        config: &Config,
        http: SocketAddr,
        s3: SocketAddr,
        tls: Option<Arc<Identity>>,
        tasks: Tasks,
    ) -> Self {
        let (started_at_ms, started) = (clock::now_ms(), Instant::now());
        let health = Self(Arc::new(Inner {
            config: config.clone(),
            http,
            s3,
            tls,
            started_at_ms,
            started,
            tasks,
            probes: Mutex::default(),
        }));
        let data_dir = config.data_dir.clone();
        health.watch("disk", move || {
            let answer = free_space(&data_dir);
            Box::pin(async move { answer })
        });
        health
    }

    /// Adds a check: `Ok(detail)` or `Err(reason)`. The words are public: no paths, no names of data.
    pub fn watch(
        &self,
        name: &'static str,
        probe: impl Fn() -> BoxFuture<'static, Result<String, String>> + Send + Sync + 'static,
    ) {
        self.0.probes.lock().unwrap_or_else(PoisonError::into_inner).push((name, Arc::new(probe)));
    }

    pub fn started_at(&self) -> String {
        clock::rfc3339(self.0.started_at_ms)
    }

    pub fn uptime(&self) -> Duration {
        self.0.started.elapsed()
    }

    /// The main door's address for clients.
    pub fn http_url(&self) -> String {
        self.0.config.http.public_url.clone().unwrap_or_else(|| self.local_url(self.0.http))
    }

    /// The main door's address for this machine, whatever the public one is.
    pub fn local_http_url(&self) -> String {
        self.local_url(self.0.http)
    }

    /// The S3 door's address for this machine.
    pub fn local_s3_url(&self) -> String {
        self.local_url(self.0.s3)
    }

    /// The S3 door's address for clients.
    pub fn s3_url(&self) -> String {
        self.0.config.s3.public_url.clone().unwrap_or_else(|| self.local_url(self.0.s3))
    }

    /// The main door's address as seen from where a request came.
    pub fn http_url_for(&self, headers: &HeaderMap) -> String {
        let host = headers.get(header::HOST).and_then(|value| value.to_str().ok());
        match (&self.0.config.http.public_url, host) {
            (None, Some(host)) => format!("{}://{host}", self.scheme()),
            _ => self.http_url(),
        }
    }

    /// The S3 door's address as seen from where a request came.
    pub fn s3_url_for(&self, headers: &HeaderMap) -> String {
        let host = headers.get(header::HOST).and_then(|value| value.to_str().ok());
        match (&self.0.config.s3.public_url, host.and_then(host_name)) {
            (None, Some(name)) => format!("{}://{name}:{}", self.scheme(), self.0.s3.port()),
            _ => self.s3_url(),
        }
    }

    fn scheme(&self) -> &'static str {
        if self.0.tls.is_some() { "https" } else { "http" }
    }

    /// The address under which this machine itself reaches a listener.
    fn local_url(&self, mut address: SocketAddr) -> String {
        if address.ip().is_unspecified() {
            let loopback =
                if address.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() };
            address.set_ip(loopback);
        }
        format!("{}://{address}", self.scheme())
    }

    /// The file of the authority that clients on this machine have to trust, when the doors speak TLS.
    pub fn authority(&self) -> Option<PathBuf> {
        self.0.tls.as_ref().map(|_| self.0.config.data_dir.join(tls::CERTIFICATE))
    }

    async fn checks(&self) -> Vec<Check> {
        let stopping = self.0.tasks.stopping().is_cancelled();
        let detail = if stopping { "stopping" } else { "serving" };
        let mut checks = vec![Check { name: "server", ok: !stopping, detail: detail.into() }];
        let probes = self.0.probes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (name, probe) in probes {
            let outcome = tokio::time::timeout(CHECK_LIMIT, probe()).await;
            let (ok, detail) = match outcome {
                Ok(Ok(detail)) => (true, detail),
                Ok(Err(reason)) => (false, reason),
                Err(_) => (false, format!("no answer within {} s", CHECK_LIMIT.as_secs())),
            };
            checks.push(Check { name, ok, detail });
        }
        checks
    }
}

fn free_space(data_dir: &Path) -> Result<String, String> {
    let stat = rustix::fs::statvfs(data_dir).map_err(|error| format!("cannot be asked: {error}"))?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let words = format!("{} MiB free", free >> 20);
    if free < DISK_RESERVE {
        Err(format!("{words}; at least {} MiB are needed", DISK_RESERVE >> 20))
    } else {
        Ok(words)
    }
}

pub fn router(health: Health) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/ca.pem", get(authority))
        .route("/api/crannog/v1/status", get(status))
        .route("/api/crannog/v1/client-env", get(client_env))
        .with_state(health)
}

async fn readyz(State(health): State<Health>, RawQuery(query): RawQuery) -> Response {
    let checks = health.checks().await;
    let ready = checks.iter().all(|check| check.ok);
    let verbose = query.is_some_and(|query| query.split('&').any(|part| part.starts_with("verbose")));
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut text = String::new();
    for check in checks.iter().filter(|check| verbose || !check.ok) {
        let mark = if check.ok { '+' } else { '-' };
        text.push_str(&format!("[{mark}] {}: {}\n", check.name, check.detail));
    }
    text.push_str(if ready { "ready\n" } else { "not ready\n" });
    (status, [(header::CACHE_CONTROL, "no-store")], text).into_response()
}

/// The certificate of the house's authority: no secret, and compared by its fingerprint where it matters.
async fn authority(State(health): State<Health>) -> Response {
    let file = health.authority().map(fs_err::read);
    match file {
        Some(Ok(pem)) => ([(header::CONTENT_TYPE, "application/x-pem-file")], pem).into_response(),
        Some(Err(_)) | None => {
            (StatusCode::NOT_FOUND, "this server speaks no TLS, so there is no authority to trust\n")
                .into_response()
        }
    }
}

async fn status(State(health): State<Health>, _: Viewer) -> Json<serde_json::Value> {
    let tasks: Vec<_> = health
        .0
        .tasks
        .running()
        .into_iter()
        .map(|(name, count)| json!({ "name": name, "count": count }))
        .collect();
    Json(json!({
        "version": VERSION,
        "started_at": health.started_at(),
        "uptime_s": health.uptime().as_secs(),
        "pid": std::process::id(),
        "data_dir": health.0.config.data_dir,
        "http_url": health.http_url(),
        "s3_url": health.s3_url(),
        "rss_bytes": resident_bytes(),
        "tasks": tasks,
        "checks": health.checks().await,
    }))
}

/// What a client needs to find this server, as seen from where the request came; no secrets.
async fn client_env(State(health): State<Health>, _: Viewer, headers: HeaderMap) -> Json<serde_json::Value> {
    let tracking = health.http_url_for(&headers);
    let s3 = health.s3_url_for(&headers);
    // Whether a client elsewhere has to be given the house's authority before it can come.
    let own_authority = health.0.tls.as_ref().is_some_and(|tls| !tls.is_operators());
    Json(json!({
        "tracking_uri": tracking,
        "s3_endpoint": s3,
        "region": objects::REGION,
        "own_authority": own_authority,
    }))
}

/// `host` without its port; an IPv6 address keeps its brackets.
fn host_name(host: &str) -> Option<&str> {
    match host.strip_prefix('[') {
        Some(rest) => rest.find(']').map(|end| &host[..end + 2]),
        None => host.split(':').next(),
    }
}

/// Memory this process holds, or 0 where the kernel does not say.
fn resident_bytes() -> u64 {
    let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap_or_default();
    kib << 10
}
