//! `crannog status`: how the running server is.

use super::{Failure, Global, client::Client, print, print_json, table, wait_for};
use serde_json::Value;

#[derive(clap::Args)]
pub struct Arguments {
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub fn run(global: &Global, arguments: &Arguments) -> Result<(), Failure> {
    let client = Client::find(global)?;
    let status = wait_for(client.get("/api/crannog/v1/status"))?;
    if arguments.json {
        return print_json(&status);
    }
    print(&table(&facts(&status)))?;
    print(&format!("\n{}", table(&checks(&status))))?;
    let healthy = list(&status, "checks").iter().all(|check| check["ok"] == true);
    if healthy { Ok(()) } else { Err(Failure::failed("the server is not ready; see the checks above")) }
}

fn facts(status: &Value) -> Vec<Vec<String>> {
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let rss = status["rss_bytes"].as_u64().unwrap_or_default();
    let tasks = list(status, "tasks").iter().map(|task| text(&task["name"])).collect::<Vec<_>>();
    vec![
        row("Version", text(&status["version"])),
        row("Process", text(&status["pid"])),
        row("Started", format!("{} ({} s ago)", text(&status["started_at"]), text(&status["uptime_s"]))),
        row("Data", text(&status["data_dir"])),
        row("Main door", text(&status["http_url"])),
        row("S3 door", text(&status["s3_url"])),
        row("Memory", format!("{:.1} MB", rss as f64 / 1e6)),
        row("Tasks", if tasks.is_empty() { "none".into() } else { tasks.join(", ") }),
    ]
}

fn checks(status: &Value) -> Vec<Vec<String>> {
    let mut rows = vec![vec!["CHECK".into(), "STATE".into(), "DETAIL".into()]];
    rows.extend(list(status, "checks").iter().map(|check| {
        let state = if check["ok"] == true { "ok" } else { "failing" };
        vec![text(&check["name"]), state.into(), text(&check["detail"])]
    }));
    rows
}

fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value[field].as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}
