//! From a claimed attempt to its outcome: starts the supervisor, or finds the one that runs
//! already, and waits for the exit record. A server that is stopped just lets go; the next one
//! comes here again for every attempt whose end the database does not know.

use super::{
    attempt::{self, Folder, Spec, VERSION},
    cgroup::Subtree,
    condition,
    config::Config,
    definition::{Action, Definition, Task, problems_text},
    ending::{self, Met},
    engine,
    environment::{self, TaskEnvironment, Variables},
    hidden,
    inside::{self, Inside},
    machine,
    model::{AttemptKey, Outcome, Run, base_id},
    nursery::Nursery,
    rooms::Rooms,
    shell, store, template,
};
use crate::{
    kernel::{
        clock,
        error::{Error, Kind, Result},
        web::Web,
    },
    store::{Connection, Db},
};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    io::PipeReader,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};
use tokio::{io::AsyncReadExt, net::unix::pipe::Receiver, sync::OnceCell};

/// How often a supervisor that is not our child is looked after.
const ADOPTED_POLL: Duration = Duration::from_millis(200);
/// Starts of a supervisor that dies before it begins, until the attempt counts as failed.
const MAX_STARTS: u32 = 3;
/// How often and how long apart the server tries again when it is itself in trouble.
const MAX_TRIES: u32 = 30;
const BETWEEN_TRIES: Duration = Duration::from_secs(1);

/// Everything needed to run attempts.
pub struct Executor {
    db: Db,
    tasks_dir: PathBuf,
    config: Config,
    environment: Arc<dyn TaskEnvironment>,
    inherited: Variables,
    nursery: Arc<Nursery>,
    /// Attempts that were claimed before the machine started.
    before_boot: Mutex<HashSet<AttemptKey>>,
    rooms: OnceLock<Rooms>,
    /// Where this machine has control groups for tasks.
    subtree: Option<Subtree>,
    web: Web,
    /// Runs with a task in flight: parsed once, credentials issued once.
    contexts: Mutex<HashMap<String, Arc<OnceCell<Context>>>>,
}

/// What all tasks of a run share.
pub(super) struct Context {
    pub(super) run: Run,
    pub(super) definition: Definition,
    /// Issued when a process first needs them.
    credentials: OnceCell<Variables>,
}

impl Context {
    pub(super) fn task(&self, id: &str) -> Result<&Task> {
        let (base, _) = base_id(id);
        let task = self.definition.tasks.iter().find(|task| task.id == base);
        task.ok_or_else(|| Error::invalid("the run's definition has no such task"))
    }
}

impl Executor {
    pub fn new(
        db: Db,
        tasks_dir: PathBuf,
        config: Config,
        environment: Arc<dyn TaskEnvironment>,
    ) -> Result<Self> {
        Ok(Self {
            inherited: environment::inherited(),
            nursery: Arc::new(Nursery::new(config.supervisor.clone())),
            before_boot: Mutex::default(),
            rooms: OnceLock::new(),
            subtree: Subtree::find(),
            web: Web::new(config.trust.clone())?,
            contexts: Mutex::default(),
            db,
            tasks_dir,
            config,
            environment,
        })
    }

    /// Gives tasks their way into the other rooms; once.
    pub fn furnish(&self, rooms: Rooms) {
        let _ = self.rooms.set(rooms);
    }

    pub fn rooms(&self) -> Result<&Rooms> {
        self.rooms.get().ok_or_else(|| Error::invalid("this server has pipelines alone, and no other room"))
    }

    /// The folder of the virtual environments that tasks name.
    pub fn venvs(&self) -> PathBuf {
        let beside = || self.tasks_dir.parent().unwrap_or(&self.tasks_dir).join("venvs");
        self.config.venvs.clone().unwrap_or_else(beside)
    }

    pub fn web(&self) -> &Web {
        &self.web
    }

    pub fn tasks_dir(&self) -> &Path {
        &self.tasks_dir
    }

