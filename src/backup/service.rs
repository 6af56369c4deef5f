//! Backups of the running server: one at a time, on demand and by its own clock.

use super::{
    create::{Order, Progress, create},
    repository::{Manifest, Repository},
};
use crate::{
    kernel::{
        clock::{now_ms, rfc3339},
        config,
        error::{Error, Result},
        tasks::Tasks,
    },
    objects,
    store::Stores,
};
use chrono::DateTime;
use serde::{Deserialize, Serialize};
use std::{
    num::NonZeroUsize,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// After a failure the clock tries again then, or when the next one is due, if that is sooner.
const AGAIN: Duration = Duration::from_secs(600);

/// What the configuration says.
#[derive(Clone, Debug)]
pub struct Settings {
    pub folder: Option<PathBuf>,
    pub every: Duration,
    pub keep: Option<NonZeroUsize>,
    pub secrets: bool,
}

impl From<&config::Backup> for Settings {
    fn from(config: &config::Backup) -> Self {
        Self {
            folder: config.dir.clone(),
            every: config.every.0,
            keep: NonZeroUsize::new(config.keep),
            secrets: config.secrets,
        }
    }
}

/// Clones share it.
#[derive(Clone)]
pub struct Service(Arc<Inner>);

struct Inner {
    stores: Stores,
    objects: objects::Service,
    settings: Settings,
    tasks: Tasks,
    now: Mutex<Now>,
}

#[derive(Default)]
struct Now {
    running: Option<(Begun, Arc<Progress>)>,
    last: Option<Ended>,
    /// Of this process: how many there were, and how many of them failed.
    count: u64,
    failed: u64,
    /// The newest snapshot in the configured folder.
    newest_ms: Option<i64>,
    newest_took_ms: u64,
}

/// A backup that was begun.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Begun {
    /// Counts the backups of this process.
    pub id: u64,
    pub dir: PathBuf,
    pub begun_at: String,
}

/// A backup that is over.
#[derive(Clone, Debug, Serialize)]
pub struct Ended {
    #[serde(flatten)]
    begun: Begun,
    ended_at: String,
    snapshot: Option<Manifest>,
    error: Option<String>,
}

/// How things are with backups.
#[derive(Serialize)]
pub struct State {
    /// Where they go by themselves, and how often.
    dir: Option<PathBuf>,
    every_s: u64,
    keep: Option<NonZeroUsize>,
    /// When the newest snapshot in there was taken.
    newest_at: Option<String>,
    running: Option<Running>,
    last: Option<Ended>,
}

#[derive(Serialize)]
struct Running {
    #[serde(flatten)]
    begun: Begun,
    progress: Arc<Progress>,
}

/// What a request may ask for instead of what is configured.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    dir: Option<PathBuf>,
    keep: Option<NonZeroUsize>,
    secrets: Option<bool>,
}

impl Service {
    pub fn new(stores: &Stores, objects: objects::Service, settings: Settings, tasks: Tasks) -> Self {
        let stores = stores.clone();
        Self(Arc::new(Inner { stores, objects, settings, tasks, now: Mutex::default() }))
    }

