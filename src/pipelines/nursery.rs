//! The server's side of the nursery, which forks the supervisors of tasks: started with the first
//! task, and anew should it ever die. What it forked lives on without it and without the server.
//! Where no task comes for a while, it is ended: it has tables of its own in memory, some ten MiB.

use super::supervisor::NURSERY_COMMAND;
use crate::kernel::error::{Error, Result};
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, sendmsg,
    socketpair,
};
use std::{
    io::{IoSlice, PipeReader},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, OwnedFd},
        unix::{ffi::OsStrExt, process::CommandExt},
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long it is kept after the last task.
const KEPT: Duration = Duration::from_secs(15);

pub struct Nursery {
    /// This binary.
    program: PathBuf,
    running: Mutex<Option<Running>>,
}

struct Running {
    socket: OwnedFd,
    process: Child,
    last_order: Instant,
}

impl Nursery {
    pub fn new(program: PathBuf) -> Self {
        Self { program, running: Mutex::default() }
    }

    /// Has a supervisor forked for the attempt in `dir`. What is answered comes to its end, without a
    /// byte, when that supervisor has ended.
    pub fn order(&self, dir: &Path) -> Result<PipeReader> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let (ended, answer) = std::io::pipe()?;
        if let Some(nursery) = &mut *running
            && nursery.send(dir, &answer).is_ok()
        {
            return Ok(ended);
        }
        if let Some(mut dead) = running.take() {
            tracing::warn!("the nursery of task supervisors is gone; another one is started");
            let _ = dead.process.kill(); // it is dead, or deaf
            dead.process.wait()?;
        }
        let nursery = running.insert(Running::start(&self.program)?);
        nursery.send(dir, &answer)?;
        Ok(ended)
    }

    /// Ends the process if no task came for a while. Only for when none of its supervisors runs: they would seem to
    /// have ended with it.
    pub fn rest(&self) -> Result<()> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(idle) = running.take_if(|nursery| nursery.last_order.elapsed() >= KEPT) else {
            return Ok(());
        };
        let Running { socket, mut process, .. } = idle;
        drop(socket);
        process.wait()?;
        Ok(())
    }
}

impl Running {
    fn start(program: &Path) -> Result<Self> {
        let pair = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None);
        let (socket, theirs) = pair.map_err(std::io::Error::from)?;
        let mut command = Command::new(program);
        command.arg0("crannog").arg(NURSERY_COMMAND).stdin(Stdio::from(theirs)).stdout(Stdio::null());
        // It needs nothing of ours; the tasks' environment is in their specifications.
        let process = command.env_clear().spawn().map_err(Error::internal)?;
        Ok(Self { socket, process, last_order: Instant::now() })
    }

    fn send(&mut self, dir: &Path, answer: &impl AsFd) -> Result<()> {
        self.last_order = Instant::now();
        let files = [answer.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(SendAncillaryMessage::ScmRights(&files));
        let message = [IoSlice::new(dir.as_os_str().as_bytes())];
        sendmsg(&self.socket, &message, &mut control, SendFlags::NOSIGNAL).map_err(std::io::Error::from)?;
        Ok(())
    }
}
