//! Presigned URLs: links that let whoever holds them read or write one object for a while. They are made
//! with a key of the user who asks, so that they reach no further than the user; revoking that key ends
//! all of the user's links.

use super::REGION;
use crate::{
    auth::{self, Principal},
    kernel::{
        clock::now_ms,
        error::{Error, Result},
    },
};
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

/// The label of a user's key for links, in the list of their S3 keys.
const LABEL: &str = "presigned links";
/// SigV4's limit.
pub const LONGEST_S: u32 = 7 * 24 * 3600;
const ANY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const PATH: &AsciiSet = &ANY.remove(b'/');

/// What a link is to lead to.
#[derive(Clone, Copy, Debug)]
pub struct Link<'a> {
    pub method: &'static str,
    /// `http://host:port`, as its holder reaches the server.
    pub base: &'a str,
    pub bucket: &'a str,
    pub key: &'a str,
    /// Further parameters of the request, such as `partNumber`; sorted, and after `X-Amz-` in that order.
    pub query: &'a [(&'static str, String)],
    pub expires_s: u32,
}

/// The maker of a user's links.
pub struct Signer {
    access_key: String,
    secret: String,
    pub now: DateTime<Utc>,
}

impl Signer {
    /// With the user's key for links, made when first needed.
    pub async fn of(auth: &auth::Service, who: &Principal) -> Result<Self> {
        let now = DateTime::from_timestamp_millis(now_ms()).unwrap_or_default();
        let keys = auth.s3_key_list(Some(who.user.clone())).await?;
        if let Some(info) = keys.into_iter().find(|key| key.label == LABEL)
            && let Some(key) = auth.s3_key(&info.access_key_id).await?
        {
            return Ok(Self { access_key: info.access_key_id, secret: key.secret.clone(), now });
        }
        let (access_key, secret) = auth.s3_key_issue(&who.user, LABEL).await?;
        Ok(Self { access_key, secret, now })
    }

    /// The link as a URL, signed by its query as SigV4 has it.
    pub fn sign(&self, link: &Link<'_>) -> String {
        let (day, time) =
            (self.now.format("%Y%m%d").to_string(), self.now.format("%Y%m%dT%H%M%SZ").to_string());
        let scope = format!("{day}/{REGION}/s3/aws4_request");
        let query = self.query(link, &scope, &time);
        let base = link.base.trim_end_matches('/');
        let host = base.split_once("://").map_or(base, |(_, host)| host);
        let path =
            format!("/{}/{}", utf8_percent_encode(link.bucket, ANY), utf8_percent_encode(link.key, PATH));
        let canonical = format!("{}\n{path}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD", link.method);
        let digest = hex::encode(Sha256::digest(canonical));
        let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{digest}");
        let steps = [day.as_str(), REGION, "s3", "aws4_request"];
        let start = format!("AWS4{}", self.secret).into_bytes();
        let key = steps.iter().fold(start, |key, step| mac(&key, step));
        let signature = hex::encode(mac(&key, &text));
        format!("{base}{path}?{query}&X-Amz-Signature={signature}")
    }

    /// In the order of the names, as it has to be signed.
    fn query(&self, link: &Link<'_>, scope: &str, time: &str) -> String {
        let credential = format!("{}/{scope}", self.access_key);
        let expires = link.expires_s.to_string();
        let fixed = [
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Credential", &credential),
            ("X-Amz-Date", time),
            ("X-Amz-Expires", &expires),
            ("X-Amz-SignedHeaders", "host"),
        ];
        let further = link.query.iter().map(|(name, value)| (*name, value.as_str()));
        fixed
            .into_iter()
            .chain(further)
            .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, ANY)))
            .collect::<Vec<_>>()
            .join("&")
    }
}

/// A link's life within SigV4's limit.
pub fn check_life(expires_s: i64) -> Result<u32> {
    u32::try_from(expires_s).ok().filter(|seconds| (1..=LONGEST_S).contains(seconds)).ok_or_else(|| {
        Error::invalid(format!("A link lives 1 to {LONGEST_S} seconds (7 days), not {expires_s}."))
    })
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
        let now = DateTime::from_timestamp(0, 0).unwrap_or_default();
        let signer = Signer { access_key: "K".into(), secret: "s".into(), now };
        let url = signer.sign(&Link {
            method: "GET",
            base: "http://127.0.0.1:9000/",
            bucket: "b",
            key: "a b/ü?.txt",
            query: &[("partNumber", "1".into()), ("uploadId", "u".into()), ("versionId", "null".into())],
            expires_s: 60,
        });
        assert!(url.starts_with("http://127.0.0.1:9000/b/a%20b/%C3%BC%3F.txt?X-Amz-Algorithm="), "{url}");
        let names: Vec<_> = url.split(['?', '&']).skip(1).filter_map(|pair| pair.split('=').next()).collect();
        let mut sorted = names.clone();
        sorted.truncate(names.len() - 1);
        sorted.sort_unstable();
        assert_eq!(names[..names.len() - 1], sorted);
    }
}
