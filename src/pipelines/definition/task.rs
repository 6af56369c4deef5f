//! The rules of one task: what it needs, when it runs, how often it is tried, what its texts may name.

use super::{
    Action, Param, Problem, Task, duration, graph,
    kinds::{self, Complaints},
    limits, nearest, yaml,
};
use crate::pipelines::{
    condition::Condition,
    model::{ForEach, Rules, TriggerRule},
    template,
};
use serde_json::Value;
use serde_saphyr::{Location, Spanned};
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

const MAX_RETRIES: u32 = 100;
const DEFAULT_RETRY_DELAY: Duration = Duration::from_secs(5);
/// Where a back-off stops growing, unless `retry_max_delay` says otherwise.
const DEFAULT_MAX_DELAY: Duration = Duration::from_secs(24 * 3600);

/// The tasks and groups of a pipeline.
#[derive(Default)]
pub(super) struct Names<'a> {
    pub tasks: HashMap<&'a str, usize>,
    pub groups: HashMap<&'a str, Vec<usize>>,
}

pub(super) fn check(task: &yaml::FileTask, names: &Names<'_>, problems: &mut Vec<Problem>) -> Task {
    let id = &task.id.value;
    let action = kinds::check(task, &mut Complaints { id, problems });
    if let (Action::Wait(_), Some(given)) = (&action, task.retries.as_ref()) {
        let message = format!("task {id:?}: what waits is not retried: it looks again at every interval");
        problems.push(yaml::problem(message, given.referenced));
    }
    let retries = task.retries.as_ref().map_or(0, |retries| retries.value);
    if let Some(given) = task.retries.as_ref().filter(|given| given.value > MAX_RETRIES) {
        let message = format!("task {id:?}: {retries} retries; the most is {MAX_RETRIES}");
        problems.push(yaml::problem(message, given.referenced));
    }
    Task {
        id: id.clone(),
        needs: needs(task, names, problems),
        group: task.group.as_ref().map(|group| group.value.clone()),
        action,
        env: env(task, problems),
        retries,
        retry_delay: duration_of(id, "retry_delay", task.retry_delay.as_ref(), problems)
            .unwrap_or(DEFAULT_RETRY_DELAY),
        timeout: timeout(id, task, problems),
        limits: limits::check(task, problems),
        rules: rules(task, problems),
        pool: pool(task, problems),
        pool_slots: task.pool_slots.as_ref().map_or(1, |slots| {
            if slots.value == 0 {
                let message = format!("task {id:?}: pool_slots must be 1 or more");
                problems.push(yaml::problem(message, slots.referenced));
            }
            slots.value
        }),
        priority: task.priority.as_ref().map_or(0, |priority| priority.value),
        depends_on_past: task.depends_on_past.unwrap_or(false),
    }
}

fn pool(task: &yaml::FileTask, problems: &mut Vec<Problem>) -> String {
    let Some(pool) = &task.pool else { return crate::pipelines::model::DEFAULT_POOL.to_owned() };
    if let Err(why) = crate::pipelines::model::check_name(&pool.value) {
        let message = format!("task {:?}: pool {:?} {why}", task.id.value, pool.value);
        problems.push(yaml::problem(message, pool.referenced));
    }
    pool.value.clone()
}

fn rules(task: &yaml::FileTask, problems: &mut Vec<Problem>) -> Rules {
    let id = &task.id.value;
    let max_delay = duration_of(id, "retry_max_delay", task.retry_max_delay.as_ref(), problems);
    let when = task.when.as_ref().and_then(|when| when.value.0.clone());
    if let (Some(text), Some(given)) = (&when, &task.when)
        && let Err(why) = Condition::parse(text)
    {
        problems.push(yaml::problem(format!("task {id:?}: when: {why}"), given.referenced));
    }
    Rules {
        trigger_rule: trigger_rule(task, problems),
        setup: task.setup.unwrap_or(false),
        when,
        for_each: for_each(task, problems),
        backoff: number(id, "retry_backoff", task.retry_backoff.as_ref(), 1.0..=10.0, 1.0, problems),
        jitter: number(id, "retry_jitter", task.retry_jitter.as_ref(), 0.0..=1.0, 0.0, problems),
        max_delay_ms: i64::try_from(max_delay.unwrap_or(DEFAULT_MAX_DELAY).as_millis()).unwrap_or(i64::MAX),
    }
}

fn trigger_rule(task: &yaml::FileTask, problems: &mut Vec<Problem>) -> TriggerRule {
    let Some(given) = &task.trigger_rule else { return TriggerRule::default() };
    given.value.parse().unwrap_or_else(|_| {
        let known = TriggerRule::ALL.map(TriggerRule::as_str);
        let hint = nearest(&given.value, known.into_iter());
        let message = format!(
            "task {:?}: trigger_rule {:?} is not one of {}{hint}",
            task.id.value,
            given.value,
            known.join(", ")
        );
        problems.push(yaml::problem(message, given.referenced));
        TriggerRule::default()
    })
}

