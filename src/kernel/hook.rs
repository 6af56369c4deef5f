//! Requests this server sends by itself, to webhooks that somebody registered: how long it waits, what it
//! follows, how it signs, and how it tells what went wrong.

use super::{
    error::{Error, Result},
    tls::Trust,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, header};
use sha2::Sha256;
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

const TIMEOUT: Duration = Duration::from_secs(15);
/// As much of an answer as is read.
const ANSWER_MAX: usize = 64 << 10;

/// Sends JSON to webhooks. Clones share its connections.
#[derive(Clone)]
pub struct Sender(Arc<Inner>);

struct Inner {
    plain: reqwest::Client,
    /// Made for the first webhook that has TLS: reading what this machine trusts takes its time.
    secure: OnceLock<reqwest::Client>,
    trust: Trust,
}

/// What a webhook said.
#[derive(Debug)]
pub struct Answer {
    pub status: http::StatusCode,
    pub text: String,
    /// How long it asked not to be bothered, in seconds (`Retry-After`; a date there is not read).
    pub wait: Option<Duration>,
}

impl Sender {
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

    /// Posts a JSON body with these headers; whoever does not answer is `Busy`.
    pub async fn post(&self, url: &str, mut headers: HeaderMap, body: String) -> Result<Answer> {
        headers.insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        let sent = self.client(url)?.post(url).headers(headers).body(body).send().await;
        let response =
            sent.map_err(|error| Error::busy(format!("The webhook did not answer: {}.", innermost(&error))))?;
        let wait = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        let wait = wait.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
        Ok(Answer { status: response.status(), wait, text: beginning(response).await })
    }
}

fn with_manners(builder: reqwest::ClientBuilder) -> Result<reqwest::Client> {
    let builder = builder.timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none());
    let builder = builder.user_agent(concat!("Crannog/", env!("CARGO_PKG_VERSION")));
    builder.build().map_err(Error::internal)
}

/// What there is of an answer's text, up to a limit: it may have no end.
async fn beginning(mut response: reqwest::Response) -> String {
    let mut read = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = ANSWER_MAX - read.len();
        read.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if read.len() == ANSWER_MAX {
            break;
        }
    }
    String::from_utf8_lossy(&read).into_owned()
}

/// What really happened, below "error sending request".
fn innermost(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

/// The signature of a delivery, as the Standard Webhooks specification has it and MLflow after it:
/// HMAC-SHA256 over id, time and body, so that a receiver can tell ours from others' and a new one from a
/// replayed one.
pub fn signature(key: &[u8], id: &str, timestamp_s: i64, body: &str) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(format!("{id}.{timestamp_s}.{body}").as_bytes());
    Some(format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference libraries.
    #[test]
    fn a_signature_is_the_specifications() {
        let key = BASE64_STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed =
            signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signed.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }
}
