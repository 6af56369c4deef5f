//! The CLI's way to a server: `CRANNOG_URL` with `CRANNOG_TOKEN`, or the server that runs on the data
//! directory with the credentials kept there.

use super::{
    Failure, Global,
    failure::Code,
    settings::{Settings, effective},
};
use crate::{
    app::lock,
    kernel::tls::{self, Trust},
};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The administrator's credentials as the first start left them in the data directory.
#[derive(Deserialize)]
pub struct Admin {
    pub user: String,
    pub password: String,
    pub access_key_id: String,
    pub secret_access_key: String,
}

impl Admin {
    pub fn read(data_dir: &Path) -> Result<Self, Failure> {
        let path = data_dir.join("secrets/admin.toml");
        let text = fs_err::read_to_string(&path).map_err(|error| {
            Failure::new(Code::Refused, error.to_string())
                .hint("only the server's own user can read its credentials; others set CRANNOG_URL and CRANNOG_TOKEN")
        })?;
        toml::from_str(&text).map_err(|error| Failure::failed(format!("{}: {error}", path.display())))
    }
}

enum Credential {
    Token(String),
    Admin(Admin),
    Password(String, String),
    Nothing,
}

/// Whether the command line and the environment mean a server by its address, not by its data directory.
pub fn is_elsewhere(global: &Global) -> bool {
    address(global).is_some()
}

