//! AWS Signature Version 4 for the few requests this client makes; bodies are unsigned, as the
//! AWS SDKs send them over TLS.

use sha2::{Digest, Sha256};
use std::time::{SystemTime, UNIX_EPOCH};

/// A server and the key to it.
#[derive(Clone)]
pub struct Target {
    pub host: String,
    pub access: String,
    pub secret: String,
    pub region: String,
}

const PAYLOAD: &str = "UNSIGNED-PAYLOAD";
const SIGNED: &str = "host;x-amz-content-sha256;x-amz-date";

/// The head of a signed request, without its last empty line.
pub fn head(target: &Target, method: &str, path: &str, query: &[(&str, &str)]) -> String {
    let (date, time) = now();
    let mut pairs: Vec<String> =
        query.iter().map(|(name, value)| format!("{}={}", escape(name, true), escape(value, true))).collect();
    pairs.sort();
    let (path, query) = (escape(path, false), pairs.join("&"));
    let host = &target.host;
    let canonical = format!(
        "{method}\n{path}\n{query}\nhost:{host}\nx-amz-content-sha256:{PAYLOAD}\nx-amz-date:{time}\n\n{SIGNED}\n{PAYLOAD}"
    );
    let scope = format!("{date}/{}/s3/aws4_request", target.region);
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex::encode(Sha256::digest(canonical)));
    let key = [target.region.as_str(), "s3", "aws4_request"]
        .iter()
        .fold(hmac(format!("AWS4{}", target.secret).as_bytes(), &date), |key, word| hmac(&key, word));
    let signature = hex::encode(hmac(&key, &text));
    let mark = if query.is_empty() { "" } else { "?" };
    format!(
        "{method} {path}{mark}{query} HTTP/1.1\r\nHost: {host}\r\nx-amz-date: {time}\r\n\
         x-amz-content-sha256: {PAYLOAD}\r\nAuthorization: AWS4-HMAC-SHA256 Credential={}/{scope}, \
         SignedHeaders={SIGNED}, Signature={signature}\r\n",
        target.access
    )
}

/// HMAC-SHA256 (RFC 2104); no key of ours is longer than a block.
fn hmac(key: &[u8], text: &str) -> [u8; 32] {
    let (mut inner, mut outer) = ([0x36; 64], [0x5c; 64]);
    for (index, byte) in key.iter().take(64).enumerate() {
        inner[index] ^= byte;
        outer[index] ^= byte;
    }
    let first = Sha256::new().chain_update(inner).chain_update(text).finalize();
    Sha256::new().chain_update(outer).chain_update(first).finalize().into()
}

fn escape(text: &str, slash: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(byte as char),
            b'/' if !slash => out.push('/'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// The date and the time of the signature: `20260102` and `20260102T030405Z`.
fn now() -> (String, String) {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let time = chrono::DateTime::from_timestamp(seconds as i64, 0).unwrap_or_default();
    (time.format("%Y%m%d").to_string(), time.format("%Y%m%dT%H%M%SZ").to_string())
}
