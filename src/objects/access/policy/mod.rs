//! Policy documents: read, checked, and asked. An explicit Deny wins, then an Allow, else they are silent.

pub mod condition;
pub mod keys;
mod parse;
pub mod pattern;
pub mod principal;
mod public;
#[cfg(test)]
mod tests;

use super::account::Who;
use condition::{Condition, Lookup};
use pattern::{Reading, Variables};
use principal::{Fit, Principal};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::Value;
use std::borrow::Cow;

/// What is wrong with a document, as AWS would put it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

impl Malformed {
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// What a document is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    /// It lies on this bucket: its statements name principals, and resources within the bucket.
    Bucket(&'a str),
    /// It lies on a bucket, and was checked when it was put there.
    Stored,
    /// It says what a session or an IAM user may do: its statements name no principals.
    Session,
}

#[derive(Clone, Debug, Default)]
pub struct Policy {
    statements: Vec<Statement>,
}

#[derive(Clone, Debug)]
struct Statement {
    /// Whether the version of its policy's language has variables.
    variables: bool,
    deny: bool,
    /// None in a session's policy, which speaks of the session alone.
    principals: Option<Chosen<Principal>>,
    actions: Chosen<String>,
    resources: Chosen<String>,
    conditions: Vec<Condition>,
}

/// Those listed, or (`Not...`) all but those.
#[derive(Clone, Debug)]
struct Chosen<T> {
    negated: bool,
    entries: Vec<T>,
}

/// What is asked of a policy.
pub struct Ask<'a> {
    pub who: Who<'a>,
    /// Such as `s3:GetObject`.
    pub action: &'a str,
    /// The ARN of a bucket or an object.
    pub resource: &'a str,
    pub lookup: &'a Lookup<'a>,
}

/// What a policy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Silent,
    /// Allowed to the whole account: the account's own rules decide for its users.
    AllowAccount,
    Allow,
    Deny,
}

impl Policy {
    pub fn parse(text: &str, kind: Kind<'_>) -> Result<Self, Malformed> {
        parse::policy(text, kind)
    }

    /// All of them as one; of none, one that is silent.
    pub fn together(policies: impl IntoIterator<Item = Self>) -> Self {
        Self { statements: policies.into_iter().flat_map(|policy| policy.statements).collect() }
    }

    pub fn verdict(&self, ask: &Ask<'_>) -> Verdict {
        self.statements.iter().map(|statement| statement.verdict(ask)).max().unwrap_or(Verdict::Silent)
    }

    /// Whether a condition or a variable looks at keys that begin with `prefix`.
    pub fn looks_at(&self, prefix: &str) -> bool {
        let variable = format!("${{{prefix}");
        let mentions = |text: &String| text.to_ascii_lowercase().contains(&variable);
        self.statements.iter().any(|statement| {
            statement.conditions.iter().any(|c| c.key.starts_with(prefix) || c.values.iter().any(mentions))
                || statement.resources.entries.iter().any(mentions)
        })
    }

    /// Whether it lets in people nobody has named.
    pub fn is_public(&self) -> bool {
        self.statements.iter().any(public::is_public)
    }
}

impl Statement {
    fn verdict(&self, ask: &Ask<'_>) -> Verdict {
        let one = |key: &str| {
            let values = (ask.lookup)(&key.to_ascii_lowercase())?;
            <[String; 1]>::try_from(values).ok().map(|[only]| only)
        };
        let variables = self.variables.then_some(&one as &Variables<'_>);
        if !self.actions.choose(|pattern| pattern::fits_action(pattern, ask.action)) {
            return Verdict::Silent;
        }
        let reading = Reading { wildcards: true, variables };
        if !self.resources.choose(|pattern| pattern::fits(pattern, ask.resource, reading)) {
            return Verdict::Silent;
        }
        let fit = match &self.principals {
            None => Fit::Direct,
            Some(chosen) => match (chosen.negated, principal::fit(&chosen.entries, &ask.who)) {
                (false, fit) => fit,
                (true, Fit::No) => Fit::Direct,
                (true, _) => Fit::No,
            },
        };
        if fit == Fit::No || !self.conditions.iter().all(|condition| condition.met(ask.lookup, variables)) {
            return Verdict::Silent;
        }
        match (self.deny, fit) {
            (true, _) => Verdict::Deny,
            (false, Fit::Direct) => Verdict::Allow,
            (false, _) => Verdict::AllowAccount,
        }
    }
}

impl<T> Chosen<T> {
    fn choose(&self, fits: impl Fn(&T) -> bool) -> bool {
        self.negated != self.entries.iter().any(fits)
    }
}

/// A text, or a list of texts.
fn texts(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::String(text) => Some(vec![text]),
        Value::Array(values) => values.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

/// The policy of a bucket: its text as it came, and what it says.
#[derive(Debug)]
pub struct BucketPolicy {
    pub text: String,
    pub policy: Policy,
    /// Who put it confirmed that it may take the right to change it from the owner too.
    pub binds_owner: bool,
}

/// As it is kept: the text alone, unless there is more to say.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Kept<'a> {
    Text(Cow<'a, str>),
    Bound { text: Cow<'a, str>, binds_owner: bool },
}

impl Serialize for BucketPolicy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = Cow::from(&self.text);
        match self.binds_owner {
            false => Kept::Text(text),
            true => Kept::Bound { text, binds_owner: true },
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for BucketPolicy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (text, binds_owner) = match Kept::deserialize(deserializer)? {
            Kept::Text(text) => (text, false),
            Kept::Bound { text, binds_owner } => (text, binds_owner),
        };
        let policy = Policy::parse(&text, Kind::Stored).map_err(D::Error::custom)?;
        Ok(Self { text: text.into_owned(), policy, binds_owner })
    }
}
