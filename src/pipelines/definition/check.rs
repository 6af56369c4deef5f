//! The rules of a definition: names, unique ids, known needs, no cycle, schedule, zone, templates.

use super::{Definition, MAX_TASKS, Problem, Schedule, Task, duration, yaml};
use crate::pipelines::{cron::Cron, template};
use chrono_tz::Tz;
use serde_saphyr::{Location, Spanned};
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

const MAX_RETRIES: u32 = 100;
const DEFAULT_RETRY_DELAY: Duration = Duration::from_secs(5);

/// Checks everything and reports every problem, so that a file is mended in one go.
pub(super) fn check(file: yaml::File) -> Result<Definition, Vec<Problem>> {
    let mut problems = Vec::new();
    name("pipeline name", &file.name, &mut problems);
    let schedule = schedule(&file, &mut problems);
    let params = params(&file.params, &mut problems);
    let tasks = tasks(&file.tasks, &params, &mut problems);
    if let (Some(_), Some((name, _))) =
        (&schedule, file.params.0.iter().find(|(_, default)| default.is_none()))
    {
        let message =
            format!("parameter {:?} needs a default: the schedule has nobody to ask for it", name.value);
        problems.push(yaml::problem(message, name.referenced));
    }
    if !problems.is_empty() {
        problems.sort_by_key(|problem| problem.line);
        return Err(problems);
    }
    let description = file.description.unwrap_or_default();
    Ok(Definition { name: file.name.value, description, schedule, params, tasks })
}

/// Names appear in URLs and task ids in folder names, so both keep to a plain alphabet.
fn name(what: &str, value: &Spanned<String>, problems: &mut Vec<Problem>) {
    if let Err(why) = super::super::model::check_name(&value.value) {
        problems.push(yaml::problem(format!("{what} {:?} {why}", value.value), value.referenced));
    }
}

fn schedule(file: &yaml::File, problems: &mut Vec<Problem>) -> Option<Schedule> {
    let zone = match &file.timezone {
        None => Some(Tz::UTC),
        Some(zone) => zone.value.parse::<Tz>().ok().or_else(|| {
            let message =
                format!("timezone {:?} is not a known zone; write one like Europe/Berlin or UTC", zone.value);
            problems.push(yaml::problem(message, zone.referenced));
            None
        }),
    };
    let text = file.schedule.as_ref()?;
    match Cron::parse(&text.value) {
        Ok(cron) => zone.map(|zone| Schedule { cron, zone }),
        Err(why) => {
            problems.push(yaml::problem(why, text.referenced));
            None
        }
    }
}

fn params(params: &yaml::Params, problems: &mut Vec<Problem>) -> Vec<(String, Option<String>)> {
    let mut seen: HashMap<String, &str> = HashMap::new();
    for (name, _) in &params.0 {
        if !is_variable(&name.value) {
            let message = format!("parameter {:?} must be a word of letters, digits and _", name.value);
            problems.push(yaml::problem(message, name.referenced));
        }
        // Tasks see CRANNOG_PARAM_<NAME> in capitals, so two names may not differ in case alone.
        if let Some(other) = seen.insert(name.value.to_ascii_uppercase(), &name.value) {
            let message = format!("parameters {other:?} and {:?} have the same name", name.value);
            problems.push(yaml::problem(message, name.referenced));
        }
    }
    params.0.iter().map(|(name, default)| (name.value.clone(), default.clone())).collect()
}

fn tasks(
    file: &Spanned<Vec<yaml::FileTask>>,
    params: &[(String, Option<String>)],
    problems: &mut Vec<Problem>,
) -> Vec<Task> {
    let tasks = &file.value;
    if tasks.is_empty() || tasks.len() > MAX_TASKS {
        let message = match tasks.len() {
            0 => "a pipeline needs at least one task".to_owned(),
            n => format!("the pipeline has {n} tasks; the most is {MAX_TASKS}"),
        };
        problems.push(yaml::problem(message, file.referenced));
        return Vec::new();
    }
    let mut index = HashMap::new();
    for (at, task) in tasks.iter().enumerate() {
        name("task id", &task.id, problems);
        if index.insert(task.id.value.as_str(), at).is_some() {
            problems.push(yaml::problem(
                format!("task id {:?} is used twice", task.id.value),
                task.id.referenced,
            ));
        }
    }
    let values = template::Values {
        params: params.iter().map(|(name, _)| (name.clone(), String::new())).collect(),
        ..template::Values::default()
    };
    let checked: Vec<Task> = tasks.iter().map(|task| one_task(task, &index, &values, problems)).collect();
    if let Some(cycle) = cycle(&checked) {
        let at = tasks[cycle[0]].id.referenced;
        let ids: Vec<&str> = cycle.iter().map(|at| checked[*at].id.as_str()).collect();
        problems
            .push(yaml::problem(format!("the tasks need each other in a circle: {}", ids.join(" -> ")), at));
    }
    checked
}

