//! Following a run and its logs to the end, over restarts of the server.

use super::{encoded, items, run_path, text, time};
use crate::cli::{Failure, Global, client::Client, failure::Code, print};
use serde_json::Value;
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// How often the server is asked for news.
const EVERY: Duration = Duration::from_millis(250);
/// How long a server that went away is waited for: an upgrade, a restart of the machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A client that goes on where it was when the server comes back.
pub(super) struct Follower<'a> {
    global: &'a Global,
    client: Client,
    /// Whether it waits for a server that went away.
    patient: bool,
    /// One that never answered is not waited for.
    answered: bool,
}

impl<'a> Follower<'a> {
    pub(super) fn new(global: &'a Global, client: Client, patient: bool) -> Self {
        Self { global, client, patient, answered: false }
    }

    async fn get(&mut self, path: &str) -> Result<Value, Failure> {
        let mut until: Option<Instant> = None;
        loop {
            let failure = match self.client.get(path).await {
                Err(failure) if failure.code == Code::Unreachable => failure,
                answer => {
                    if until.is_some() {
                        eprintln!("The server answers again.");
                    }
                    self.answered = true;
                    return answer;
                }
            };
            if !self.patient || !self.answered || until.is_some_and(|until| Instant::now() > until) {
                return Err(failure);
            }
            if until.is_none() {
                eprintln!(
                    "The server does not answer. It is asked again for up to {} s; tasks run on meanwhile.",
                    PATIENCE.as_secs()
                );
                until = Some(Instant::now() + PATIENCE);
            }
            tokio::time::sleep(EVERY).await;
            // One that starts anew may be at another address.
            if let Ok(found) = Client::find(self.global) {
                self.client = found;
            }
        }
    }
}

fn is_over(run: &Value) -> bool {
    !matches!(run["state"].as_str(), Some("queued" | "running"))
}

/// Waits for the run's end and tells on standard error how its tasks move.
pub(super) async fn to_the_end(mut server: Follower<'_>, id: &str) -> Result<Value, Failure> {
    let mut seen: HashMap<String, String> = HashMap::new();
    loop {
        let run = server.get(&run_path(id, "")).await?;
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
    match reason(task).filter(|_| told) {
        Some(reason) => format!(" ({reason})"),
        None => String::new(),
    }
}

/// Why a task stands where it stands: what it waits for says how it failed before, too.
pub(super) fn reason(task: &Value) -> Option<String> {
    ["waiting_for", "reason"].iter().find_map(|field| task[*field].as_str()).map(time::in_words)
}

/// Prints one task's log, or those of all tasks, each under its name.
pub(super) async fn logs(
    mut server: Follower<'_>,
    run: &str,
    task: Option<&str>,
    attempt: Option<u32>,
    follow: bool,
) -> Result<(), Failure> {
    if let Some(task) = task {
        return one_log(&mut server, run, task, attempt, follow).await;
    }
    let mut printed: Vec<String> = Vec::new();
    loop {
        let state = server.get(&run_path(run, "")).await?;
        let begun = |task: &&Value| task["attempt"].as_u64().is_some_and(|attempt| attempt > 0);
        let next = items(&state, "tasks").iter().filter(begun).map(|task| text(&task["id"]));
        match next.into_iter().find(|task| !printed.contains(task)) {
            Some(task) => {
                // The heading is for people: a log piped elsewhere stays as the tasks wrote it.
                eprintln!("--- {task}");
                one_log(&mut server, run, &task, None, follow).await?;
                printed.push(task);
            }
            None if !follow || is_over(&state) => return Ok(()),
            None => tokio::time::sleep(EVERY).await,
        }
    }
}

async fn one_log(
    server: &mut Follower<'_>,
    run: &str,
    task: &str,
    attempt: Option<u32>,
    follow: bool,
) -> Result<(), Failure> {
    let attempt = attempt.map_or_else(String::new, |attempt| format!("&attempt={attempt}"));
    let path = run_path(run, &format!("/tasks/{}/log", encoded(task)));
    let mut offset = 0;
    loop {
        let piece = server.get(&format!("{path}?offset={offset}{attempt}")).await?;
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
