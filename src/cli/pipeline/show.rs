//! Pipelines and runs as tables.

use super::{API, items, pipeline_path, run_path, text};
use crate::cli::{Failure, client::Client, failure::Code, print, print_json, table};
use serde_json::{Value, json};

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
            &text(&pipeline["schedule_text"]),
            &text(&pipeline["next_run_at"]),
            &last_runs(pipeline),
        ])
    }));
    print(&table(&rows))
}

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
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
            if as_json { print_json(&run) } else { print(&run_text(&run)) }
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
        row(["Schedule", &schedule(pipeline)]),
        row(["Next run", &text(&pipeline["next_run_at"])]),
    ];
    facts.extend(
        items(pipeline, "params").iter().map(|param| {
            row(["Parameter", &format!("{} = {}", text(&param["name"]), text(&param["default"]))])
        }),
    );
    let mut out = table(&facts);
    if let Some(error) = pipeline["error"].as_str() {
        out += &format!("\nThe newest version is not used:\n{error}\n");
    }
    let mut tasks = vec![row(["TASK", "NEEDS"])];
    tasks.extend(items(pipeline, "tasks").iter().map(|task| row([&text(&task["id"]), &needs(task)])));
    let mut runs = vec![row(["RUN", "STATE", "STARTED", "ENDED"])];
    runs.extend(items(pipeline, "recent_runs").iter().map(|run| {
        row([&text(&run["id"]), &text(&run["state"]), &text(&run["started_at"]), &text(&run["ended_at"])])
    }));
    out + &format!("\n{}\n{}", table(&tasks), table(&runs))
}

fn schedule(pipeline: &Value) -> String {
    match pipeline["schedule"].as_str() {
        None => "none: runs start by hand".to_owned(),
        Some(cron) => {
            format!("{} ({cron}, {})", text(&pipeline["schedule_text"]), text(&pipeline["timezone"]))
        }
    }
}

fn needs(task: &Value) -> String {
    let needs: Vec<String> = items(task, "needs").iter().map(text).collect();
    if needs.is_empty() { "-".to_owned() } else { needs.join(", ") }
}

fn run_text(run: &Value) -> String {
    let params = run["params"].as_object().filter(|params| !params.is_empty());
    let facts = vec![
        row(["Run", &text(&run["id"])]),
        row(["Pipeline", &text(&run["pipeline"])]),
        row(["State", &text(&run["state"])]),
        row(["Trigger", &text(&run["trigger"])]),
        row(["Logical date", &text(&run["logical_at"])]),
        row(["Commit", &text(&run["commit"])]),
        row(["Waiting for", &text(&run["waiting_for"])]),
        row(["Started", &text(&run["started_at"])]),
        row(["Ended", &text(&run["ended_at"])]),
        row(["Parameters", &params.map_or("-".to_owned(), |params| json!(params).to_string())]),
    ];
    let mut tasks = vec![row(["TASK", "STATE", "ATTEMPT", "STARTED", "ENDED", "EXIT", "WHY"])];
    tasks.extend(items(run, "tasks").iter().map(|task| {
        row([
            &text(&task["id"]),
            &text(&task["state"]),
            &format!("{}/{}", text(&task["attempt"]), text(&task["max_attempts"])),
            &text(&task["started_at"]),
            &text(&task["ended_at"]),
            &text(&task["exit_code"]),
            &text(&task["reason"]),
        ])
    }));
    format!("{}\n{}", table(&facts), table(&tasks))
}
