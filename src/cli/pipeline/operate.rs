//! What is done to runs and pools from the terminal: clear, mark, backfill, slots.

use super::{API, encoded, items, pipeline_path, plural, run_path, text, time};
use crate::cli::{Failure, client::Client, print, table};
use reqwest::Method;
use serde_json::{Value, json};

#[derive(clap::Subcommand)]
pub enum Pool {
    /// List the pools, with what runs and waits in them
    List,
    /// Make a pool, or change its slots
    Set {
        name: String,
        slots: u32,
        #[arg(long, default_value = "")]
        description: String,
        /// Tasks that wait for something outside take slots too
        #[arg(long)]
        include_deferred: bool,
    },
    /// Forget a pool; tasks that name it wait until there is one again
    Delete { name: String },
}

#[derive(clap::Subcommand)]
pub enum Variable {
    /// List the names of the variables
    List,
    /// Set a variable to what standard input says
    Set { name: String },
    /// Forget a variable
    Delete { name: String },
}

/// A date is its midnight in UTC.
pub(super) fn instant(text: &str) -> Result<String, String> {
    let full = if text.contains('T') { text.to_owned() } else { format!("{text}T00:00:00Z") };
    chrono::DateTime::parse_from_rfc3339(&full)
        .map(|_| full)
        .map_err(|_| "write it as 2026-01-31 or 2026-01-31T08:00:00Z".into())
}

pub(super) async fn clear(client: &Client, run: &str, body: &Value) -> Result<(), Failure> {
    let answer = client.post(&run_path(run, "/clear"), body).await?;
    for task in items(&answer, "cleared") {
        print(&format!("{}\n", text(task)))?;
    }
    match (items(&answer, "cleared").len(), answer["dry_run"] == true) {
        (0, _) => eprintln!("No task of run {run} is to be cleared."),
        (count, true) => eprintln!("{} run again.", plural(count, "task would", "tasks would")),
        (count, false) => {
            let told = plural(count, "task runs", "tasks run");
            eprintln!("{told} again. Next: crannog pipeline logs -f {run}");
        }
    }
    Ok(())
}

pub(super) async fn mark(client: &Client, run: &str, tasks: &[String], state: &str) -> Result<(), Failure> {
    let body = json!({ "tasks": tasks, "state": state });
    let answer = client.post(&run_path(run, "/mark"), &body).await?;
    let state_of_run = text(&answer["state"]);
    match tasks {
        [] => eprintln!("Run {run} is {state_of_run}."),
        [task] => eprintln!("Task {task} is marked {state}; run {run} is {state_of_run}."),
        tasks => eprintln!("Tasks {} are marked {state}; run {run} is {state_of_run}.", tasks.join(", ")),
    }
    Ok(())
}

pub(super) async fn backfill(client: &Client, name: &str, body: &Value) -> Result<(), Failure> {
    let answer = client.post(&pipeline_path(name, "/backfill"), body).await?;
    let runs = items(&answer, "runs");
    for run in runs {
        let what = match (&run["run_id"], run["exists"] == true) {
            (Value::String(id), _) => id.as_str(),
            (_, true) => "has a run already",
            _ => "would be made",
        };
        print(&format!("{}  {what}\n", time::told(&run["logical_at"])))?;
    }
    let new = runs.iter().filter(|run| run["exists"] == false).count();
    match body["dry_run"] == true {
        true => eprintln!("{new} of {} runs would be made.", runs.len()),
        false => eprintln!("{new} of {} runs made. Next: crannog pipeline show {name}", runs.len()),
    }
    Ok(())
}

pub(super) async fn pool(client: &Client, command: &Pool) -> Result<(), Failure> {
    let path = |name: &str| format!("{API}/pipeline-pools/{}", encoded(name));
    let answer = match command {
        Pool::List => client.get(&format!("{API}/pipeline-pools")).await?,
        Pool::Set { name, slots, description, include_deferred } => {
            let body =
                json!({ "slots": slots, "description": description, "include_deferred": include_deferred });
            client.send_text(Method::PUT, &path(name), "application/json", body.to_string()).await?
        }
        Pool::Delete { name } => return client.delete(&path(name)).await,
    };
    let heading = ["POOL", "SLOTS", "SLOTS IN USE", "TASKS WAITING", "DESCRIPTION"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    rows.extend(items(&answer, "pools").iter().map(|pool| {
        ["name", "slots", "used", "waiting_tasks", "description"].map(|field| text(&pool[field])).to_vec()
    }));
    print(&table(&rows))
}

/// Shown once: the server keeps a digest.
pub(super) async fn token(client: &Client, name: &str) -> Result<(), Failure> {
    let answer = client.post(&pipeline_path(name, "/token"), &json!({})).await?;
    print(&format!("{}\n", text(&answer["token"])))?;
    eprintln!("Next: curl -X POST -H 'X-Crannog-Token: ...' -d '{{}}' SERVER{}", text(&answer["path"]));
    Ok(())
}

/// Variables are kept behind Airflow's door, where its clients set them too.
const VARIABLES: &str = "/api/v2/variables";

pub(super) async fn variable(client: &Client, command: &Variable) -> Result<(), Failure> {
    match command {
        Variable::List => {
            let answer = client.get(&format!("{VARIABLES}?limit=1000")).await?;
            for variable in items(&answer, "variables") {
                print(&format!("{}\n", text(&variable["key"])))?;
            }
            Ok(())
        }
        Variable::Set { name } => {
            let mut value = String::new();
            std::io::Read::read_to_string(&mut std::io::stdin(), &mut value)?;
            // A line ends in a newline that nobody means to be part of a secret.
            let value = value.strip_suffix('\n').unwrap_or(&value);
            let entity = json!({ "key": name, "value": value });
            let create =
                json!({ "action": "create", "entities": [entity], "action_on_existence": "overwrite" });
            let answer = client.patch(VARIABLES, &json!({ "actions": [create] })).await?;
            match answer["create"]["errors"].get(0) {
                None => Ok(()),
                Some(error) => Err(Failure::failed(text(&error["error"]))),
            }
        }
        Variable::Delete { name } => client.delete(&format!("{VARIABLES}/{}", encoded(name))).await,
    }
}
