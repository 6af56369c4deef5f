//! Large outputs of tasks: kept in a bucket, with a note of where in the database. What conditions and
//! mapped tasks of the same pipeline look up stays in the note, since they are decided in a transaction;
//! everything else is read back where a task's texts name it.

use super::{
    condition::Condition,
    definition::{Action, Definition, Task},
    executor::Executor,
    model::{AttemptKey, ForEach, Outcome, OutcomeKind, base_id},
    output, template,
};
use crate::{
    kernel::error::{Error, Kind, Result},
    objects,
};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};

pub const BUCKET: &str = "pipeline-outputs";
/// The field of an output that says where the whole of it is.
const STORED: &str = "$stored";
/// A value as small as this stays in the note for people to read, as long as such values together are not large.
const READ: usize = 1 << 10;
const READ_TOGETHER: usize = 64 << 10;
/// The most that is kept of it in the database all the same.
const MOST_INLINE: usize = 4 << 20;
const MOST_BYTES: usize = 128 << 20;

impl Executor {
    /// Puts a large output into the bucket and leaves a note of it.
    pub(super) async fn put_aside(&self, key: &AttemptKey, outcome: Outcome) -> Result<Outcome> {
        let Some(Value::Object(output)) = &outcome.output else { return Ok(outcome) };
        let text = Bytes::from(serde_json::to_vec(output).map_err(Error::internal)?);
        if text.len() <= output::SMALL {
            return Ok(outcome);
        }
        let cell = self.context_cell(&key.run_id);
        let context = cell.get_or_try_init(|| self.load(&key.run_id)).await?;
        let mut note = kept(&context.definition, base_id(&key.task_id).0, output);
        let inline = Value::Object(note.clone()).to_string().len();
        if inline > MOST_INLINE {
            let reason = format!(
                "its output gives {inline} bytes to conditions and for_each of other tasks; the most is {MOST_INLINE}"
            );
            return Ok(Outcome { kind: OutcomeKind::Failed, reason: Some(reason), output: None, ..outcome });
        }
        let objects = &self.rooms()?.objects;
        objects.bucket_ensure(BUCKET).await?;
        let name = format!("{}/{}/{}.json", key.run_id, key.task_id, key.attempt);
        let size = text.len();
        objects.put_bytes(BUCKET, &name, text, Some("application/json")).await?;
        for (name, value) in readable(output) {
            note.entry(name).or_insert(value);
        }
        note.insert(STORED.into(), json!({ "bucket": BUCKET, "key": name, "size": size }));
        Ok(Outcome { output: Some(Value::Object(note)), ..outcome })
    }

    /// Reads back what the texts of a task name of outputs that were put aside.
    pub(super) async fn fetch_aside(
        &self,
        key: &AttemptKey,
        mut outputs: BTreeMap<String, Value>,
    ) -> Result<BTreeMap<String, Value>> {
        if !outputs.values().any(is_aside) {
            return Ok(outputs);
        }
        let cell = self.context_cell(&key.run_id);
        let context = cell.get_or_try_init(|| self.load(&key.run_id)).await?;
        let task = context.task(&key.task_id)?;
        let names = named(task);
        for (id, output) in outputs.iter_mut().filter(|(_, output)| is_aside(output)) {
            let prefix = format!("outputs.{id}.");
            if !names.iter().any(|name| name.starts_with(&prefix)) {
                continue;
            }
            match output {
                Value::Array(each) => {
                    for one in each {
                        self.fetch(one).await?;
                    }
                }
                one => self.fetch(one).await?,
            }
        }
        Ok(outputs)
    }

    async fn fetch(&self, output: &mut Value) -> Result<()> {
        let Some((bucket, key)) = output[STORED]["bucket"].as_str().zip(output[STORED]["key"].as_str())
        else {
            return Ok(());
        };
        let text = self.rooms()?.objects.get_bytes(bucket, key, MOST_BYTES).await;
        let text = text.map_err(|error| match error.kind {
            Kind::NotFound => Error::invalid(format!("the output s3://{bucket}/{key} is not there any more")),
            _ => error,
        })?;
        *output = serde_json::from_slice(&text).map_err(Error::internal)?;
        Ok(())
    }
}

