//! The door to pipelines: definitions in and out, runs begun and watched; what is done to them by
//! hand is in `operate` and `backfill`.

mod backfill;
mod events;
mod operate;
mod sources;

pub(in crate::pipelines) use events::Delivery;
pub(in crate::pipelines) use sources::Source;

use super::{
    archive,
    config::Config,
    definition::{Definition, problems_text},
    engine,
    environment::TaskEnvironment,
    executor::Executor,
    history,
    model::{AttemptKey, Pipeline, Run, TaskState, Trigger},
    rooms::Rooms,
    scheduler::{self, Scheduler},
    source::{self, Look, Text},
    store,
    waiting::{self, RunView},
};
use crate::{
    kernel::{
        clock::now_ms,
        error::{Error, Result},
        event::Bus,
        tasks::Tasks,
    },
    store::{Connection, Db, Stores, outbox::Bell},
};
use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock, RwLock},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How many of the last runs a pipeline's view shows.
const RECENT: usize = 20;
/// The source of a definition that came through the API.
const API: &str = "api";

/// Clones share one service.
#[derive(Clone)]
pub struct Service(Arc<Inner>);

struct Inner {
    db: Db,
    bus: Bus,
    config: Config,
    executor: Arc<Executor>,
    wake: Arc<Notify>,
    hearings: RwLock<events::Hearings>,
    /// How the last look at each source went.
    looks: Mutex<HashMap<&'static str, Look>>,
    /// Rung when the Git repository is to be looked at now.
    pushed: Arc<Notify>,
    /// Where commits are checked out.
    checkouts: PathBuf,
    /// Rung when somebody is to be told of a run.
    bell: Arc<Bell>,
    /// Fires when the server stops, so that live logs end; set when the work starts.
    stop: OnceLock<CancellationToken>,
}

/// When a run that is asked for begins and what time it stands for; now, where it is not said.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    pub logical_at: Option<i64>,
    pub not_before: Option<i64>,
}

/// A pipeline with what its definition says and its last runs, newest first.
pub struct Overview {
    pub pipeline: Pipeline,
    /// None while no good definition was ever seen.
    pub definition: Option<Definition>,
    pub recent: Vec<Run>,
}

impl Service {
    pub fn new(
        stores: &Stores,
        bus: Bus,
        environment: Arc<dyn TaskEnvironment>,
        config: Config,
    ) -> Result<Self> {
        if let Some(git) = &config.git {
            git.check()?;
        }
        let checkouts = fs_err::canonicalize(&stores.data_dir)?.join("checkouts");
        let (db, tasks_dir) = (stores.control.clone(), fs_err::canonicalize(stores.data_dir.join("tasks"))?);
        let executor = Arc::new(Executor::new(db.clone(), tasks_dir, config.clone(), environment)?);
        Ok(Self(Arc::new(Inner {
            db,
            bus,
            config,
            executor,
            wake: Arc::new(Notify::new()),
            hearings: RwLock::default(),
            looks: Mutex::default(),
            pushed: Arc::default(),
            checkouts,
            bell: Arc::default(),
            stop: OnceLock::new(),
        })))
    }

    /// Opens the other rooms to tasks that need no process; once, before `start`.
    pub fn furnish(&self, rooms: Rooms) {
        self.0.executor.furnish(rooms);
    }

    /// Starts the scheduler and, where one is configured, the watch on the folder of definitions.
    pub fn start(&self, tasks: &Tasks) {
        let _ = self.0.stop.set(tasks.stopping()); // set already only where somebody starts it twice
        let scheduler = Scheduler {
            db: self.0.db.clone(),
            bus: self.0.bus.clone(),
            executor: Arc::clone(&self.0.executor),
            wake: Arc::clone(&self.0.wake),
            bell: Arc::clone(&self.0.bell),
            slots: self.slots(),
            tasks: tasks.clone(),
        };
        tasks.spawn("pipelines: scheduler", scheduler.run());
        self.start_callbacks(tasks);
        let (db, dir) = (self.0.db.clone(), self.0.executor.tasks_dir().to_owned());
        let policy = self.0.config.history.clone();
        let objects = self.0.executor.rooms().ok().map(|rooms| rooms.objects.clone());
        tasks.spawn("pipelines: history", history::keep_pruned(db, dir, policy, objects, tasks.stopping()));
        if self.0.config.archive && self.rooms().is_ok() {
            let (db, executor) = (self.0.db.clone(), Arc::clone(&self.0.executor));
            tasks.spawn("pipelines: archive", archive::keep_archived(db, executor, tasks.stopping()));
        }
        self.start_sources(tasks);
    }

