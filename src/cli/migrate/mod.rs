//! `crannog import mlflow` and `crannog export mlflow`: one way of copying (`copy`) between what can be read
//! (`source`: an MLflow server or this one over REST, MLflow's SQLite file, a dump of its PostgreSQL store, a
//! folder) and what can be written (`sink`: this server, MLflow's SQLite file, a folder). Each thing is read back
//! after it was written and compared.

mod copy;
mod digest;
mod dump;
mod folder;
mod report;
mod rest;
mod sink;
mod source;
mod store;

use super::{Failure, Global, client::Client, print_json, wait_for};
use report::Report;
use rest::Rest;
use sink::Sink;
use source::Source;
use std::path::PathBuf;

#[derive(clap::Subcommand)]
pub enum Import {
    /// From an MLflow server, its SQLite database, a PostgreSQL dump, or a folder made by `crannog export mlflow`
    ///
    /// Experiments, runs, histories, datasets, logged models, artifacts and the model registry, with
    /// their ids and times. Run it again after an interruption, or to catch up: what is here already is
    /// not copied twice. Each thing is compared after it was copied; the exit code is 1 when any differs.
    Mlflow(ImportMlflow),
}

#[derive(clap::Args)]
pub struct ImportMlflow {
    /// http://HOST:PORT of a running MLflow server, path of its mlflow.db (or sqlite:///PATH) or of a plain dump that
    /// `pg_dump -f dump.sql DATABASE` made, or a folder
    ///
    /// A server that asks for credentials is given MLFLOW_TRACKING_USERNAME and
    /// MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN.
    source: String,
    /// With a database or a dump: the folder MLflow keeps artifacts in (mlartifacts or mlruns)
    #[arg(long, value_name = "DIR")]
    artifacts: Option<PathBuf>,
    #[command(flatten)]
    how: How,
}

#[derive(clap::Subcommand)]
pub enum Export {
    /// Into a database of MLflow's own, or into a folder of JSON and files that anyone can read
    ///
    /// A database is one that `mlflow db upgrade sqlite:////PATH/mlflow.db` made, empty or filled by an export
    /// before; `mlflow server` on it shows everything, under the same ids. Run it again after an interruption,
    /// or to catch up: what is there already is not copied twice. Each thing is compared after it was copied;
    /// the exit code is 1 when any differs.
    Mlflow(ExportMlflow),
}

#[derive(clap::Args)]
pub struct ExportMlflow {
    /// sqlite:///PATH of a database of MLflow's (or its path), or a folder, which is made if it is not there
    target: PathBuf,
    /// With a database: the folder that MLflow is to keep artifacts in (its --artifacts-destination)
    #[arg(long, value_name = "DIR")]
    artifacts: Option<PathBuf>,
    #[command(flatten)]
    how: How,
}

#[derive(clap::Args)]
struct How {
    /// Only these experiments, by name, separated by commas; the registry is then left out
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    experiments: Vec<String>,
    /// Read files that are there already once more and compare them by their MD5, not by size only
    #[arg(long)]
    checksums: bool,
    /// The report as JSON
    #[arg(long)]
    json: bool,
}

pub fn import(global: &Global, command: &Import) -> Result<(), Failure> {
    let Import::Mlflow(arguments) = command;
    let from = Source::open(&arguments.source, arguments.artifacts.as_deref())?;
    let to = Sink::House(Client::find(global)?);
    run(&from, &to, &Source::Rest(Rest::ours(Client::find(global)?)), &arguments.how)
}

pub fn export(global: &Global, command: &Export) -> Result<(), Failure> {
    let Export::Mlflow(arguments) = command;
    let (to, back) = Sink::open(&arguments.target, arguments.artifacts.as_deref())?;
    run(&Source::Rest(Rest::ours(Client::find(global)?)), &to, &back, &arguments.how)
}

fn run(from: &Source, to: &Sink, back: &Source, how: &How) -> Result<(), Failure> {
    let wanted = copy::Wanted { experiments: &how.experiments, checksums: how.checksums };
    let report: Report = wait_for(copy::all(from, to, back, &wanted))?;
    if how.json {
        print_json(&report)?
    } else {
        report.tell()?
    }
    match report.differences.len() as u64 + report.more {
        0 => Ok(()),
        count => Err(Failure::failed(format!("{count} differences were found"))
            .hint("run the same command again: it continues, and copies nothing twice")),
    }
}