/// A list, or the one name of a list: `outputs.files.list`, with or without the braces of a template.
fn for_each(task: &yaml::FileTask, problems: &mut Vec<Problem>) -> Option<ForEach> {
    let given = task.for_each.as_ref()?;
    match &given.value {
        Value::Array(items) => return Some(ForEach::Items(items.clone())),
        Value::String(text) => {
            let bare = text.trim().trim_start_matches("{{").trim_end_matches("}}").trim();
            if bare.starts_with("outputs.") || bare.starts_with("params.") {
                return Some(ForEach::Name(bare.to_owned()));
            }
        }
        _ => {}
    }
    let message = format!(
        "task {:?}: for_each takes a list, outputs.TASK.NAME or params.NAME, not {}",
        task.id.value, given.value
    );
    problems.push(yaml::problem(message, given.referenced));
    None
}

fn number(
    id: &str,
    key: &str,
    given: Option<&Spanned<f64>>,
    range: std::ops::RangeInclusive<f64>,
    default: f64,
    problems: &mut Vec<Problem>,
) -> f64 {
    let Some(given) = given else { return default };
    if !range.contains(&given.value) {
        let message = format!(
            "task {id:?}: {key} {} is not between {} and {}",
            given.value,
            range.start(),
            range.end()
        );
        problems.push(yaml::problem(message, given.referenced));
    }
    given.value
}

fn needs(task: &yaml::FileTask, names: &Names<'_>, problems: &mut Vec<Problem>) -> Vec<usize> {
    let mut found: Vec<usize> = Vec::new();
    for need in task.needs.iter().flat_map(|needs| &needs.value) {
        let one = names.tasks.get(need.value.as_str()).map(std::slice::from_ref);
        match one.or(names.groups.get(need.value.as_str()).map(Vec::as_slice)) {
            Some(all) => all.iter().for_each(|at| {
                if !found.contains(at) {
                    found.push(*at);
                }
            }),
            None => {
                let known = names.tasks.keys().chain(names.groups.keys()).copied();
                let message = format!(
                    "task {:?} needs {:?}, which is not a task{}",
                    task.id.value,
                    need.value,
                    nearest(&need.value, known)
                );
                problems.push(yaml::problem(message, need.referenced));
            }
        }
    }
    found
}

fn env(task: &yaml::FileTask, problems: &mut Vec<Problem>) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    for (name, value) in &task.env {
        let text = value.value.0.clone().unwrap_or_default();
        if !is_variable(name) || text.contains('\0') {
            let message = format!("task {:?}: {name:?} cannot be an environment variable", task.id.value);
            problems.push(yaml::problem(message, value.referenced));
        }
        env.insert(name.clone(), text);
    }
    env
}

/// That everything the texts of a task name exists, and that outputs come from a task before it.
pub(super) fn check_names(
    file: &yaml::FileTask,
    at: usize,
    tasks: &[Task],
    params: &[Param],
    problems: &mut Vec<Problem>,
) {
    let texts = kinds::texts(file).into_iter();
    let secret = kinds::secret_texts(file)
        .into_iter()
        .chain(file.env.values().filter_map(|value| Some((value.value.0.as_deref()?, value.referenced))));
    let mut named: Vec<(String, Location)> = texts
        .flat_map(|(text, place)| template::names(text).into_iter().map(move |name| (name.to_owned(), place)))
        .collect();
    // A secret's name may be any; whether it is there is seen when it is needed.
    let open = secret.flat_map(|(text, place)| {
        template::names(text).into_iter().map(move |name| (name.to_owned(), place))
    });
    named.extend(open.filter(|(name, _)| !name.starts_with("secrets.")));
    named.extend(file.promote.iter().flat_map(|promote| promote.value.condition_names()));
    let rules = &tasks[at].rules;
    if let (Some(when), Some(given)) = (&rules.when, &file.when) {
        let condition = Condition::parse(when);
        let names = condition.iter().flat_map(Condition::names);
        named.extend(names.map(|name| (name.to_owned(), given.referenced)));
    }
    if let (Some(ForEach::Name(name)), Some(given)) = (&rules.for_each, &file.for_each) {
        named.push((name.clone(), given.referenced));
    }
    let mut before = None;
    for (name, place) in named {
        let is_item = name == "item" || name.starts_with("item.");
        let outcome = match name.strip_prefix("outputs.") {
            Some(rest) => output_ok(rest, tasks, before.get_or_insert_with(|| graph::ancestors(tasks, at))),
            None if is_item && rules.for_each.is_some() => Ok(()),
            None if name == "event" || name.starts_with("event.") => Ok(()),
            None => template::check_name(&name, params.iter().map(|param| param.name.as_str())),
        };
        if let Err(why) = outcome {
            problems.push(yaml::problem(format!("task {:?}: {why}", file.id.value), place));
        }
    }
}

fn output_ok(rest: &str, tasks: &[Task], before: &[bool]) -> Result<(), String> {
    let dots = rest.match_indices('.').map(|(dot, _)| &rest[..dot]);
    let found = dots.filter_map(|id| tasks.iter().position(|task| task.id == id)).next();
    match found {
        None => {
            let id = rest.split('.').next().unwrap_or_default();
            let hint = nearest(id, tasks.iter().map(|task| task.id.as_str()));
            Err(format!("outputs.{rest} names no task; write outputs.TASK.NAME{hint}"))
        }
        Some(at) if before[at] => Ok(()),
        Some(at) => {
            let id = &tasks[at].id;
            Err(format!(
                "outputs.{rest} comes from task {id:?}, which it must need, directly or through others"
            ))
        }
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

pub(super) fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
