//! A request as conditions and decisions see it.

use super::{decide::Caller, policy::keys};
use crate::kernel::{
    clock::{now_ms, rfc3339},
    http::Peer,
};
use http::{HeaderMap, Uri};

/// How a request proves who sends it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Signature {
    #[default]
    None,
    Header(Version),
    Query(Version),
    Form(Version),
}

/// Which of Amazon's ways to sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    V2,
    V4,
}

impl Signature {
    pub fn version(self) -> Option<Version> {
        match self {
            Self::None => None,
            Self::Header(version) | Self::Query(version) | Self::Form(version) => Some(version),
        }
    }
}

/// What is asked, before anybody looked at what is there.
pub struct Asked<'a> {
    /// The operation's name in the S3 API.
    pub operation: &'a str,
    pub bucket: &'a str,
    /// Empty for an operation on the bucket.
    pub key: &'a str,
    pub headers: &'a HeaderMap,
    /// Decoded as the protocol's reader decodes it: both must see the same version and prefix.
    pub query: Vec<(String, String)>,
    pub peer: Option<Peer>,
    pub signature: Signature,
    pub tags: Tags,
}

/// The tags a request brings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Tags {
    /// In a header, if any.
    #[default]
    InHeader,
    /// In the body, which is not read yet: a decision that looks at them has to wait for them.
    ToCome,
    Given(Vec<(String, String)>),
}

/// The pairs of a query.
pub fn query(uri: &Uri) -> Vec<(String, String)> {
    if uri.query().is_none() {
        return Vec::new();
    }
    axum::extract::Query::try_from_uri(uri).map(|query| query.0).unwrap_or_default()
}

const EVERY_HEADER: &str = "x-amz-";

impl Asked<'_> {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The version named, if one is.
    pub fn version(&self) -> Option<&str> {
        self.parameter("versionId").filter(|version| !version.is_empty())
    }

    /// The tags the request gives to what it makes.
    fn request_tags(&self) -> Vec<(String, String)> {
        if let Tags::Given(tags) = &self.tags {
            return tags.clone();
        }
        let header = self.header("x-amz-tagging").unwrap_or_default();
        let uri = format!("/?{header}").parse::<Uri>();
        uri.map(|uri| query(&uri)).unwrap_or_default()
    }

    /// What the request says under a condition key, which is in lower case. `tags` are those of the
    /// object that is there.
    pub fn values(
        &self,
        key: &str,
        caller: Option<&Caller>,
        tags: Option<&[(String, String)]>,
    ) -> Option<Vec<String>> {
        if let Some(name) = key.strip_prefix(keys::EXISTING_TAG) {
            return tag(tags?, name);
        }
        if let Some(name) = key.strip_prefix(keys::REQUEST_TAG) {
            return tag(&self.request_tags(), name);
        }
        if key == keys::REQUEST_TAG_KEYS {
            let names: Vec<String> = self.request_tags().into_iter().map(|(name, _)| name).collect();
            return (!names.is_empty()).then_some(names);
        }
        match key.split_once(':')? {
            ("aws", name) => self.global(name, caller),
            ("s3", name) => self.own(name),
            _ => None,
        }
        .map(|value| vec![value])
    }

    fn global(&self, name: &str, caller: Option<&Caller>) -> Option<String> {
        let header = |name: &str| self.header(name).map(str::to_owned);
        let who = caller.map(Caller::who);
        match name {
            "currenttime" => Some(rfc3339(now_ms())),
            "epochtime" => Some((now_ms() / 1000).to_string()),
            "sourceip" => self.peer.map(|peer| peer.address.ip().to_canonical().to_string()),
            // As it came to this door: what a proxy says of itself is not to be trusted.
            "securetransport" => Some(self.peer.is_some_and(|peer| peer.tls).to_string()),
            "referer" => header("referer"),
            "useragent" => header("user-agent"),
            "requestedregion" => Some(super::super::REGION.to_owned()),
            "username" => who?.user.filter(|_| who.is_some_and(|who| who.role.is_none())).map(str::to_owned),
            "userid" => who?.user.map(str::to_owned),
            "principalaccount" => who?.account.map(super::account::number),
            "principalarn" => who?.arn(),
            "principaltype" => {
                let kind = match caller {
                    None => "Anonymous",
                    Some(_) if who?.role.is_some() => "AssumedRole",
                    Some(caller) if caller.iam_user().is_some() => "User",
                    Some(caller) if caller.principal.role.has_own_account() => "Account",
                    Some(_) => "User",
                };
                Some(kind.to_owned())
            }
            "principalisawsservice" | "viaawsservice" => Some("false".to_owned()),
            _ => None,
        }
    }

    fn own(&self, name: &str) -> Option<String> {
        let header = |name: &str| self.header(name).map(str::to_owned);
        match name {
            "prefix" | "delimiter" | "max-keys" => self.parameter(name).map(str::to_owned),
            "versionid" => self.version().map(str::to_owned),
            "authtype" => match self.signature {
                Signature::None => None,
                Signature::Header(_) => Some("REST-HEADER".to_owned()),
                Signature::Query(_) => Some("REST-QUERY-STRING".to_owned()),
                Signature::Form(_) => Some("POST".to_owned()),
            },
            "signatureversion" => self.signature.version().map(|version| match version {
                Version::V2 => "AWS".to_owned(),
                Version::V4 => "AWS4-HMAC-SHA256".to_owned(),
            }),
            "x-amz-copy-source" => {
                let source = self.header("x-amz-copy-source")?;
                let source = percent_encoding::percent_decode_str(source).decode_utf8().ok()?;
                Some(source.trim_start_matches('/').split("?versionId=").next()?.to_owned())
            }
            "if-match" | "if-none-match" => header(name),
            "object-lock-mode" | "object-lock-retain-until-date" | "object-lock-legal-hold" => {
                header(&format!("{EVERY_HEADER}{name}"))
            }
            "object-lock-remaining-retention-days" => {
                let until = self.header("x-amz-object-lock-retain-until-date")?;
                let until = chrono::DateTime::parse_from_rfc3339(until).ok()?.timestamp_millis();
                Some(((until - now_ms()).max(0) / 86_400_000).to_string())
            }
            other if other.starts_with(EVERY_HEADER) => header(other),
            _ => None,
        }
    }
}