fn one_task(
    task: &yaml::FileTask,
    index: &HashMap<&str, usize>,
    values: &template::Values,
    problems: &mut Vec<Problem>,
) -> Task {
    let id = &task.id.value;
    if task.run.value.trim().is_empty() {
        problems.push(yaml::problem(format!("task {id:?} has an empty run"), task.run.referenced));
    }
    template_ok(id, &task.run.value, task.run.referenced, values, problems);
    let retries = task.retries.as_ref().map_or(0, |retries| retries.value);
    if let Some(given) = task.retries.as_ref().filter(|given| given.value > MAX_RETRIES) {
        let message = format!("task {id:?}: {retries} retries; the most is {MAX_RETRIES}");
        problems.push(yaml::problem(message, given.referenced));
    }
    Task {
        id: id.clone(),
        needs: needs(task, index, problems),
        run: task.run.value.clone(),
        env: env(task, values, problems),
        retries,
        retry_delay: duration_of(id, "retry_delay", task.retry_delay.as_ref(), problems)
            .unwrap_or(DEFAULT_RETRY_DELAY),
        timeout: timeout(id, task, problems),
    }
}

fn needs(task: &yaml::FileTask, index: &HashMap<&str, usize>, problems: &mut Vec<Problem>) -> Vec<usize> {
    let mut found: Vec<usize> = Vec::new();
    for need in task.needs.iter().flat_map(|needs| &needs.value) {
        match index.get(need.value.as_str()) {
            Some(at) if found.contains(at) => {}
            Some(at) => found.push(*at),
            None => {
                let message = format!(
                    "task {:?} needs {:?}, which is not a task{}",
                    task.id.value,
                    need.value,
                    nearest(&need.value, index)
                );
                problems.push(yaml::problem(message, need.referenced));
            }
        }
    }
    found
}

fn nearest(word: &str, index: &HashMap<&str, usize>) -> String {
    let best = index.keys().map(|id| (strsim::damerau_levenshtein(word, id), *id)).min();
    match best {
        Some((distance, id)) if distance <= 2 && distance < word.chars().count() => {
            format!("; did you mean {id:?}?")
        }
        _ => String::new(),
    }
}

fn env(
    task: &yaml::FileTask,
    values: &template::Values,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    for (name, value) in &task.env {
        let text = value.value.0.clone().unwrap_or_default();
        if !is_variable(name) || text.contains('\0') {
            let message = format!("task {:?}: {name:?} cannot be an environment variable", task.id.value);
            problems.push(yaml::problem(message, value.referenced));
        }
        template_ok(&task.id.value, &text, value.referenced, values, problems);
        env.insert(name.clone(), text);
    }
    env
}

fn template_ok(id: &str, text: &str, at: Location, values: &template::Values, problems: &mut Vec<Problem>) {
    if let Err(why) = template::render(text, values) {
        problems.push(yaml::problem(format!("task {id:?}: {why}"), at));
    }
}

fn timeout(id: &str, task: &yaml::FileTask, problems: &mut Vec<Problem>) -> Option<Duration> {
    let timeout = duration_of(id, "timeout", task.timeout.as_ref(), problems);
    if let (Some(Duration::ZERO), Some(given)) = (timeout, &task.timeout) {
        problems.push(yaml::problem(
            format!("task {id:?}: a timeout of 0 would end it at once"),
            given.referenced,
        ));
    }
    timeout
}

fn duration_of(
    id: &str,
    key: &str,
    value: Option<&Spanned<yaml::Scalar>>,
    problems: &mut Vec<Problem>,
) -> Option<Duration> {
    let value = value?;
    let text = value.value.0.as_deref()?;
    match duration::parse(text) {
        Ok(duration) => Some(duration),
        Err(why) => {
            problems.push(yaml::problem(format!("task {id:?}: {key} {why}"), value.referenced));
            None
        }
    }
}

fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A cycle as the path that closes it (`a -> b -> a`), or none. Iterative: a long chain must not
/// exhaust the stack.
fn cycle(tasks: &[Task]) -> Option<Vec<usize>> {
    // 0 unseen, 1 on the path, 2 known to lead to no cycle.
    let mut colour = vec![0u8; tasks.len()];
    for start in 0..tasks.len() {
        let mut path = if colour[start] == 0 { vec![(start, 0)] } else { Vec::new() };
        while let Some((at, edge)) = path.last_mut() {
            colour[*at] = 1;
            match tasks[*at].needs.get(*edge) {
                Some(next) if colour[*next] == 1 => {
                    let from = path.iter().position(|(node, _)| node == next).unwrap_or(0);
                    let ids = path[from..].iter().map(|(node, _)| *node);
                    return Some(ids.chain([*next]).collect());
                }
                Some(next) => {
                    *edge += 1;
                    if colour[*next] == 0 {
                        path.push((*next, 0));
                    }
                }
                None => {
                    colour[*at] = 2;
                    path.pop();
                }
            }
        }
    }
    None
}
