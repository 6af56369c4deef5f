//! Floor 8: the commands. Data goes to standard output, everything else to standard error; exit
//! codes are in `failure`. A command is one file with its arguments and one `run`.

mod backup;
mod bucket;
mod ca;
pub mod client;
mod config;
mod endpoint;
mod env;
pub mod failure;
mod fsck;
mod gc;
mod image;
mod k8s;
mod kms;
mod migrate;
mod model;
mod object;
mod pipeline;
mod place;
mod s3;
mod serve;
mod settings;
mod status;
mod user;
mod version;
mod webhook;

pub use failure::Failure;

use clap::{Parser, Subcommand};
use settings::Settings;
use std::{path::PathBuf, process::ExitCode};

/// A whole MLOps platform in one binary: object store, experiment tracker, model registry,
/// pipelines, inference and web UI.
#[derive(Parser)]
#[command(name = "crannog", version, max_term_width = 100, arg_required_else_help = true)]
struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(clap::Args)]
pub struct Global {
    /// The server's data directory [default: ~/.local/share/crannog]
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The configuration file [default: ./crannog.toml, then /etc/crannog/crannog.toml]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server
    Serve(Settings),
    /// Print the exports that point a shell's clients at the server: eval "$(crannog env)"
    Env(env::Arguments),
    /// Show how the running server is
    Status(status::Arguments),
    /// Print the authority that clients have to trust when the doors speak TLS
    Ca(ca::Arguments),
    /// Work with buckets: list, create, show, delete, and how they are set up
    #[command(subcommand)]
    Bucket(bucket::Command),
    /// Work with objects: list, put, get, delete, versions, tags, links
    #[command(subcommand)]
    Object(object::Command),
    /// Work with pipelines: list, run, logs, apply, validate
    #[command(subcommand)]
    Pipeline(pipeline::Command),
    /// Serve models: make, list, show, delete and ask endpoints
    #[command(subcommand)]
    Endpoint(endpoint::Command),
    /// Look at model files: check says whether one can be served
    #[command(subcommand)]
    Model(model::Command),
    /// Manage the keys that encrypt objects at rest
    #[command(subcommand)]
    Kms(kms::Command),
    /// Manage the addresses that buckets' notifications are sent to
    #[command(subcommand)]
    Webhook(webhook::Command),
    /// Work with users: list, create, update, delete
    #[command(subcommand)]
    User(user::Command),
    /// Work with S3 keys: key list, key create, key delete
    #[command(subcommand)]
    S3(s3::Command),
    /// Take snapshots of everything, look at them, and restore them
    #[command(subcommand)]
    Backup(backup::Command),
    /// Check that what the database says and what the disk has agree
    Fsck(fsck::Arguments),
    /// Take over what another tracker holds: import mlflow
    #[command(subcommand)]
    Import(migrate::Import),
    /// Write out what the tracker and the registry hold: export mlflow
    #[command(subcommand)]
    Export(migrate::Export),
    /// Remove deleted runs, experiments and logged models for good, with their files
    ///
    /// Deleting marks; this removes, and cannot be undone. Without ids, everything deleted goes. What a
    /// registered model version still needs is kept, and said.
    Gc(gc::Arguments),
    /// Show or check the configuration
    #[command(subcommand)]
    Config(config::Command),
    /// Write Kubernetes manifests
    #[command(subcommand)]
    K8s(k8s::Command),
    /// Write this binary as a container image, in one tar
    Image(image::Arguments),
    /// Print the version
    Version(version::Arguments),
    /// Run one task attempt to its end; the server starts this by itself
    #[command(hide = true)]
    TaskSupervisor { folder: PathBuf },
}

/// Parses the command line and runs the command.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Before anything else: the supervisor is one small thread that outlives the server.
    if let Command::TaskSupervisor { folder } = &arguments.command {
        return crate::pipelines::supervise(folder);
    }
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run(arguments: Arguments) -> Result<(), Failure> {
    let global = arguments.global;
    match arguments.command {
        Command::Serve(settings) => serve::run(&global, &settings),
        Command::Env(arguments) => env::run(&global, &arguments),
        Command::Status(arguments) => status::run(&global, &arguments),
        Command::Ca(arguments) => ca::run(&global, &arguments),
        Command::Bucket(command) => bucket::run(&global, &command),
        Command::Object(command) => object::run(&global, &command),
        Command::Endpoint(command) => endpoint::run(&global, &command),
        Command::Model(command) => model::run(&command),
        Command::Pipeline(command) => pipeline::run(&global, &command),
        Command::Kms(command) => kms::run(&global, &command),
        Command::Webhook(command) => webhook::run(&global, &command),
        Command::User(command) => user::run(&global, &command),
        Command::S3(command) => s3::run(&global, &command),
        Command::Backup(command) => backup::run(&global, &command),
        Command::Fsck(arguments) => fsck::run(&global, &arguments),
        Command::Import(command) => migrate::import(&global, &command),
        Command::Export(command) => migrate::export(&global, &command),
        Command::Gc(arguments) => gc::run(&global, &arguments),
        Command::Config(command) => config::run(&global, &command),
        Command::K8s(command) => k8s::run(&command),
        Command::Image(arguments) => image::run(&arguments),
        Command::Version(arguments) => version::run(&arguments),
        Command::TaskSupervisor { .. } => Ok(()),
    }
}

/// Writes to standard output. A reader that has gone (`crannog ... | head`) is no failure.
pub fn print(text: &str) -> Result<(), Failure> {
    use std::io::{ErrorKind, Write};
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::failed(error.to_string())),
        _ => Ok(()),
    }
}

/// What somebody gives on standard input, that no other user of the machine sees it on a command line.
pub fn first_line() -> Result<String, Failure> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// Writes a value as indented JSON.
pub fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::failed(error.to_string()))?;
    print(&format!("{text}\n"))
}

/// Lines up the columns of `rows`; the first row is the heading.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        out.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        out.push('\n');
    }
    out
}

/// Runs a client command's requests, one at a time, on this thread.
pub fn wait_for<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::failed(error.to_string()))?.block_on(work)
}
