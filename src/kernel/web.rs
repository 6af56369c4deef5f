//! Requests that this server makes by itself, for webhooks, tasks and waits: bounded in time and size, over TLS
//! where the address says so, no redirects.

use super::{
    error::{Error, Result},
    tls::Trust,
};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

/// As much of an answer as is read.
pub const ANSWER_MAX: usize = 1 << 20;

/// A client whose clones share its connections.
#[derive(Clone)]
pub struct Web(Arc<Inner>);

struct Inner {
    plain: reqwest::Client,
    /// Made for the first address that has TLS: reading what this machine trusts takes its time.
    secure: OnceLock<reqwest::Client>,
    trust: Trust,
}

pub struct Question {
    pub method: Method,
    pub url: String,
    pub headers: HeaderMap,
    pub body: Option<String>,
    pub timeout: Duration,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// What there is of it, up to a limit.
    pub text: String,
}

/// An answer whose body is still to come, piece by piece.
pub struct Coming {
    pub status: StatusCode,
    pub headers: HeaderMap,
    response: reqwest::Response,
}

impl Coming {
    /// The next piece of the body; nothing after the last.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, String> {
        self.response.chunk().await.map_err(|error| why(&error))
    }
}

impl Web {
    pub fn new(trust: Trust) -> Result<Self> {
        let plain = with_manners(Trust::plain()?)?;
        Ok(Self(Arc::new(Inner { plain, secure: OnceLock::new(), trust })))
    }

    fn client(&self, url: &str) -> Result<&reqwest::Client> {
        if !url.starts_with("https:") {
            return Ok(&self.0.plain);
        }
        if let Some(client) = self.0.secure.get() {
            return Ok(client);
        }
        let made = with_manners(self.0.trust.client()?)?;
        Ok(self.0.secure.get_or_init(|| made))
    }

    /// The answer, whatever its status; the error says in plain words why there is none.
    pub async fn ask(&self, question: Question) -> Result<Answer, String> {
        let coming = self.open(question).await?;
        let (status, headers) = (coming.status, coming.headers);
        Ok(Answer { status, headers, text: read(coming.response).await? })
    }

    /// The beginning of the answer; the time-out is for all of it.
    pub async fn open(&self, question: Question) -> Result<Coming, String> {
        check_url(&question.url)?;
        let client = self.client(&question.url).map_err(|error| error.message)?;
        let mut request = client.request(question.method, &question.url).headers(question.headers);
        if let Some(body) = question.body {
            request = request.body(body);
        }
        let response = request.timeout(question.timeout).send().await.map_err(|error| why(&error))?;
        Ok(Coming { status: response.status(), headers: response.headers().clone(), response })
    }
}

fn with_manners(builder: reqwest::ClientBuilder) -> Result<reqwest::Client> {
    let builder = builder.redirect(reqwest::redirect::Policy::none());
    let builder = builder.user_agent(concat!("Crannog/", env!("CARGO_PKG_VERSION")));
    builder.build().map_err(Error::internal)
}

async fn read(mut response: reqwest::Response) -> Result<String, String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| why(&error))? {
        let room = ANSWER_MAX - bytes.len();
        bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if bytes.len() == ANSWER_MAX {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What really happened, without the address, which may hold a secret.
fn why(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".into();
    }
    let mut deepest: &dyn std::error::Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    match error.is_builder() {
        true => "the request cannot be made as it is".into(),
        false => format!("no answer: {deepest}"),
    }
}

/// Whether this server can ask an address.
pub fn check_url(url: &str) -> Result<(), String> {
    let parsed = reqwest::Url::parse(url).map_err(|error| format!("is not an address ({error})"))?;
    match parsed.scheme() {
        "http" | "https" if parsed.has_host() => Ok(()),
        other => Err(format!("begins with {other}: and must begin with http:// or https://")),
    }
}

#[cfg(test)]
mod tests {
    use super::check_url;

    #[test]
    fn an_address_that_cannot_be_asked_is_told_why() {
        assert_eq!(check_url("http://127.0.0.1:8080/x?y=1"), Ok(()));
        assert_eq!(check_url("https://example.com"), Ok(()));
        assert!(check_url("ftp://example.com").is_err_and(|why| why.contains("ftp")));
        assert!(check_url("example.com/x").is_err());
    }
}
