//! `crannog backup`: snapshots of the data directory, through the running server or, when none runs, by itself; and
//! the way back.

use super::{
    Failure, Global,
    client::{self, Client},
    failure::Code,
    place, print, print_json,
    settings::{Settings, effective},
    table, wait_for,
};
use crate::{
    app::lock::{self, Lock},
    backup::{self, Found, Manifest, Order, Repository, Taken},
    kernel::config::Config,
    objects::fsck,
    store::{Stores, snapshot::Snapshot},
};
use clap::Subcommand;
use serde_json::{Value, json};
use std::{
    io::{IsTerminal, Write},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio_util::sync::CancellationToken;

const PATH: &str = "/api/crannog/v1/backups";

#[derive(Subcommand)]
pub enum Command {
    /// Take a snapshot, while the server runs or not
    ///
    /// One moment of all databases, and every file that objects own then. A file that the folder has already is not
    /// copied again.
    Create {
        /// The folder of backups; it is made if it is not there [default: backup.dir]
        dir: Option<PathBuf>,
        /// Keep so many snapshots, and remove older ones [default: all; backup.keep in backup.dir]
        #[arg(long, value_name = "N")]
        keep: Option<NonZeroUsize>,
        /// Leave out the keys and credentials in `secrets`. Without them nothing encrypted can be read: keep
        /// them elsewhere
        #[arg(long)]
        without_secrets: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// List the snapshots of a folder
    List {
        /// The folder of backups [default: backup.dir]
        dir: Option<PathBuf>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Read a folder of backups whole, and compare it with what was written
    Verify {
        /// The folder of backups [default: backup.dir]
        dir: Option<PathBuf>,
        /// Only this snapshot
        #[arg(long, value_name = "NAME")]
        snapshot: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Make an empty data directory what it was when a snapshot was taken
    Restore {
        /// The folder of backups [default: backup.dir]
        dir: Option<PathBuf>,
        /// Which one [default: the newest]
        #[arg(long, value_name = "NAME")]
        snapshot: Option<String>,
    },
    /// Remove all snapshots but the newest, and the files that only they have
    Prune {
        /// How many are kept
        #[arg(long, value_name = "N")]
        keep: NonZeroUsize,
        /// The folder of backups [default: backup.dir]
        dir: Option<PathBuf>,
    },
}

pub fn run(global: &Global, command: &Command) -> Result<(), Failure> {
    let config = effective(global, &Settings::default())?.config;
    match command {
        Command::Create { dir, keep, without_secrets, json } => {
            let wish = Wish { dir: dir.as_deref(), keep: *keep, without_secrets: *without_secrets };
            create(global, &config, &wish, *json)
        }
        Command::List { dir, json } => list(&Repository::look(&folder(&config, dir.as_deref())?)?, *json),
        Command::Verify { dir, snapshot, json } => {
            let repository = Repository::open(&folder(&config, dir.as_deref())?)?;
            verify(&repository, snapshot.as_deref(), *json)
        }
        Command::Restore { dir, snapshot } => {
            let repository = Repository::open(&folder(&config, dir.as_deref())?)?;
            restore(&repository, snapshot.as_deref(), &config.data_dir)
        }
        Command::Prune { keep, dir } => {
            let (snapshots, files) =
                Repository::change(&folder(&config, dir.as_deref())?)?.prune(*keep, None)?;
            print(&format!("removed {snapshots} snapshots and {files} files\n"))
        }
    }
}

/// The folder on this machine.
fn folder(config: &Config, given: Option<&Path>) -> Result<PathBuf, Failure> {
    let folder = given.or(config.backup.dir.as_deref()).ok_or_else(|| {
        Failure::new(Code::Usage, "no folder of backups is named")
            .hint("name one on the command line, or set backup.dir in the configuration")
    })?;
    Ok(std::path::absolute(folder)?)
}

struct Wish<'a> {
    dir: Option<&'a Path>,
    keep: Option<NonZeroUsize>,
    /// Otherwise it is as configured, where the backup is taken.
    without_secrets: bool,
}

fn create(global: &Global, config: &Config, wish: &Wish<'_>, json: bool) -> Result<(), Failure> {
    let Taken { snapshot, trouble } = if client::is_elsewhere(global) {
        by_server(global, wish.dir.map(Path::to_owned), wish)?
    } else if lock::running(&config.data_dir).is_some() {
        by_server(global, wish.dir.map(std::path::absolute).transpose()?, wish)?
    } else {
        by_ourselves(config, wish)?
    };
    if json {
        print_json(&snapshot)?;
    } else {
        tell(&snapshot)?;
    }
    for damaged in &snapshot.damaged {
        eprintln!("  {damaged}");
    }
    match trouble {
        None => Ok(()),
        Some(what) if snapshot.count_damaged() > 0 => Err(Failure::failed(what)
            .hint("`crannog fsck --checksums` names the objects; an older snapshot may have them")),
        Some(what) => Err(Failure::failed(what).hint("the snapshot itself is whole")),
    }
}

/// Begins it, and looks how it is until it is over.
fn by_server(global: &Global, dir: Option<PathBuf>, wish: &Wish<'_>) -> Result<Taken, Failure> {
    let client = Client::find(global)?;
    let secrets = wish.without_secrets.then_some(false);
    let order = json!({ "dir": dir, "keep": wish.keep, "secrets": secrets });
    let ended = wait_for(async {
        let begun = client.post(PATH, &order).await?;
        let mut wait = Duration::from_millis(20);
        loop {
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_secs(1));
            let state = client.get(PATH).await?;
            if state["running"]["id"] == begun["id"] {
                show(&state["running"]["progress"]);
            } else if state["last"]["id"] == begun["id"] {
                return Ok(state["last"].clone());
            } else {
                return Err(Failure::failed("it cannot be told what became of the backup: another one ended since, or the server was started anew")
                    .hint("`crannog backup list` tells"));
            }
        }
    });
    unshow();
    let ended = ended?;
    let trouble = ended["error"].as_str().map(str::to_owned);
    match &ended["snapshot"] {
        Value::Null => Err(Failure::failed(trouble.unwrap_or_else(|| "the backup failed".to_owned()))),
        snapshot => {
            let snapshot: Manifest = serde_json::from_value(snapshot.clone())
                .map_err(|error| Failure::failed(error.to_string()))?;
            Ok(Taken { snapshot, trouble })
        }
    }
}

/// No server may start while its databases are copied. They are left as they are: whoever takes a backup before an
/// upgrade may have the newer binary already.
fn by_ourselves(config: &Config, wish: &Wish<'_>) -> Result<Taken, Failure> {
    let data_dir = &config.data_dir;
    if !data_dir.join("control.db").exists() {
        let message = format!("{} is no data directory of Crannog", data_dir.display());
        return Err(Failure::new(Code::NotFound, message).hint("name the directory with --data-dir"));
    }
    refuse_strangers(data_dir)?;
    let folder = folder(config, wish.dir)?;
    let own = config.backup.dir.as_ref() == Some(&folder);
    let order = Order {
        data_dir: data_dir.clone(),
        folder,
        keep: wish.keep.or(NonZeroUsize::new(config.backup.keep).filter(|_| own)),
        secrets: config.backup.secrets && !wish.without_secrets,
    };
    let _lock = Lock::take(data_dir)?;
    let repository = order.repository()?;
    let moment = Snapshot::of_nobody(data_dir)?;
    Ok(backup::create(&order, &repository, moment, &Arc::default(), &CancellationToken::new())?)
}

/// What somebody else writes, root included, the server can neither read nor remove afterwards.
fn refuse_strangers(data_dir: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::MetadataExt;
    let (owner, own) = (fs_err::metadata(data_dir)?.uid(), rustix::process::geteuid().as_raw());
    if owner == own {
        return Ok(());
    }
    let message = format!("{} belongs to another user (uid {owner})", data_dir.display());
    Err(Failure::new(Code::Refused, message).hint(
        "run the command as that user: sudo -u ... crannog backup create, or let the server take the backup",
    ))
}

/// A line that is written over, where somebody watches.
fn show(progress: &Value) {
    let number = |name: &str| progress[name].as_u64().unwrap_or_default();
    if std::io::stderr().is_terminal() && number("of_files") > 0 {
        let (bytes, of_bytes) = (place::bytes(number("bytes")), place::bytes(number("of_bytes")));
        eprint!("\r\x1b[K{} of {} files, {bytes} of {of_bytes}", number("files"), number("of_files"));
        let _ = std::io::stderr().flush();
    }
}

fn unshow() {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K");
    }
}

fn tell(manifest: &Manifest) -> Result<(), Failure> {
    let databases: u64 = manifest.databases.iter().map(|database| database.bytes).sum();
    print(&format!(
        "{}\n  databases  {}\n  files      {} with {}, of which {} with {} are new\n  secrets    {}\n  took       {:.1} s\n",
        manifest.name,
        place::bytes(databases),
        manifest.files,
        place::bytes(manifest.bytes),
        manifest.new_files,
        place::bytes(manifest.new_bytes),
        if manifest.secrets.is_empty() { "left out: keep them elsewhere" } else { "included" },
        manifest.took_ms as f64 / 1e3,
    ))
}

fn list(repository: &Repository, json: bool) -> Result<(), Failure> {
    let Found { snapshots, unreadable } = repository.snapshots()?;
    for (name, why) in &unreadable {
        eprintln!("{name} cannot be read: {why}");
    }
    if json {
        return print_json(&snapshots);
    }
    if snapshots.is_empty() && unreadable.is_empty() {
        eprintln!("No snapshots yet. Take one: crannog backup create DIR");
        return Ok(());
    }
    let heading = ["SNAPSHOT", "VERSION", "DATABASES", "FILES", "BYTES", "NEW", "SECRETS", "DAMAGED"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    rows.extend(snapshots.iter().map(|snapshot| {
        let databases: u64 = snapshot.databases.iter().map(|database| database.bytes).sum();
        vec![
            snapshot.name.clone(),
            snapshot.crannog.clone(),
            place::bytes(databases),
            snapshot.files.to_string(),
            place::bytes(snapshot.bytes),
            place::bytes(snapshot.new_bytes),
            if snapshot.secrets.is_empty() { "no" } else { "yes" }.to_owned(),
            snapshot.count_damaged().to_string(),
        ]
    }));
    print(&table(&rows))
}

fn verify(repository: &Repository, name: Option<&str>, json: bool) -> Result<(), Failure> {
    let checked = backup::verify(repository, name)?;
    if json {
        print_json(&checked)?;
    } else {
        for problem in &checked.problems {
            print(&format!("{problem}\n"))?;
        }
        print(&format!(
            "{} snapshots, {} files with {} read\n",
            checked.snapshots.len(),
            checked.files,
            place::bytes(checked.bytes)
        ))?;
    }
    if checked.is_sound() {
        print(if json { "" } else { "no problems found\n" })
    } else {
        let count = checked.problems.len() as u64 + checked.more;
        Err(Failure::failed(format!("{count} problems were found")).hint(
            "a file that is removed from `files` is copied again by the next backup, if the server still has it",
        ))
    }
}

fn restore(repository: &Repository, name: Option<&str>, data_dir: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::DirBuilderExt;
    let manifest = repository.find(name)?;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data_dir).map_err(|error| {
        Failure::failed(format!("the data directory {} cannot be made: {error}", data_dir.display()))
    })?;
    let _lock = Lock::take(data_dir)?;
    let lost = backup::restore(repository, &manifest, data_dir)?;
    let stores = Stores::open(data_dir)?;
    let report = wait_for(async { Ok(fsck::check(&stores.objects, &stores.blobs, false).await?) })?;
    print(&format!(
        "restored {} into {}: {} buckets, {} objects and parts, {} files with {}\n",
        manifest.name,
        data_dir.display(),
        report.buckets,
        report.objects,
        manifest.files - lost.len() as u64,
        place::bytes(manifest.bytes),
    ))?;
    if manifest.secrets.is_empty() {
        eprintln!("The snapshot is without secrets: put the folder `secrets` back before the server starts.");
    }
    for problem in lost.iter().chain(report.problems.iter().map(|problem| &problem.what)) {
        eprintln!("  {problem}");
    }
    if lost.is_empty() && report.is_clean() {
        eprintln!("Next: crannog serve --data-dir {}", data_dir.display());
        return Ok(());
    }
    Err(Failure::failed("not all of it could be restored: see above").hint(
        "the rest is as it was and the server can be started; `crannog fsck` names what is lost at any time",
    ))
}
