//! The rules of a definition: names, unique ids, known needs, no cycle, schedules, dates, parameters.

use super::{
    Catchup, Definition, Kind, MAX_TASKS, Param, Problem, Schedule, callback, duration, graph, nearest,
    param,
    task::{self, Names},
    trigger, unclosed,
    yaml::{self, FullParam, Given},
};
use crate::pipelines::cron::Cron;
use chrono::{DateTime, NaiveDate, TimeZone};
use chrono_tz::Tz;
use serde_saphyr::Spanned;
use std::{collections::HashMap, time::Duration};

const DEFAULT_ACTIVE_RUNS: u32 = 16;
const DEFAULT_CATCHUP: u32 = 100;
const MOST_CATCHUP: u32 = 1_000;
const MOST_SCHEDULES: usize = 20;

/// Checks everything and reports every problem, so that a file is mended in one go.
pub(super) fn check(file: yaml::File) -> Result<Definition, Vec<Problem>> {
    let mut problems = Vec::new();
    name("pipeline name", &file.name, &mut problems);
    let zone = zone(file.timezone.as_ref(), &mut problems);
    let schedules = schedules(&file, zone, &mut problems);
    let params = params(&file.params, &mut problems);
    if let Some((name, _)) =
        file.params.0.iter().zip(&params).find(|(_, param)| param.default.is_none()).map(|(given, _)| given)
        && !schedules.is_empty()
    {
        let message =
            format!("parameter {:?} needs a default: the schedule has nobody to ask for it", name.value);
        problems.push(yaml::problem(message, name.referenced));
    }
    let start_at = date("start_date", file.start_date.as_ref(), zone, false, &mut problems);
    let end_at = date("end_date", file.end_date.as_ref(), zone, true, &mut problems);
    if let (Some(start), Some(end), Some(given)) = (start_at, end_at, &file.end_date)
        && end < start
    {
        problems.push(yaml::problem("end_date is before start_date", given.referenced));
    }
    let at_least_one = |key: &str, given: &Option<Spanned<u32>>, default, problems: &mut Vec<Problem>| {
        let Some(given) = given else { return default };
        if given.value == 0 {
            problems.push(yaml::problem(format!("{key} must be 1 or more"), given.referenced));
        }
        given.value
    };
    let max_active_runs =
        at_least_one("max_active_runs", &file.max_active_runs, DEFAULT_ACTIVE_RUNS, &mut problems);
    let max_catchup = at_least_one("max_catchup", &file.max_catchup, DEFAULT_CATCHUP, &mut problems);
    let catchup = catchup(file.catchup.as_ref(), &mut problems);
    let triggers = trigger::check(&file.name.value, &file.triggers, &params, &mut problems);
    let deadline = deadline(file.deadline.as_ref(), &mut problems);
    let callbacks = callback::check(&file.callbacks, file.deadline.is_some(), &mut problems);
    let tasks = tasks(&file.tasks, &params, &mut problems);
    if !problems.is_empty() {
        problems.sort_by_key(|problem| problem.line);
        return Err(problems);
    }
    Ok(Definition {
        name: file.name.value,
        description: file.description.unwrap_or_default(),
        schedules,
        zone,
        catchup,
        max_catchup: max_catchup.min(MOST_CATCHUP) as usize,
        start_at,
        end_at,
        max_active_runs,
        params,
        triggers,
        deadline,
        callbacks,
        tasks,
    })
}

/// Names appear in URLs and task ids in folder names, so both keep to a plain alphabet.
fn name(what: &str, value: &Spanned<String>, problems: &mut Vec<Problem>) {
    if let Err(why) = crate::pipelines::model::check_name(&value.value) {
        problems.push(yaml::problem(format!("{what} {:?} {why}", value.value), value.referenced));
    }
}

fn zone(given: Option<&Spanned<String>>, problems: &mut Vec<Problem>) -> Tz {
    let Some(zone) = given else { return Tz::UTC };
    zone.value.parse::<Tz>().unwrap_or_else(|_| {
        let message =
            format!("timezone {:?} is not a known zone; write one like Europe/Berlin or UTC", zone.value);
        problems.push(yaml::problem(message, zone.referenced));
        Tz::UTC
    })
}

