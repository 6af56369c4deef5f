//! Writes down what a change of the registry is to be told to whom, inside the transaction that makes it.

use super::{Event, KIND, payload, store as webhooks};
use crate::{
    kernel::{clock::now_ms, error::Result},
    registry::{
        model::{NewVersion, Pairs},
        search::PROMPT,
        store,
    },
    store::{Connection, outbox},
};
use serde_json::{Map, Value, json};

/// Tags by which MLflow's client keeps prompts as models; the text of a prompt is one of them.
const PROMPT_TEXT: &str = "mlflow.prompt.text";
const PROMPT_TYPE: &str = "_mlflow_prompt_type";

pub fn model_created(c: &Connection, name: &str, description: &str, tags: &Pairs) -> Result<()> {
    let prompt = is_prompt(tags);
    let event = Event::new(if prompt { "prompt" } else { "registered_model" }, "created");
    tell(c, event, || json!({ "name": name, "description": description, "tags": shown(tags, prompt) }))
}

pub fn version_created(c: &Connection, name: &str, version: u32, new: &NewVersion) -> Result<()> {
    let description = Some(&new.description).filter(|text| !text.is_empty());
    if !is_prompt(&new.tags) {
        let run_id = Some(&new.run_id).filter(|id| !id.is_empty());
        return tell(c, Event::new("model_version", "created"), || {
            json!({
                "name": name, "version": version.to_string(), "source": new.source, "run_id": run_id,
                "tags": shown(&new.tags, false), "description": description,
            })
        });
    }
    let template = new.tags.iter().find(|(key, _)| key == PROMPT_TEXT).map(|(_, value)| value);
    tell(c, Event::new("prompt_version", "created"), || {
        json!({
            "name": name, "version": version.to_string(), "template": template,
            "tags": shown(&new.tags, true), "description": description,
        })
    })
}

/// A tag of a model was set, or deleted when there is no value: MLflow tells it of prompts only.
pub fn model_tag(c: &Connection, id: i64, name: &str, key: &str, value: Option<&str>) -> Result<()> {
    if !is_prompt(&store::model_tags(c, id)?) {
        return Ok(());
    }
    tell(c, Event::new("prompt_tag", set_or_deleted(value)), || {
        with(json!({ "name": name, "key": key }), "value", value)
    })
}

/// A tag of a version was set, or deleted when there is no value.
pub fn version_tag(
    c: &Connection,
    id: i64,
    (name, version): (&str, u32),
    key: &str,
    value: Option<&str>,
) -> Result<()> {
    let prompt = is_prompt(&store::model_tags(c, id)?);
    let entity = if prompt { "prompt_version_tag" } else { "model_version_tag" };
    tell(c, Event::new(entity, set_or_deleted(value)), || {
        with(json!({ "name": name, "version": version.to_string(), "key": key }), "value", value)
    })
}

/// An alias was set, or deleted when there is no version.
pub fn alias(c: &Connection, id: i64, name: &str, alias: &str, version: Option<u32>) -> Result<()> {
    let prompt = is_prompt(&store::model_tags(c, id)?);
    let entity = if prompt { "prompt_alias" } else { "model_version_alias" };
    let action = if version.is_some() { "created" } else { "deleted" };
    let version = version.map(|version| version.to_string());
    tell(c, Event::new(entity, action), || {
        with(json!({ "name": name, "alias": alias }), "version", version.as_deref())
    })
}

fn tell(c: &Connection, event: Event, data: impl FnOnce() -> Value) -> Result<()> {
    let hearing = webhooks::webhooks_hearing(c, event)?;
    if hearing.is_empty() {
        return Ok(());
    }
    let data = data();
    hearing.iter().try_for_each(|id| outbox::put(c, KIND, id, &payload::notice(event, &data)?, now_ms()))
}

fn is_prompt(tags: &Pairs) -> bool {
    tags.iter().any(|(key, value)| key == PROMPT && value.eq_ignore_ascii_case("true"))
}

fn set_or_deleted(value: Option<&str>) -> &'static str {
    if value.is_some() { "set" } else { "deleted" }
}

fn with(mut data: Value, name: &str, value: Option<&str>) -> Value {
    if let Some(value) = value {
        data[name] = value.into();
    }
    data
}

/// Tags as a payload lists them: those that make a prompt are not told.
fn shown(tags: &Pairs, prompt: bool) -> Map<String, Value> {
    let inner = [PROMPT, PROMPT_TEXT, PROMPT_TYPE];
    let told = tags.iter().filter(|(key, _)| !prompt || !inner.contains(&key.as_str()));
    told.map(|(key, value)| (key.clone(), value.as_str().into())).collect()
}
