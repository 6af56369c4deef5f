//! Links that let whoever holds them read or write one object for a while: presigned URLs, made with a
//! key of the user who asks. Revoking that key ends all of the user's links.

use super::{
    super::{REGION, names},
    Answer, Ask, Shelf, Visitor, version,
};
use crate::{
    auth::{self, Principal},
    kernel::{
        clock::{now_ms, rfc3339},
        error::{Error, Result},
        http::Json,
    },
};
use axum::extract::{Path, State};
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The label of a user's key for links, in the list of their S3 keys.
const LABEL: &str = "presigned links";
/// SigV4's limit.
const LONGEST_S: u32 = 7 * 24 * 3600;
const ANY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const PATH: &AsciiSet = &ANY.remove(b'/');

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    key: String,
    /// GET or PUT.
    #[serde(default)]
    method: Option<String>,
    version: Option<String>,
    expires_s: Option<u32>,
}

#[derive(Serialize)]
pub(super) struct Link {
    url: String,
    method: &'static str,
    expires_at: String,
}

pub(super) async fn make(
    visitor: Visitor,
    State(shelf): State<Shelf>,
    Path(bucket): Path<String>,
    headers: HeaderMap,
    Json(wanted): Json<Wanted>,
) -> Answer<Json<Link>> {
    let method = match wanted.method.as_deref().unwrap_or("GET") {
        "GET" => "GET",
        "PUT" => "PUT",
        other => {
            return Err(Error::invalid(format!("{other:?} is not a method of a link: GET or PUT.")).into());
        }
    };
    let expires_s = wanted.expires_s.unwrap_or(3600);
    if !(1..=LONGEST_S).contains(&expires_s) {
        return Err(Error::invalid(format!(
            "A link lives 1 to {LONGEST_S} seconds (7 days), not {expires_s}."
        ))
        .into());
    }
    names::check_key(&wanted.key).map_err(Error::from)?;
    let version = version(wanted.version.as_deref())?;
    let operation = if method == "PUT" { "PutObject" } else { "GetObject" };
    let ask = Ask::of(operation, &bucket).key(&wanted.key).version(wanted.version.as_deref());
    shelf.admit(&visitor, ask).await?;
    if method == "GET" {
        shelf.service().head_version(&bucket, &wanted.key, version).await?;
    }
    let (access_key, secret) = key_of(&shelf.gatekeeper.auth, &visitor.caller.principal).await?;
    let now = DateTime::from_timestamp_millis(now_ms()).unwrap_or_default();
    let base = (shelf.address)(&headers);
    let version = version.map(|version| version.to_string());
    let asked = Signing {
        method,
        base: base.trim_end_matches('/'),
        path: format!("/{}/{}", utf8_percent_encode(&bucket, ANY), utf8_percent_encode(&wanted.key, PATH)),
        version: version.as_deref(),
        access_key: &access_key,
        expires_s,
        now,
    };
    let expires_at = rfc3339(now.timestamp_millis() + i64::from(expires_s) * 1000);
    Ok(Json(Link { url: asked.signed(&secret), method, expires_at }))
}

/// The user's key for links, made when first needed.
async fn key_of(auth: &auth::Service, who: &Principal) -> Result<(String, String)> {
    let keys = auth.s3_key_list(Some(who.user.clone())).await?;
    if let Some(info) = keys.into_iter().find(|key| key.label == LABEL)
        && let Some(key) = auth.s3_key(&info.access_key_id).await?
    {
        return Ok((info.access_key_id, key.secret.clone()));
    }
    auth.s3_key_issue(&who.user, LABEL).await
}

/// A request to be signed by its query, as SigV4 has it.
struct Signing<'a> {
    method: &'static str,
    /// `http://host:port`
    base: &'a str,
    path: String,
    version: Option<&'a str>,
    access_key: &'a str,
    expires_s: u32,
    now: DateTime<Utc>,
}

impl Signing<'_> {
    fn signed(&self, secret: &str) -> String {
        let (day, time) =
            (self.now.format("%Y%m%d").to_string(), self.now.format("%Y%m%dT%H%M%SZ").to_string());
        let scope = format!("{day}/{REGION}/s3/aws4_request");
        let query = self.query(&scope, &time);
        let host = self.base.split_once("://").map_or(self.base, |(_, host)| host);
        let canonical =
            format!("{}\n{}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD", self.method, self.path);
        let digest = hex::encode(Sha256::digest(canonical));
        let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{digest}");
        let steps = [day.as_str(), REGION, "s3", "aws4_request"];
        let start = format!("AWS4{secret}").into_bytes();
        let key = steps.iter().fold(start, |key, step| mac(&key, step));
        let signature = hex::encode(mac(&key, &text));
        format!("{}{}?{query}&X-Amz-Signature={signature}", self.base, self.path)
    }

    /// In the order of the names, as it has to be signed.
    fn query(&self, scope: &str, time: &str) -> String {
        let credential = format!("{}/{scope}", self.access_key);
        let expires = self.expires_s.to_string();
        let fixed = [
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Credential", &credential),
            ("X-Amz-Date", time),
            ("X-Amz-Expires", &expires),
            ("X-Amz-SignedHeaders", "host"),
        ];
        let version = self.version.map(|version| ("versionId", version));
        let pairs = fixed.into_iter().chain(version);
        pairs
            .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, ANY)))
            .collect::<Vec<_>>()
            .join("&")
    }
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The steps that make the signing key, on the example Amazon documents them with.
    #[test]
    fn the_signing_key_is_the_documented_one() {
        let start = b"AWS4wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_vec();
        let steps = ["20150830", "us-east-1", "iam", "aws4_request"];
        let key = steps.iter().fold(start, |key, step| mac(&key, step));
        assert_eq!(hex::encode(key), "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9");
    }

    #[test]
    fn a_link_names_its_key_escaped_and_its_parameters_in_order() {
        let asked = Signing {
            method: "GET",
            base: "http://127.0.0.1:9000",
            path: format!("/b/{}", utf8_percent_encode("a b/ü?.txt", PATH)),
            version: Some("null"),
            access_key: "K",
            expires_s: 60,
            now: DateTime::from_timestamp(0, 0).unwrap_or_default(),
        };
        let url = asked.signed("s");
        assert!(url.starts_with("http://127.0.0.1:9000/b/a%20b/%C3%BC%3F.txt?X-Amz-Algorithm="), "{url}");
        let names: Vec<_> = url.split(['?', '&']).skip(1).filter_map(|pair| pair.split('=').next()).collect();
        let mut sorted = names.clone();
        sorted.truncate(names.len() - 1);
        sorted.sort_unstable();
        assert_eq!(names[..names.len() - 1], sorted);
    }
}