fn schedules(file: &yaml::File, zone: Tz, problems: &mut Vec<Problem>) -> Vec<Schedule> {
    let Some(given) = &file.schedule else { return Vec::new() };
    if let Some(over) = given.0.get(MOST_SCHEDULES) {
        let message = format!("{} schedules; the most is {MOST_SCHEDULES}", given.0.len());
        problems.push(yaml::problem(message, over.referenced));
    }
    let mut sound = Vec::new();
    for text in &given.0 {
        match Cron::parse(&text.value) {
            Ok(cron) => sound.push(Schedule { cron, zone }),
            Err(why) => problems.push(yaml::problem(why, text.referenced)),
        }
    }
    sound
}

fn catchup(given: Option<&Spanned<String>>, problems: &mut Vec<Problem>) -> Catchup {
    match given.map(|given| (given.value.as_str(), given)) {
        None | Some(("latest", _)) => Catchup::Latest,
        Some(("none" | "false", _)) => Catchup::None,
        Some(("all" | "true", _)) => Catchup::All,
        Some((other, given)) => {
            let hint = nearest(other, ["none", "latest", "all"].into_iter());
            let message = format!("catchup {other:?} is not one of none, latest, all{hint}");
            problems.push(yaml::problem(message, given.referenced));
            Catchup::Latest
        }
    }
}

fn deadline(given: Option<&Spanned<yaml::Scalar>>, problems: &mut Vec<Problem>) -> Option<Duration> {
    let given = given?;
    let read = duration::parse(given.value.0.as_deref()?);
    read.map_err(|why| problems.push(yaml::problem(format!("deadline {why}"), given.referenced))).ok()
}

/// A date in the pipeline's zone (its first or its last instant), or a full time.
fn date(
    key: &str,
    given: Option<&Spanned<String>>,
    zone: Tz,
    to_its_end: bool,
    problems: &mut Vec<Problem>,
) -> Option<i64> {
    let given = given?;
    if let Ok(at) = DateTime::parse_from_rfc3339(&given.value) {
        return Some(at.timestamp_millis());
    }
    let day = NaiveDate::parse_from_str(&given.value, "%Y-%m-%d").ok().map(|day| {
        let day = if to_its_end { day.succ_opt().unwrap_or(day) } else { day };
        (day, day.and_hms_opt(0, 0, 0).unwrap_or_default())
    });
    let instant = day.and_then(|(_, midnight)| {
        // A zone whose clocks change at midnight may have none that day: its first hour then.
        let hours = (0..24).map(|hour| midnight + chrono::Duration::hours(hour));
        hours.filter_map(|at| zone.from_local_datetime(&at).earliest()).next()
    });
    if instant.is_none() {
        let message = format!(
            "{key} {:?} is not a date; write it like 2026-01-31 or 2026-01-31T08:00:00Z",
            given.value
        );
        problems.push(yaml::problem(message, given.referenced));
    }
    Some(instant?.timestamp_millis() - i64::from(to_its_end))
}

fn params(params: &yaml::Params, problems: &mut Vec<Problem>) -> Vec<Param> {
    let mut seen: HashMap<String, &str> = HashMap::new();
    for (name, _) in &params.0 {
        if !task::is_variable(&name.value) {
            let message = format!("parameter {:?} must be a word of letters, digits and _", name.value);
            problems.push(yaml::problem(message, name.referenced));
        }
        // Tasks see CRANNOG_PARAM_<NAME> in capitals, so two names may not differ in case alone.
        if let Some(other) = seen.insert(name.value.to_ascii_uppercase(), &name.value) {
            let message = format!("parameters {other:?} and {:?} have the same name", name.value);
            problems.push(yaml::problem(message, name.referenced));
        }
    }
    params.0.iter().map(|(name, given)| one_param(name, given, problems)).collect()
}