/// A data directory named on the command line wins over a URL left in the environment.
fn address(global: &Global) -> Option<String> {
    variable("CRANNOG_URL").filter(|_| global.data_dir.is_none())
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// A server and the right to speak to it.
pub struct Client {
    http: reqwest::Client,
    base: String,
    credential: Credential,
}

impl Client {
    /// Finds the server for this command line and environment.
    pub fn find(global: &Global) -> Result<Self, Failure> {
        let data_dir = effective(global, &Settings::default())?.config.data_dir;
        let credential = match variable("CRANNOG_TOKEN") {
            Some(token) => Credential::Token(token),
            None => Admin::read(&data_dir).map_or(Credential::Nothing, Credential::Admin),
        };
        let base = match address(global) {
            Some(url) => url,
            None => lock::running(&data_dir).map(|running| running.http_url).ok_or_else(|| {
                Failure::new(Code::Unreachable, format!("no server runs on {}", data_dir.display())).hint(
                    "start one with `crannog serve`, or say where it is with CRANNOG_URL and CRANNOG_TOKEN",
                )
            })?,
        };
        let mut trusted: Vec<PathBuf> = variable("CRANNOG_CA_FILE").map(PathBuf::from).into_iter().collect();
        trusted.extend(Some(data_dir.join(tls::CERTIFICATE)).filter(|path| path.exists()));
        Self::of(&base, credential, Trust(trusted))
    }

    /// Another server, an MLflow one, with the credentials its own clients would use.
    pub fn of_mlflow(url: &str) -> Result<Self, Failure> {
        let credential = match (variable("MLFLOW_TRACKING_USERNAME"), variable("MLFLOW_TRACKING_TOKEN")) {
            (Some(user), _) => {
                Credential::Password(user, variable("MLFLOW_TRACKING_PASSWORD").unwrap_or_default())
            }
            (None, Some(token)) => Credential::Token(token),
            (None, None) => Credential::Nothing,
        };
        let trusted = ["MLFLOW_TRACKING_SERVER_CERT_PATH", "CRANNOG_CA_FILE"].into_iter().find_map(variable);
        Self::of(url, credential, Trust(trusted.map(PathBuf::from).into_iter().collect()))
    }

    fn of(base: &str, credential: Credential, trust: Trust) -> Result<Self, Failure> {
        let builder = if base.starts_with("https:") { trust.client() } else { Trust::plain() };
        let builder = builder.map_err(|error| Failure::new(Code::Usage, error.message))?;
        let http = builder.build().map_err(|error| Failure::failed(error.to_string()))?;
        Ok(Self { http, base: base.trim_end_matches('/').into(), credential })
    }

    /// The address of the server.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// A request to `path` (from the root: `/api/crannog/v1/...`) with the credential on it.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.credential {
            Credential::Token(token) => request.bearer_auth(token),
            Credential::Password(user, password) => request.basic_auth(user, Some(password)),
            Credential::Admin(admin) => request.basic_auth(&admin.user, Some(&admin.password)),
            Credential::Nothing => request,
        }
    }

    /// Sends a request; an answer that is not a success becomes the failure it tells of.
    pub async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        if response.status().is_success() { Ok(response) } else { Err(refusal(response).await) }
    }

    /// GET, answered in JSON.
    pub async fn get(&self, path: &str) -> Result<Value, Failure> {
        body(self.send(self.request(Method::GET, path)).await?).await
    }

    /// POST of JSON, answered in JSON (or nothing: `null`).
    pub async fn post(&self, path: &str, json: &Value) -> Result<Value, Failure> {
        body(self.send(self.request(Method::POST, path).json(json)).await?).await
    }

    /// PUT of JSON, answered in JSON (or nothing: `null`).
    pub async fn put(&self, path: &str, json: &Value) -> Result<Value, Failure> {
        body(self.send(self.request(Method::PUT, path).json(json)).await?).await
    }

    /// PATCH of JSON, answered in JSON (or nothing: `null`).
    pub async fn patch(&self, path: &str, json: &Value) -> Result<Value, Failure> {
        self.answer(self.request(Method::PATCH, path).json(json)).await
    }

    /// Sends a request, answered in JSON (or nothing: `null`).
    pub async fn answer(&self, request: RequestBuilder) -> Result<Value, Failure> {
        body(self.send(request).await?).await
    }

    /// PUT or POST of a text, answered in JSON (or nothing: `null`).
    pub async fn send_text(
        &self,
        method: Method,
        path: &str,
        kind: &str,
        text: String,
    ) -> Result<Value, Failure> {
        let request = self.request(method, path).header("content-type", kind).body(text);
        body(self.send(request).await?).await
    }

    pub async fn delete(&self, path: &str) -> Result<(), Failure> {
        self.send(self.request(Method::DELETE, path)).await.map(drop)
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let root = std::iter::successors(Some(error as &dyn std::error::Error), |e| e.source()).last();
        let why = root.map(ToString::to_string).unwrap_or_default();
        let failure = Failure::new(Code::Unreachable, format!("{} does not answer: {why}", self.base));
        if why.contains("certificate") {
            return failure.hint(
                "CRANNOG_CA_FILE names the PEM file of the authority to trust; `crannog ca` on the server prints its own",
            );
        }
        failure.hint("is the server running? `crannog status` tells; CRANNOG_URL says where it is")
    }
}

async fn body(response: Response) -> Result<Value, Failure> {
    let bytes = response
        .bytes()
        .await
        .map_err(|error| Failure::new(Code::Unreachable, format!("the answer broke off: {error}")))?;
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&bytes)
        .map_err(|error| Failure::failed(format!("the answer is not JSON: {error}")))
}

async fn refusal(response: Response) -> Failure {
    let status = response.status();
    let code = match status {
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Code::Refused,
        StatusCode::SERVICE_UNAVAILABLE => Code::Unreachable,
        _ => Code::Failed,
    };
    let problem: Value = response.json().await.unwrap_or_default();
    let detail = ["detail", "message"].iter().find_map(|field| problem.get(field)?.as_str());
    let failure =
        Failure::new(code, detail.map_or_else(|| format!("the server answered {status}"), ToOwned::to_owned));
    match (problem.get("request_id").and_then(Value::as_str), status) {
        (_, StatusCode::UNAUTHORIZED) => {
            failure.hint("set CRANNOG_TOKEN, or name the server's data directory with --data-dir")
        }
        (Some(id), _) if status.is_server_error() => {
            failure.hint(format!("the server's log tells more under request {id}"))
        }
        _ => failure,
    }
}
