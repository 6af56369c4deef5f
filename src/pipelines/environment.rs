//! What a task finds in its environment: the addresses of this server and credentials of its own,
//! issued for the run and revoked with its end.

use super::secrets;
use crate::{
    auth::{self, Role},
    kernel::{
        error::{Error, Kind, Result},
        tls,
    },
    store::Db,
};
use futures::future::BoxFuture;
use std::{collections::BTreeMap, path::PathBuf};
use tokio::sync::OnceCell;

/// Names and values.
pub type Variables = Vec<(String, String)>;

/// Refuses what the system would, by name.
pub fn fits(env: &BTreeMap<String, String>) -> Result<()> {
    for (name, value) in env {
        if name.len() + value.len() + 2 > VARIABLE_MAX {
            return Err(Error::invalid(format!(
                "the variable {name} would hold {} bytes, and a variable holds {} at most: give the value to a task's \
                 `run`, which takes any length",
                value.len(),
                VARIABLE_MAX - name.len() - 2
            )));
        }
        if value.contains('\0') {
            return Err(Error::invalid(format!("the variable {name} would hold a NUL, which none can")));
        }
    }
    Ok(())
}

/// Gives the tasks of a run their way into the platform. A trait, so that tests run tasks
/// without a whole server.
pub trait TaskEnvironment: Send + Sync {
    /// New credentials for the run, with the addresses they are good for.
    fn issue<'a>(&'a self, run_id: &'a str) -> BoxFuture<'a, Result<Variables>>;
    /// What every task finds besides, as it is by now.
    fn shared(&self) -> BoxFuture<'_, Result<Variables>> {
        Box::pin(async { Ok(Vec::new()) })
    }
    /// Makes every credential issued for the run worthless.
    fn revoke<'a>(&'a self, run_id: &'a str) -> BoxFuture<'a, Result<()>>;
}

/// The user whom tasks act as: an editor, so that a task can write data but manage no users.
const USER: &str = "pipelines";
/// A token outlives any sane run, and does not outlive a lost revocation by much.
const TOKEN_TTL_MS: i64 = 30 * 24 * 3600 * 1000;
/// The most a variable of the environment may take, name and all (Linux, MAX_ARG_STRLEN).
const VARIABLE_MAX: usize = 128 << 10;

/// The environment on a running server: the names `crannog env` prints, with a bearer token.
pub struct ServerEnvironment {
    db: Db,
    auth: auth::Service,
    http_url: String,
    s3_url: String,
    region: String,
    /// The file of the authority behind those addresses, when they are https.
    authority: Option<PathBuf>,
    user_exists: OnceCell<()>,
}

impl ServerEnvironment {
    pub fn new(
        db: Db,
        auth: auth::Service,
        http_url: String,
        s3_url: String,
        region: String,
        authority: Option<PathBuf>,
    ) -> Self {
        Self { db, auth, http_url, s3_url, region, authority, user_exists: OnceCell::new() }
    }

    async fn issue_for(&self, run_id: &str) -> Result<Variables> {
        self.user_exists.get_or_try_init(|| self.ensure_user()).await?;
        let label = label(run_id);
        let token = self.auth.token_issue(USER, &label, Some(TOKEN_TTL_MS)).await?;
        let (access_key, secret_key) = self.auth.s3_key_issue(USER, &label).await?;
        let pairs = [
            ("CRANNOG_URL", &self.http_url),
            ("CRANNOG_TOKEN", &token),
            ("MLFLOW_TRACKING_URI", &self.http_url),
            ("MLFLOW_TRACKING_TOKEN", &token),
            ("AWS_ENDPOINT_URL", &self.s3_url),
            ("AWS_ACCESS_KEY_ID", &access_key),
            ("AWS_SECRET_ACCESS_KEY", &secret_key),
            ("AWS_REGION", &self.region),
            ("AWS_DEFAULT_REGION", &self.region),
        ];
        let mut given: Variables =
            pairs.into_iter().map(|(name, value)| (name.to_owned(), value.clone())).collect();
        if let Some(authority) = &self.authority {
            let path = authority.display().to_string();
            given.extend(tls::FOR_CLIENTS.map(|name| (name.to_owned(), path.clone())));
        }
        Ok(given)
    }

    /// Makes the user on first need. It has no password: it signs in with tokens alone.
    async fn ensure_user(&self) -> Result<()> {
        if self.auth.user_list().await?.iter().any(|user| user.name == USER) {
            return Ok(());
        }
        match self.auth.user_create_locked(USER, Role::Editor).await {
            Err(error) if error.kind == Kind::Exists => Ok(()),
            outcome => outcome,
        }
    }
}

impl TaskEnvironment for ServerEnvironment {
    fn issue<'a>(&'a self, run_id: &'a str) -> BoxFuture<'a, Result<Variables>> {
        Box::pin(self.issue_for(run_id))
    }

    fn shared(&self) -> BoxFuture<'_, Result<Variables>> {
        Box::pin(secrets::environment(&self.db, &self.auth))
    }

    fn revoke<'a>(&'a self, run_id: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { self.auth.label_revoke(&label(run_id)).await })
    }
}

const LABEL: &str = "pipeline run ";

pub fn label(run_id: &str) -> String {
    format!("{LABEL}{run_id}")
}

/// The run whose credentials bear a label.
pub fn run_of_label(label: &str) -> Option<&str> {
    label.strip_prefix(LABEL)
}

/// What tasks inherit from the server's own environment: all but its configuration, its
/// credentials and what its service manager told it alone.
pub fn inherited() -> Variables {
    const OWN: [&str; 3] = ["CRANNOG_", "AWS_", "MLFLOW_"];
    const MANAGER: [&str; 8] = [
        "NOTIFY_SOCKET",
        "LISTEN_FDS",
        "LISTEN_PID",
        "LISTEN_FDNAMES",
        "WATCHDOG_USEC",
        "WATCHDOG_PID",
        "INVOCATION_ID",
        "JOURNAL_STREAM",
    ];
    let mut kept: Variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| !OWN.iter().any(|own| name.starts_with(own)) && !MANAGER.contains(&name.as_str()))
        .filter(|(name, _)| name != "CREDENTIALS_DIRECTORY")
        .collect();
    if !kept.iter().any(|(name, _)| name == "PYTHONUNBUFFERED") {
        // Python holds back output to a pipe by kilobytes, which would make a live log lie.
        kept.push(("PYTHONUNBUFFERED".into(), "1".into()));
    }
    kept
}
