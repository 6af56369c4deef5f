//! Models that are not ONNX: a Python process per model, in a virtual environment of the operator's, that
//! MLflow's `pyfunc` loads the model in. It is asked with tensors as the engine is, so every protocol serves it.
//!
//! Invariants: nothing runs that the operator has not made an environment for; a worker sees nothing of the
//! server's environment; it ends with the server, and with everything it started; one that dies or does not
//! answer in time is replaced, and requests meanwhile are told to come again.

mod files;
mod frames;
mod host;
mod process;
mod signature;
#[cfg(test)]
mod tests;

use super::{
    engine::{NamedTensor, TensorSpec},
    loading::mlmodel::Signature,
    predict::gate::{Pass, RouteGate},
    rollout::definition::Limits,
};
use crate::kernel::error::{Error, Result};
use files::Files;
use frames::{Said, Wrong};
pub use host::Host;
use process::{Process, Start};
use serde_json::{Map, Value};
use std::{
    io,
    os::unix::net::UnixStream,
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// What the output is called when the model gave one array and no name.
pub const BARE: &str = "predictions";
/// The first wait before a worker is started again; doubled each time it dies soon.
const SOON: Duration = Duration::from_secs(1);
const LATEST: Duration = Duration::from_secs(60);

/// A model and the process it lives in. Dropping it ends the process.
pub struct Worker {
    shared: Arc<Shared>,
    manner: signature::Manner,
    /// A process answers one request at a time.
    gate: RouteGate,
}

struct Shared {
    start: Start,
    /// What the process reads; gone when it has ended.
    _files: Files,
    /// How long one request may take.
    limit: Duration,
    state: Mutex<State>,
    changed: Condvar,
}

enum State {
    Starting,
    Ready(Arc<Process>, UnixStream),
    /// A request is under way.
    Asked(Arc<Process>),
    /// Why it is not there, and when it is started again.
    Lost(String, Instant),
    Stopping,
}

impl State {
    fn is_of(&self, wanted: &Arc<Process>) -> bool {
        match self {
            Self::Ready(process, _) | Self::Asked(process) => Arc::ptr_eq(process, wanted),
            Self::Starting | Self::Lost(..) | Self::Stopping => false,
        }
    }
}

/// What a worker is made of.
pub struct Plan {
    pub model: String,
    pub venv: PathBuf,
    pub files: Files,
    pub limit: Duration,
}

impl Worker {
    /// Starts the process and waits until its model is loaded.
    pub fn start(plan: Plan, signature: Option<&Signature>) -> Result<Self> {
        let manner = signature::manner(signature)?;
        let Plan { model, venv, files, limit } = plan;
        let folder = files.path().to_owned();
        let start = Start { model, venv, folder, frame: manner.frame, times: manner.times.clone() };
        let shared = Arc::new(Shared {
            start,
            _files: files,
            limit,
            state: Mutex::new(State::Starting),
            changed: Condvar::new(),
        });
        let (process, printed) = shared.begin()?;
        let keeper = Arc::clone(&shared);
        thread::Builder::new().name("python worker".into()).spawn(move || keeper.keep(&process, printed))?;
        let gate = RouteGate::new(Limits { concurrency: Some(1), ..Limits::default() });
        Ok(Self { shared, manner, gate })
    }

    pub fn inputs(&self) -> &[TensorSpec] {
        &self.manner.inputs
    }

    pub fn outputs(&self) -> &[TensorSpec] {
        &self.manner.outputs
    }

    /// Waits until the process is free.
    pub async fn turn(&self, deadline: Option<Instant>) -> Result<Pass> {
        self.gate.pass(deadline).await
    }

    /// Asks the model. One request at a time; others wait for it, within the limit.
    pub fn infer(
        &self,
        inputs: &[NamedTensor],
        params: Option<&Map<String, Value>>,
    ) -> Result<Vec<NamedTensor>> {
        self.check(inputs)?;
        let (process, mut door) = self.shared.take()?;
        let limit = self.shared.limit;
        let set = door.set_read_timeout(Some(limit)).and_then(|()| door.set_write_timeout(Some(limit)));
        let said = set.and_then(|()| frames::ask(&mut door, inputs, params));
        match said {
            Ok(said) => {
                self.shared.give_back(process, door);
                read(said)
            }
            Err(error) => {
                // What a half-read answer is followed by cannot be told, so this worker is of no more use.
                let why = self.shared.why(&error);
                process.kill();
                self.shared.lost(&process, &why, SOON);
                Err(Error::busy(format!("{why} It is being started again.")))
            }
        }
    }

    fn check(&self, inputs: &[NamedTensor]) -> Result<()> {
        for input in inputs {
            let spec = self.manner.inputs.iter().find(|spec| spec.name == input.name).ok_or_else(|| {
                let names: Vec<_> = self.manner.inputs.iter().map(|spec| spec.name.as_str()).collect();
                Error::invalid(format!(
                    "The model has no input `{}`. It takes {}.",
                    input.name,
                    names.join(", ")
                ))
            })?;
            if input.data.datatype() != spec.datatype {
                return Err(Error::invalid(format!(
                    "Input `{}` is {}, but the model takes {}.",
                    input.name,
                    input.data.datatype(),
                    spec.datatype
                )));
            }
        }
        Ok(())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let state = std::mem::replace(&mut *self.shared.state(), State::Stopping);
        self.shared.changed.notify_all();
        if let State::Ready(process, _) | State::Asked(process) = state {
            process.kill();
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a process and hears it until its model is loaded.
    fn begin(&self) -> Result<(Arc<Process>, thread::JoinHandle<()>)> {
        let (process, mut door, printed) = Process::start(&self.start)?;
        let process = Arc::new(process);
        let model = self.start.model.clone();
        let listener = thread::Builder::new().name("python output".into());
        let printed = listener.spawn(move || process::listen(&model, printed))?;
        let greeting = process::greeted(&mut door).inspect_err(|_| {
            process.wait();
        })?;
        tracing::info!(
            model = self.start.model,
            venv = %self.start.venv.display(),
            python = greeting.python,
            mlflow = greeting.mlflow,
            "a Python worker is ready"
        );
        let mut state = self.state();
        match *state {
            State::Stopping => process.kill(),
            _ => *state = State::Ready(Arc::clone(&process), door),
        }
        self.changed.notify_all();
        Ok((process, printed))
    }

    /// Waits for the process to end, and starts another, until the model is not wanted any more.
    fn keep(&self, process: &Arc<Process>, printed: thread::JoinHandle<()>) {
        let (mut process, mut printed) = (Arc::clone(process), printed);
        let mut wait = SOON;
        loop {
            let began = Instant::now();
            // Its output ends when it does.
            let _ = printed.join();
            let how = process.wait();
            wait = if began.elapsed() > LATEST { SOON } else { wait };
            self.lost(&process, &format!("The model's Python process ended ({how})."), wait);
            loop {
                if self.stopped_within(wait) {
                    return;
                }
                wait = (wait * 2).min(LATEST);
                match self.begin() {
                    Ok(next) => {
                        (process, printed) = next;
                        break;
                    }
                    Err(error) => self.say(&error.message, wait),
                }
            }
        }
    }

    /// Whether it was told to stop before the time was over.
    fn stopped_within(&self, wait: Duration) -> bool {
        let running = |state: &mut State| !matches!(state, State::Stopping);
        let waited = self.changed.wait_timeout_while(self.state(), wait, running);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        matches!(*state, State::Stopping)
    }

    /// The door of a worker that is free.
    fn take(&self) -> Result<(Arc<Process>, UnixStream)> {
        let busy = |state: &mut State| matches!(state, State::Asked(_));
        let waited = self.changed.wait_timeout_while(self.state(), self.limit, busy);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let mut after = None;
        let why = match &*state {
            State::Ready(process, _) => {
                let next = State::Asked(Arc::clone(process));
                if let State::Ready(process, door) = std::mem::replace(&mut *state, next) {
                    return Ok((process, door));
                }
                "it is being asked".to_owned()
            }
            State::Asked(_) => "others are before you".to_owned(),
            State::Starting => "its Python process is starting".to_owned(),
            State::Lost(why, next) => {
                after = Some(next.saturating_duration_since(Instant::now()));
                format!("{why} It is being started again.")
            }
            State::Stopping => "it is being replaced".to_owned(),
        };
        Err(Error { after, ..Error::busy(format!("The model cannot answer yet: {why}")) })
    }

    fn give_back(&self, process: Arc<Process>, door: UnixStream) {
        let mut state = self.state();
        if state.is_of(&process) {
            *state = State::Ready(process, door);
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Notes that a process is gone, unless that is known or the next is there.
    fn lost(&self, process: &Arc<Process>, why: &str, wait: Duration) {
        if self.state().is_of(process) {
            self.say(why, wait);
        }
    }

    fn say(&self, why: &str, wait: Duration) {
        let mut state = self.state();
        if !matches!(*state, State::Stopping) {
            tracing::warn!(model = self.start.model, "{why}");
            *state = State::Lost(why.to_owned(), Instant::now() + wait);
        }
        drop(state);
        self.changed.notify_all();
    }

    fn why(&self, error: &io::Error) -> String {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                format!(
                    "The model did not answer within {} s, and its Python process was ended.",
                    self.limit.as_secs()
                )
            }
            io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
                "The model's Python process ended while it was asked.".to_owned()
            }
            _ => format!("The model's Python process answered in a way that cannot be read: {error}."),
        }
    }
}

fn read(said: Said<Vec<NamedTensor>>) -> Result<Vec<NamedTensor>> {
    match said {
        Said::Ok(outputs) => Ok(outputs),
        Said::Error { kind: Wrong::Input, message } => Err(Error::invalid(message)),
        // The same input would fail again: it is the caller's to know, in the model's own words.
        Said::Error { message, .. } => {
            Err(Error::invalid(format!("The model failed on this input: {message}")))
        }
    }
}
