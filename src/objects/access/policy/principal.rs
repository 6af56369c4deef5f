//! Whom a statement speaks of.

use super::{super::account::Who, Malformed};
use serde_json::Value;

/// One entry of `Principal` or `NotPrincipal`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    Everyone,
    /// An account as a whole, by canonical id or number: its own rules say who of it may.
    Account(String),
    User {
        account: String,
        name: String,
    },
    Role {
        account: String,
        name: String,
    },
    Session {
        account: String,
        role: String,
        session: String,
    },
    Service(String),
    /// Identities of other providers, of which there are none here.
    Federated,
}

/// How a principal fits who is asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    No,
    /// By the account: within it, the user's own rights decide.
    Account,
    /// By name, or with everybody.
    Direct,
}

/// `"*"`, or an object whose values are texts or lists of them.
pub fn parse(value: &Value) -> Result<Vec<Principal>, Malformed> {
    let invalid = || Malformed::new("Invalid principal in policy");
    let mut found = Vec::new();
    match value {
        Value::String(text) if text == "*" => found.push(Principal::Everyone),
        Value::Object(kinds) if !kinds.is_empty() => {
            for (kind, values) in kinds {
                for text in super::texts(values).ok_or_else(invalid)? {
                    found.push(parse_one(kind, text).ok_or_else(invalid)?);
                }
            }
        }
        _ => return Err(invalid()),
    }
    if found.is_empty() { Err(invalid()) } else { Ok(found) }
}

fn parse_one(kind: &str, text: &str) -> Option<Principal> {
    if text.is_empty() {
        return None;
    }
    match kind {
        "AWS" => aws(text),
        "CanonicalUser" => Some(Principal::Account(text.to_owned())),
        "Service" => text.ends_with(".amazonaws.com").then(|| Principal::Service(text.to_owned())),
        "Federated" => Some(Principal::Federated),
        _ => None,
    }
}

/// `*`, an account, or `arn:aws:iam::ACCOUNT:root`, `...:user/NAME`, `...:role/NAME`, or
/// `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`. No wildcards inside, as with AWS.
fn aws(text: &str) -> Option<Principal> {
    if text == "*" {
        return Some(Principal::Everyone);
    }
    let Some(arn) = text.strip_prefix("arn:") else {
        return text.chars().all(account_char).then(|| Principal::Account(text.to_owned()));
    };
    let fields: Vec<&str> = arn.splitn(5, ':').collect();
    let [_partition, service, "", account, resource] = fields[..] else { return None };
    if resource.contains(['*', '?']) || !account.chars().all(account_char) {
        return None;
    }
    let account = account.to_owned();
    // A path between kind and name (`user/team/ann`) is only for sorting.
    let last = |rest: &str| rest.rsplit('/').next().filter(|name| !name.is_empty()).map(str::to_owned);
    match (service, resource.split_once('/')) {
        ("iam", None) if resource == "root" && !account.is_empty() => Some(Principal::Account(account)),
        ("iam", Some(("user", name))) => Some(Principal::User { account, name: last(name)? }),
        ("iam", Some(("role", name))) => Some(Principal::Role { account, name: last(name)? }),
        ("sts", Some(("assumed-role", rest))) => {
            let (role, session) = rest.split_once('/')?;
            Some(Principal::Session { account, role: role.to_owned(), session: session.to_owned() })
        }
        _ => None,
    }
}

fn account_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._@-$".contains(c)
}

impl Principal {
    pub fn fit(&self, who: &Who<'_>) -> Fit {
        let direct = match self {
            // A part of the server is let in by its name only, and kept out by whatever keeps all out.
            Self::Everyone if who.service.is_some() => return Fit::Account,
            Self::Everyone => true,
            Self::Account(account) => {
                return if who.is_of(account) { Fit::Account } else { Fit::No };
            }
            Self::User { account, name } => {
                within(account, who) && who.role.is_none() && who.user == Some(name.as_str())
            }
            Self::Role { account, name } => {
                within(account, who) && who.role.is_some_and(|(role, _)| role == name)
            }
            Self::Session { account, role, session } => {
                within(account, who) && who.role == Some((role.as_str(), session.as_str()))
            }
            Self::Service(service) => who.service == Some(service.as_str()),
            Self::Federated => false,
        };
        if direct { Fit::Direct } else { Fit::No }
    }
}

/// An empty account in an ARN names no other account than the one asking.
fn within(account: &str, who: &Who<'_>) -> bool {
    who.account.is_some() && (account.is_empty() || who.is_of(account))
}

/// The best fit of several.
pub fn fit(principals: &[Principal], who: &Who<'_>) -> Fit {
    principals.iter().map(|principal| principal.fit(who)).max().unwrap_or(Fit::No)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn user<'a>(account: &'a str, name: &'a str) -> Who<'a> {
        Who { account: Some(account), user: Some(name), ..Who::default() }
    }

    #[test]
    fn each_way_of_naming_somebody_is_understood() {
        let ann = user("crannog", "ann");
        for (value, expected) in [
            (json!("*"), Fit::Direct),
            (json!({"AWS": "*"}), Fit::Direct),
            (json!({"AWS": "crannog"}), Fit::Account),
            (json!({"AWS": super::super::super::account::number("crannog")}), Fit::Account),
            (json!({"AWS": ["arn:aws:iam::bob:root", "arn:aws:iam::crannog:root"]}), Fit::Account),
            (json!({"AWS": "arn:aws:iam::crannog:user/ann"}), Fit::Direct),
            (json!({"AWS": "arn:aws:iam:::user/ann"}), Fit::Direct),
            (json!({"AWS": "arn:aws:iam::crannog:user/bob"}), Fit::No),
            (json!({"AWS": "arn:aws:iam::crannog:role/ann"}), Fit::No),
            (json!({"CanonicalUser": "crannog"}), Fit::Account),
            (json!({"Service": "logging.s3.amazonaws.com"}), Fit::No),
        ] {
            let principals = parse(&value).unwrap();
            assert_eq!(fit(&principals, &ann), expected, "{value}");
        }
        assert_eq!(fit(&[Principal::Everyone], &Who::default()), Fit::Direct, "nobody is somebody too");
        let session = Who { role: Some(("editor", "job")), ..user("crannog", "ann") };
        let role = parse(&json!({"AWS": "arn:aws:iam::crannog:role/editor"})).unwrap();
        assert_eq!(fit(&role, &session), Fit::Direct);
        let session_arn = parse(&json!({"AWS": "arn:aws:sts::crannog:assumed-role/editor/job"})).unwrap();
        assert_eq!(fit(&session_arn, &session), Fit::Direct);
        assert_eq!(fit(&session_arn, &ann), Fit::No);
    }

    #[test]
    fn what_names_nobody_is_refused() {
        for value in [
            json!("ann"),
            json!({}),
            json!([]),
            json!({"AWS": []}),
            json!({"AWS": ""}),
            json!({"AWS": 1}),
            json!({"AWS": "arn:aws:iam::crannog:user/*"}),
            json!({"AWS": "arn:aws:iam::crannog:group/g"}),
            json!({"AWS": "arn:aws:s3:::bucket"}),
            json!({"Nobody": "*"}),
        ] {
            assert!(parse(&value).is_err(), "{value}");
        }
    }
}
