//! The folder of one task attempt: a small file protocol between a server and a supervisor, which
//! may be of different versions and neither of which outlives the other for certain.
//!
//! | file | written by | means |
//! |---|---|---|
//! | `spec.json` | server, before it starts a supervisor | what to run, with secrets (0600); removed once begun |
//! | `lock` | supervisor | held (flock) for as long as it lives |
//! | `begun.json` | supervisor, once, before the command | the command may have run from here on |
//! | `cgroup` | supervisor, before the start | the control group that all its processes are in, where it has one |
//! | `child.json` | supervisor, after the start | the process group, provable as ours by its start time |
//! | `log` | supervisor | the command's output |
//! | `cancel` | server | please end |
//! | `output` | the command, as `$CRANNOG_OUTPUT` | what it gives to later tasks |
//! | `exit.json` | supervisor, by rename | how it ended |
//!
//! Exactly once follows: only the holder of the lock may create `begun.json`, and nothing runs
//! after it exists. A folder without it was never begun, however often a supervisor was started.
//!
//! A power cut may take the newest of these files. So an attempt that was claimed before the machine
//! started (the database knows) counts as begun whatever its folder says, and a file that is empty was
//! never written. Only `exit.json` is made durable: the server may be away when it is written.

use super::{cgroup::Group, definition::Limits};
use crate::kernel::error::{Error, Result};
use fs_err::os::unix::fs::OpenOptionsExt;
use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
    process::{Pid, Signal, kill_process, kill_process_group, test_kill_process_group},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    ffi::OsString,
    io::{Read, Write},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
    sync::LazyLock,
    time::{Duration, Instant},
};

/// How long what was killed may take to go.
const AT_REST: Duration = Duration::from_secs(2);

/// The version of this protocol. A field may be added; one that exists keeps its meaning.
pub const VERSION: u32 = 1;

/// What to run.
#[derive(Debug, Serialize, Deserialize)]
pub struct Spec {
    pub version: u32,
    /// Given to `/bin/sh -c`.
    pub command: String,
    pub folder: PathBuf,
    /// The whole environment: nothing is inherited beside it.
    pub env: Vec<(String, String)>,
    pub timeout_ms: Option<u64>,
    /// Between SIGTERM and SIGKILL.
    pub grace_ms: u64,
    /// Bytes of output kept.
    pub log_limit: u64,
    /// What each of its processes may use.
    #[serde(default)]
    pub limits: Limits,
    /// The control group to make for it, where the machine has them.
    #[serde(default)]
    pub cgroup: Option<PathBuf>,
}

/// Which boot the command began in: after a reboot it is dead for certain.
#[derive(Debug, Serialize, Deserialize)]
pub struct Begun {
    pub version: u32,
    pub boot_id: String,
    pub supervisor_pid: u32,
    pub at_ms: i64,
}

/// The command's process group. The start time tells it from a later process of the same number.
#[derive(Debug, Serialize, Deserialize)]
pub struct Child {
    pub pid: i32,
    pub start_ticks: u64,
}

/// How the attempt ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    pub version: u32,
    pub outcome: Ending,
    pub exit_code: Option<i32>,
    pub signal: Option<i32>,
    /// In plain words, where the code alone does not say it.
    pub reason: Option<String>,
    pub started_at_ms: i64,
    pub ended_at_ms: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// By itself; the code says whether well.
    Exited,
    TimedOut,
    Cancelled,
    /// The supervisor was told to stop, as when the machine shuts down.
    Stopped,
    /// The command could not be started.
    NotStarted,
}

/// Where an attempt stands, as its folder tells.
#[derive(Debug)]
pub enum Standing {
    /// A supervisor holds the lock.
    Running,
    Finished(Exit),
    /// No command has begun, so one may be started.
    NeverBegun,
    /// Begun, no supervisor, no record.
    Lost,
}

