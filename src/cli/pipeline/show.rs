//! Pipelines as tables: what starts their runs, what they take, their tasks and last runs.

use super::{API, items, pipeline_path, run_path, run_view, text, time};
use crate::cli::{Failure, client::Client, failure::Code, print, print_json, table};
use serde_json::Value;

pub(super) async fn list(client: &Client, as_json: bool) -> Result<(), Failure> {
    let answer = client.get(&format!("{API}/pipelines")).await?;
    if as_json {
        return print_json(&answer);
    }
    let pipelines = items(&answer, "pipelines");
    if pipelines.is_empty() {
        eprintln!("There is no pipeline yet. Begin with: crannog pipeline apply FILE");
        return Ok(());
    }
    let mut rows = vec![row(["NAME", "STATE", "SCHEDULE", "NEXT RUN", "LAST RUNS"])];
    rows.extend(pipelines.iter().map(|pipeline| {
        row([
            &text(&pipeline["name"]),
            state(pipeline),
            &schedule(pipeline),
            &time::told(&pipeline["next_run_at"]),
            &last_runs(pipeline),
        ])
    }));
    print(&table(&rows))
}

pub(super) fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

fn schedule(pipeline: &Value) -> String {
    match pipeline["schedule_text"].as_str() {
        None if !items(pipeline, "triggers").is_empty() => "on events".to_owned(),
        _ => text(&pipeline["schedule_text"]),
    }
}

fn state(pipeline: &Value) -> &'static str {
    match (pipeline["error"].is_string(), pipeline["paused"] == true) {
        (true, _) => "error",
        (_, true) => "paused",
        _ => "active",
    }
}

/// The newest first, in words: `success`, or `failed (success x4)`.
fn last_runs(pipeline: &Value) -> String {
    let states: Vec<String> = items(pipeline, "recent_runs").iter().map(|run| text(&run["state"])).collect();
    match states.split_first() {
        None => "none yet".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, before)) => {
            let good = before.iter().filter(|state| *state == "success").count();
            format!("{last} (before: {good} of {} succeeded)", before.len())
        }
    }
}

pub(super) async fn one(client: &Client, name: &str, as_json: bool) -> Result<(), Failure> {
    match client.get(&pipeline_path(name, "")).await {
        Ok(pipeline) if as_json => print_json(&pipeline),
        Ok(pipeline) => print(&pipeline_text(&pipeline)),
        Err(missing) if missing.code == Code::NotFound => {
            // Run ids and pipeline names look different, so one command can show both.
            let run = client.get(&run_path(name, "")).await.map_err(|other| match other.code {
                Code::NotFound => missing,
                _ => other,
            })?;
            if as_json { print_json(&run) } else { print(&run_view::run_text(&run)) }
        }
        Err(failure) => Err(failure),
    }
}

fn pipeline_text(pipeline: &Value) -> String {
    let mut facts = vec![
        row(["Name", &text(&pipeline["name"])]),
        row(["Description", &text(&pipeline["description"])]),
        row(["State", state(pipeline)]),
        row(["Source", &text(&pipeline["source"])]),
        row(["Commit", &text(&pipeline["commit"])]),
    ];
    facts.extend(starts(pipeline));
    facts.push(row(["Active runs", &format!("at most {} at once", text(&pipeline["max_active_runs"]))]));
    if let Some(seconds) = pipeline["deadline_s"].as_f64() {
        facts.push(row(["Deadline", &format!("{} after a run is made", span(seconds))]));
    }
    facts.extend(items(pipeline, "params").iter().map(|param| row(["Parameter", &parameter(param)])));
    let mut out = table(&facts);
    if let Some(error) = pipeline["error"].as_str() {
        out += &format!("\nThe newest version is not used:\n{error}\n");
    }
    let mut runs = vec![row(["RUN", "STATE", "STARTED BY", "LOGICAL DATE", "STARTED", "ENDED"])];
    runs.extend(items(pipeline, "recent_runs").iter().map(|run| {
        row([
            &text(&run["id"]),
            &text(&run["state"]),
            &text(&run["trigger"]),
            &time::told(&run["logical_at"]),
            &time::told(&run["started_at"]),
            &time::told(&run["ended_at"]),
        ])
    }));
    out + &format!("\n{}\n{}", tasks(pipeline), table(&runs))
}

/// What starts runs: schedules with their dates, and events.
fn starts(pipeline: &Value) -> Vec<Vec<String>> {
    let (schedules, triggers) = (items(pipeline, "schedules"), items(pipeline, "triggers"));
    let mut facts = Vec::new();
    let meant = pipeline["schedule_text"].as_str().unwrap_or_default();
    // One sentence for all; taken apart where it has as many parts.
    let parts: Vec<&str> = meant.split("; ").collect();
    for (at, cron) in schedules.iter().enumerate() {
        let part = parts.get(at).filter(|_| parts.len() == schedules.len()).unwrap_or(&meant);
        let told = format!("{part} ({}, {})", text(cron), text(&pipeline["timezone"]));
        facts.push(row(["Schedule", &told]));
    }
    match (schedules, triggers) {
        ([], []) => facts.push(row(["Schedule", "none: runs start by hand"])),
        ([], _) => facts.push(row(["Schedule", "none: runs start by events, or by hand"])),
        _ => {
            facts.push(row(["Next run", &time::told(&pipeline["next_run_at"])]));
            facts.push(row(["Catch-up", catchup(pipeline)]));
        }
    }
    for (name, field) in [("From", "start_at"), ("Until", "end_at")] {
        if pipeline[field].is_string() {
            facts.push(row([name, &time::told(&pipeline[field])]));
        }
    }
    facts
        .extend(triggers.iter().map(|trigger| row(["Trigger", &format!("when {}", text(&trigger["text"]))])));
    if let Some(note) = pipeline["trigger_note"].as_str() {
        facts.push(row(["Last event", &time::in_words(note)]));
    }
    facts
}

