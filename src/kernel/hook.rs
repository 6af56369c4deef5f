//! What this server sends to webhooks that somebody registered: how long it waits, how it signs, and how it tells
//! what went wrong.

use super::{
    error::{Error, Result},
    web::{Question, Web},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, header};
use sha2::Sha256;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(15);

/// Sends JSON to webhooks. Clones share its connections.
#[derive(Clone)]
pub struct Sender(Web);

/// What a webhook said.
#[derive(Debug)]
pub struct Answer {
    pub status: http::StatusCode,
    pub text: String,
    /// How long it asked not to be bothered, in seconds (`Retry-After`; a date there is not read).
    pub wait: Option<Duration>,
}

impl Sender {
    pub fn new(web: Web) -> Self {
        Self(web)
    }

    /// Posts a JSON body with these headers; whoever does not answer is `Busy`.
    pub async fn post(&self, url: &str, mut headers: HeaderMap, body: String) -> Result<Answer> {
        headers.insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        let (method, url) = (http::Method::POST, url.to_owned());
        let asked = self.0.ask(Question { method, url, headers, body: Some(body), timeout: TIMEOUT }).await;
        let answer = asked.map_err(|why| Error::busy(format!("The webhook did not answer: {why}.")))?;
        let wait = answer.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        let wait = wait.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
        Ok(Answer { status: answer.status, wait, text: answer.text })
    }
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
