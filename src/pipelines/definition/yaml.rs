//! The file as written: every value keeps its place, so that a rule broken later can point at it.

use super::{
    Problem, callback,
    kinds::{http, models, python, wait},
    trigger, words,
};
use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::{Location, Spanned};
use std::{collections::BTreeMap, fmt};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub name: Spanned<String>,
    #[serde(default)]
    pub description: Option<String>,
    #[serde(default)]
    pub schedule: Option<Schedules>,
    #[serde(default)]
    pub timezone: Option<Spanned<String>>,
    #[serde(default)]
    pub catchup: Option<Spanned<String>>,
    #[serde(default)]
    pub max_catchup: Option<Spanned<u32>>,
    #[serde(default)]
    pub start_date: Option<Spanned<String>>,
    #[serde(default)]
    pub end_date: Option<Spanned<String>>,
    #[serde(default)]
    pub max_active_runs: Option<Spanned<u32>>,
    #[serde(default)]
    pub params: Params,
    #[serde(default)]
    pub triggers: Vec<Spanned<trigger::File>>,
    #[serde(default)]
    pub deadline: Option<Spanned<Scalar>>,
    #[serde(default)]
    pub callbacks: Vec<Spanned<callback::File>>,
    pub tasks: Spanned<Vec<FileTask>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileTask {
    pub id: Spanned<String>,
    #[serde(default)]
    pub group: Option<Spanned<String>>,
    #[serde(default)]
    pub needs: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    pub trigger_rule: Option<Spanned<String>>,
    #[serde(default)]
    pub setup: Option<bool>,
    #[serde(default)]
    pub when: Option<Spanned<Scalar>>,
    #[serde(default)]
    pub for_each: Option<Spanned<Value>>,
    #[serde(default)]
    pub run: Option<Spanned<String>>,
    #[serde(default)]
    pub wait_for: Option<Spanned<wait::File>>,
    #[serde(default)]
    pub python: Option<Spanned<python::File>>,
    #[serde(default)]
    pub http: Option<Spanned<http::File>>,
    #[serde(default)]
    pub evaluate: Option<Spanned<models::EvaluateFile>>,
    #[serde(default)]
    pub promote: Option<Spanned<models::PromoteFile>>,
    #[serde(default)]
    pub env: BTreeMap<String, Spanned<Scalar>>,
    #[serde(default)]
    pub retries: Option<Spanned<u32>>,
    #[serde(default)]
    pub retry_delay: Option<Spanned<Scalar>>,
    #[serde(default)]
    pub retry_backoff: Option<Spanned<f64>>,
    #[serde(default)]
    pub retry_max_delay: Option<Spanned<Scalar>>,
    #[serde(default)]
    pub retry_jitter: Option<Spanned<f64>>,
    #[serde(default)]
    pub timeout: Option<Spanned<Scalar>>,
    #[serde(default)]
    pub memory: Option<Spanned<Scalar>>,
    #[serde(default)]
    pub cpu_time: Option<Spanned<Scalar>>,
    #[serde(default)]
    pub cpus: Option<Spanned<Scalar>>,
    #[serde(default)]
    pub pool: Option<Spanned<String>>,
    #[serde(default)]
    pub pool_slots: Option<Spanned<u32>>,
    #[serde(default)]
    pub priority: Option<Spanned<i32>>,
    #[serde(default)]
    pub depends_on_past: Option<bool>,
}

/// One schedule or a list of them.
#[derive(Debug)]
pub(super) struct Schedules(pub Vec<Spanned<String>>);

/// Parameters in the order of the file.
#[derive(Debug, Default)]
pub(super) struct Params(pub Vec<(Spanned<String>, Spanned<Given>)>);