    /// Starts the clock, when a folder is configured.
    pub fn start(&self) {
        let Settings { folder: Some(folder), every, .. } = self.0.settings.clone() else { return };
        let (service, stop) = (self.clone(), self.0.tasks.stopping());
        self.0.tasks.spawn("backup clock", async move {
            service.look_up(folder).await;
            if every.is_zero() {
                return;
            }
            loop {
                tokio::select! {
                    () = tokio::time::sleep(service.wait(every)) => {}
                    () = stop.cancelled() => return,
                }
                // Another one that runs is not waited for: the clock looks again.
                if service.wait(every).is_zero()
                    && let Err(error) = service.begin(&Wish::default())
                {
                    tracing::debug!(%error, "the clock could not begin a backup");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        });
    }

    /// How long until the next snapshot is due. While one runs, a short look around.
    fn wait(&self, every: Duration) -> Duration {
        const GLANCE: Duration = Duration::from_secs(1);
        let now = self.now();
        if now.running.is_some() {
            return GLANCE;
        }
        let since = |ms: i64| Duration::from_millis(u64::try_from(now_ms() - ms).unwrap_or_default());
        let due = now.newest_ms.map_or(Duration::ZERO, |ms| every.saturating_sub(since(ms)));
        let failed_at = now.last.as_ref().filter(|last| last.error.is_some()).map(|last| &last.ended_at);
        let pause = failed_at
            .and_then(|at| DateTime::parse_from_rfc3339(at).ok())
            .map(|at| AGAIN.min(every).saturating_sub(since(at.timestamp_millis())))
            .unwrap_or_default();
        due.max(pause)
    }

    /// What the configured folder has already.
    async fn look_up(&self, folder: PathBuf) {
        let newest = tokio::task::spawn_blocking(move || Repository::open(&folder)?.find(None)).await;
        if let Ok(Ok(newest)) = newest {
            self.note(&newest);
        }
    }

    fn note(&self, newest: &Manifest) {
        let taken = DateTime::parse_from_rfc3339(&newest.taken_at).ok();
        let mut now = self.now();
        now.newest_ms = taken.map(|taken| taken.timestamp_millis());
        now.newest_took_ms = newest.took_ms;
    }

    /// Begins a backup, which goes on whether its asker waits or not.
    pub fn begin(&self, wish: &Wish) -> Result<Begun> {
        let settings = &self.0.settings;
        let own = wish.dir.is_none() || wish.dir == settings.folder;
        let folder = wish.dir.clone().or_else(|| settings.folder.clone()).ok_or_else(|| {
            Error::invalid("Say where: no folder is configured (backup.dir), so the request has to name one.")
        })?;
        let order = Order {
            folder: folder.clone(),
            keep: wish.keep.or(settings.keep.filter(|_| own)),
            secrets: wish.secrets.unwrap_or(settings.secrets),
        };
        let progress = Arc::<Progress>::default();
        let begun = {
            let mut now = self.now();
            if let Some((running, _)) = &now.running {
                let dir = running.dir.display();
                return Err(Error::conflict(format!(
                    "A backup into {dir} is running, since {}: wait until it is over.",
                    running.begun_at
                )));
            }
            now.count += 1;
            let begun = Begun { id: now.count, dir: folder, begun_at: rfc3339(now_ms()) };
            now.running = Some((begun.clone(), Arc::clone(&progress)));
            begun
        };
        let (service, answer) = (self.clone(), begun.clone());
        self.0.tasks.spawn("backup", async move {
            let inner = &service.0;
            let outcome = {
                let _kept = inner.objects.keep_files().await;
                create(&inner.stores, &order, progress, inner.tasks.stopping()).await
            };
            service.end(begun, outcome, own);
        });
        Ok(answer)
    }

    fn end(&self, begun: Begun, outcome: Result<Manifest>, own: bool) {
        let dir = begun.dir.display();
        let error = match &outcome {
            Ok(snapshot) if snapshot.is_whole() => {
                tracing::info!(
                    %dir, snapshot = snapshot.name, files = snapshot.files, new_bytes = snapshot.new_bytes,
                    took_ms = snapshot.took_ms, "took a backup"
                );
                None
            }
            Ok(snapshot) => {
                let damaged = snapshot.damaged.len() as u64 + snapshot.more_damaged;
                tracing::error!(%dir, snapshot = snapshot.name, damaged, "took a backup without damaged files");
                Some(format!(
                    "{damaged} files are damaged or missing in the data directory and are not in the snapshot"
                ))
            }
            Err(error) => {
                tracing::error!(%dir, ?error, "could not take a backup");
                Some(error.message.clone())
            }
        };
        if let (Ok(snapshot), true) = (&outcome, own) {
            self.note(snapshot);
        }
        let mut now = self.now();
        now.failed += u64::from(error.is_some());
        now.running = None;
        now.last = Some(Ended { begun, ended_at: rfc3339(now_ms()), snapshot: outcome.ok(), error });
    }

    pub fn state(&self) -> State {
        let (now, settings) = (self.now(), &self.0.settings);
        State {
            dir: settings.folder.clone(),
            every_s: settings.every.as_secs(),
            keep: settings.keep,
            newest_at: now.newest_ms.map(rfc3339),
            running: now
                .running
                .as_ref()
                .map(|(begun, progress)| Running { begun: begun.clone(), progress: Arc::clone(progress) }),
            last: now.last.clone(),
        }
    }

    /// For `/metrics`, in Prometheus' text form.
    pub fn exposition(&self) -> String {
        let now = self.now();
        let mut text = format!(
            "# HELP crannog_backups_total Backups of this process that are over.\n\
             # TYPE crannog_backups_total counter\n\
             crannog_backups_total{{outcome=\"taken\"}} {}\ncrannog_backups_total{{outcome=\"failed\"}} {}\n",
            now.count - now.failed - u64::from(now.running.is_some()),
            now.failed
        );
        if let Some(ms) = now.newest_ms {
            text += &format!(
                "# HELP crannog_backup_timestamp_seconds When the newest snapshot in backup.dir was taken.\n\
                 # TYPE crannog_backup_timestamp_seconds gauge\n\
                 crannog_backup_timestamp_seconds {}\n\
                 # HELP crannog_backup_duration_seconds How long that took.\n\
                 # TYPE crannog_backup_duration_seconds gauge\n\
                 crannog_backup_duration_seconds {}\n",
                ms as f64 / 1e3,
                now.newest_took_ms as f64 / 1e3
            );
        }
        text
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.0.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
