//! The supervisor of one task attempt: this binary run again as `crannog task-supervisor DIR`, in
//! a session of its own, so that neither the end nor the upgrade of a server touches the task.
//!
//! It reads what to run from the folder, runs it in its own process group, keeps its output,
//! enforces its timeout, heeds a request to cancel, and leaves a record of how it ended. It opens
//! no database and no socket; `attempt` describes the files.

mod nursery;
mod output;
mod tree;

pub use nursery::{COMMAND as NURSERY_COMMAND, nurse};

use super::{
    attempt::{Ending, Exit, Folder, Spec, VERSION},
    cgroup::Group,
};
use crate::kernel::{
    clock::now_ms,
    error::{Error, Result},
};
use rustix::process::{Pid, Signal, kill_process_group};
use std::{
    path::Path,
    process::{ExitCode, ExitStatus, Stdio},
    time::Duration,
};
use tokio::{
    process::Command,
    signal::unix::{Signal as Listener, SignalKind, signal},
    time::{Instant, sleep, sleep_until},
};

/// The hidden command under which `main` runs a supervisor.
pub const COMMAND: &str = "task-supervisor";

/// How often the folder is looked at for a request to cancel.
const CANCEL_POLL: Duration = Duration::from_millis(100);
/// How long output may still trickle in from a process that left the task's group.
const DRAIN: Duration = Duration::from_secs(2);