/// A parameter as written: a default alone, or a description of what it takes.
#[derive(Debug)]
pub(super) enum Given {
    /// A string, or a number or boolean whose spelling `read` finds in the text.
    Text(Option<String>),
    Unquoted,
    List(Vec<Value>),
    Full(Box<FullParam>),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FullParam {
    #[serde(default, rename = "type")]
    pub kind: Option<Spanned<String>>,
    #[serde(default)]
    pub default: Option<Spanned<Given>>,
    #[serde(default)]
    pub description: Option<String>,
    #[serde(default, rename = "enum")]
    pub choices: Option<Vec<Scalar>>,
    #[serde(default)]
    pub minimum: Option<f64>,
    #[serde(default)]
    pub maximum: Option<f64>,
    #[serde(default)]
    pub pattern: Option<Spanned<String>>,
}

/// A string, number or boolean as it was written; nothing for null.
#[derive(Clone, Debug)]
pub(super) struct Scalar(pub Option<String>);

/// Reads the file's shape; rules that span several values are `check`'s.
pub(super) fn read(text: &str) -> Result<File, Problem> {
    let options = serde_saphyr::options! { with_snippet: false };
    let mut file: File =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| words::problem(&error, text))?;
    for (_, given) in &mut file.params.0 {
        spell_out(given, text);
    }
    Ok(file)
}

/// Gives an unquoted number or boolean the spelling it has in the file: `1.10` is a version to
/// somebody and must not become `1.1`.
fn spell_out(given: &mut Spanned<Given>, text: &str) {
    let at = given.defined;
    match &mut given.value {
        Given::Unquoted => {
            let line = text.lines().nth((at.line() as usize).saturating_sub(1)).unwrap_or_default();
            let rest = line.chars().skip((at.column() as usize).saturating_sub(1));
            let word = rest.take_while(|c| !c.is_whitespace() && !matches!(c, ',' | '}' | ']' | '#'));
            given.value = Given::Text(Some(word.collect()));
        }
        Given::Full(full) => {
            if let Some(default) = &mut full.default {
                spell_out(default, text);
            }
        }
        Given::Text(_) | Given::List(_) => {}
    }
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
                while let Some(one) = map.next_entry()? {
                    params.push(one);
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

impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Given;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a default value, or a map with `type` and `default`")
            }
            fn visit_str<E>(self, text: &str) -> Result<Given, E> {
                Ok(Given::Text(Some(text.to_owned())))
            }
            fn visit_unit<E>(self) -> Result<Given, E> {
                Ok(Given::Text(None))
            }
            fn visit_none<E>(self) -> Result<Given, E> {
                Ok(Given::Text(None))
            }
            fn visit_bool<E>(self, _: bool) -> Result<Given, E> {
                Ok(Given::Unquoted)
            }
            fn visit_i64<E>(self, _: i64) -> Result<Given, E> {
                Ok(Given::Unquoted)
            }
            fn visit_u64<E>(self, _: u64) -> Result<Given, E> {
                Ok(Given::Unquoted)
            }
            fn visit_f64<E>(self, _: f64) -> Result<Given, E> {
                Ok(Given::Unquoted)
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Given, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Given::List(items))
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Given, A::Error> {
                let full = FullParam::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                Ok(Given::Full(Box::new(full)))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl<'de> Deserialize<'de> for Schedules {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let given = Spanned::<OneOrMany>::deserialize(deserializer)?;
        Ok(Self(match given.value {
            OneOrMany::One(text) => vec![Spanned::new(text, given.referenced, given.defined)],
            OneOrMany::Many(all) => all,
        }))
    }
}

enum OneOrMany {
    One(String),
    Many(Vec<Spanned<String>>),
}

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = OneOrMany;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a cron expression or a list of them")
            }
            fn visit_str<E>(self, text: &str) -> Result<OneOrMany, E> {
                Ok(OneOrMany::One(text.to_owned()))
            }
            fn visit_unit<E>(self) -> Result<OneOrMany, E> {
                Ok(OneOrMany::Many(Vec::new()))
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<OneOrMany, A::Error> {
                let mut all = Vec::new();
                while let Some(one) = seq.next_element()? {
                    all.push(one);
                }
                Ok(OneOrMany::Many(all))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
