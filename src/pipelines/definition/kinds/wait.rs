//! `wait_for`: what a task waits for, without a process while it does.

use super::{super::yaml::Scalar, Complaints};
use crate::pipelines::{model::RunState, moment, template};
use serde::Deserialize;
use serde_json::{Value, json};
use serde_saphyr::{Location, Spanned};
use std::time::Duration;

const DEFAULT_INTERVAL: Duration = Duration::from_secs(30);
const SHORTEST_INTERVAL: Duration = Duration::from_millis(200);

/// What is waited for, and how.
#[derive(Clone, Debug)]
pub struct Wait {
    pub what: What,
    /// Between two looks.
    pub interval: Duration,
    /// Past its timeout the task is skipped instead of failed.
    pub soft_fail: bool,
}

/// Its texts may hold templates.
#[derive(Clone, Debug)]
pub enum What {
    /// A key, or any key with a prefix.
    Object { bucket: String, key: String, prefix: bool },
    /// An answer with one of these statuses (none given: any 2xx) whose body matches.
    Http { url: String, status: Vec<u16>, body: Option<String> },
    /// A time of the logical date's day, an instant, or so long after the logical date.
    Time(String),
    /// A run of another pipeline for the same logical date, or one so much earlier.
    Run { pipeline: String, state: Ended, offset: Duration },
}

impl What {
    pub fn texts(&self) -> Vec<&str> {
        match self {
            Self::Object { bucket, key, .. } => vec![bucket, key],
            Self::Http { url, .. } => vec![url],
            Self::Time(text) => vec![text],
            Self::Run { pipeline, .. } => vec![pipeline],
        }
    }
}

/// How a run that is waited for must have ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    As(RunState),
    Anyhow,
}

