//! Following a run and its logs to the end.

use super::{encoded, items, run_path, text};
use crate::cli::{Failure, client::Client, print};
use serde_json::Value;
use std::{collections::HashMap, time::Duration};

/// How often the server is asked for news.
const EVERY: Duration = Duration::from_millis(250);

fn is_over(run: &Value) -> bool {
    !matches!(run["state"].as_str(), Some("queued" | "running"))
}

/// Waits for the run's end and tells on standard error how its tasks move.
pub(super) async fn to_the_end(client: &Client, id: &str) -> Result<Value, Failure> {
    let mut seen: HashMap<String, String> = HashMap::new();
    loop {
        let run = client.get(&run_path(id, "")).await?;
        for task in items(&run, "tasks") {
            let (name, state) = (text(&task["id"]), text(&task["state"]));
            if state != "waiting" && seen.get(&name) != Some(&state) {
                eprintln!("{name}: {state}{}", why(task));
                seen.insert(name, state);
            }
        }
        if is_over(&run) {
            return Ok(run);
        }
        tokio::time::sleep(EVERY).await;
    }
}

fn why(task: &Value) -> String {
    let told = matches!(task["state"].as_str(), Some("failed" | "lost" | "up_for_retry" | "upstream_failed"));
    match task["reason"].as_str().filter(|_| told) {
        Some(reason) => format!(" ({reason})"),
        None => String::new(),
    }
}

/// Prints one task's log, or those of all tasks, each under its name.
pub(super) async fn logs(
    client: &Client,
    run: &str,
    task: Option<&str>,
    attempt: Option<u32>,
    follow: bool,
) -> Result<(), Failure> {
    if let Some(task) = task {
        return one_log(client, run, task, attempt, follow).await;
    }
    let mut printed: Vec<String> = Vec::new();
    loop {
        let state = client.get(&run_path(run, "")).await?;
        let begun = |task: &&Value| task["attempt"].as_u64().is_some_and(|attempt| attempt > 0);
        let next = items(&state, "tasks").iter().filter(begun).map(|task| text(&task["id"]));
        match next.into_iter().find(|task| !printed.contains(task)) {
            Some(task) => {
                // The heading is for people: a log piped elsewhere stays as the tasks wrote it.
                eprintln!("--- {task}");
                one_log(client, run, &task, None, follow).await?;
                printed.push(task);
            }
            None if !follow || is_over(&state) => return Ok(()),
            None => tokio::time::sleep(EVERY).await,
        }
    }
}

async fn one_log(
    client: &Client,
    run: &str,
    task: &str,
    attempt: Option<u32>,
    follow: bool,
) -> Result<(), Failure> {
    let attempt = attempt.map_or_else(String::new, |attempt| format!("&attempt={attempt}"));
    let path = run_path(run, &format!("/tasks/{}/log", encoded(task)));
    let mut offset = 0;
    loop {
        let piece = client.get(&format!("{path}?offset={offset}{attempt}")).await?;
        let new = piece["text"].as_str().unwrap_or_default();
        print(new)?;
        offset = piece["next_offset"].as_u64().unwrap_or(offset);
        if piece["done"] == true || !follow && new.is_empty() {
            return Ok(());
        }
        if new.is_empty() {
            tokio::time::sleep(EVERY).await;
        }
    }
}
