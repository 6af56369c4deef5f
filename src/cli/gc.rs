//! `crannog gc`: removes for good what was deleted from the tracker, through the running server.

use super::{Failure, Global, client::Client, failure::Code, print, print_json, table, wait_for};
use crate::{
    kernel::config::{Duration, Value},
    tracking::gc::{Report, Wanted},
};
use serde_json::json;

#[derive(clap::Args)]
pub struct Arguments {
    /// Only what was deleted at least this long ago: 30d, 12h, 45m
    #[arg(long, value_name = "AGE")]
    older_than: Option<String>,
    /// Only these runs, separated by commas
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    run_ids: Vec<String>,
    /// Only these experiments with all that is in them, separated by commas
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    experiment_ids: Vec<String>,
    /// Only these logged models, separated by commas
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    logged_model_ids: Vec<String>,
    /// Say what would go, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub fn run(global: &Global, arguments: &Arguments) -> Result<(), Failure> {
    let wanted = Wanted {
        older_than_ms: age(arguments.older_than.as_deref())?,
        run_ids: arguments.run_ids.clone(),
        experiment_ids: arguments.experiment_ids.clone(),
        logged_model_ids: arguments.logged_model_ids.clone(),
        dry_run: arguments.dry_run,
    };
    let client = Client::find(global)?;
    let answer = wait_for(client.post("/api/crannog/v1/gc", &json!(wanted)))?;
    let report: Report =
        serde_json::from_value(answer).map_err(|error| Failure::failed(error.to_string()))?;
    if arguments.json { print_json(&report) } else { tell(&report) }
}

fn age(text: Option<&str>) -> Result<i64, Failure> {
    let Some(text) = text else { return Ok(0) };
    let age = Duration::parse(text).map_err(|why| {
        Failure::new(Code::Usage, format!("--older-than {text}: {why}")).hint("write it as 30d, 12h or 45m")
    })?;
    Ok(i64::try_from(age.0.as_millis()).unwrap_or(i64::MAX))
}

fn tell(report: &Report) -> Result<(), Failure> {
    if !report.notes.is_empty() {
        let mut rows = vec![vec!["WHAT".to_owned(), "NOTE".to_owned()]];
        rows.extend(report.notes.iter().map(|note| vec![note.what.clone(), note.why.clone()]));
        print(&format!("{}\n", table(&rows)))?;
    }
    if report.more_notes > 0 {
        print(&format!("and {} more\n\n", report.more_notes))?;
    }
    print(&format!(
        "{} {} runs, {} experiments and {} logged models, with {} files of {} bytes\n",
        if report.dry_run { "would remove" } else { "removed" },
        report.runs,
        report.experiments,
        report.logged_models,
        report.files,
        report.bytes,
    ))
}