impl Ended {
    pub const WORDS: [&str; 4] = ["success", "failed", "cancelled", "finished"];

    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "finished" => Some(Self::Anyhow),
            "success" | "failed" | "cancelled" => text.parse().ok().map(Self::As),
            _ => None,
        }
    }

    pub fn takes(self, state: RunState) -> bool {
        match self {
            Self::As(wanted) => state == wanted,
            Self::Anyhow => state.is_over(),
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::As(state) => state.as_str(),
            Self::Anyhow => "finished",
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::pipelines::definition) struct File {
    #[serde(default)]
    object: Option<Spanned<FileObject>>,
    #[serde(default)]
    http: Option<Spanned<FileHttp>>,
    #[serde(default)]
    time: Option<Spanned<Scalar>>,
    #[serde(default)]
    pipeline: Option<Spanned<FileRun>>,
    #[serde(default)]
    interval: Option<Spanned<Scalar>>,
    #[serde(default)]
    soft_fail: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileObject {
    bucket: Spanned<String>,
    #[serde(default)]
    key: Option<Spanned<String>>,
    #[serde(default)]
    prefix: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileHttp {
    url: Spanned<String>,
    #[serde(default)]
    status: Vec<Spanned<u16>>,
    #[serde(default)]
    body: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRun {
    name: Spanned<String>,
    #[serde(default)]
    state: Option<Spanned<String>>,
    #[serde(default)]
    offset: Option<Spanned<Scalar>>,
}

impl File {
    pub fn texts(&self) -> Vec<(&str, Location)> {
        let object = self.object.as_ref().map(|object| &object.value);
        let object = object
            .into_iter()
            .flat_map(|object| [Some(&object.bucket), object.key.as_ref(), object.prefix.as_ref()]);
        let url = self.http.as_ref().map(|http| &http.value.url);
        let name = self.pipeline.as_ref().map(|run| &run.value.name);
        let texts = object.chain([url, name]).flatten().map(|text| (text.value.as_str(), text.referenced));
        let time = self.time.iter().filter_map(|time| Some((time.value.0.as_deref()?, time.referenced)));
        texts.chain(time).collect()
    }
}

pub(super) fn check(file: &File, place: Location, complain: &mut Complaints<'_>) -> Option<Wait> {
    let mut all: Vec<(Location, Option<What>)> = Vec::new();
    if let Some(given) = &file.object {
        all.push((given.referenced, object(given, complain)));
    }
    if let Some(given) = &file.http {
        all.push((given.referenced, http(given, complain)));
    }
    if let Some(given) = &file.time {
        all.push((given.referenced, time(given, complain)));
    }
    if let Some(given) = &file.pipeline {
        all.push((given.referenced, run(given, complain)));
    }
    match all.get(1) {
        Some((second, _)) => complain.at(*second, "wait_for waits for one thing; make several tasks of it"),
        None if all.is_empty() => complain.at(place, "wait_for needs one of object, http, time, pipeline"),
        None => {}
    }
    let interval = complain.duration("interval", file.interval.as_ref()).unwrap_or(DEFAULT_INTERVAL);
    Some(Wait {
        what: all.into_iter().next()?.1?,
        interval: interval.max(SHORTEST_INTERVAL),
        soft_fail: file.soft_fail.unwrap_or(false),
    })
}

fn object(given: &Spanned<FileObject>, complain: &mut Complaints<'_>) -> Option<What> {
    let FileObject { bucket, key, prefix } = &given.value;
    let bucket = bucket.value.clone();
    match (key, prefix) {
        (Some(key), None) => Some(What::Object { bucket, key: key.value.clone(), prefix: false }),
        (None, Some(prefix)) => Some(What::Object { bucket, key: prefix.value.clone(), prefix: true }),
        _ => {
            complain.at(given.referenced, "wait_for object needs either key or prefix");
            None
        }
    }
}

fn http(given: &Spanned<FileHttp>, complain: &mut Complaints<'_>) -> Option<What> {
    let FileHttp { url, status, body } = &given.value;
    complain.url("wait_for http: url", url);
    for one in status.iter().filter(|one| !(100..=599).contains(&one.value)) {
        complain.at(one.referenced, format!("{} is not a status of HTTP", one.value));
    }
    if let Some(pattern) = body
        && let Err(why) = regex::Regex::new(&pattern.value)
    {
        complain.at(pattern.referenced, format!("body is not a regular expression: {why}"));
    }
    Some(What::Http {
        url: url.value.clone(),
        status: status.iter().map(|one| one.value).collect(),
        body: body.as_ref().map(|body| body.value.clone()),
    })
}

fn time(given: &Spanned<Scalar>, complain: &mut Complaints<'_>) -> Option<What> {
    let text = given.value.0.clone().unwrap_or_default();
    if template::names(&text).is_empty()
        && let Err(why) = moment::instant(&text, chrono_tz::UTC, 0)
    {
        complain.at(given.referenced, format!("wait_for time: {why}"));
        return None;
    }
    Some(What::Time(text))
}

fn run(given: &Spanned<FileRun>, complain: &mut Complaints<'_>) -> Option<What> {
    let FileRun { name, state, offset } = &given.value;
    let offset = complain.duration("offset", offset.as_ref()).unwrap_or_default();
    let state = match state {
        None => Ended::As(RunState::Success),
        Some(state) => Ended::parse(&state.value).unwrap_or_else(|| {
            let words = Ended::WORDS.join(", ");
            complain.at(state.referenced, format!("state {:?} is not one of {words}", state.value));
            Ended::Anyhow
        }),
    };
    Some(What::Run { pipeline: name.value.clone(), state, offset })
}

pub(super) fn schema() -> Value {
    let text = json!({ "type": "string" });
    let span = json!({ "type": ["string", "integer"] });
    let closed = |required: &[&str], properties: Value| json!({ "type": "object", "additionalProperties": false, "required": required, "properties": properties });
    let statuses = json!({ "type": "array", "items": { "type": "integer", "minimum": 100, "maximum": 599 } });
    let properties = json!({
        "object": closed(&["bucket"], json!({ "bucket": text, "key": text, "prefix": text })),
        "http": closed(&["url"], json!({ "url": text, "status": statuses, "body": text })),
        "time": { "type": "string", "description": "14:30 on the day of the logical date, a date or time, or so long after the logical date, like 2h" },
        "pipeline": closed(&["name"], json!({ "name": text, "state": { "enum": Ended::WORDS }, "offset": span })),
        "interval": span,
        "soft_fail": { "type": "boolean", "description": "Past its timeout the task is skipped" },
    });
    let mut schema = closed(&[], properties);
    schema["description"] = "Waits, without a process, until something is so".into();
    schema
}
