//! One worker process: started in its own group with a bare environment, heard, and ended with all its children.

use super::frames::{self, Said};
use crate::kernel::error::{Error, Result};
use rustix::process::{Pid, Signal, kill_process_group};
use serde::Deserialize;
use serde_json::json;
use std::{
    io::{self, BufRead, BufReader, PipeReader, Read},
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream, process::CommandExt},
    },
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// What a worker runs: a file for tracebacks to name.
const PROGRAM: &str = include_str!("worker.py");
/// Large models take their time, and so do the imports of large libraries from a cold disk.
const LONGEST_START: Duration = Duration::from_secs(300);
/// A longer line is cut in the log.
const MOST_LINE: u64 = 4 << 10;

/// How a worker is started; the same again after it died.
#[derive(Clone, Debug)]
pub struct Start {
    /// The model, as logs name it.
    pub model: String,
    pub venv: PathBuf,
    /// The model's files.
    pub folder: PathBuf,
    pub frame: bool,
    pub times: Vec<String>,
}

/// A running worker. Its child is there until it was waited for, so a signal meets nobody else.
pub struct Process(Mutex<Option<Child>>);

/// What a worker says of itself once its model is loaded.
#[derive(Deserialize)]
pub struct Greeting {
    pub python: String,
    pub mlflow: String,
}

impl Process {
    /// Starts the program. The model is loaded when `greeted` says so; the pipe is what the worker prints.
    pub fn start(start: &Start) -> Result<(Self, UnixStream, PipeReader)> {
        let python = start.venv.join("bin/python");
        let (ours, theirs) = UnixStream::pair()?;
        let (printed, writer) = io::pipe()?;
        let said = json!({ "folder": start.folder, "frame": start.frame, "times": start.times });
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", start.venv.join("bin").display());
        let child = Command::new(&python)
            .args(["-u", "-c", PROGRAM, &said.to_string()])
            // The server's environment holds its secrets.
            .env_clear()
            .envs([("PATH", path.as_str()), ("LANG", "C.UTF-8"), ("MLFLOW_ENABLE_ASYNC_LOGGING", "false")])
            .env("VIRTUAL_ENV", &start.venv)
            .env("HOME", &start.folder)
            .current_dir(&start.folder)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .process_group(0)
            .spawn()
            .map_err(|error| Error::invalid(format!("{} cannot be started: {error}", python.display())))?;
        Ok((Self(Mutex::new(Some(child))), ours, printed))
    }

    /// Ends the worker and whatever it started.
    pub fn kill(&self) {
        let child = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pid = child.as_ref().and_then(|child| i32::try_from(child.id()).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }

    /// How it ended. Blocks until it has; afterwards `kill` does nothing.
    pub fn wait(&self) -> String {
        // Whatever of its group is left would keep the model's memory.
        self.kill();
        let child = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        match child.map(|mut child| child.wait()) {
            Some(Ok(status)) => status.to_string(),
            Some(Err(error)) => error.to_string(),
            None => "gone already".into(),
        }
    }
}

/// Waits for the worker to have loaded its model.
pub fn greeted(door: &mut UnixStream) -> Result<Greeting> {
    door.set_read_timeout(Some(LONGEST_START))?;
    match frames::receive(door) {
        Ok((Said::Ok(greeting), _)) => Ok(greeting),
        Ok((Said::Error { message, .. }, _)) => {
            Err(Error::invalid(format!("The model cannot be loaded by Python: {message}")))
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(Error::busy(format!(
            "The model was not loaded by Python within {} s.",
            LONGEST_START.as_secs()
        ))),
        Err(_) => Err(Error::busy(
            "The Python worker ended before it had loaded the model; the server's log has what it printed.",
        )),
    }
}

/// Passes on what a worker prints, line by line, until it has ended.
pub fn listen(model: &str, printed: PipeReader) {
    let mut lines = BufReader::new(printed);
    let mut line = Vec::new();
    loop {
        line.clear();
        match lines.by_ref().take(MOST_LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => tracing::info!(model, "python: {}", String::from_utf8_lossy(&line).trim_end()),
        }
    }
}
