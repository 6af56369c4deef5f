//! Grants as requests carry them: a canned name, `x-amz-grant-*` headers, or a document. Whom they name
//! is looked up by the caller of this room.

use super::acl::Permission;
use http::HeaderMap;

/// A grantee before anybody looked whether they exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    Id(String),
    Email(String),
    Group(String),
}

/// Why the headers cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadGrant {
    /// Not `id="..."`, `uri="..."` or `emailAddress="..."`.
    Format,
    /// Both a canned name and grants.
    Both,
}

/// What a request says about the ACL of what it makes or changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    Canned(String),
    Grants(Vec<(Named, Permission)>),
}

const HEADERS: [(&str, Permission); 5] = [
    ("x-amz-grant-read", Permission::Read),
    ("x-amz-grant-write", Permission::Write),
    ("x-amz-grant-read-acp", Permission::ReadAcp),
    ("x-amz-grant-write-acp", Permission::WriteAcp),
    ("x-amz-grant-full-control", Permission::FullControl),
];

/// What the headers say; none when they say nothing.
pub fn from_headers(headers: &HeaderMap) -> Result<Option<Wanted>, BadGrant> {
    let field = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    // s3fs sends an empty one when it was told nothing.
    let canned = field("x-amz-acl").filter(|name| !name.is_empty());
    let mut grants = Vec::new();
    for (name, permission) in HEADERS {
        if let Some(value) = field(name) {
            grants.extend(grantees(value)?.into_iter().map(|named| (named, permission)));
        }
    }
    match (canned, grants.is_empty()) {
        (Some(_), false) => Err(BadGrant::Both),
        (Some(name), true) => Ok(Some(Wanted::Canned(name.to_owned()))),
        (None, false) => Ok(Some(Wanted::Grants(grants))),
        (None, true) => Ok(None),
    }
}

/// `id="a", emailAddress="b", uri=c`.
fn grantees(value: &str) -> Result<Vec<Named>, BadGrant> {
    value.split(',').map(|one| grantee(one.trim())).collect()
}

fn grantee(text: &str) -> Result<Named, BadGrant> {
    let (kind, name) = text.split_once('=').ok_or(BadGrant::Format)?;
    let name = name.trim();
    let name = name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(name).to_owned();
    match kind.trim().to_ascii_lowercase().as_str() {
        _ if name.is_empty() => Err(BadGrant::Format),
        "id" => Ok(Named::Id(name)),
        "emailaddress" => Ok(Named::Email(name)),
        "uri" => Ok(Named::Group(name)),
        _ => Err(BadGrant::Format),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &[(&str, &str)]) -> Result<Option<Wanted>, BadGrant> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.insert(http::HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        from_headers(&headers)
    }

    #[test]
    fn headers_name_grantees_in_three_ways() {
        let got = read(&[
            ("x-amz-grant-full-control", "emailAddress=\"a@b.c\""),
            ("x-amz-grant-read", "id=ann, uri=\"http://acs.amazonaws.com/groups/global/AllUsers\""),
        ]);
        let expected = vec![
            (Named::Id("ann".into()), Permission::Read),
            (Named::Group("http://acs.amazonaws.com/groups/global/AllUsers".into()), Permission::Read),
            (Named::Email("a@b.c".into()), Permission::FullControl),
        ];
        assert_eq!(got, Ok(Some(Wanted::Grants(expected))));
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[("x-amz-acl", "")]), Ok(None));
        assert_eq!(read(&[("x-amz-acl", "private")]), Ok(Some(Wanted::Canned("private".into()))));
    }

    #[test]
    fn what_is_no_grant_is_refused() {
        for value in ["ann", "name=ann", "id=", "id=\"\"", "", "id=a,,id=b"] {
            assert_eq!(read(&[("x-amz-grant-read", value)]), Err(BadGrant::Format), "{value}");
        }
        let both = [("x-amz-acl", "private"), ("x-amz-grant-read", "id=ann")];
        assert_eq!(read(&both), Err(BadGrant::Both));
    }
}
