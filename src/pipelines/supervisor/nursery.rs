//! The nursery: one small process from which the supervisors of tasks are forked. Starting this binary
//! costs several milliseconds of CPU, as everything in it is moved into place; a fork of it that has
//! been started costs a tenth.
//!
//! It reads from a socket, its standard input: each message is the folder of an attempt, and brings a
//! file. That file it closes when the supervisor has ended, which is the answer. When the socket ends,
//! so does the nursery; the supervisors live on.

use super::{log_failure, supervise};
use crate::pipelines::attempt::{Folder, boot_id};
use rustix::{
    event::{PollFd, PollFlags, poll},
    net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg},
    process::{Pid, PidfdFlags, WaitOptions, pidfd_open, waitpid},
};
use std::{
    ffi::OsString,
    io::{Error, IoSliceMut, Result},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, OwnedFd},
        unix::ffi::OsStringExt,
    },
    path::{Path, PathBuf},
    process::ExitCode,
};

/// The hidden command under which `main` runs a nursery.
pub const COMMAND: &str = "task-nursery";

/// The longest path a folder can have.
const PATH_MAX: usize = 4096;

/// A supervisor that was forked, and what is closed when it has ended.
struct Child {
    pid: Pid,
    alive: OwnedFd,
    _answer: OwnedFd,
}

/// What was asked for.
struct Order {
    dir: PathBuf,
    answer: OwnedFd,
}

/// Forks supervisors until the socket ends.
pub fn nurse() -> ExitCode {
    // What is typed at the server's terminal is not meant for tasks.
    let _ = rustix::process::setsid();
    match serve() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("the nursery of task supervisors ended: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> Result<ExitCode> {
    std::env::set_current_dir("/")?;
    // What each supervisor needs to know, it knows from here.
    let _ = boot_id();
    let socket = std::io::stdin().as_fd().try_clone_to_owned()?;
    rustix::stdio::dup2_stdin(fs_err::File::open("/dev/null")?.file())?;
    let mut children: Vec<Child> = Vec::new();
    loop {
        let (ordered, ended) = wait(&socket, &children)?;
        for at in ended.into_iter().rev() {
            let child = children.swap_remove(at);
            waitpid(Some(child.pid), WaitOptions::empty())?;
        }
        if !ordered {
            continue;
        }
        let Some(order) = receive(&socket)? else { return Ok(ExitCode::SUCCESS) };
        match fork() {
            Ok(Some(pid)) => children.push(Child {
                pid,
                alive: pidfd_open(pid, PidfdFlags::empty())?,
                _answer: order.answer,
            }),
            Ok(None) => {
                // The supervisor holds nothing of ours open: others wait for the ends of these files.
                drop((socket, children, order.answer));
                return Ok(supervise_logged(&order.dir));
            }
            Err(error) => complain(&order.dir, &error),
        }
    }
}

/// Waits for an order or the end of a child; answers whether there is an order, and who ended.
fn wait(socket: &OwnedFd, children: &[Child]) -> Result<(bool, Vec<usize>)> {
    let watched = std::iter::once(socket).chain(children.iter().map(|child| &child.alive));
    let mut watched: Vec<PollFd<'_>> = watched.map(|file| PollFd::new(file, PollFlags::IN)).collect();
    match poll(&mut watched, None) {
        Err(rustix::io::Errno::INTR) => return Ok((false, Vec::new())),
        outcome => outcome?,
    };
    let stirred = |one: &PollFd<'_>| !one.revents().is_empty();
    let ended = watched[1..].iter().enumerate().filter(|(_, one)| stirred(one)).map(|(at, _)| at);
    Ok((stirred(&watched[0]), ended.collect()))
}

fn receive(socket: &OwnedFd) -> Result<Option<Order>> {
    let mut path = vec![0; PATH_MAX];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut files = RecvAncillaryBuffer::new(&mut space);
    let got = recvmsg(socket, &mut [IoSliceMut::new(&mut path)], &mut files, RecvFlags::CMSG_CLOEXEC)?;
    let mut answer = None;
    for message in files.drain() {
        if let RecvAncillaryMessage::ScmRights(mut files) = message {
            answer = files.next();
        }
    }
    path.truncate(got.bytes);
    let dir = PathBuf::from(OsString::from_vec(path));
    match answer {
        Some(answer) => Ok(Some(Order { dir, answer })),
        None if got.bytes == 0 => Ok(None),
        None => Err(Error::other("an order came without a file")),
    }
}

/// The child's number in the parent, none in the child.
fn fork() -> Result<Option<Pid>> {
    // SAFETY: this process has one thread, so the child inherits no lock that nobody would release.
    match unsafe { libc::fork() } {
        -1 => Err(Error::last_os_error()),
        pid => Ok(Pid::from_raw(pid)),
    }
}

/// A supervisor whose complaints go to the task's log.
fn supervise_logged(dir: &Path) -> ExitCode {
    let log = fs_err::OpenOptions::new().create(true).append(true).open(Folder::new(dir).log());
    match log.and_then(|log| Ok(rustix::stdio::dup2_stderr(log.file())?)) {
        Ok(()) => supervise(dir),
        Err(error) => log_failure(&error.into()),
    }
}

/// The server finds that nothing has begun, and orders again.
fn complain(dir: &Path, error: &Error) {
    use std::io::Write;
    let log = fs_err::OpenOptions::new().create(true).append(true).open(Folder::new(dir).log());
    // Where even that fails, nobody is left to tell.
    let _ =
        log.and_then(|mut log| writeln!(log, "[crannog] the task's supervisor could not be forked: {error}"));
}
