//! The rules for names, versions and `models:/` addresses, in MLflow's words.

use crate::{
    kernel::error::{Error, Result},
    tracking::check,
};

const LONGEST_ALIAS: usize = 255;
const LONGEST_KEY: usize = 250;
const LONGEST_VALUE: usize = 100_000;

/// A `models:/` address, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelUri {
    /// `models:/m-...`: a logged model of the tracker.
    Logged(String),
    /// `models:/NAME/...` or `models:/NAME@ALIAS`.
    Registered { name: String, pick: Pick },
}

/// Which version of a registered model an address means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pick {
    Version(u32),
    Alias(String),
    Stage(String),
    Latest,
}

impl ModelUri {
    pub fn parse(uri: &str) -> Result<Self> {
        let improper = || {
            Error::invalid(format!(
                "Not a proper models:/ URI: {uri}. Models URIs must be of the form 'models:/name/suffix' or \
                 'models:/name@alias' where suffix is a version, stage, or the string 'latest' and where alias is \
                 a registered model alias. Only one of suffix or alias can be defined at a time."
            ))
        };
        let path = uri.strip_prefix("models:").ok_or_else(improper)?;
        // `models:///name` has an empty authority; one that names a host is another server's registry.
        let path = match path.strip_prefix("//") {
            Some(rest) => rest.strip_prefix('/').ok_or_else(improper)?,
            None => path.strip_prefix('/').ok_or_else(improper)?,
        };
        match path.split_once('/') {
            Some((name, suffix)) if !name.trim().is_empty() && !suffix.contains('/') => {
                let pick = Pick::suffix(suffix).ok_or_else(improper)?;
                Ok(Self::Registered { name: name.to_owned(), pick })
            }
            Some(_) => Err(improper()),
            None => match path.rsplit_once('@') {
                Some((name, alias)) if !name.is_empty() && !alias.trim().is_empty() => {
                    Ok(Self::Registered { name: name.to_owned(), pick: Pick::Alias(alias.to_owned()) })
                }
                Some(_) => Err(improper()),
                None if path.trim().is_empty() => Err(improper()),
                None => Ok(Self::Logged(path.to_owned())),
            },
        }
    }
}

impl Pick {
    fn suffix(suffix: &str) -> Option<Self> {
        if suffix.trim().is_empty() {
            return None;
        }
        if suffix.bytes().all(|byte| byte.is_ascii_digit()) {
            return suffix.parse().ok().map(Self::Version);
        }
        let latest = suffix.eq_ignore_ascii_case("latest");
        Some(if latest { Self::Latest } else { Self::Stage(suffix.to_owned()) })
    }
}

pub fn check_model(name: &str) -> Result<()> {
    if name.trim().is_empty() {
        return Err(Error::invalid("Missing value for required parameter 'name'."));
    }
    if name.contains(['/', ':']) {
        return Err(Error::invalid(format!("Invalid model name '{name}'. Names cannot contain '/' or ':'.")));
    }
    if name == "." || name == ".." {
        return Err(Error::invalid(format!(
            "Invalid value \"{name}\" for parameter 'name' supplied: Names may be treated as files in certain \
             cases, and must not resolve to other names when treated as such. This name would resolve to '{name}'"
        )));
    }
    within("name", name, 256)
}

pub fn check_alias(alias: &str) -> Result<()> {
    if alias.is_empty() {
        return Err(Error::invalid("Registered model alias name cannot be empty."));
    }
    if !alias.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-') {
        return Err(Error::invalid(format!(
            "Invalid alias name: '{alias}'. Names may only contain alphanumerics, underscores (_), and dashes (-)."
        )));
    }
    within("Registered model alias name", alias, LONGEST_ALIAS)
}

/// `latest` and `v12` would read as something else in an address.
pub fn check_alias_is_free(alias: &str) -> Result<()> {
    if alias.eq_ignore_ascii_case("latest") {
        return Err(Error::invalid("'latest' alias name (case insensitive) is reserved."));
    }
    let digits = alias.strip_prefix(['v', 'V']).unwrap_or_default();
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Error::invalid(format!("Version alias name '{alias}' is reserved.")));
    }
    Ok(())
}

pub fn check_tag_key(key: &str) -> Result<()> {
    check::name("key", key)?;
    within("key", key, LONGEST_KEY)
}

pub fn check_tag(key: &str, value: &str) -> Result<()> {
    check_tag_key(key)?;
    within("value", value, LONGEST_VALUE)
}

fn within(what: &str, value: &str, longest: usize) -> Result<()> {
    if value.chars().count() <= longest {
        return Ok(());
    }
    Err(Error::invalid(format!("'{what}' exceeds the maximum length of {longest} characters")))
}
