//! `crannog pipeline`: definitions, runs and logs from the terminal.

mod files;
mod follow;
mod operate;
mod run_view;
mod show;
mod source;
mod time;

use super::{Failure, Global, client::Client, print, print_json, wait_for};
use crate::pipelines::definition::schema;
use follow::Follower;
use serde_json::{Map, Value, json};
use std::path::PathBuf;

const API: &str = "/api/crannog/v1";

#[derive(clap::Subcommand)]
pub enum Command {
    /// List pipelines with their schedule, next run and last runs
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a pipeline, or a run of one
    Show {
        /// A pipeline's name or a run's id
        name: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Start a run
    Run {
        name: String,
        /// A parameter, as NAME=VALUE; may be given several times
        #[arg(long = "param", short, value_name = "NAME=VALUE", value_parser = parameter)]
        params: Vec<(String, String)>,
        /// Begin no earlier than this, as 2026-01-31T08:00:00Z
        #[arg(long, value_name = "INSTANT", value_parser = operate::instant)]
        at: Option<String>,
        /// Wait for the end; the exit code tells whether it succeeded
        #[arg(long, short)]
        wait: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the logs of a run's tasks, or of one
    Logs {
        /// The run's id
        run: String,
        task: Option<String>,
        /// Go on printing until the end
        #[arg(long, short)]
        follow: bool,
        /// Which attempt [default: the last]
        #[arg(long, requires = "task")]
        attempt: Option<u32>,
    },
    /// Stop the schedule of a pipeline
    Pause { name: String },
    /// Let the schedule of a pipeline go on
    Unpause { name: String },
    /// Check definition files, without a server
    Validate {
        /// Files, folders of them, or - for standard input
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Give definition files to the server
    Apply {
        /// Files, folders of them, or - for standard input
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Cancel a run
    Cancel {
        /// The run's id
        run: String,
    },
    /// Run tasks of a run again, with everything that follows from them
    Clear {
        /// The run's id
        run: String,
        /// Tasks to begin from [default: all]
        tasks: Vec<String>,
        /// These tasks alone
        #[arg(long)]
        alone: bool,
        /// Of these, the ones that did not end well
        #[arg(long)]
        only_failed: bool,
        /// From the latest definition, not the one the run was made from
        #[arg(long)]
        latest: bool,
        /// Say which, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Say how tasks of a run ended, or the run as a whole, whatever they did
    Mark {
        /// The run's id
        run: String,
        /// The tasks [default: the run as a whole]
        tasks: Vec<String>,
        #[arg(long = "as", value_parser = ["success", "failed", "skipped"])]
        state: String,
    },
    /// Make the runs of past firings
    Backfill {
        name: String,
        /// The first instant, as 2026-01-31 or 2026-01-31T08:00:00Z
        #[arg(long, value_parser = operate::instant)]
        from: String,
        /// The last instant; a date means its midnight, in UTC
        #[arg(long, value_parser = operate::instant)]
        until: String,
        /// A parameter, as NAME=VALUE; may be given several times
        #[arg(long = "param", short, value_name = "NAME=VALUE", value_parser = parameter)]
        params: Vec<(String, String)>,
        /// Say which, and make none
        #[arg(long)]
        dry_run: bool,
    },
    /// Pools: how many tasks that share something may run at once
    Pool {
        #[command(subcommand)]
        command: operate::Pool,
    },
    /// Variables, which tasks read as `{{ secrets.NAME }}`
    Variable {
        #[command(subcommand)]
        command: operate::Variable,
    },
    /// Make the token by which a webhook starts a pipeline; the one before is worth nothing then
    Token { name: String },
    /// Where definitions come from besides `apply`: a folder, a bucket, a Git repository
    Source {
        #[command(subcommand)]
        command: source::Source,
    },
    /// Print the JSON Schema of definitions, for an editor
    Schema,
    /// Print a definition that shows what there is
    Example,
    /// Forget a pipeline; its runs stay readable
    Delete { name: String },
}

pub fn run(global: &Global, command: &Command) -> Result<(), Failure> {
    // These need no server.
    match command {
        Command::Validate { files, json } => return files::validate(files, *json),
        Command::Schema => return print_json(&schema::json()),
        Command::Example => return print(schema::EXAMPLE),
        _ => {}
    }
    let client = Client::find(global)?;
    wait_for(async {
        match command {
            Command::List { json } => show::list(&client, *json).await,
            Command::Show { name, json } => show::one(&client, name, *json).await,
            Command::Run { name, params, at, wait, json } => {
                let params: Map<String, Value> =
                    params.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
                let body = json!({ "params": params, "not_before": at });
                let run = client.post(&pipeline_path(name, "/runs"), &body).await?;
                started(Follower::new(global, client, true), name, run, *wait, *json).await
            }
            Command::Logs { run, task, follow, attempt } => {
                let server = Follower::new(global, client, *follow);
                follow::logs(server, run, task.as_deref(), *attempt, *follow).await
            }
            Command::Pause { name } => pause(&client, name, "pause").await,
            Command::Unpause { name } => pause(&client, name, "unpause").await,
            Command::Apply { files } => files::apply(&client, files).await,
            Command::Cancel { run } => cancel(&client, run).await,
            Command::Delete { name } => client.delete(&pipeline_path(name, "")).await,
            Command::Clear { run, tasks, alone, only_failed, latest, dry_run } => {
                let body = json!({
                    "tasks": tasks, "downstream": !alone, "only_failed": only_failed, "latest": latest, "dry_run": dry_run,
                });
                operate::clear(&client, run, &body).await
            }
            Command::Mark { run, tasks, state } => operate::mark(&client, run, tasks, state).await,
            Command::Backfill { name, from, until, params, dry_run } => {
                let params: Map<String, Value> =
                    params.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
                let body = json!({ "from": from, "until": until, "params": params, "dry_run": dry_run });
                operate::backfill(&client, name, &body).await
            }
            Command::Token { name } => operate::token(&client, name).await,
            Command::Variable { command } => operate::variable(&client, command).await,
            Command::Source { command } => source::source(&client, command).await,
            Command::Pool { command } => operate::pool(&client, command).await,
            Command::Validate { .. } | Command::Schema | Command::Example => Ok(()), // answered above
        }
    })
}

fn parameter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as NAME=VALUE".into()),
    }
}

async fn started(
    server: Follower<'_>,
    name: &str,
    mut run: Value,
    wait: bool,
    as_json: bool,
) -> Result<(), Failure> {
    let id = text(&run["id"]);
    if wait {
        run = follow::to_the_end(server, &id).await?;
    }
    if as_json {
        print_json(&run)?;
    } else {
        print(&format!("{id}\n"))?;
        if !wait {
            eprintln!("Next: crannog pipeline logs -f {id}");
        }
    }
    match run["state"].as_str() {
        Some("failed" | "cancelled") if wait => {
            let failure = Failure::failed(format!("run {id} of {name} ended as {}", text(&run["state"])));
            Err(failure.hint(format!("crannog pipeline logs {id} shows what its tasks printed")))
        }
        _ => Ok(()),
    }
}

async fn pause(client: &Client, name: &str, verb: &str) -> Result<(), Failure> {
    let pipeline = client.post(&pipeline_path(name, &format!("/{verb}")), &json!({})).await?;
    match pipeline["next_run_at"].as_str() {
        Some(_) => eprintln!("{name} runs next at {}.", time::told(&pipeline["next_run_at"])),
        None if verb == "pause" => {
            eprintln!("The schedule of {name} is paused; runs can still be started by hand.")
        }
        None => eprintln!("{name} has no schedule: start it with crannog pipeline run {name}"),
    }
    Ok(())
}

async fn cancel(client: &Client, run: &str) -> Result<(), Failure> {
    let run = client.post(&run_path(run, "/cancel"), &json!({})).await?;
    eprintln!("Run {} is {}; what runs is asked to end.", text(&run["id"]), text(&run["state"]));
    Ok(())
}

fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn pipeline_path(name: &str, rest: &str) -> String {
    format!("{API}/pipelines/{}{rest}", encoded(name))
}

fn run_path(id: &str, rest: &str) -> String {
    format!("{API}/pipeline-runs/{}{rest}", encoded(id))
}

fn encoded(part: &str) -> String {
    percent_encoding::utf8_percent_encode(part, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// A JSON value for people: strings without quotes, null as a dash.
fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn items<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value[field].as_array().map_or(&[], Vec::as_slice)
}
