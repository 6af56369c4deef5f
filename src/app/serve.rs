//! The start list, top to bottom, and the stop list, which is the same backwards.

use super::{
    door::Door,
    health::Health,
    house::House,
    lock::{Lock, Running},
    signals,
};
use crate::{
    auth::FirstAdmin,
    kernel::{
        VERSION,
        config::{Config, Effective},
        error::{Error, Result},
        event::Bus,
        http::Limits,
        tasks::Tasks,
        tls::{Identity, Shown},
    },
    store::Stores,
};
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// Runs the server until it is told to stop.
pub async fn serve(effective: &Effective) -> Result<()> {
    let begun = Instant::now();
    let config = &effective.config;
    let stop = signals::stop_token()?;

    let lock = claim(&config.data_dir)?;
    warn_of_sigv2(config);
    let http = Door::bind("http.listen", config.http.listen).await?;
    let s3 = Door::bind("s3.listen", config.s3.listen).await?;
    let (tasks, doors) = (Tasks::default(), Tasks::default());
    let tls = identity(config)?;
    let health = Health::new(config, http.address, s3.address, tls.clone(), tasks.clone());
    lock.announce(&announcement(&health))?;
    let (http_gate, s3_gate) = (http.gate.clone(), s3.gate.clone());
    open_door(&doors, "door main", http, tls.clone(), config);
    open_door(&doors, "door s3", s3, tls.clone(), config);

    let stores = open_stores(&config.data_dir).await?;
    let house = House::furnish(config, &stores, health.clone(), &Bus::new(), &tasks).await?;
    let chosen = std::env::var("CRANNOG_ADMIN_PASSWORD").ok().filter(|text| !text.is_empty());
    let random_password = chosen.is_none();
    let first = house.auth.first_admin(&stores.secrets(), chosen).await?;
    house.recover().await?;
    house.start(&tasks, config)?;
    tasks.spawn("stores: rest", stores.keep_small(tasks.stopping()));
    http_gate.open(house.main_door(s3_gate.clone()));
    s3_gate.open(house.s3_door());

    greet(&health, effective, first.as_ref(), random_password, begun.elapsed());
    if let Some(tls) = tls.filter(|tls| !tls.is_operators()) {
        tell_of_authority(&tls);
    }
    stop.cancelled().await;
    shut_down(&tasks, &doors, config.server.stop_deadline.0).await;
    drop(lock);
    tracing::info!("stopped");
    Ok(())
}

/// Makes the data directory and takes its lock.
fn claim(data_dir: &Path) -> Result<Lock> {
    use std::os::unix::fs::DirBuilderExt;
    let mut builder = std::fs::DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(data_dir);
    made.map_err(|error| {
        Error::invalid(format!("the data directory {} cannot be made: {error}", data_dir.display()))
    })?;
    warn_of_memory(data_dir);
    Lock::take(data_dir)
}

/// A data directory in memory passes every test and forgets everything at the next boot.
fn warn_of_memory(data_dir: &Path) {
    const TMPFS_MAGIC: u64 = 0x0102_1994;
    const RAMFS_MAGIC: u64 = 0x8584_58f6;
    let kind = rustix::fs::statfs(data_dir).map(|stat| stat.f_type as u64 & 0xffff_ffff);
    if matches!(kind, Ok(TMPFS_MAGIC | RAMFS_MAGIC)) {
        tracing::warn!(data_dir = %data_dir.display(), "the data directory is in memory (tmpfs): a reboot forgets it all");
    }
}

/// Old clients work with it, and nothing else tells that all others could be better off.
fn warn_of_sigv2(config: &Config) {
    if config.s3.allow_sigv2 {
        tracing::warn!(
            "s3.allow_sigv2 is on: requests signed with version 2 are served, which covers neither their body nor \
             most of their headers; turn it off when the clients that need it are gone"
        );
    }
}

fn announcement(health: &Health) -> Running {
    Running {
        pid: std::process::id(),
        http_url: health.local_http_url(),
        s3_url: health.local_s3_url(),
        started_at: health.started_at(),
        version: VERSION.into(),
    }
}

