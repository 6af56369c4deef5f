//! Everything a task has started. Its own group is signalled as one; a process that left the group, as a
//! daemon does, comes to the supervisor when its parent ends, since it adopts the orphans below it.

use super::Ending;
use crate::pipelines::{attempt::stat_fields, cgroup::Group};
use rustix::{
    io::Errno,
    process::{Pid, Signal, WaitOptions, kill_process, wait},
};
use std::{collections::HashMap, path::Path, time::Duration};
use tokio::time::{Instant, sleep};

/// How long what was killed may take to go; a disk that hangs can hold a process for ever.
const LAST_WAIT: Duration = Duration::from_secs(5);
/// What is gone so soon after its command was on its way out already, as what writes a shell's here-document.
const PARTING: Duration = Duration::from_millis(50);

/// Makes orphans below this process its children.
pub(super) fn adopt() {
    // Where it cannot, those that leave the group are beyond reach, as they were before.
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
}

/// What became of what a command left behind.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// There was nothing, or it went when it was asked to.
    Gone,
    Killed,
    Stayed,
}

/// Whatever the command left behind ends with it: first asked, then made to.
pub(super) async fn end(grace: Duration, ending: Ending, cgroup: Option<&Group>) -> Left {
    if !anybody_left(cgroup) {
        return Left::Gone;
    }
    if ending == Ending::Exited {
        if gone_by(Instant::now() + PARTING, None, cgroup).await {
            return Left::Gone;
        }
        eprintln!("[crannog] the command ended and left processes behind; they are ended too");
    }
    signal(Signal::TERM);
    if gone_by(Instant::now() + grace, None, cgroup).await {
        return Left::Gone;
    }
    if let Some(cgroup) = cgroup {
        cgroup.kill();
    }
    match gone_by(Instant::now() + LAST_WAIT, Some(Signal::KILL), cgroup).await {
        true => Left::Killed,
        false => Left::Stayed,
    }
}

/// Waits for the end of all; what is new meanwhile gets the signal too.
async fn gone_by(deadline: Instant, again: Option<Signal>, cgroup: Option<&Group>) -> bool {
    while anybody_left(cgroup) {
        if Instant::now() > deadline {
            return false;
        }
        again.into_iter().for_each(signal);
        sleep(Duration::from_millis(10)).await;
    }
    true
}

/// Collects the dead; whether any child still lives, or anybody in the task's control group.
fn anybody_left(cgroup: Option<&Group>) -> bool {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => return true,
            Err(_) => return cgroup.is_some_and(|cgroup| !cgroup.is_empty()),
        }
    }
}

pub(super) fn signal(signal: Signal) {
    for pid in below(rustix::process::getpid().as_raw_pid()) {
        if let Some(pid) = Pid::from_raw(pid) {
            // It may have ended since the look.
            let _ = kill_process(pid, signal);
        }
    }
}

/// The processes below one, children before grandchildren.
fn below(root: i32) -> Vec<i32> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    for process in fs_err::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = process.file_name().to_str().and_then(|name| name.parse().ok());
        if let Some((pid, parent)) = pid.and_then(|pid: i32| Some((pid, parent(&process.path())?))) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let (mut found, mut next) = (Vec::new(), vec![root]);
    while let Some(parent) = next.pop() {
        let some = children.remove(&parent).unwrap_or_default();
        found.extend(&some);
        next.extend(some);
    }
    found
}

fn parent(process: &Path) -> Option<i32> {
    stat_fields(process)?.split_whitespace().nth(1)?.parse().ok()
}
