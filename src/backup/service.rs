//! Backups of the running server: one at a time, on demand and by its own clock.

use super::{
    create::{Order, Progress, Taken, create},
    in_words,
    manifest::Manifest,
    repository::Repository,
};
use crate::{
    kernel::{
        clock::{now_ms, rfc3339},
        config,
        error::{Error, Kind, Result},
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
    time::{Duration, Instant},
};
use tokio::task::spawn_blocking;

/// After a failure the clock tries again then, or when the next one is due, if that is sooner.
const AGAIN: Duration = Duration::from_secs(600);
/// How long the folder is waited for at the start.
const LOOK: Duration = Duration::from_secs(60);
/// The clock looks at the time of day at least so often: it may be set, and machines sleep.
const NAP: Duration = Duration::from_secs(60);
/// Where somebody reads in the folder, it looks again after that.
const SOON: Duration = Duration::from_secs(30);

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

/// Who wants a backup.
enum By {
    Asker,
    Clock,
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
    /// Whether the folder was looked at.
    looked: bool,
    /// The clock waits at least until then.
    not_before: Option<Instant>,
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
                    () = tokio::time::sleep(service.wait(every).min(NAP)) => {}
                    () = stop.cancelled() => return,
                }
                // Where it is not time yet, or another one was begun meanwhile, the clock looks again.
                if service.wait(every).is_zero()
                    && let Err(error) = service.begin_by(&Wish::default(), By::Clock)
                {
                    tracing::debug!(%error, "the clock could not begin a backup");
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
        // A snapshot of the future was taken by a clock that was ahead: it says nothing of today.
        let age = |ms: i64| u64::try_from(now_ms() - ms).map(Duration::from_millis).unwrap_or(every);
        let due = now.newest_ms.map_or(Duration::ZERO, |ms| every.saturating_sub(age(ms)));
        let pause =
            now.not_before.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()));
        due.max(pause)
    }

    /// What the configured folder has already.
    async fn look_up(&self, folder: PathBuf) {
        let newest = spawn_blocking(move || Repository::look(&folder)?.find(None));
        // A share that hangs holds the next backup up, where that can be seen.
        if let Ok(Ok(Ok(newest))) = tokio::time::timeout(LOOK, newest).await {
            self.note(&newest);
        }
        self.now().looked = true;
    }

    fn note(&self, newest: &Manifest) {
        let taken = DateTime::parse_from_rfc3339(&newest.taken_at).ok();
        let mut now = self.now();
        now.newest_ms = taken.map(|taken| taken.timestamp_millis());
        now.newest_took_ms = newest.took_ms;
    }

    /// Begins a backup, which goes on whether its asker waits or not.
    pub fn begin(&self, wish: &Wish) -> Result<Begun> {
        self.begin_by(wish, By::Asker)
    }

    fn begin_by(&self, wish: &Wish, by: By) -> Result<Begun> {
        let settings = &self.0.settings;
        let own = wish.dir.is_none() || wish.dir == settings.folder;
        let folder = wish.dir.clone().or_else(|| settings.folder.clone()).ok_or_else(|| {
            Error::invalid("Say where: no folder is configured (backup.dir), so the request has to name one.")
        })?;
        let order = Order {
            data_dir: self.0.stores.data_dir.clone(),
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
            let data_dir = order.data_dir.clone();
            let outcome = service.take(order, progress).await.map_err(in_words(&data_dir));
            service.end(begun, outcome, own, by);
        });
        Ok(answer)
    }

    async fn take(&self, order: Order, progress: Arc<Progress>) -> Result<Taken> {
        let (order, repository) = spawn_blocking(move || order.repository().map(|there| (order, there)))
            .await
            .map_err(Error::internal)??;
        let kept = self.0.objects.keep_files().await;
        let moment = self.0.stores.snapshot().await?;
        let stop = self.0.tasks.stopping();
        let work = move || {
            let taken = create(&order, &repository, moment, &progress, &stop);
            drop(kept);
            taken
        };
        spawn_blocking(work).await.map_err(Error::internal)?
    }

    fn end(&self, begun: Begun, outcome: Result<Taken>, own: bool, by: By) {
        let dir = begun.dir.display().to_string();
        let (snapshot, error) = match outcome {
            Ok(Taken { snapshot, trouble }) => {
                tracing::info!(
                    dir,
                    snapshot = snapshot.name,
                    files = snapshot.files,
                    new_bytes = snapshot.new_bytes,
                    took_ms = snapshot.took_ms,
                    "took a backup"
                );
                if own {
                    self.note(&snapshot);
                }
                (Some(snapshot), trouble)
            }
            Err(error) if error.kind == Kind::Busy && matches!(by, By::Clock) => {
                tracing::info!(dir, %error, "the backup comes later");
                let mut now = self.now();
                now.running = None;
                now.count -= 1;
                now.not_before = Some(Instant::now() + SOON.min(self.0.settings.every));
                return;
            }
            Err(error) => (None, Some(error.message)),
        };
        if let Some(error) = &error {
            tracing::error!(dir, error, "not all is well with a backup");
        }
        let mut now = self.now();
        now.failed += u64::from(error.is_some());
        now.running = None;
        // The snapshot that is there is the clock's measure, whatever else went wrong.
        if own {
            let again = AGAIN.min(self.0.settings.every);
            now.not_before = snapshot.is_none().then(|| Instant::now() + again);
        }
        let snapshot = snapshot.map(Manifest::discreet);
        now.last = Some(Ended { begun, ended_at: rfc3339(now_ms()), snapshot, error });
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
        text += &format!(
            "# HELP crannog_backup_running Whether a backup is under way.\n# TYPE crannog_backup_running gauge\n\
             crannog_backup_running {}\n",
            u8::from(now.running.is_some())
        );
        // Where there is none, it is as old as can be: an alert must not fall silent.
        let newest_ms = now.newest_ms.or((now.looked && self.0.settings.folder.is_some()).then_some(0));
        if let Some(ms) = newest_ms {
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