/// Runs the attempt in `dir` to its end. Success means that the folder says how it ended, or that
/// another supervisor has it.
pub fn supervise(dir: &Path) -> ExitCode {
    // Fails only where this process leads a group already, and then a terminal is its own affair.
    let _ = rustix::process::setsid();
    let outcome = fs_err::canonicalize(dir).map_err(Into::into).and_then(|dir| {
        // Not to keep the server's folder busy, which may be on a disk to be unmounted.
        std::env::set_current_dir("/")?;
        supervise_folder(&Folder::new(dir))
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => log_failure(&error),
    }
}

fn log_failure(error: &Error) -> ExitCode {
    // Standard error is the task's log.
    eprintln!("[crannog] the task's supervisor failed: {error:?}");
    ExitCode::FAILURE
}

fn supervise_folder(folder: &Folder) -> Result<()> {
    let Some(_lock) = folder.lock()? else { return Ok(()) };
    let started_at_ms = now_ms();
    folder.begin(started_at_ms)?;
    let ended = match folder.take_spec() {
        Ok(spec) => run(folder, &spec)?,
        Err(error) => Ended::not_started(format!("the task's specification could not be read: {error:?}")),
    };
    folder.finish(&Exit {
        version: VERSION,
        outcome: ended.ending,
        exit_code: ended.code,
        signal: ended.signal,
        reason: ended.reason,
        started_at_ms,
        ended_at_ms: now_ms(),
    })
}

struct Ended {
    ending: Ending,
    code: Option<i32>,
    signal: Option<i32>,
    reason: Option<String>,
}

impl Ended {
    fn not_started(reason: String) -> Self {
        Self { ending: Ending::NotStarted, code: None, signal: None, reason: Some(reason) }
    }
}

fn run(folder: &Folder, spec: &Spec) -> Result<Ended> {
    if folder.cancel_requested() {
        let reason = Some("cancelled before it started".into());
        return Ok(Ended { ending: Ending::Cancelled, code: None, signal: None, reason });
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run_command(folder, spec))
}

async fn run_command(folder: &Folder, spec: &Spec) -> Result<Ended> {
    let mut signals = Signals::listen()?;
    tree::adopt();
    let (reader, writer) = std::io::pipe()?;
    let cgroup = make_group(folder, spec)?;
    let mut command = shell(spec, cgroup.as_ref());
    command.env_clear().envs(spec.env.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer).process_group(0);
    let started = in_folder(&spec.folder, || command.spawn());
    drop(command); // with it go our ends of the pipe, so that the output can come to its end
    let mut child = match started {
        Ok(child) => child,
        Err(error) => {
            return Ok(Ended::not_started(format!(
                "/bin/sh could not start in {}: {error}",
                spec.folder.display()
            )));
        }
    };
    let group = child.id().and_then(|pid| Pid::from_raw(pid as i32));
    if let Some(group) = group {
        folder.note_child(group.as_raw_pid())?;
    }
    let output = tokio::spawn(output::keep(reader, folder.log(), spec.log_limit));
    let killer = Killer { group, cgroup: cgroup.as_ref() };
    let (status, ending, mut killed) = wait(folder, spec, &mut child, &killer, &mut signals).await?;
    let left = tree::end(Duration::from_millis(spec.grace_ms), ending, cgroup.as_ref()).await;
    killed |= left == tree::Left::Killed && ending != Ending::Exited;
    let all_gone = left != tree::Left::Stayed;
    let kept = tokio::time::timeout(DRAIN, output).await;
    let mut ended = describe(status, ending, spec);
    if let Some(reason) = ended.reason.as_mut().filter(|_| killed) {
        let grace = spec.grace_ms as f64 / 1000.0;
        reason.push_str(&format!("; it ignored SIGTERM and was killed {grace} s later"));
    }
    if let Some(cgroup) = &cgroup {
        if ending == Ending::Exited && cgroup.ran_out_of_memory() {
            ended.reason = Some(out_of_memory(spec));
        }
        // One that is not empty stays, and the next start of a server removes it.
        let _ = cgroup.remove();
    }
    if kept.is_err() || !all_gone {
        ended.reason = ended.reason.or(Some("a process it left behind could not be ended".into()));
    }
    Ok(ended)
}

/// Does it from within the folder, and comes back to where nothing is kept busy. The command could be told its folder;
/// but then, in a static binary, it is forked with all that this process has in memory, where otherwise it shares
/// that until it runs something else.
fn in_folder<T>(folder: &Path, work: impl FnOnce() -> std::io::Result<T>) -> std::io::Result<T> {
    std::env::set_current_dir(folder)?;
    let outcome = work();
    std::env::set_current_dir("/")?;
    outcome
}

/// The control group of the attempt, where the machine has them; without one its processes are bounded each for
/// itself.
fn make_group(folder: &Folder, spec: &Spec) -> Result<Option<Group>> {
    let made = spec.cgroup.as_ref().map(|dir| Group::make(dir, &spec.limits));
    let group = match made.transpose() {
        Ok(group) => group,
        Err(error) => {
            eprintln!("[crannog] the task has no control group: {error}");
            None
        }
    };
    if let Some(group) = &group {
        folder.note_group(group.dir())?;
    }
    if spec.limits.cpus_milli.is_some() && !group.as_ref().is_some_and(|group| group.bounds_cpus) {
        eprintln!(
            "[crannog] cpus is not held to: this machine gives the server no control group that bounds them"
        );
    }
    Ok(group)
}

fn out_of_memory(spec: &Spec) -> String {
    match spec.limits.memory {
        Some(bytes) => format!("used more than {} MiB, its memory", bytes >> 20),
        None => "the machine, or what the server may use of it, ran out of memory".into(),
    }
}

/// The shell that runs the command; under limits, another one sets them first.
fn shell(spec: &Spec, cgroup: Option<&Group>) -> Command {
    let mut command = Command::new("/bin/sh");
    let mut set = String::new();
    if cgroup.is_some() {
        // Before anything of the command runs. Where the group is gone, nobody waits for it any more.
        set.push_str("echo $$ > \"$2\" && ");
    }
    if let Some(bytes) = spec.limits.memory.filter(|_| !cgroup.is_some_and(|cgroup| cgroup.bounds_memory)) {
        set.push_str(&format!("ulimit -d {} && ", bytes >> 10));
    }
    if let Some(seconds) = spec.limits.cpu_s {
        // A signal that can be heeded first, and the end a little later.
        set.push_str(&format!("ulimit -S -t {seconds} && ulimit -H -t {} && ", seconds + 5));
    }
    match set.is_empty() {
        true => command.arg("-c").arg(&spec.command),
        false => command.arg("-c").arg(format!("{set}exec /bin/sh -c \"$1\"")).arg("sh").arg(&spec.command),
    };
    if let Some(cgroup) = cgroup {
        command.arg(cgroup.door());
    }
    command
}

/// Waits for the command's end, ending it when its time is up or when asked to; tells whether it had to be killed.
async fn wait(
    folder: &Folder,
    spec: &Spec,
    child: &mut tokio::process::Child,
    killer: &Killer<'_>,
    signals: &mut Signals,
) -> Result<(ExitStatus, Ending, bool)> {
    let far = Instant::now() + Duration::from_secs(400 * 24 * 3600);
    let timeout = spec.timeout_ms.map_or(far, |ms| Instant::now() + Duration::from_millis(ms));
    let mut kill_at = far;
    let (mut ending, mut killed) = (Ending::Exited, false);
    loop {
        let asked = tokio::select! {
            status = child.wait() => return Ok((status?, ending, killed)),
            () = sleep_until(kill_at) => {
                killer.kill();
                (kill_at, killed) = (far, true);
                continue;
            }
            () = sleep_until(timeout), if ending == Ending::Exited => Ending::TimedOut,
            () = signals.stop() => Ending::Stopped,
            () = sleep(CANCEL_POLL), if ending == Ending::Exited => {
                if !folder.cancel_requested() {
                    continue;
                }
                Ending::Cancelled
            }
        };
        if ending == Ending::Exited {
            ending = asked;
            killer.send(Signal::TERM);
            kill_at = Instant::now() + Duration::from_millis(spec.grace_ms);
        }
    }
}

/// The ways to the command's processes.
struct Killer<'a> {
    group: Option<Pid>,
    cgroup: Option<&'a Group>,
}