/// Removes what runs that are pruned have put aside.
pub async fn forget(objects: &objects::Service, runs: &[String]) -> Result<()> {
    for run in runs {
        match objects.delete_prefix(BUCKET, &format!("{run}/")).await {
            Ok(_) => {}
            // Nothing was ever put aside.
            Err(error) if error.kind == Kind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn is_aside(output: &Value) -> bool {
    match output {
        Value::Array(each) => each.iter().any(is_aside),
        one => one.get(STORED).is_some(),
    }
}

/// Of an output, what conditions and mapped tasks look up.
fn kept(definition: &Definition, id: &str, output: &Map<String, Value>) -> Map<String, Value> {
    let prefix = format!("outputs.{id}.");
    let mut found = HashMap::new();
    for task in &definition.tasks {
        let condition = task.rules.when.as_deref().and_then(|when| Condition::parse(when).ok());
        let mut names: Vec<String> = condition.iter().flat_map(Condition::names).map(str::to_owned).collect();
        if let Some(ForEach::Name(name)) = &task.rules.for_each {
            names.push(name.clone());
        }
        for name in names {
            let field = name.strip_prefix(&prefix).and_then(|path| path.split('.').next()).map(str::to_owned);
            if let Some((field, value)) = field.and_then(|field| output.get_key_value(&field)) {
                found.insert(field.clone(), value.clone());
            }
        }
    }
    found.into_iter().collect()
}

/// Of an output, the small values, as far as they are small together.
fn readable(output: &Map<String, Value>) -> Vec<(String, Value)> {
    let mut left = READ_TOGETHER;
    let mut found = Vec::new();
    for (name, value) in output {
        let size = name.len() + value.to_string().len();
        if size <= READ && size <= left {
            left -= size;
            found.push((name.clone(), value.clone()));
        }
    }
    found
}

/// Every name the texts of a task look up.
fn named(task: &Task) -> Vec<String> {
    let texts = task.action.texts().into_iter().chain(task.env.values().map(String::as_str));
    let mut names: Vec<String> = texts.flat_map(template::names).map(str::to_owned).collect();
    if let Action::Promote(promote) = &task.action
        && let Ok(condition) = Condition::parse(&promote.when)
    {
        names.extend(condition.names().into_iter().map(str::to_owned));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::{READ, READ_TOGETHER, kept, readable};
    use crate::pipelines::definition::Definition;
    use serde_json::{Value, json};

    #[test]
    fn what_is_decided_on_stays_and_the_rest_goes() {
        let yaml = "name: p\ntasks:\n  - {id: a, run: x}\n  - {id: b, needs: [a], run: x, when: outputs.a.rows > 3 and outputs.a.deep.flag}\n  - {id: c, needs: [a], run: '{{ outputs.a.text }}', for_each: outputs.a.list}\n";
        let definition = Definition::parse(yaml).expect("sound");
        let Value::Object(output) =
            json!({ "rows": 4, "deep": { "flag": true, "x": 1 }, "list": [1], "text": "long", "more": 1 })
        else {
            panic!("an object")
        };
        let kept = Value::Object(kept(&definition, "a", &output));
        assert_eq!(kept, json!({ "rows": 4, "deep": { "flag": true, "x": 1 }, "list": [1] }));
    }

    #[test]
    fn small_values_stay_readable_and_together_are_not_large() {
        let Value::Object(output) = json!({ "rows": 4, "table": "x".repeat(READ), "why": "so" }) else {
            panic!("an object")
        };
        let names = |found: Vec<(String, Value)>| found.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(readable(&output)), ["rows", "why"]);
        let many = (0..1_000).map(|n| (format!("{n:03}"), "y".repeat(500).into())).collect();
        assert_eq!(readable(&many).len(), READ_TOGETHER / 505);
    }
}