/// The folder of one attempt.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    pub fn output(&self) -> PathBuf {
        self.0.join("output")
    }

    /// Server: writes what to run. By rename, so that a supervisor never reads half of it.
    pub fn prepare(&self, spec: &Spec) -> Result<()> {
        fs_err::create_dir_all(&self.0)?;
        self.write_renamed("spec.json", spec)?;
        Ok(())
    }

    /// Supervisor: takes the lock for the life of the returned file; `None` where another
    /// supervisor has the attempt, or had it. The file is closed on exec, so that no command keeps it.
    pub fn lock(&self) -> Result<Option<fs_err::File>> {
        let file = self.open_lock()?;
        // A server that looks whether the lock is held takes it for an instant: try for a while.
        let patience = Instant::now() + Duration::from_secs(2);
        while let Err(error) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
            if error != Errno::WOULDBLOCK {
                return Err(Error::internal(std::io::Error::from(error)));
            }
            if self.has("begun.json") || Instant::now() > patience {
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok((!self.has("begun.json") && !self.has("exit.json")).then_some(file))
    }

    /// Supervisor, holding the lock: from here on the command counts as begun.
    pub fn begin(&self, at_ms: i64) -> Result<()> {
        let begun = Begun { version: VERSION, boot_id: boot_id(), supervisor_pid: std::process::id(), at_ms };
        self.write_renamed("begun.json", &begun)?;
        Ok(())
    }

    /// Supervisor: reads what to run and removes it, since it holds secrets.
    pub fn take_spec(&self) -> Result<Spec> {
        let spec: Spec = self.read("spec.json")?.ok_or_else(|| Error::internal("spec.json is missing"))?;
        fs_err::remove_file(self.0.join("spec.json"))?;
        Ok(spec)
    }

    pub fn note_group(&self, group: &Path) -> Result<()> {
        Ok(fs_err::write(self.0.join("cgroup"), group.as_os_str().as_bytes())?)
    }

    /// The control group it was given, if the machine still has them.
    fn group(&self) -> Option<Group> {
        let text = fs_err::read(self.0.join("cgroup")).ok().filter(|text| !text.is_empty())?;
        Some(Group::noted(PathBuf::from(OsString::from_vec(text)))).filter(Group::can_tell)
    }

    pub fn note_child(&self, pid: i32) -> Result<()> {
        let child = Child { pid, start_ticks: start_ticks(pid).unwrap_or_default() };
        fs_err::write(self.0.join("child.json"), serde_json::to_vec(&child).map_err(Error::internal)?)?;
        Ok(())
    }

    pub fn finish(&self, exit: &Exit) -> Result<()> {
        self.write_renamed("exit.json", exit)?.sync_all()?;
        fs_err::File::open(&self.0)?.sync_all()?;
        Ok(())
    }

    /// Server: asks the supervisor to end the command; also one that has yet to start.
    pub fn request_cancel(&self) -> Result<()> {
        fs_err::create_dir_all(&self.0)?;
        Ok(fs_err::write(self.0.join("cancel"), b"")?)
    }

    pub fn cancel_requested(&self) -> bool {
        self.has("cancel")
    }

    /// Server: where the attempt stands.
    pub fn standing(&self) -> Result<Standing> {
        if let Some(exit) = self.read("exit.json")? {
            return Ok(Standing::Finished(exit));
        }
        if !self.0.exists() {
            return Ok(Standing::NeverBegun);
        }
        let lock = self.open_lock()?;
        match flock(&lock, FlockOperation::NonBlockingLockShared) {
            Err(Errno::WOULDBLOCK) => return Ok(Standing::Running),
            Err(error) => return Err(Error::internal(std::io::Error::from(error))),
            Ok(()) => {}
        }
        // Looked at again under the lock: it may have ended between the two looks.
        Ok(match self.read("exit.json")? {
            Some(exit) => Standing::Finished(exit),
            None if self.has("begun.json") => Standing::Lost,
            None => Standing::NeverBegun,
        })
    }

    /// Server, for a lost attempt: ends what may be left of its process group and says whether
    /// nothing of it can be running any more.
    pub fn put_to_rest(&self) -> bool {
        match self.read::<Begun>("begun.json") {
            Ok(Some(begun)) if !begun.boot_id.is_empty() && begun.boot_id != boot_id() => return true,
            Ok(_) => {}
            Err(_) => return false,
        }
        // All of it was in there, and once it is gone nothing comes in that had yet to.
        if let Some(group) = self.group() {
            return group.put_to_rest(AT_REST);
        }
        let Ok(Some(child)) = self.read::<Child>("child.json") else { return false };
        let Some(group) = Pid::from_raw(child.pid).filter(|_| child.pid > 1) else { return false };
        // A process of that number which started at another time: the group of old is gone, since
        // a number is not given out again while a group bears it.
        let reused = start_ticks(child.pid).is_some_and(|ticks| ticks != child.start_ticks);
        if !reused {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let deadline = Instant::now() + AT_REST;
        while (!reused && group_exists(group)) || self.end_daemons() {
            if Instant::now() > deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        true
    }

    /// Kills what left the task's group: a process bears the attempt in its environment, wherever it
    /// went. Whether there was any.
    fn end_daemons(&self) -> bool {
        let mark = [b"CRANNOG_OUTPUT=", self.output().as_os_str().as_bytes()].concat();
        let mut any = false;
        for process in fs_err::read_dir("/proc").into_iter().flatten().flatten() {
            let pid = process.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
            let ours = || fs_err::read(process.path().join("environ")).is_ok_and(|all| has_line(&all, &mark));
            if let Some(pid) = pid.filter(|_| ours()) {
                any = true;
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        any
    }

    fn has(&self, name: &str) -> bool {
        self.0.join(name).exists()
    }

    fn open_lock(&self) -> Result<fs_err::File> {
        let mut options = fs_err::OpenOptions::new();
        Ok(options.create(true).truncate(false).write(true).mode(0o600).open(self.0.join("lock"))?)
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        // One read as a rule, where a buffer that has yet to grow would take eight.
        let mut text = Vec::with_capacity(8 << 10);
        match fs_err::File::open(self.0.join(name)) {
            // Bounded: these are ours and small, but the folder is on a shared disk.
            Ok(file) => file.take(64 << 20).read_to_end(&mut text)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if text.is_empty() {
            return Ok(None);
        }
        serde_json::from_slice(&text).map(Some).map_err(Error::internal)
    }

    /// Whole, or not there at all; a power cut may leave it empty until it is synced.
    fn write_renamed(&self, name: &str, value: &impl Serialize) -> Result<fs_err::File> {
        let temporary = self.0.join(format!("{name}.{}", std::process::id()));
        let mut options = fs_err::OpenOptions::new();
        let mut file = options.create(true).truncate(true).write(true).mode(0o600).open(&temporary)?;
        file.write_all(&serde_json::to_vec(value).map_err(Error::internal)?)?;
        fs_err::rename(&temporary, self.0.join(name))?;
        Ok(file)
    }
}

fn has_line(environment: &[u8], line: &[u8]) -> bool {
    environment.split(|byte| *byte == 0).any(|one| one == line)
}

/// Whether any process of the group still runs. The dead whom no parent has collected do not count:
/// in a container without an init they stay for ever.
fn group_exists(group: Pid) -> bool {
    if test_kill_process_group(group).is_err() {
        return false;
    }
    let Ok(processes) = fs_err::read_dir("/proc") else { return true };
    let wanted = group.as_raw_pid().to_string();
    processes.flatten().any(|process| {
        let stat = stat_fields(&process.path()).unwrap_or_default();
        let mut fields = stat.split_whitespace();
        let (state, group) = (fields.next(), fields.nth(1));
        group == Some(wanted.as_str()) && !matches!(state, Some("Z" | "X"))
    })
}

/// Names the time since the machine started; empty where that is not known.
pub fn boot_id() -> String {
    static ID: LazyLock<String> = LazyLock::new(|| {
        fs_err::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
    });
    ID.clone()
}

/// When a process started, in clock ticks since boot.
fn start_ticks(pid: i32) -> Option<u64> {
    let fields = stat_fields(Path::new(&format!("/proc/{pid}")))?;
    fields.split_whitespace().nth(19)?.parse().ok()
}

/// A process's stat line from its third field (the state) on. The second is the command in
/// parentheses and may itself hold spaces and parentheses.
pub(super) fn stat_fields(process: &Path) -> Option<String> {
    // The kernel writes it anew for each read: one is enough.
    let mut stat = String::with_capacity(1 << 10);
    fs_err::File::open(process.join("stat")).ok()?.read_to_string(&mut stat).ok()?;
    Some(stat.rsplit_once(')')?.1.to_owned())
}
