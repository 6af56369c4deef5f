//! `{{ params.x }}`, `{{ logical_date }}` and their like in a task's `run` and `env`.
//!
//! Only what looks like a dotted name is ours: `{{.State}}` or a Jinja filter meant for another
//! program passes through untouched. A dotted name we do not know is an error, never an empty string.

use std::collections::BTreeMap;

/// The values a template may name.
#[derive(Debug, Default)]
pub struct Values {
    pub params: BTreeMap<String, String>,
    pub logical_date: String,
    pub run_id: String,
    pub task_id: String,
    pub pipeline: String,
}

impl Values {
    fn get(&self, name: &str) -> Option<&str> {
        match name.split_once('.') {
            Some(("params", param)) => self.params.get(param).map(String::as_str),
            Some(_) => None,
            None => match name {
                "logical_date" => Some(&self.logical_date),
                "run_id" => Some(&self.run_id),
                "task_id" => Some(&self.task_id),
                "pipeline" => Some(&self.pipeline),
                _ => None,
            },
        }
    }
}

/// Replaces every template in `text`; the error names the first unknown one.
pub fn render(text: &str, values: &Values) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        let Some(end) = rest[start..].find("}}").map(|end| start + end) else { break };
        let name = rest[start + 2..end].trim();
        if is_dotted_name(name) {
            out.push_str(&rest[..start]);
            out.push_str(values.get(name).ok_or_else(|| unknown(name, values))?);
            rest = &rest[end + 2..];
        } else {
            out.push_str(&rest[..start + 2]);
            rest = &rest[start + 2..];
        }
    }
    out.push_str(rest);
    Ok(out)
}

fn is_dotted_name(name: &str) -> bool {
    let word = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    !name.is_empty() && name.split('.').all(word)
}

fn unknown(name: &str, values: &Values) -> String {
    let known = ["logical_date", "run_id", "task_id", "pipeline"].map(String::from);
    let params = values.params.keys().map(|param| format!("params.{param}"));
    let names: Vec<String> = known.into_iter().chain(params).collect();
    format!("{{{{ {name} }}}} is not known here; known are {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::{Values, render};

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
    fn an_unknown_name_is_an_error_that_lists_the_known() {
        let error = render("{{ params.epoch }}", &values()).expect_err("the parameter is unknown");
        assert!(error.contains("params.epoch }}") && error.contains("params.epochs"), "{error}");
    }
}