    /// Follows what definitions come from.
    fn start_sources(&self, tasks: &Tasks) {
        if let Some(dir) = self.0.config.dir.clone() {
            tasks.spawn("pipelines: folder", source::folder::watch(self.clone(), dir, tasks.stopping()));
        }
        if let Some(place) = self.0.config.bucket.as_deref().map(source::bucket::Place::parse) {
            let (events, stop) = (self.0.bus.subscribe(), tasks.stopping());
            tasks.spawn("pipelines: bucket", source::bucket::watch(self.clone(), place, events, stop));
        }
        if let Some(settings) = self.0.config.git.clone() {
            let follower = source::git::Follower {
                service: self.clone(),
                settings,
                dir: self.0.checkouts.clone(),
                web: self.0.executor.web().clone(),
                pushed: Arc::clone(&self.0.pushed),
            };
            tasks.spawn("pipelines: git", follower.watch(tasks.stopping()));
        }
    }

    pub async fn list(&self) -> Result<Vec<Overview>> {
        self.0
            .db
            .read(|db| store::pipeline_list(db)?.into_iter().map(|one| overview(db, one)).collect())
            .await
    }

    pub async fn get(&self, name: &str) -> Result<Overview> {
        let name = name.to_owned();
        self.0.db.read(move |db| overview(db, existing(db, &name)?)).await
    }

    /// Stores a definition given through the API under `name`, which must be its own.
    pub async fn put(&self, name: &str, text: String) -> Result<Overview> {
        let definition =
            Definition::parse(&text).map_err(|problems| Error::invalid(problems_text(&problems)))?;
        if definition.name != name {
            return Err(Error::invalid(format!(
                "The definition names itself {:?}, not {name:?}.",
                definition.name
            )));
        }
        let config = self.0.config.clone();
        let stored = move |db: &Connection| {
            if let Some(other) = store::pipeline_get(db, &definition.name)? {
                sources::refuse_if_followed(&other, &config)?;
            }
            let text = Text { source: API.into(), folder: None, commit: None, text };
            sources::put_definition(db, &definition, text)?;
            overview(db, existing(db, &definition.name)?)
        };
        let overview = self.0.db.write(stored).await?;
        self.learn_hearings().await?;
        self.0.wake.notify_one();
        Ok(overview)
    }

    /// Forgets a pipeline; the runs it had stay readable.
    pub async fn delete(&self, name: &str) -> Result<()> {
        let name = name.to_owned();
        let config = self.0.config.clone();
        let delete = move |db: &Connection| {
            sources::refuse_if_followed(&existing(db, &name)?, &config)?;
            match store::run_open_count(db, &name)? {
                0 => store::pipeline_delete(db, &name),
                open => Err(Error::conflict(format!(
                    "Pipeline {name:?} has {open} runs that are not over. Cancel them, or wait for their end."
                ))),
            }
        };
        self.0.db.write(delete).await?;
        self.learn_hearings().await
    }

    /// Pausing stops the schedule; runs can still be started by hand. What fell due while paused
    /// is not made up for.
    pub async fn set_paused(&self, name: &str, paused: bool) -> Result<Overview> {
        let name = name.to_owned();
        let change = move |db: &Connection| {
            let pipeline = existing(db, &name)?;
            let definition = Definition::parse(&pipeline.definition).ok();
            let last = store::run_last_firing(db, &name)?;
            let next_at =
                definition.filter(|_| !paused).and_then(|definition| definition.first_due(last, now_ms()));
            store::pipeline_set_schedule(db, &name, paused, next_at)?;
            overview(db, existing(db, &name)?)
        };
        let overview = self.0.db.write(change).await?;
        self.0.wake.notify_one();
        Ok(overview)
    }

    /// Starts a run now.
    pub async fn trigger(&self, name: &str, params: BTreeMap<String, String>) -> Result<RunView> {
        self.trigger_with(name, params, Times::default(), |_, _| Ok(())).await
    }

