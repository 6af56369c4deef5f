//! `{{ params.x }}`, `{{ outputs.load.rows }}`, `{{ item }}` and their like in a task's `env` and other texts; in its `run`, see `shell`.
//!
//! Only what looks like a dotted name is ours: `{{.State}}` or a Jinja filter meant for another
//! program passes through untouched. A dotted name we do not know is an error, never an empty string.

use super::condition::plain;
use serde_json::Value;
use std::collections::BTreeMap;

const PLAIN: [&str; 5] = ["logical_date", "run_id", "task_id", "pipeline", "map_index"];

/// The values a template or a condition may name.
#[derive(Clone, Debug, Default)]
pub struct Values {
    pub params: BTreeMap<String, String>,
    pub logical_date: String,
    pub run_id: String,
    pub task_id: String,
    pub pipeline: String,
    /// Of a task mapped over a list: which of its items, and where it stands.
    pub item: Option<Value>,
    pub map_index: Option<i64>,
    /// Variables opened for what may hold them.
    pub secrets: BTreeMap<String, String>,
    /// What happened, where that made the run.
    pub event: Option<Value>,
    /// What tasks that ended gave, by their ids; a list for a mapped one.
    pub outputs: BTreeMap<String, Value>,
}

impl Values {
    pub fn get(&self, name: &str) -> Option<Value> {
        let text = |text: &str| Some(Value::String(text.to_owned()));
        match name.split_once('.') {
            Some(("params", param)) => self.params.get(param).and_then(|value| text(value)),
            Some(("item", path)) => walk(self.item.as_ref()?, path),
            Some(("outputs", path)) => self.output(path),
            Some(("secrets", name)) => self.secrets.get(name).and_then(|value| text(value)),
            Some(("event", path)) => walk(self.event.as_ref()?, path),
            Some(_) => None,
            None => match name {
                "logical_date" => text(&self.logical_date),
                "run_id" => text(&self.run_id),
                "task_id" => text(&self.task_id),
                "pipeline" => text(&self.pipeline),
                "map_index" => self.map_index.map(Value::from),
                "item" => self.item.clone(),
                "event" => self.event.clone(),
                _ => None,
            },
        }
    }

    /// `TASK.NAME`, where the id of the task may itself hold dots.
    fn output(&self, path: &str) -> Option<Value> {
        path.match_indices('.').find_map(|(dot, _)| {
            let (task, rest) = (self.outputs.get(&path[..dot])?, &path[dot + 1..]);
            match task {
                Value::Array(each) => {
                    Some(each.iter().map(|one| walk(one, rest).unwrap_or_default()).collect())
                }
                one => walk(one, rest),
            }
        })
    }
}

fn walk(value: &Value, path: &str) -> Option<Value> {
    let step = |value: &'_ Value, part: &str| match value {
        Value::Array(items) => items.get(part.parse::<usize>().ok()?).cloned(),
        other => other.get(part).cloned(),
    };
    path.split('.').try_fold(value.clone(), |value, part| step(&value, part))
}

/// Replaces every template in `text`; the error names the first unknown one.
pub fn render(text: &str, values: &Values) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Name(name) => out.push_str(&known(name, values)?),
        }
    }
    Ok(out)
}

/// The value of a name, as text.
pub fn known(name: &str, values: &Values) -> Result<String, String> {
    values.get(name).map(|value| plain(&value)).ok_or_else(|| unknown(name, values))
}

/// The name a text consists of, where it is nothing but one template.
pub fn sole_name(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?.trim();
    is_dotted_name(inner).then_some(inner)
}

/// The names a text would look up.
pub fn names(text: &str) -> Vec<&str> {
    let name = |piece| match piece {
        Piece::Name(name) => Some(name),
        Piece::Text(_) => None,
    };
    pieces(text).into_iter().filter_map(name).collect()
}

