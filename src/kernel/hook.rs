//! What this server sends to webhooks that somebody registered: how long it waits, how it signs, and how it tells
//! what went wrong. And what others send to it: whether it is signed with a secret.

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
/// How far the clock of a sender may be off, as the Standard Webhooks specification has it.
const SKEW_S: i64 = 300;

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

/// Whether a delivery is signed with a secret: as GitHub signs (HMAC-SHA256 of the body, in hex), or as the Standard
/// Webhooks specification has it, which knows the time too and so refuses what is replayed later.
pub fn is_signed(secret: &str, headers: &HeaderMap, body: &[u8], now_s: i64) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let plain = ["x-hub-signature-256", "x-crannog-signature"].into_iter().filter_map(text);
    let mut digests = plain.filter_map(|given| hex::decode(given.strip_prefix("sha256=")?).ok());
    digests.any(|digest| fits(secret.as_bytes(), &[body], &digest))
        || is_signed_by_standard(
            secret,
            text("webhook-id"),
            text("webhook-timestamp"),
            text("webhook-signature"),
            body,
            now_s,
        )
}

fn is_signed_by_standard(
    secret: &str,
    id: Option<&str>,
    at: Option<&str>,
    signatures: Option<&str>,
    body: &[u8],
    now_s: i64,
) -> bool {
    let (Some(id), Some(at), Some(signatures)) = (id, at, signatures) else { return false };
    let is_now = at.parse::<i64>().is_ok_and(|at| now_s.saturating_sub(at).saturating_abs() <= SKEW_S);
    // The specification's own secrets are base64 behind a mark; others are taken as they are.
    let decoded = secret.strip_prefix("whsec_").and_then(|text| BASE64_STANDARD.decode(text).ok());
    let key = decoded.unwrap_or_else(|| secret.as_bytes().to_vec());
    let signed = [id.as_bytes(), b".", at.as_bytes(), b".", body];
    let digests =
        signatures.split(' ').filter_map(|one| BASE64_STANDARD.decode(one.strip_prefix("v1,")?).ok());
    is_now && digests.into_iter().any(|digest| fits(&key, &signed, &digest))
}

/// Compares in a time that tells nothing of where they differ.
fn fits(key: &[u8], signed: &[&[u8]], digest: &[u8]) -> bool {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return false };
    signed.iter().for_each(|part| mac.update(part));
    !key.is_empty() && mac.verify_slice(digest).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(given: &[(&'static str, &str)]) -> HeaderMap {
        given
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    /// The example of GitHub's documentation.
    #[test]
    fn github_signs_the_body_in_hex() {
        let good = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let signed = headers(&[("x-hub-signature-256", good)]);
        assert!(is_signed("It's a Secret to Everybody", &signed, b"Hello, World!", 0));
        assert!(!is_signed("It's a Secret to Everybody", &signed, b"Hello, World?", 0));
        assert!(!is_signed("another", &signed, b"Hello, World!", 0));
        assert!(!is_signed("", &signed, b"Hello, World!", 0));
        for bad in ["sha256=", "sha256=75", "sha1=757107ea", "757107ea0eb2509fc211221cce984b8a", "sha256=zz"]
        {
            let signed = headers(&[("x-hub-signature-256", bad)]);
            assert!(!is_signed("It's a Secret to Everybody", &signed, b"Hello, World!", 0), "{bad}");
        }
    }

    #[test]
    fn the_standard_signs_id_and_time_too_and_is_good_for_five_minutes() {
        let (secret, body) = ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", br#"{"test": 2432232314}"#);
        let given = |id, at, signature| {
            headers(&[("webhook-id", id), ("webhook-timestamp", at), ("webhook-signature", signature)])
        };
        let (id, at) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330");
        let signature = "v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= v1a,x";
        assert!(is_signed(secret, &given(id, at, signature), body, 1_614_265_500));
        assert!(!is_signed(secret, &given(id, at, signature), body, 1_614_265_631));
        assert!(!is_signed(secret, &given("other", at, signature), body, 1_614_265_330));
        assert!(!is_signed(secret, &given(id, "soon", signature), body, 1_614_265_330));
        // A secret without the mark is a key as it stands, and so signs what this server sends.
        let own = self::signature(b"plain", id, 1_614_265_330, "{}").unwrap();
        assert!(is_signed("plain", &given(id, at, &own), b"{}", 1_614_265_330));
    }

    /// The example of the specification's reference libraries.
    #[test]
    fn a_signature_is_the_specifications() {
        let key = BASE64_STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed =
            signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signed.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }
}
