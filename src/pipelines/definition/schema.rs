//! The definition as JSON Schema, for editors, and an example to begin with.

use super::{Kind, callback, kinds, trigger};
use crate::pipelines::model::TriggerRule;
use serde_json::{Value, json};

/// A definition that shows what there is; it is sound, and a test holds it to that.
pub const EXAMPLE: &str = include_str!("example.yaml");

pub fn json() -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    let count = |least: i64, description: &str| json!({ "type": "integer", "minimum": least, "description": description });
    let span = |description: &str| json!({ "type": ["string", "integer"], "description": format!("{description}, like 30s, 5m, 1h30m") });
    let scalar = json!({ "type": ["string", "number", "boolean", "null"] });
    let kinds = Kind::ALL.map(|(name, _)| name);
    let rules = TriggerRule::ALL.map(TriggerRule::as_str);
    let param = json!({
        "type": "object", "additionalProperties": false,
        "properties": {
            "type": { "enum": kinds }, "default": {}, "description": { "type": "string" },
            "enum": { "type": "array", "items": scalar.clone() },
            "minimum": { "type": "number" }, "maximum": { "type": "number" }, "pattern": { "type": "string" },
        },
    });
    let mut task = json!({
        "type": "object", "additionalProperties": false, "required": ["id"],
        "properties": {
            "id": text("Its name in the pipeline"),
            "group": text("A name for several tasks, which others may need together"),
            "needs": { "type": "array", "items": { "type": "string" }, "description": "Tasks and groups that come before it" },
            "trigger_rule": { "enum": rules, "description": "What must have become of the tasks it needs" },
            "setup": { "type": "boolean", "description": "It sets up what a task with all_done_setup_success tears down" },
            "when": { "type": ["string", "boolean"], "description": "A condition; where it does not hold, the task is skipped" },
            "for_each": { "type": ["array", "string"], "description": "Runs once for each item of a list: a list, outputs.TASK.NAME or params.NAME" },
            "env": { "type": "object", "additionalProperties": scalar.clone() },
            "retries": count(0, "Attempts after the first"),
            "retry_delay": span("Before the first retry"),
            "retry_backoff": { "type": "number", "minimum": 1, "maximum": 10, "description": "Each delay is so many times the one before" },
            "retry_max_delay": span("Where delays stop growing"),
            "retry_jitter": { "type": "number", "minimum": 0, "maximum": 1, "description": "The most added to a delay at random, as a part of it" },
            "timeout": span("After which an attempt is ended"),
            "memory": text("What it may take, like 512MiB or 4GiB; without control groups, what each of its processes may"),
            "cpu_time": span("What each of its processes may compute"),
            "cpus": { "type": ["number", "string"], "exclusiveMinimum": 0, "description": "How many CPUs it may keep busy; without control groups it is not held to it" },
            "pool": text("The pool whose slots it takes"),
            "pool_slots": count(1, "How many of them"),
            "priority": { "type": "integer", "description": "The highest starts first" },
            "depends_on_past": { "type": "boolean", "description": "Waits until it went well in the run before" },
        },
    });
    let actions = kinds::schemas();
    task["oneOf"] = actions.iter().map(|(key, _)| json!({ "required": [key] })).collect();
    for (key, schema) in actions {
        task["properties"][key] = schema;
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Crannog pipeline",
        "type": "object", "additionalProperties": false, "required": ["name", "tasks"],
        "properties": {
            "name": text("Its name, in addresses and commands"),
            "description": text("For people"),
            "schedule": { "type": ["string", "array", "null"], "items": { "type": "string" }, "description": "A cron expression, or several" },
            "timezone": text("The zone of the schedule and the dates, like Europe/Berlin"),
            "catchup": { "enum": ["none", "latest", "all", true, false], "description": "Which missed firings are made up for; true is all, false is none" },
            "max_catchup": count(1, "The most missed firings made up for"),
            "start_date": text("No firing before"),
            "end_date": text("No firing after"),
            "max_active_runs": count(1, "Runs under way at once"),
            "params": { "type": ["object", "null"], "additionalProperties": { "anyOf": [scalar, { "type": "array" }, param] } },
            "triggers": trigger::schema(),
            "deadline": span("After which a run that is not over is late"),
            "callbacks": callback::schema(),
            "tasks": { "type": "array", "minItems": 1, "items": task },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::{EXAMPLE, json};
    use crate::pipelines::definition::Definition;

    /// The keys that the reader knows, out of its own complaint about one it does not.
    fn known(text: &str) -> Vec<String> {
        let problems = Definition::parse(text).expect_err("a key is unknown");
        let list = problems[0].message.split_once("expected one of ").expect("a list of keys").1;
        let list = list.split(';').next().unwrap_or_default();
        let mut keys: Vec<String> = list.split(", ").map(|key| key.trim_matches('`').to_owned()).collect();
        keys.sort();
        keys
    }

    #[test]
    fn the_schema_has_the_keys_that_are_read() {
        let schema = json();
        let param = &schema["properties"]["params"]["additionalProperties"]["anyOf"][2];
        let callbacks = schema["properties"]["callbacks"]["items"].clone();
        let task = schema["properties"]["tasks"]["items"]["properties"].clone();
        let wait = task["wait_for"].clone();
        let triggers = schema["properties"]["triggers"]["items"].clone();
        for (shape, text) in [
            (&schema, "zzzzzzzz: 1"),
            (&schema["properties"]["tasks"]["items"], "name: p\ntasks: [{zzzzzzzz: 1}]"),
            (&wait, "name: p\ntasks: [{id: a, wait_for: {zzzzzzzz: 1}}]"),
            (&wait["properties"]["object"], "name: p\ntasks: [{id: a, wait_for: {object: {zzzzzzzz: 1}}}]"),
            (&wait["properties"]["http"], "name: p\ntasks: [{id: a, wait_for: {http: {zzzzzzzz: 1}}}]"),
            (
                &wait["properties"]["pipeline"],
                "name: p\ntasks: [{id: a, wait_for: {pipeline: {zzzzzzzz: 1}}}]",
            ),
            (&callbacks, "name: p\ncallbacks: [{zzzzzzzz: 1}]"),
            (&task["python"], "name: p\ntasks: [{id: a, python: {zzzzzzzz: 1}}]"),
            (&task["http"], "name: p\ntasks: [{id: a, http: {zzzzzzzz: 1}}]"),
            (&task["evaluate"], "name: p\ntasks: [{id: a, evaluate: {zzzzzzzz: 1}}]"),
            (&task["promote"], "name: p\ntasks: [{id: a, promote: {zzzzzzzz: 1}}]"),
            (&triggers, "name: p\ntriggers: [{zzzzzzzz: 1}]"),
            (
                &triggers["properties"]["object_created"],
                "name: p\ntriggers: [{object_created: {zzzzzzzz: 1}}]",
            ),
            (&triggers["properties"]["alias_moved"], "name: p\ntriggers: [{alias_moved: {zzzzzzzz: 1}}]"),
            (&triggers["properties"]["run_finished"], "name: p\ntriggers: [{run_finished: {zzzzzzzz: 1}}]"),
            (param, "name: p\nparams: {a: {zzzzzzzz: 1}}"),
        ] {
            let mut keys: Vec<&String> =
                shape["properties"].as_object().expect("properties").keys().collect();
            keys.sort();
            assert_eq!(keys, known(text).iter().collect::<Vec<_>>(), "{text}");
        }
    }

    #[test]
    fn the_words_of_catchup_are_those_that_are_read() {
        let words = json()["properties"]["catchup"]["enum"].as_array().cloned().unwrap_or_default();
        assert_eq!(words.len(), 5);
        for word in words {
            let text = format!("name: p\ncatchup: {word}\ntasks: [{{id: a, run: x}}]\n");
            assert!(Definition::parse(&text).is_ok(), "{text}");
        }
    }

    #[test]
    fn the_example_is_sound() {
        let example = Definition::parse(EXAMPLE).unwrap_or_else(|problems| panic!("{problems:#?}"));
        assert!(example.tasks.iter().any(|task| task.rules.for_each.is_some()));
    }
}
