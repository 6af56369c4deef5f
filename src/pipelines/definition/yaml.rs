//! The file as written: every value keeps its place, so that a rule broken later can point at it.

use super::Problem;
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};
use std::{collections::BTreeMap, fmt};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub name: Spanned<String>,
    #[serde(default)]
    pub description: Option<String>,
    #[serde(default)]
    pub schedule: Option<Spanned<String>>,
    #[serde(default)]
    pub timezone: Option<Spanned<String>>,
    #[serde(default)]
    pub params: Params,
    pub tasks: Spanned<Vec<FileTask>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileTask {
    pub id: Spanned<String>,
    #[serde(default)]
    pub needs: Option<Spanned<Vec<Spanned<String>>>>,
    pub run: Spanned<String>,
    #[serde(default)]
    pub env: BTreeMap<String, Spanned<Scalar>>,
    #[serde(default)]
    pub retries: Option<Spanned<u32>>,
    #[serde(default)]
    pub retry_delay: Option<Spanned<Scalar>>,
    #[serde(default)]
    pub timeout: Option<Spanned<Scalar>>,
}

/// Parameters with their defaults, in the order of the file.
#[derive(Debug, Default)]
pub(super) struct Params(pub Vec<(Spanned<String>, Option<String>)>);

/// A string, number or boolean as it was written; nothing for null.
#[derive(Clone, Debug)]
pub(super) struct Scalar(pub Option<String>);

/// Reads the file's shape; rules that span several values are `check`'s.
pub(super) fn read(text: &str) -> Result<File, Problem> {
    serde_saphyr::from_str_with_options(text, serde_saphyr::options! { with_snippet: false }).map_err(
        |error| {
            let place = error.location();
            let message = plain(&error.without_snippet().to_string());
            Problem {
                message,
                line: place.map(|at| at.line()).filter(|line| *line > 0),
                column: place.map(|at| at.column()).filter(|column| *column > 0),
            }
        },
    )
}

/// The parser's message without the position it may append: ours is given apart.
fn plain(message: &str) -> String {
    let first = message.lines().next().unwrap_or(message);
    let cut = [" at line ", " (line ", ", line "].iter().filter_map(|mark| first.rfind(mark)).min();
    first[..cut.unwrap_or(first.len())].trim_start_matches("error: ").to_owned()
}

/// A problem at the place of a value.
pub(super) fn problem(message: impl Into<String>, at: Location) -> Problem {
    let known = |n: u64| (n > 0).then_some(n);
    Problem { message: message.into(), line: known(at.line()), column: known(at.column()) }
}

impl<'de> Deserialize<'de> for Scalar {
    /// As text, not as a number: `1.10` is a version to somebody and must not become `1.1`.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::<String>::deserialize(deserializer).map(Scalar)
    }
}

impl<'de> Deserialize<'de> for Params {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Params;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of parameter names to default values")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Params, A::Error> {
                let mut params = Vec::new();
                while let Some((name, Scalar(default))) = map.next_entry()? {
                    params.push((name, default));
                }
                Ok(Params(params))
            }
            fn visit_unit<E>(self) -> Result<Params, E> {
                Ok(Params::default())
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