    pub fn folder(&self, key: &AttemptKey) -> Folder {
        // Both parts are safe in a path: an id of ours, and a task id that `check_name` passed.
        Folder::new(self.tasks_dir.join(&key.run_id).join(&key.task_id).join(key.attempt.to_string()))
    }

    /// Server start: finds the attempts that the machine's last end cut off.
    pub async fn look_back(&self) -> Result<()> {
        let found = self.db.read(|db| store::attempt_before_boot(db, &attempt::boot_id())).await?;
        self.before_boot.lock().unwrap_or_else(PoisonError::into_inner).extend(found);
        Ok(())
    }

    fn is_before_boot(&self, key: &AttemptKey) -> bool {
        self.before_boot.lock().unwrap_or_else(PoisonError::into_inner).contains(key)
    }

    /// Sees an attempt through to its end, wherever it stands. A full disk or a busy database is
    /// waited out for a while: the attempt has lost nothing yet. Of one that was claimed just now it is known
    /// that nothing has begun.
    pub async fn see_through(&self, key: &AttemptKey, is_new: bool) -> Outcome {
        let mut tries = 0;
        loop {
            match self.follow(key, is_new && tries == 0).await {
                Ok(outcome) => return outcome,
                Err(error) if tries < MAX_TRIES => {
                    tries += 1;
                    tracing::warn!(
                        run = key.run_id,
                        task = key.task_id,
                        ?error,
                        "a task could not be run yet"
                    );
                    tokio::time::sleep(BETWEEN_TRIES).await;
                }
                Err(error) => return ending::failed(format!("the server could not run the task: {error:?}")),
            }
        }
    }

    async fn follow(&self, key: &AttemptKey, is_new: bool) -> Result<Outcome> {
        let folder = self.folder(key);
        let mut starts = 0;
        let mut met = if is_new { Met::NeverBegun } else { ending::meet(&folder).await? };
        loop {
            match met {
                Met::Over(outcome) => return self.put_aside(key, outcome).await,
                Met::Lost | Met::NeverBegun if self.is_before_boot(key) && !self.is_inside(key).await => {
                    return Ok(ending::cut_off());
                }
                Met::Running => tokio::time::sleep(ADOPTED_POLL).await,
                Met::Lost if !self.is_inside(key).await => return ending::lost(folder).await,
                // It was done by a server that is no longer: nothing of it runs.
                Met::Lost => {
                    let context = self.context_cell(&key.run_id);
                    let context = context.get_or_try_init(|| self.load(&key.run_id)).await?;
                    if !inside::is_repeatable(&context.task(&key.task_id)?.action) {
                        return Ok(ending::cut_short());
                    }
                    self.do_inside(key, &folder).await?;
                }
                Met::NeverBegun if starts == MAX_STARTS => {
                    return Ok(ending::failed(
                        "the task's supervisor did not start; the task's log may say why".into(),
                    ));
                }
                Met::NeverBegun if self.is_inside(key).await => self.do_inside(key, &folder).await?,
                Met::NeverBegun => {
                    starts += 1;
                    let spec = match self.spec(key, &folder).await {
                        Ok(spec) => spec,
                        Err(error) if error.kind == Kind::Invalid => {
                            return Ok(ending::failed(error.message));
                        }
                        Err(error) => return Err(error),
                    };
                    self.supervise(folder.clone(), spec).await?;
                }
            }
            met = ending::meet(&folder).await?;
        }
    }

    /// Whether the server does it itself. A definition that cannot be read is told by what follows.
    async fn is_inside(&self, key: &AttemptKey) -> bool {
        let cell = self.context_cell(&key.run_id);
        let context = cell.get_or_try_init(|| self.load(&key.run_id)).await;
        context
            .is_ok_and(|context| context.task(&key.task_id).is_ok_and(|task| inside::is_inside(&task.action)))
    }

    async fn do_inside(&self, key: &AttemptKey, folder: &Folder) -> Result<()> {
        let cell = self.context_cell(&key.run_id);
        let context = cell.get_or_try_init(|| self.load(&key.run_id)).await?;
        let (run, task) = (&context.run, context.task(&key.task_id)?);
        let values = match self.values_with_secrets(run, task, key).await {
            Ok(values) => values,
            Err(error) if error.kind == Kind::Invalid => return inside::not_begun(folder, error.message),
            Err(error) => return Err(error),
        };
        Inside { executor: self, key, folder, run, task, values }.see_through().await
    }

