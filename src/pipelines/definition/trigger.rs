//! `triggers`: what starts a run besides the clock and people: objects, models, other runs, webhooks.

use super::{Param, Problem, kinds::wait::Ended, yaml};
use crate::{
    pipelines::{model::RunState, template},
    serving::CanaryBecame,
};
use serde::Deserialize;
use serde_json::{Value, json};
use serde_saphyr::{Location, Spanned};
use std::collections::BTreeMap;

const MOST: usize = 20;

/// What starts a run, and the parameters it gets from the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    pub on: On,
    /// By name; templates over `event`.
    pub params: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum On {
    ObjectCreated {
        bucket: String,
        prefix: String,
        suffix: String,
    },
    /// A model named exactly, or `*` for any.
    ModelVersion {
        model: String,
    },
    AliasMoved {
        model: String,
        alias: Option<String>,
    },
    RunFinished {
        pipeline: String,
        state: Ended,
    },
    /// A canary of an endpoint named exactly, or `*` for any.
    Canary {
        endpoint: String,
        state: Option<CanaryBecame>,
    },
    Webhook {
        /// The variable with which deliveries are signed, where it is not the token.
        secret: Option<String>,
    },
}

impl On {
    /// The word of the definition and of the event's `kind`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::ObjectCreated { .. } => "object_created",
            Self::ModelVersion { .. } => "model_version",
            Self::AliasMoved { .. } => "alias_moved",
            Self::RunFinished { .. } => "run_finished",
            Self::Canary { .. } => "canary",
            Self::Webhook { .. } => "webhook",
        }
    }

    /// For people.
    pub fn in_words(&self) -> String {
        let which = |name: &str, any: &str| if name == "*" { any.to_owned() } else { name.to_owned() };
        match self {
            Self::ObjectCreated { bucket, prefix, suffix } if suffix.is_empty() => {
                format!("an object is written below s3://{bucket}/{prefix}")
            }
            Self::ObjectCreated { bucket, prefix, suffix } => {
                format!("an object that ends in {suffix} is written below s3://{bucket}/{prefix}")
            }
            Self::ModelVersion { model } => format!("{} gets a new version", which(model, "any model")),
            Self::AliasMoved { model, alias } => {
                let alias =
                    alias.as_ref().map_or_else(|| "an alias".to_owned(), |alias| format!("alias {alias}"));
                format!("{alias} of {} is moved", which(model, "any model"))
            }
            Self::RunFinished { pipeline, state: Ended::Anyhow } => format!("a run of {pipeline} ends"),
            Self::RunFinished { pipeline, state } => {
                format!("a run of {pipeline} ends as {}", state.as_str())
            }
            Self::Canary { endpoint, state } => {
                let becomes =
                    state.map_or("changes".to_owned(), |state| format!("becomes {}", state.as_str()));
                format!("a canary of {} {becomes}", which(endpoint, "any endpoint"))
            }
            Self::Webhook { .. } => "its webhook is called".to_owned(),
        }
    }

    /// What the event is about: by it listeners are found.
    pub fn subject(&self) -> &str {
        match self {
            Self::ObjectCreated { bucket, .. } => bucket,
            Self::ModelVersion { model } | Self::AliasMoved { model, .. } => model,
            Self::RunFinished { pipeline, .. } => pipeline,
            Self::Canary { endpoint, .. } => endpoint,
            Self::Webhook { .. } => "",
        }
    }

    /// Whether an event of its kind and subject is one it asks for.
    pub fn takes(&self, event: &Value) -> bool {
        let text = |name: &str| event[name].as_str().unwrap_or_default();
        match self {
            Self::ObjectCreated { bucket, prefix, suffix } => {
                let key = text("key");
                bucket == text("bucket") && key.starts_with(prefix.as_str()) && key.ends_with(suffix.as_str())
            }
            Self::ModelVersion { model } => model == "*" || model == text("model"),
            Self::AliasMoved { model, alias } => {
                (model == "*" || model == text("model"))
                    && alias.as_ref().is_none_or(|alias| alias == text("alias"))
            }
            Self::RunFinished { pipeline, state } => {
                pipeline == text("pipeline")
                    && text("state").parse::<RunState>().is_ok_and(|found| state.takes(found))
            }
            Self::Canary { endpoint, state } => {
                (endpoint == "*" || endpoint == text("endpoint"))
                    && state.is_none_or(|state| state.as_str() == text("state"))
            }
            Self::Webhook { .. } => true,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    object_created: Option<Spanned<FileObject>>,
    #[serde(default)]
    model_version: Option<Spanned<FileModel>>,
    #[serde(default)]
    alias_moved: Option<Spanned<FileAlias>>,
    #[serde(default)]
    run_finished: Option<Spanned<FileRun>>,
    #[serde(default)]
    canary: Option<Spanned<FileCanary>>,
    #[serde(default)]
    webhook: Option<Spanned<FileHook>>,
    #[serde(default)]
    params: BTreeMap<String, Spanned<yaml::Scalar>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileObject {
    bucket: Spanned<String>,
    #[serde(default)]
    prefix: Option<String>,
    #[serde(default)]
    suffix: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileModel {
    model: Spanned<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileAlias {
    model: Spanned<String>,
    #[serde(default)]
    alias: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRun {
    pipeline: Spanned<String>,
    #[serde(default)]
    state: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileCanary {
    endpoint: Spanned<String>,
    #[serde(default)]
    state: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileHook {
    #[serde(default)]
    secret: Option<String>,
}

/// Checks all triggers of the pipeline `name`.
pub(super) fn check(
    name: &str,
    given: &[Spanned<File>],
    params: &[Param],
    problems: &mut Vec<Problem>,
) -> Vec<Trigger> {
    if let Some(over) = given.get(MOST) {
        let message = format!("{} triggers; the most is {MOST}", given.len());
        problems.push(yaml::problem(message, over.referenced));
    }
    given.iter().filter_map(|one| one_trigger(name, one, params, problems)).collect()
}

fn one_trigger(
    name: &str,
    given: &Spanned<File>,
    params: &[Param],
    problems: &mut Vec<Problem>,
) -> Option<Trigger> {
    let file = &given.value;
    let mut all = Vec::new();
    if let Some(object) = &file.object_created {
        let FileObject { bucket, prefix, suffix } = &object.value;
        let (prefix, suffix) = (prefix.clone().unwrap_or_default(), suffix.clone().unwrap_or_default());
        all.push(On::ObjectCreated { bucket: bucket.value.clone(), prefix, suffix });
    }
    if let Some(version) = &file.model_version {
        all.push(On::ModelVersion { model: version.value.model.value.clone() });
    }
    if let Some(moved) = &file.alias_moved {
        let FileAlias { model, alias } = &moved.value;
        all.push(On::AliasMoved { model: model.value.clone(), alias: alias.clone() });
    }
    if let Some(run) = &file.run_finished {
        all.push(run_finished(name, &run.value, problems));
    }
    if let Some(file) = &file.canary {
        all.push(canary(&file.value, problems));
    }
    all.extend(file.webhook.as_ref().map(|hook| On::Webhook { secret: hook.value.secret.clone() }));
    if all.len() != 1 {
        let message = "a trigger is one of object_created, model_version, alias_moved, run_finished, canary, webhook; make each an item of the list";
        problems.push(yaml::problem(message, given.referenced));
    }
    for name in missing(file, params) {
        let message =
            format!("parameter {name:?} has no default, so each trigger must give it, in its params");
        problems.push(yaml::problem(message, given.referenced));
    }
    let params = mapping(file, params, problems);
    Some(Trigger { on: all.into_iter().next()?, params })
}

fn run_finished(name: &str, given: &FileRun, problems: &mut Vec<Problem>) -> On {
    let FileRun { pipeline, state } = given;
    if pipeline.value == name {
        let message = format!("a run of {name:?} would start the next one without end");
        problems.push(yaml::problem(message, pipeline.referenced));
    }
    let state = match state {
        None => Ended::As(RunState::Success),
        Some(state) => Ended::parse(&state.value).unwrap_or_else(|| {
            let words = Ended::WORDS.join(", ");
            let message = format!("state {:?} is not one of {words}", state.value);
            problems.push(yaml::problem(message, state.referenced));
            Ended::Anyhow
        }),
    };
    On::RunFinished { pipeline: pipeline.value.clone(), state }
}

fn canary(given: &FileCanary, problems: &mut Vec<Problem>) -> On {
    let mut read = |state: &Spanned<String>| {
        let found = CanaryBecame::parse(&state.value);
        if found.is_none() {
            let words = CanaryBecame::ALL.map(CanaryBecame::as_str).join(", ");
            let message = format!("state {:?} is not one of {words}", state.value);
            problems.push(yaml::problem(message, state.referenced));
        }
        found
    };
    let state = given.state.as_ref().and_then(&mut read);
    On::Canary { endpoint: given.endpoint.value.clone(), state }
}

fn missing<'a>(file: &'a File, params: &'a [Param]) -> impl Iterator<Item = &'a str> {
    let needed =
        params.iter().filter(|param| param.default.is_none() && !file.params.contains_key(&param.name));
    needed.map(|param| param.name.as_str())
}

fn mapping(file: &File, params: &[Param], problems: &mut Vec<Problem>) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (name, value) in &file.params {
        let mut complain = |message: String, at: Location| problems.push(yaml::problem(message, at));
        if !params.iter().any(|param| param.name == *name) {
            complain(format!("the pipeline has no parameter {name:?}"), value.referenced);
        }
        let text = value.value.0.clone().unwrap_or_default();
        for named in template::names(&text).iter().filter(|named| !named.starts_with("event.")) {
            let message = format!(
                "parameter {name:?}: {{{{ {named} }}}} is not known here; a trigger knows event.NAME alone"
            );
            complain(message, value.referenced);
        }
        found.insert(name.clone(), text);
    }
    found
}

pub(super) fn schema() -> Value {
    let text = json!({ "type": "string" });
    let closed = |required: &[&str], properties: Value| json!({ "type": "object", "additionalProperties": false, "required": required, "properties": properties });
    let kinds = json!({
        "object_created": closed(&["bucket"], json!({ "bucket": text, "prefix": text, "suffix": text })),
        "model_version": closed(&["model"], json!({ "model": text })),
        "alias_moved": closed(&["model"], json!({ "model": text, "alias": text })),
        "run_finished": closed(&["pipeline"], json!({ "pipeline": text, "state": { "enum": Ended::WORDS } })),
        "canary": closed(&["endpoint"], json!({ "endpoint": text, "state": { "enum": CanaryBecame::ALL.map(CanaryBecame::as_str) } })),
        "webhook": closed(&[], json!({
            "secret": { "type": "string", "description": "The variable whose value deliveries are signed with; else the token" },
        })),
        "params": {
            "type": "object", "additionalProperties": { "type": ["string", "number", "boolean", "null"] },
            "description": "Values from the event, like {{ event.key }}",
        },
    });
    json!({ "type": "array", "maxItems": MOST, "items": closed(&[], kinds), "description": "What starts a run besides the schedule" })
}