fn catchup(pipeline: &Value) -> &'static str {
    match pipeline["catchup"].as_str() {
        Some("none") => "none: missed firings are left out",
        Some("all") => "all missed firings are made up for",
        _ => "latest: of missed firings, the last one is made up for",
    }
}

/// `rate = 1.5 (number, 0 to 2): how fast`.
fn parameter(param: &Value) -> String {
    let mut takes: Vec<String> = param["type"].as_str().map(str::to_owned).into_iter().collect();
    let choices: Vec<String> = items(param, "enum").iter().map(text).collect();
    if !choices.is_empty() {
        takes.push(format!("one of {}", choices.join(", ")));
    }
    takes.extend(
        ["minimum", "maximum"]
            .iter()
            .filter_map(|bound| Some(format!("{bound} {}", param[*bound].as_f64()?))),
    );
    takes.extend(param["pattern"].as_str().map(|pattern| format!("like {pattern}")));
    let mut told = match &param["default"] {
        Value::Null => format!("{}, to be given", text(&param["name"])),
        default => format!("{} = {}", text(&param["name"]), text(default)),
    };
    if !takes.is_empty() {
        told += &format!(" ({})", takes.join(", "));
    }
    if let Some(description) = param["description"].as_str() {
        told += &format!(": {description}");
    }
    told
}

/// Groups and rules have a column only where a task has one.
fn tasks(pipeline: &Value) -> String {
    let tasks = items(pipeline, "tasks");
    let grouped = tasks.iter().any(|task| task["group"].is_string());
    let ruled = tasks.iter().any(|task| !rules(task).is_empty());
    let line = |id: &str, kind: &str, group: &str, needs: &str, rules: &str| {
        let mut cells = row([id, kind]);
        cells.extend(grouped.then(|| group.to_owned()));
        cells.push(needs.to_owned());
        cells.extend(ruled.then(|| rules.to_owned()));
        cells
    };
    let mut rows = vec![line("TASK", "KIND", "GROUP", "NEEDS", "RULES")];
    rows.extend(tasks.iter().map(|task| {
        let kind = task["kind"].as_str().unwrap_or("run");
        line(&text(&task["id"]), kind, &text(&task["group"]), &needs(task), &rules(task))
    }));
    table(&rows)
}

fn needs(task: &Value) -> String {
    let needs: Vec<String> = items(task, "needs").iter().map(text).collect();
    if needs.is_empty() { "-".to_owned() } else { needs.join(", ") }
}

fn rules(task: &Value) -> String {
    let mut rules: Vec<String> = task["trigger_rule"].as_str().map(str::to_owned).into_iter().collect();
    rules.extend(task["when"].as_str().map(|when| format!("when {when}")));
    match &task["for_each"] {
        Value::Null => {}
        Value::Array(items) => rules.push(format!("for each of {}", items.len())),
        name => rules.push(format!("for each of {}", text(name))),
    }
    rules.join("; ")
}

fn span(seconds: f64) -> String {
    match seconds {
        hours if hours >= 3600.0 => format!("{} h", hours / 3600.0),
        minutes if minutes >= 60.0 => format!("{} min", minutes / 60.0),
        seconds => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::pipeline_text;
    use serde_json::json;

    #[test]
    fn everything_that_starts_and_bounds_runs_is_told() {
        let told = pipeline_text(&json!({
            "name": "p", "timezone": "UTC", "max_active_runs": 2, "catchup": "all", "deadline_s": 5400.0,
            "schedules": ["0 1 * * *", "0 2 * * *", "0 3 * * *"], "schedule_text": "at one; at two; at three",
            "end_at": "2026-01-31T00:00:00.000Z",
            "triggers": [{ "kind": "webhook", "subject": "", "text": "its webhook is called" }],
            "params": [
                { "name": "rate", "default": "1", "type": "number", "minimum": 0.0, "maximum": 2.0, "description": "speed" },
                { "name": "mode", "default": null, "enum": ["a", "b"] },
            ],
            "tasks": [
                { "id": "a", "needs": [], "kind": "wait_for", "group": "g" },
                { "id": "b", "needs": ["a"], "trigger_rule": "all_done", "for_each": [1, 2] },
            ],
            "recent_runs": [{ "id": "R1", "state": "success", "trigger": "backfill", "logical_at": "soon" }],
        }));
        for line in [
            "at one (0 1 * * *, UTC)",
            "at three (0 3 * * *, UTC)",
            "Catch-up     all missed",
            "Until        2026-01-3",
            "Trigger      when its webhook is called",
            "Deadline     1.5 h after",
            "rate = 1 (number, minimum 0, maximum 2): speed",
            "mode, to be given (one of a, b)",
            "a     wait_for  g      -",
            "b     run       -      a      all_done; for each of 2",
            "R1   success  backfill    soon",
        ] {
            assert!(told.contains(line), "{line:?} is not in\n{told}");
        }
        assert!(!told.contains("From"));
        let events = pipeline_text(&json!({ "triggers": [{ "text": "x" }], "schedules": [] }));
        assert!(events.contains("runs start by events, or by hand"), "{events}");
        assert!(pipeline_text(&json!({})).contains("none: runs start by hand"));
    }
}