    /// Gives back what is kept for tasks to come. Only for when none runs.
    pub async fn rest(&self) -> Result<()> {
        let nursery = Arc::clone(&self.nursery);
        tokio::task::spawn_blocking(move || nursery.rest()).await.map_err(Error::internal)?
    }

    /// Starts a supervisor and waits until it is gone. Dropping this future leaves it running.
    async fn supervise(&self, folder: Folder, spec: Spec) -> Result<()> {
        let nursery = Arc::clone(&self.nursery);
        let start = move || -> Result<PipeReader> {
            folder.prepare(&spec)?;
            nursery.order(folder.path())
        };
        let ended = tokio::task::spawn_blocking(start).await.map_err(Error::internal)??;
        let mut ended = Receiver::from_owned_fd(OwnedFd::from(ended))?;
        // Nothing is ever written: what comes is the end.
        ended.read_to_end(&mut Vec::new()).await?;
        Ok(())
    }

    async fn spec(&self, key: &AttemptKey, folder: &Folder) -> Result<Spec> {
        let cell = self.context_cell(&key.run_id);
        let context = cell.get_or_try_init(|| self.load(&key.run_id)).await?;
        let (run, task) = (&context.run, context.task(&key.task_id)?);
        let credentials = context.credentials.get_or_try_init(|| self.environment.issue(&run.id)).await?;
        let values = self.values_with_secrets(run, task, key).await?;
        let render = |text: &str| template::render(text, &values).map_err(Error::invalid);
        let (command, variables) = match &task.action {
            Action::Run(text) => {
                shell::script(text, &values).map_err(Error::invalid)?.written(folder.path())?
            }
            Action::Python(python) => (self.python(python, run, folder, &render)?, Vec::new()),
            _ => return Err(Error::invalid("the task has no command")),
        };
        let shared = self.environment.shared().await?;
        let given = self.inherited.iter().chain(&shared).chain(credentials);
        let mut env: BTreeMap<String, String> = given.cloned().collect();
        env.extend(own_variables(run, key));
        env.insert("CRANNOG_OUTPUT".into(), folder.output().to_string_lossy().into_owned());
        if let Some(event) = &run.event {
            env.insert("CRANNOG_EVENT".into(), event.to_string());
        }
        if let Some(item) = &values.item {
            env.insert("CRANNOG_ITEM".into(), condition::plain(item));
        }
        for (name, value) in &task.env {
            env.insert(name.clone(), render(value)?);
        }
        env.extend(variables);
        environment::fits(&env)?;
        Ok(Spec {
            version: VERSION,
            command,
            folder: run.folder.as_ref().map_or_else(|| folder.path().to_owned(), PathBuf::from),
            env: env.into_iter().collect(),
            timeout_ms: task.timeout.map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX)),
            grace_ms: u64::try_from(self.config.grace.as_millis()).unwrap_or(u64::MAX),
            log_limit: self.config.log_limit,
            limits: task.limits,
            cgroup: self.subtree.as_ref().map(|subtree| subtree.of(key)),
        })
    }

    /// The same with the secrets its texts name, which only some of its texts may.
    async fn values_with_secrets(
        &self,
        run: &Run,
        task: &Task,
        key: &AttemptKey,
    ) -> Result<template::Values> {
        let env = task.env.values().map(String::as_str);
        let mut texts: Vec<&str> = task.action.texts().into_iter().chain(env.clone()).collect();
        if let Action::Promote(promote) = &task.action {
            texts.push(&promote.when);
        }
        let outputs = texts.iter().any(|text| text.contains("outputs"));
        let mut values = self.values(run, key, outputs).await?;
        let texts: Vec<&str> = match &task.action {
            Action::Http(request) => request.texts().into_iter().chain(env).collect(),
            _ => env.collect(),
        };
        let mut names: Vec<&str> = texts
            .into_iter()
            .flat_map(template::names)
            .filter_map(|name| name.strip_prefix("secrets."))
            .collect();
        names.sort_unstable();
        names.dedup();
        if !names.is_empty() {
            values.secrets = hidden::open(&self.db, &self.rooms()?.auth, names.into_iter()).await?;
        }
        Ok(values)
    }

    /// What the task's texts may name; the outputs only of tasks that have ended by now, and only if
    /// they are asked for: a run may have thousands of tasks.
    pub(super) async fn values(
        &self,
        run: &Run,
        key: &AttemptKey,
        outputs: bool,
    ) -> Result<template::Values> {
        let wanted = key.clone();
        let read = move |db: &Connection| {
            let own = store::task_get(db, &wanted.run_id, &wanted.task_id)?;
            let all = if outputs { store::task_list(db, &wanted.run_id)? } else { Vec::new() };
            Ok((own, machine::outputs(&all)))
        };
        let (own, outputs) = match outputs {
            true => self.db.read(read).await?,
            false => self.db.look_up(read).await?,
        };
        let outputs = self.fetch_aside(key, outputs).await?;
        Ok(template::Values {
            task_id: key.task_id.clone(),
            map_index: Some(own.as_ref().and_then(|task| task.map_index).map_or(-1, i64::from)),
            item: own.and_then(|task| task.item),
            outputs,
            ..engine::values(run)
        })
    }

    pub(super) async fn load(&self, run_id: &str) -> Result<Context> {
        let wanted = run_id.to_owned();
        let run = self.db.read(move |db| store::run_get(db, &wanted)).await?;
        let run = run.ok_or_else(|| Error::internal("an attempt without a run"))?;
        let definition = Definition::parse(&run.definition).map_err(|problems| {
            let problems = problems_text(&problems);
            Error::invalid(format!(
                "this server cannot read the definition the run was made from: {problems}"
            ))
        })?;
        Ok(Context { run, definition, credentials: OnceCell::new() })
    }

    pub(super) fn context_cell(&self, run_id: &str) -> Arc<OnceCell<Context>> {
        let mut contexts = self.contexts.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(contexts.entry(run_id.to_owned()).or_default())
    }

    /// Forgets what is known of a run, which has changed.
    pub fn forget(&self, run_id: &str) {
        self.contexts.lock().unwrap_or_else(PoisonError::into_inner).remove(run_id);
    }

    /// Forgets a run that is over and revokes what was issued for it.
    pub async fn release(&self, run_id: &str) -> Result<()> {
        self.forget(run_id);
        self.environment.revoke(run_id).await?;
        let done = run_id.to_owned();
        self.db.write(move |db| store::run_set_credentials(db, &done, false)).await
    }

    /// Asks the supervisors of these attempts to end them.
    pub async fn request_cancel(&self, keys: &[AttemptKey]) -> Result<()> {
        let folders: Vec<Folder> = keys.iter().map(|key| self.folder(key)).collect();
        let ask = move || folders.iter().try_for_each(Folder::request_cancel);
        tokio::task::spawn_blocking(ask).await.map_err(Error::internal)?
    }
}

fn own_variables(run: &Run, key: &AttemptKey) -> Vec<(String, String)> {
    let own = [
        ("CRANNOG_PIPELINE", run.pipeline.clone()),
        ("CRANNOG_RUN_ID", run.id.clone()),
        ("CRANNOG_TASK_ID", key.task_id.clone()),
        ("CRANNOG_TASK_ATTEMPT", key.attempt.to_string()),
        ("CRANNOG_LOGICAL_DATE", clock::rfc3339(run.logical_at)),
    ];
    let commit = run.commit.clone().map(|commit| ("CRANNOG_COMMIT", commit));
    let params = run
        .params
        .iter()
        .map(|(name, value)| (format!("CRANNOG_PARAM_{}", name.to_ascii_uppercase()), value.clone()));
    own.into_iter().chain(commit).map(|(name, value)| (name.to_owned(), value)).chain(params).collect()
}