/// What the doors show to clients, when they speak TLS.
fn identity(config: &Config) -> Result<Option<Arc<Identity>>> {
    if !config.speaks_tls() {
        return Ok(None);
    }
    let files = config.tls.certificate.clone().zip(config.tls.key.clone());
    let given = config.tls.names.as_deref().unwrap_or_default().split(',').map(str::trim);
    let mut names: Vec<String> = given.filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let public = [&config.http.public_url, &config.s3.public_url].into_iter().flatten();
    let host_of = |url: &String| url.parse::<http::Uri>().ok()?.host().map(str::to_owned);
    names.extend(public.filter_map(host_of));
    // A bucket may stand before the name of the S3 door.
    let buckets = config.s3.public_url.as_ref().and_then(host_of).filter(|name| is_domain(name));
    names.extend(buckets.map(|name| format!("*.{name}")));
    names.extend(machine_name());
    names.sort();
    names.dedup();
    Identity::open(&config.data_dir, Shown { files, names }).map(Arc::new).map(Some)
}

/// Whether a wildcard before this name is one that a certificate can carry.
fn is_domain(name: &str) -> bool {
    let name = name.trim_matches(['[', ']']);
    name.contains('.') && name.parse::<std::net::IpAddr>().is_err()
}

/// The host's name, where it is one that a certificate can carry.
fn machine_name() -> Option<String> {
    let name = rustix::system::uname().nodename().to_str().ok()?.to_owned();
    let fits = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
    Some(name).filter(|name| !name.is_empty() && name.chars().all(fits))
}

fn open_door(doors: &Tasks, name: &str, door: Door, tls: Option<Arc<Identity>>, config: &Config) {
    let limits = Limits { drain: config.server.stop_deadline.0, ..Limits::default() };
    let close: CancellationToken = doors.stopping();
    doors.spawn(name, door.serve(limits, tls, close));
}

/// Opening replays the log and migrates: blocking work, while the doors already answer "starting".
async fn open_stores(data_dir: &Path) -> Result<Stores> {
    let data_dir = data_dir.to_owned();
    tokio::task::spawn_blocking(move || Stores::open(&data_dir)).await.map_err(Error::internal)?
}

/// Doors first, so that nothing new comes in; then the workers; whoever is late is named.
async fn shut_down(tasks: &Tasks, doors: &Tasks, deadline: Duration) {
    let ends = Instant::now() + deadline;
    // Long answers (event streams, log tails) watch the workers' token: it fires together with the doors'.
    tasks.stopping().cancel();
    for set in [doors, tasks] {
        let late = set.shutdown(ends.saturating_duration_since(Instant::now())).await;
        if !late.is_empty() {
            tracing::warn!(
                late = late.join(", "),
                deadline_s = deadline.as_secs(),
                "still busy at the stop's deadline; left behind"
            );
        }
    }
}

/// What to do so that other machines believe the doors.
fn tell_of_authority(tls: &Identity) {
    eprintln!("TLS is by Crannog's own authority: clients need what `crannog ca` prints.");
    eprintln!("  SHA-256  {}", tls.authority().fingerprint());
}

/// Where to go from here, for the person at the terminal.
fn greet(health: &Health, effective: &Effective, first: Option<&FirstAdmin>, random: bool, took: Duration) {
    let data_dir = effective.config.data_dir.display();
    eprintln!("Crannog {VERSION} is ready after {} ms.", took.as_millis());
    eprintln!();
    eprintln!("  Web UI, MLflow, inference   {}", health.http_url());
    eprintln!("  S3                          {}", health.s3_url());
    eprintln!("  Data                        {data_dir}");
    eprintln!();
    if let Some(admin) = first {
        eprintln!("First start: these credentials are shown once and kept in {data_dir}/secrets/admin.toml");
        eprintln!("  user                {}", admin.user);
        eprintln!(
            "  password            {}",
            if random { &admin.password } else { "as CRANNOG_ADMIN_PASSWORD says" }
        );
        eprintln!("  access key id       {}", admin.access_key_id);
        eprintln!("  secret access key   {}", admin.secret_access_key);
        eprintln!();
    }
    eprintln!("Point a shell's clients at it:   eval \"$(crannog --data-dir {data_dir} env)\"");
}
