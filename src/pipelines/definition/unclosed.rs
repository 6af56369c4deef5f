//! A template that is opened and never closed: nothing would be put in its place, and nobody would be told.

use super::{Problem, kinds, yaml};

/// What only a template of ours begins with: `{{.State}}` and the like are for other programs.
const OURS: [&str; 5] = ["params.", "outputs.", "secrets.", "event.", "item."];

/// Finds them in the texts of a task that may hold templates.
pub(super) fn check(task: &yaml::FileTask, problems: &mut Vec<Problem>) {
    let env = task.env.values().filter_map(|value| Some((value.value.0.as_deref()?, value.referenced)));
    let texts = kinds::texts(task).into_iter().chain(kinds::secret_texts(task)).chain(env);
    for (text, place) in texts {
        if let Some(name) = find(text) {
            let message =
                format!("task {:?}: {{{{ {name} is not closed; write {{{{ {name} }}}}", task.id.value);
            problems.push(yaml::problem(message, place));
        }
    }
}

/// The name of the first one: what is not closed on its line, before the next one opens.
fn find(text: &str) -> Option<&str> {
    text.split("{{").skip(1).find_map(|rest| {
        let inner = rest.lines().next().unwrap_or_default();
        let inner = inner.trim_start();
        let end = inner.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '_' | '-'));
        let name = &inner[..end.unwrap_or(inner.len())];
        (OURS.iter().any(|start| name.starts_with(start)) && !rest.contains("}}")).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::find;
    use crate::pipelines::definition::Definition;

    #[test]
    fn what_is_open_is_found_and_what_is_for_others_is_not() {
        for (text, name) in [
            ("echo {{ secrets.zz", "secrets.zz"),
            ("{{ params.a }} {{ params.b }", "params.b"),
            ("{{outputs.x-y.rows {{ params.a }}", "outputs.x-y.rows"),
        ] {
            assert_eq!(find(text), Some(name), "{text}");
        }
        for text in ["{{ params.a }}", "{{ params.a | upper }}", "{{.State}", "{{ x", "{{", "{{ item\n}}", ""]
        {
            assert_eq!(find(text), None, "{text}");
        }
    }

    #[test]
    fn it_is_refused_where_it_stands() {
        for task in [
            "run: 'echo {{ secrets.zz'",
            "run: x, env: {A: '{{ secrets.zz'}",
            "http: {url: 'http://x/', headers: {A: '{{ secrets.zz'}}",
        ] {
            let text = format!("name: p\ntasks:\n  - {{id: a, {task}}}\n");
            let problems = Definition::parse(&text).expect_err(task);
            assert!(problems[0].message.contains("{{ secrets.zz is not closed"), "{problems:?}");
            assert_eq!(problems[0].line, Some(3));
        }
    }
}
