//! Which host names carry a bucket (virtual-host style): those below `localhost`, and those below the name that
//! clients reach this door by. Every other host is path style.

use http::{Extensions, Uri};
use s3s::{
    S3Result,
    host::{S3Host, VirtualHost},
};
use std::{net::IpAddr, sync::Arc};

/// The names that buckets may stand before. Among the extensions of each request.
#[derive(Clone, Debug, Default)]
pub struct Hosts(Arc<Names>);

#[derive(Debug, Default)]
struct Names {
    /// Where clients reach this door, if that is a name.
    public: Option<String>,
    /// Where they reach the main door: a request there may be signed too, and names no bucket.
    main: Option<String>,
}

impl Hosts {
    /// From the public addresses of this door and of the main one.
    pub fn new(public: Option<&str>, main: Option<&str>) -> Self {
        Self(Arc::new(Names { public: public.and_then(name_in), main: main.and_then(name_in) }))
    }

    /// The bucket a Host header names, if it does.
    pub fn bucket<'a>(&self, host: &'a str) -> Option<&'a str> {
        let name = without_port(host);
        let is_main = self.0.main.as_deref().is_some_and(|main| name.eq_ignore_ascii_case(main));
        let public = self.0.public.as_deref().filter(|_| !is_main);
        before(name, "localhost").or_else(|| before(name, public?))
    }

    /// The same where a request is at hand, for which the door has noted its names.
    pub fn bucket_in<'a>(extensions: &Extensions, host: &'a str) -> Option<&'a str> {
        match extensions.get::<Self>() {
            Some(hosts) => hosts.bucket(host),
            None => Self::default().bucket(host),
        }
    }
}

impl S3Host for Hosts {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        match self.bucket(host) {
            Some(bucket) => Ok(VirtualHost::new(&host[bucket.len() + 1..]).with_bucket(bucket)),
            None => Ok(VirtualHost::new(host)),
        }
    }
}

/// The host of a URL, where it is a name and no address.
fn name_in(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    let host = uri.host()?.trim_matches(['[', ']']);
    (host.parse::<IpAddr>().is_err() && !host.eq_ignore_ascii_case("localhost")).then(|| host.to_owned())
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// What stands before `.domain`, in whatever case that is written.
fn before<'a>(name: &'a str, domain: &str) -> Option<&'a str> {
    let (bucket, rest) = name.split_at_checked(name.len().checked_sub(domain.len() + 1)?)?;
    let fits = rest.strip_prefix('.').is_some_and(|rest| rest.eq_ignore_ascii_case(domain));
    (fits && !bucket.is_empty()).then_some(bucket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_stands_before_the_names_of_this_door_only() {
        let hosts = Hosts::new(Some("https://lab.example:9000"), Some("https://ui.lab.example"));
        for (host, bucket) in [
            ("b.localhost", Some("b")),
            ("b.localhost:9000", Some("b")),
            ("a.b.lab.example", Some("a.b")),
            ("b.LAB.example:9000", Some("b")),
            ("lab.example", None),
            (".lab.example", None),
            ("xlab.example", None),
            ("ui.lab.example", None),
            ("ui.lab.example:5000", None),
            ("b.other.example", None),
            ("127.0.0.1:9000", None),
            ("[::1]", None),
            ("localhost", None),
            ("ü.example", None),
            ("", None),
        ] {
            assert_eq!(hosts.bucket(host), bucket, "{host}");
        }
        for address in ["http://10.0.0.1:9000", "http://[::1]:9000", "http://localhost:9000"] {
            assert!(Hosts::new(Some(address), None).0.public.is_none(), "{address}");
        }
    }
}