    /// Starts a run, now or later, for a logical date of its own perhaps; `keep` writes in the same transaction
    /// what the caller wants kept with it.
    pub(super) async fn trigger_with(
        &self,
        name: &str,
        params: BTreeMap<String, String>,
        times: Times,
        keep: impl FnOnce(&Connection, &Run) -> Result<()> + Send + 'static,
    ) -> Result<RunView> {
        let (name, slots) = (name.to_owned(), self.slots());
        let create = move |db: &Connection| {
            let pipeline = existing(db, &name)?;
            let definition = Definition::parse(&pipeline.definition).map_err(|problems| {
                let why = pipeline.error.clone().unwrap_or_else(|| problems_text(&problems));
                Error::conflict(format!("Pipeline {name:?} has no sound definition to run: {why}"))
            })?;
            let now = now_ms();
            let not_before = times.not_before.filter(|at| *at > now);
            let logical_at = times.logical_at.or(not_before).unwrap_or(now);
            let origin = engine::Origin { not_before, ..engine::Origin::default() };
            let trigger = Trigger::Manual;
            let run =
                engine::create_run_of(db, &pipeline, &definition, trigger, logical_at, params, origin, now)?;
            let run = run.ok_or_else(|| Error::internal("a manual run collided with a firing"))?;
            keep(db, &run)?;
            waiting::view(db, &run.id, slots)
        };
        let made = self.0.db.write(create).await?;
        self.0.wake.notify_one();
        self.changed(&made.run);
        Ok(made)
    }

    pub async fn runs(&self, name: &str, limit: usize, before: Option<String>) -> Result<Vec<Run>> {
        let name = name.to_owned();
        let read = move |db: &Connection| {
            let runs = store::run_list(db, &name, limit, before.as_deref())?;
            // A pipeline that is gone may still have a history; one that never was has neither.
            if runs.is_empty() {
                existing(db, &name)?;
            }
            Ok(runs)
        };
        self.0.db.read(read).await
    }

    /// A run with its tasks and what each waits for.
    pub async fn run(&self, id: &str) -> Result<RunView> {
        let (id, slots) = (id.to_owned(), self.slots());
        self.0.db.read(move |db| waiting::view(db, &id, slots)).await
    }

    fn slots(&self) -> usize {
        self.0.config.parallelism.max(1)
    }

    /// Where the log of an attempt lies (the last one, if none is named) and whether it is complete.
    pub async fn log(&self, run_id: &str, task_id: &str, attempt: Option<u32>) -> Result<LogPlace> {
        let (run, task) = (run_id.to_owned(), task_id.to_owned());
        let look_up = move |db: &Connection| {
            if !store::run_exists(db, &run)? {
                return Err(engine::no_run(&run));
            }
            let last = store::task_attempts(db, &run, &task)?
                .ok_or_else(|| Error::not_found(format!("Run {run} has no task {task:?}.")))?;
            let attempt = attempt.unwrap_or(last);
            let key = AttemptKey { run_id: run, task_id: task, attempt };
            match store::attempt_state(db, &key)? {
                Some(state) => Ok((key, !state.is_under_way())),
                // Asked for the last of none: an empty log that is complete only if none will come.
                None if attempt == 0 => {
                    let over =
                        store::task_state(db, &key.run_id, &key.task_id)?.is_none_or(TaskState::is_over);
                    Ok((key, over))
                }
                None => Err(Error::not_found(format!("Task {:?} has no attempt {attempt}.", key.task_id))),
            }
        };
        let (key, complete) = self.0.db.read(look_up).await?;
        Ok(LogPlace { path: self.0.executor.folder(&key).log(), attempt: key.attempt, complete })
    }

    /// The rooms below this one.
    pub(super) fn rooms(&self) -> Result<Rooms> {
        self.0.executor.rooms().cloned()
    }

    /// Where everything of this room is kept.
    pub(super) fn db(&self) -> &Db {
        &self.0.db
    }

    /// Whether the scheduler was started and is not asked to stop.
    pub(super) fn is_scheduling(&self) -> bool {
        self.0.stop.get().is_some_and(|stop| !stop.is_cancelled())
    }

    /// Ends when the server stops.
    pub(super) async fn stopping(&self) {
        match self.0.stop.get() {
            Some(stop) => stop.cancelled().await,
            None => std::future::pending().await,
        }
    }

    fn changed(&self, run: &Run) {
        let (pipeline, run_id) = (run.pipeline.clone(), run.id.clone());
        scheduler::publish(&self.0.bus, &[engine::RunChange { pipeline, run_id, over: false }]);
    }
}

/// Where a log is, and whether more may come.
pub struct LogPlace {
    pub path: PathBuf,
    pub attempt: u32,
    pub complete: bool,
}

fn overview(db: &Connection, pipeline: Pipeline) -> Result<Overview> {
    let recent = store::run_list(db, &pipeline.name, RECENT, None)?;
    Ok(Overview { definition: Definition::parse(&pipeline.definition).ok(), pipeline, recent })
}

fn existing(db: &Connection, name: &str) -> Result<Pipeline> {
    store::pipeline_get(db, name)?.ok_or_else(|| Error::not_found(format!("There is no pipeline {name:?}.")))
}