impl Killer<'_> {
    fn send(&self, signal: Signal) {
        if let Some(group) = self.group {
            // Nobody left to signal is what we want anyway.
            let _ = kill_process_group(group, signal);
        }
    }

    fn kill(&self) {
        self.send(Signal::KILL);
        tree::signal(Signal::KILL);
        if let Some(cgroup) = self.cgroup {
            cgroup.kill();
        }
    }
}

fn describe(status: ExitStatus, ending: Ending, spec: &Spec) -> Ended {
    use std::os::unix::process::ExitStatusExt;
    let (code, signal) = (status.code(), status.signal());
    let reason = match ending {
        Ending::TimedOut => {
            let seconds = spec.timeout_ms.unwrap_or_default() as f64 / 1000.0;
            Some(format!("timed out after {seconds} s"))
        }
        Ending::Cancelled => Some("cancelled".into()),
        Ending::Stopped => {
            Some("the machine or its service manager told the task's supervisor to stop".into())
        }
        // A shell tells of the end of what it ran by 128 and the signal.
        Ending::Exited if over_cpu(code, signal) && spec.limits.cpu_s.is_some() => {
            Some(format!("used more than {} s of CPU, its cpu_time", spec.limits.cpu_s.unwrap_or_default()))
        }
        Ending::Exited | Ending::NotStarted => signal.map(|signal| format!("killed by signal {signal}")),
    };
    Ended { ending, code, signal, reason }
}

fn over_cpu(code: Option<i32>, signal: Option<i32>) -> bool {
    let number = Signal::XCPU.as_raw();
    signal == Some(number) || code == Some(128 + number)
}

/// Listening to a signal also means that the command starts with its default disposition: exec
/// resets what is handled and keeps what is ignored, and a server started under `nohup` or in the
/// background of a shell ignores some.
struct Signals {
    terminate: Listener,
    _reset: Vec<Listener>,
}

impl Signals {
    fn listen() -> Result<Self> {
        let others = [
            SignalKind::hangup(),
            SignalKind::interrupt(),
            SignalKind::quit(),
            SignalKind::user_defined1(),
            SignalKind::user_defined2(),
            SignalKind::alarm(),
            SignalKind::window_change(),
            SignalKind::pipe(),
        ];
        let reset = others.into_iter().map(signal).collect::<std::io::Result<_>>()?;
        Ok(Self { terminate: signal(SignalKind::terminate())?, _reset: reset })
    }

    async fn stop(&mut self) {
        self.terminate.recv().await;
    }
}