fn tag(tags: &[(String, String)], name: &str) -> Option<Vec<String>> {
    tags.iter().find(|(key, _)| key == name).map(|(_, value)| vec![value.clone()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Principal;

    #[test]
    fn a_request_says_what_its_headers_query_and_sender_say() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-amz-acl", "private"),
            ("x-amz-tagging", "team=a%20b&x=1"),
            ("x-amz-copy-source", "/src/a%2Bb?versionId=1"),
            ("referer", "http://x/"),
        ] {
            headers.insert(name, value.parse().unwrap());
        }
        let asked = Asked {
            operation: "PutObject",
            bucket: "b",
            key: "k",
            headers: &headers,
            query: query(&"/b?prefix=a%2Fb&max-keys=7&versionId=".parse().unwrap()),
            peer: "[::ffff:10.0.0.1]:1".parse().ok().map(|address| Peer { address, tls: true }),
            signature: Signature::Query(Version::V2),
            tags: Tags::InHeader,
        };
        let principal = Principal { user: "ann".into(), role: crate::auth::Role::Guest };
        let caller = Caller { principal, session: None };
        let there = [("Team".to_owned(), "c".to_owned())];
        let value = |key: &str| asked.values(key, Some(&caller), Some(&there)).map(|values| values.join(","));
        for (key, expected) in [
            ("s3:prefix", Some("a/b")),
            ("s3:max-keys", Some("7")),
            ("s3:delimiter", None),
            ("s3:versionid", None),
            ("s3:x-amz-acl", Some("private")),
            ("s3:x-amz-copy-source", Some("src/a+b")),
            ("s3:requestobjecttag/team", Some("a b")),
            ("s3:requestobjecttagkeys", Some("team,x")),
            ("s3:existingobjecttag/Team", Some("c")),
            ("s3:existingobjecttag/team", None),
            ("s3:authtype", Some("REST-QUERY-STRING")),
            ("s3:signatureversion", Some("AWS")),
            ("aws:sourceip", Some("10.0.0.1")),
            ("aws:username", Some("ann")),
            ("aws:principaltype", Some("Account")),
            ("aws:referer", Some("http://x/")),
            ("aws:securetransport", Some("true")),
            ("aws:sourcevpc", None),
        ] {
            assert_eq!(value(key).as_deref(), expected, "{key}");
        }
    }
}