pub enum Piece<'a> {
    Text(&'a str),
    Name(&'a str),
}

/// A text, cut at its templates.
pub fn pieces(text: &str) -> Vec<Piece<'_>> {
    let (mut found, mut rest) = (Vec::new(), text);
    while let Some(start) = rest.find("{{") {
        let Some(end) = rest[start..].find("}}").map(|end| start + end) else { break };
        let name = rest[start + 2..end].trim();
        if is_dotted_name(name) {
            found.extend([Piece::Text(&rest[..start]), Piece::Name(name)]);
            rest = &rest[end + 2..];
        } else {
            found.push(Piece::Text(&rest[..start + 2]));
            rest = &rest[start + 2..];
        }
    }
    found.push(Piece::Text(rest));
    found
}

fn is_dotted_name(name: &str) -> bool {
    // Ids of tasks may begin with a digit and hold hyphens; places in a list are numbers.
    let free = ["outputs.", "item.", "event.", "secrets."];
    if let Some(path) = free.iter().find_map(|start| name.strip_prefix(start)) {
        return path.split('.').all(|part| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
        });
    }
    let word = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    !name.is_empty() && name.split('.').all(word)
}

/// Whether a definition with these parameters may name it.
pub fn check_name<'a>(name: &str, params: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let values = Values {
        params: params.map(|param| (param.to_owned(), String::new())).collect(),
        map_index: Some(0),
        ..Values::default()
    };
    values.get(name).map(drop).ok_or_else(|| unknown(name, &values))
}

fn unknown(name: &str, values: &Values) -> String {
    if name.starts_with("event.") {
        return format!("{{{{ {name} }}}} has no value: no such event made the run, or it does not say that");
    }
    if name.starts_with("outputs.") || name.starts_with("item.") {
        return format!("{{{{ {name} }}}} has no value: the task gave no such output, or did not run");
    }
    let params = values.params.keys().map(|param| format!("params.{param}"));
    let names: Vec<String> = PLAIN.map(String::from).into_iter().chain(params).collect();
    format!("{{{{ {name} }}}} is not known here; known are {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::{Values, render};
    use serde_json::json;

    fn values() -> Values {
        Values {
            params: [("epochs".to_owned(), "5".to_owned())].into(),
            logical_date: "2026-01-01T00:00:00Z".into(),
            ..Values::default()
        }
    }

    #[test]
    fn known_names_are_replaced_with_or_without_spaces() {
        let text = render("a {{ params.epochs }} b {{logical_date}} c", &values());
        assert_eq!(text.as_deref(), Ok("a 5 b 2026-01-01T00:00:00Z c"));
    }

    #[test]
    fn what_is_not_a_dotted_name_passes_through() {
        for text in ["{{.State}}", "{{ x | upper }}", "{{", "}} {{ open", "{{}}", "{{{{ 1 }}}}"] {
            assert_eq!(render(text, &values()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn outputs_and_items_are_walked_into() {
        let values = Values {
            item: Some(json!({"file": "a.csv", "parts": [1, 2]})),
            outputs: [
                ("load-data.v2".to_owned(), json!({"rows": 7, "list": ["x"]})),
                ("each".to_owned(), json!([{"n": 1}, {"n": 2}])),
            ]
            .into(),
            ..Values::default()
        };
        let text = "{{ item.file }} {{ item.parts.1 }} {{ outputs.load-data.v2.rows }} {{ outputs.each.n }} {{ outputs.load-data.v2.list }}";
        assert_eq!(render(text, &values).as_deref(), Ok("a.csv 2 7 [1,2] [\"x\"]"));
        assert!(render("{{ outputs.each.m.x }}", &values).is_ok_and(|nulls| nulls == "[null,null]"));
        assert!(render("{{ outputs.nope.x }}", &values).is_err_and(|why| why.contains("outputs.nope.x")));
    }

    #[test]
    fn an_unknown_name_is_an_error_that_lists_the_known() {
        let error = render("{{ params.epoch }}", &values()).expect_err("the parameter is unknown");
        assert!(error.contains("params.epoch }}") && error.contains("params.epochs"), "{error}");
    }
}