fn one_param(name: &Spanned<String>, given: &Spanned<Given>, problems: &mut Vec<Problem>) -> Param {
    let mut param = Param {
        name: name.value.clone(),
        kind: Kind::Any,
        default: default_text(&given.value),
        description: String::new(),
        choices: Vec::new(),
        minimum: None,
        maximum: None,
        pattern: None,
    };
    let mut default_at = given.referenced;
    if let Given::List(_) = given.value {
        param.kind = Kind::Array;
    }
    if let Given::Full(full) = &given.value {
        describe(&mut param, full, problems);
        default_at = full.default.as_ref().map_or(default_at, |default| default.referenced);
    }
    if let Some(Err(why)) = param.default.as_deref().map(|default| param.check(default)) {
        problems.push(yaml::problem(why, default_at));
    }
    param
}

fn describe(param: &mut Param, full: &FullParam, problems: &mut Vec<Problem>) {
    if let Some(kind) = &full.kind {
        match Kind::ALL.into_iter().find(|(name, _)| *name == kind.value) {
            Some((_, known)) => param.kind = known,
            None => {
                let names = Kind::ALL.map(|(name, _)| name);
                let hint = nearest(&kind.value, names.into_iter());
                let message = format!(
                    "parameter {:?}: type {:?} is not one of {}{hint}",
                    param.name,
                    kind.value,
                    names.join(", ")
                );
                problems.push(yaml::problem(message, kind.referenced));
            }
        }
    }
    if let Some(pattern) = &full.pattern
        && let Err(why) = param::whole(&pattern.value)
    {
        let message = format!("parameter {:?}: the pattern is not a regular expression: {why}", param.name);
        problems.push(yaml::problem(message, pattern.referenced));
    }
    param.default = full.default.as_ref().and_then(|default| default_text(&default.value));
    param.description = full.description.clone().unwrap_or_default();
    param.choices = full.choices.iter().flatten().filter_map(|choice| choice.0.clone()).collect();
    (param.minimum, param.maximum) = (full.minimum, full.maximum);
    param.pattern = full.pattern.as_ref().map(|pattern| pattern.value.clone());
}

fn default_text(given: &Given) -> Option<String> {
    match given {
        Given::Text(text) => text.clone(),
        Given::List(items) => serde_json::to_string(items).ok(),
        Given::Unquoted | Given::Full(_) => None,
    }
}

fn tasks(
    file: &Spanned<Vec<yaml::FileTask>>,
    params: &[Param],
    problems: &mut Vec<Problem>,
) -> Vec<super::Task> {
    let tasks = &file.value;
    if tasks.is_empty() || tasks.len() > MAX_TASKS {
        let message = match tasks.len() {
            0 => "a pipeline needs at least one task".to_owned(),
            n => format!("the pipeline has {n} tasks; the most is {MAX_TASKS}"),
        };
        problems.push(yaml::problem(message, file.referenced));
        return Vec::new();
    }
    let mut names = Names::default();
    for (at, task) in tasks.iter().enumerate() {
        name("task id", &task.id, problems);
        if names.tasks.insert(&task.id.value, at).is_some() {
            problems.push(yaml::problem(
                format!("task id {:?} is used twice", task.id.value),
                task.id.referenced,
            ));
        }
    }
    for (at, task) in tasks.iter().enumerate() {
        let Some(group) = &task.group else { continue };
        name("group", group, problems);
        if names.tasks.contains_key(group.value.as_str()) {
            let message = format!("group {:?} has the name of a task", group.value);
            problems.push(yaml::problem(message, group.referenced));
        }
        names.groups.entry(&group.value).or_default().push(at);
    }
    let checked: Vec<_> = tasks.iter().map(|task| task::check(task, &names, problems)).collect();
    if let Some(cycle) = graph::cycle(&checked) {
        let at = tasks[cycle[0]].id.referenced;
        let ids: Vec<&str> = cycle.iter().map(|at| checked[*at].id.as_str()).collect();
        problems
            .push(yaml::problem(format!("the tasks need each other in a circle: {}", ids.join(" -> ")), at));
        return checked;
    }
    for (at, task) in tasks.iter().enumerate() {
        task::check_names(task, at, &checked, params, problems);
        unclosed::check(task, problems);
    }
    checked
}
