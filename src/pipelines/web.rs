//! Requests that tasks and waits make from the server itself: bounded in time and size, no redirects.

use crate::kernel::error::{Error, Result};
use http::{HeaderMap, Method, StatusCode};
use std::time::Duration;

/// As much of an answer as is read.
pub const ANSWER_MAX: usize = 1 << 20;

/// A client whose clones share its connections.
#[derive(Clone)]
pub struct Web(reqwest::Client);

pub struct Question {
    pub method: Method,
    pub url: String,
    pub headers: HeaderMap,
    pub body: Option<String>,
    pub timeout: Duration,
}

pub struct Answer {
    pub status: StatusCode,
    /// What there is of it, up to a limit.
    pub text: String,
}

impl Web {
    pub fn new() -> Result<Self> {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
        let client = client.user_agent(concat!("Crannog/", env!("CARGO_PKG_VERSION")));
        Ok(Self(client.build().map_err(Error::internal)?))
    }

    /// The answer, whatever its status; the error says in plain words why there is none.
    pub async fn ask(&self, question: Question) -> Result<Answer, String> {
        check_url(&question.url)?;
        let mut request = self.0.request(question.method, &question.url).headers(question.headers);
        if let Some(body) = question.body {
            request = request.body(body);
        }
        let response = request.timeout(question.timeout).send().await.map_err(|error| why(&error))?;
        Ok(Answer { status: response.status(), text: read(response).await? })
    }
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
        "http" if parsed.has_host() => Ok(()),
        "https" => {
            Err("begins with https://, and this version has no TLS of its own: name an http:// address, \
                        for instance of a proxy on this machine that speaks TLS"
                .into())
        }
        other => Err(format!("begins with {other}: and must begin with http://")),
    }
}

#[cfg(test)]
mod tests {
    use super::check_url;

    #[test]
    fn an_address_that_cannot_be_asked_is_told_why() {
        assert_eq!(check_url("http://127.0.0.1:8080/x?y=1"), Ok(()));
        assert!(check_url("https://example.com").is_err_and(|why| why.contains("TLS")));
        assert!(check_url("ftp://example.com").is_err_and(|why| why.contains("ftp")));
        assert!(check_url("example.com/x").is_err());
    }
}
