//! Which bucket names and keys are acceptable. A key is a plain string: `..` and `//` mean nothing.

use super::{error::Fault, model::Traits};

/// AWS's rules for bucket names.
pub fn check_bucket(name: &str) -> Result<(), Fault> {
    let edge = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let bytes = name.as_bytes();
    let fine = (3..=63).contains(&bytes.len())
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-'))
        && edge(bytes.first())
        && edge(bytes.last())
        && !["..", ".-", "-."].iter().any(|pair| name.contains(pair))
        && name.parse::<std::net::Ipv4Addr>().is_err()
        && !["xn--", "sthree-", "amzn-s3-demo-"].iter().any(|p| name.starts_with(p))
        && !["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"].iter().any(|s| name.ends_with(s));
    if fine { Ok(()) } else { Err(Fault::InvalidBucketName(name.to_owned())) }
}

/// The account and the bucket in `ACCOUNT:BUCKET`, as clients of radosgw name a bucket of another tenant. Names are
/// unique over all accounts here, so that the account may be empty, or left out with its colon.
pub fn qualified(name: &str) -> (&str, &str) {
    name.split_once(':').unwrap_or(("", name))
}

/// At most 1,024 bytes of UTF-8, any characters.
pub fn check_key(key: &str) -> Result<(), Fault> {
    match key.len() {
        0 => Err(Fault::KeyEmpty),
        1..=1024 => Ok(()),
        length => Err(Fault::KeyTooLong(length)),
    }
}

/// What a client may say about an object has its limits.
pub fn check_traits(traits: &Traits) -> Result<(), Fault> {
    check_metadata(&traits.metadata)?;
    check_tags(&traits.tags)
}

/// User metadata counts at most 2 KiB of names and values together.
fn check_metadata(metadata: &[(String, String)]) -> Result<(), Fault> {
    let size = metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size <= 2048 { Ok(()) } else { Err(Fault::MetadataTooLarge(size)) }
}

/// At most ten tags, each key once; keys up to 128 characters, values up to 256.
pub fn check_tags(tags: &[(String, String)]) -> Result<(), Fault> {
    if tags.len() > 10 {
        return Err(Fault::InvalidTag("an object has at most 10"));
    }
    let mut seen = std::collections::HashSet::new();
    for (key, value) in tags {
        if key.is_empty() || key.chars().count() > 128 {
            return Err(Fault::InvalidTag("a key has 1 to 128 characters"));
        }
        if value.chars().count() > 256 {
            return Err(Fault::InvalidTag("a value has at most 256 characters"));
        }
        if !seen.insert(key) {
            return Err(Fault::InvalidTag("a key is given twice"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_names_follow_aws() {
        for name in ["abc", "my.bucket-1", "0a0", &"a".repeat(63)] {
            assert!(check_bucket(name).is_ok(), "{name}");
        }
        for name in [
            "ab",
            "Abc",
            "a_b",
            "a..b",
            "a.-b",
            "a-.b",
            "-ab",
            "ab-",
            "10.0.0.1",
            "xn--abc",
            "../etc",
            &"a".repeat(64),
        ] {
            assert!(check_bucket(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_key_is_any_text_up_to_1024_bytes() {
        assert!(check_key("../../etc/passwd").is_ok());
        assert!(check_key(&"é".repeat(512)).is_ok());
        assert_eq!(check_key(&"é".repeat(513)), Err(Fault::KeyTooLong(1026)));
        assert_eq!(check_key(""), Err(Fault::KeyEmpty));
    }
}
