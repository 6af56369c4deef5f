//! How the text of a setting becomes a typed value, and back.

use regex::Regex;
use std::{net::SocketAddr, path::PathBuf};

/// A type a setting can have.
pub trait Value: Sized {
    /// What the type is, for the reference page: "an address", "a duration".
    const KIND: &'static str;
    fn parse(text: &str) -> Result<Self, String>;
    fn show(&self) -> String;
}

impl Value for bool {
    const KIND: &'static str = "true or false";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "neither true nor false".into())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for usize {
    const KIND: &'static str = "a whole number above 0";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().ok().filter(|n| *n > 0).ok_or_else(|| "not a whole number above 0".into())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for String {
    const KIND: &'static str = "text";

    fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() { Err("empty".into()) } else { Ok(text.into()) }
    }

    fn show(&self) -> String {
        self.clone()
    }
}

/// Text that may be left empty, which means: not set.
pub type OptionalText = Option<String>;

impl Value for OptionalText {
    const KIND: &'static str = "text, or empty";

    fn parse(text: &str) -> Result<Self, String> {
        Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
    }

    fn show(&self) -> String {
        self.clone().unwrap_or_default()
    }
}

/// A regular expression that may be left empty, which means: none.
pub type OptionalPattern = Option<Regex>;

impl Value for OptionalPattern {
    const KIND: &'static str = "a regular expression, or empty";

    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(None);
        }
        Regex::new(text).map(Some).map_err(|error| error.to_string())
    }

    fn show(&self) -> String {
        self.as_ref().map(|pattern| pattern.as_str().to_owned()).unwrap_or_default()
    }
}

impl Value for PathBuf {
    const KIND: &'static str = "a path; a leading `~/` is the home directory";

    fn parse(text: &str) -> Result<Self, String> {
        match (text.strip_prefix("~/"), std::env::var_os("HOME")) {
            _ if text.is_empty() => Err("empty".into()),
            (Some(rest), Some(home)) => Ok(PathBuf::from(home).join(rest)),
            _ => Ok(text.into()),
        }
    }

    fn show(&self) -> String {
        self.display().to_string()
    }
}

impl Value for Option<PathBuf> {
    const KIND: &'static str = "a path, or empty";

    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() { Ok(None) } else { PathBuf::parse(text).map(Some) }
    }

    fn show(&self) -> String {
        self.as_ref().map(Value::show).unwrap_or_default()
    }
}

impl Value for SocketAddr {
    const KIND: &'static str =
        "an address as IP:PORT, e.g. 127.0.0.1:5000 or [::1]:5000; port 0 takes a free one";

    fn parse(text: &str) -> Result<Self, String> {
        // `localhost` without asking a resolver: an air-gapped host may have none.
        let numeric = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
        numeric.as_deref().unwrap_or(text).parse().map_err(|_| "not an IP:PORT address".into())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// A span of time, written `500ms`, `10s`, `5m`, `12h` or `7d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duration(pub std::time::Duration);

impl Value for Duration {
    const KIND: &'static str = "a duration such as 500ms, 10s, 5m, 12h or 7d";

    fn parse(text: &str) -> Result<Self, String> {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| "not a duration".to_owned())?;
        let unit_ms = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "" => return Err("a duration needs a unit".into()),
            other => return Err(format!("`{other}` is not a unit of time")),
        };
        let ms = number.checked_mul(unit_ms).ok_or("too long")?;
        Ok(Self(std::time::Duration::from_millis(ms)))
    }

    fn show(&self) -> String {
        match self.0.as_millis() {
            ms if ms % 1_000 != 0 => format!("{ms}ms"),
            ms => format!("{}s", ms / 1_000),
        }
    }
}

/// What a user may do where nothing was granted, by MLflow's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DefaultPermission(pub &'static str);

impl DefaultPermission {
    const NAMES: [&str; 5] = ["NO_PERMISSIONS", "READ", "USE", "EDIT", "MANAGE"];
}

impl Value for DefaultPermission {
    const KIND: &'static str = "NO_PERMISSIONS, READ, USE, EDIT or MANAGE";

    fn parse(text: &str) -> Result<Self, String> {
        let known = Self::NAMES.into_iter().find(|name| *name == text);
        known.map(Self).ok_or_else(|| format!("none of {}", Self::NAMES.join(", ")))
    }

    fn show(&self) -> String {
        self.0.into()
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

impl Value for LogFormat {
    const KIND: &'static str = "text or json";

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("neither text nor json".into()),
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Text => "text".into(),
            Self::Json => "json".into(),
        }
    }
}
