//! `crannog fsck`: checks the object store, through the running server or, when none runs, by itself.

use super::{
    Failure, Global,
    client::{self, Client},
    failure::Code,
    print, print_json,
    settings::{Settings, effective},
    table, wait_for,
};
use crate::{
    app::lock::{self, Lock},
    objects::fsck::{self, Report},
    store::Stores,
};
use serde_json::Value;
use std::path::Path;

#[derive(clap::Args)]
pub struct Arguments {
    /// Read every stored byte and compare it with its checksum
    #[arg(long)]
    checksums: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub fn run(global: &Global, arguments: &Arguments) -> Result<(), Failure> {
    let data_dir = effective(global, &Settings::default())?.config.data_dir;
    let report = if client::is_elsewhere(global) || lock::running(&data_dir).is_some() {
        let client = Client::find(global)?;
        let path = format!("/api/crannog/v1/fsck?checksums={}", arguments.checksums);
        let answer = wait_for(client.post(&path, &Value::Null))?;
        serde_json::from_value(answer).map_err(|error| Failure::failed(error.to_string()))?
    } else {
        offline(&data_dir, arguments.checksums)?
    };
    if arguments.json {
        print_json(&report)?
    } else {
        tell(&report)?
    }
    if report.is_clean() {
        return Ok(());
    }
    let count = report.problems.len() as u64 + report.more;
    Err(Failure::failed(format!("{count} problems were found"))
        .hint("restore what is lost from a backup; nothing was changed"))
}

/// No server may start while its databases are looked at.
fn offline(data_dir: &Path, checksums: bool) -> Result<Report, Failure> {
    if !data_dir.join("objects.db").exists() {
        let message = format!("{} holds no object store", data_dir.display());
        return Err(Failure::new(Code::NotFound, message).hint("name the directory with --data-dir"));
    }
    let _lock = Lock::take(data_dir)?;
    let stores = Stores::open(data_dir)?;
    wait_for(async { Ok(fsck::check(&stores.objects, &stores.blobs, checksums).await?) })
}

fn tell(report: &Report) -> Result<(), Failure> {
    if !report.problems.is_empty() {
        let mut rows = vec![vec!["PROBLEM".to_owned(), "WHAT".to_owned()]];
        rows.extend(report.problems.iter().map(|problem| {
            let kind = serde_json::to_value(problem.kind).unwrap_or_default();
            vec![kind.as_str().unwrap_or_default().to_owned(), problem.what.clone()]
        }));
        print(&format!("{}\n", table(&rows)))?;
    }
    if report.more > 0 {
        print(&format!("and {} more\n\n", report.more))?;
    }
    print(&format!(
        "{} buckets, {} objects and parts, {} blobs with {} bytes{}; {} files waiting for the collector\n",
        report.buckets,
        report.objects,
        report.blobs,
        report.bytes,
        if report.checksums { ", checksums compared" } else { "" },
        report.unowned_files,
    ))?;
    print(if report.is_clean() { "no problems found\n" } else { "" })
}
