//! Control groups, version 2, where the machine gives this server a subtree of its own: each attempt is a group
//! below `tasks` there. A group bounds all processes of a task together, ends them in one stroke wherever they
//! went, and is empty exactly when none of them lives.
//!
//! The subtree counts as given where the server itself was started in a group called `server` of it, as systemd
//! does with `Delegate=yes` and `DelegateSubgroup=server`: nothing is touched that is not ours for certain.

use super::{definition::Limits, model::AttemptKey};
use std::{
    io::{Error, ErrorKind, Result},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// The group of the server itself and of supervisors.
const OWN: &str = "server";
const TASKS: &str = "tasks";
const CONTROLLERS: [&str; 2] = ["memory", "cpu"];
/// The span that shares of CPU are counted in, microseconds.
const PERIOD: u64 = 100_000;
/// Groups that a task makes below its own, one in the other.
const DEPTH: usize = 16;

/// The subtree of this server.
#[derive(Clone, Debug)]
pub struct Subtree {
    tasks: PathBuf,
}

impl Subtree {
    /// The subtree that was given to this process, if one was.
    pub fn find() -> Option<Self> {
        let mounts = fs_err::read_to_string("/proc/self/mountinfo").ok()?;
        let groups = fs_err::read_to_string("/proc/self/cgroup").ok()?;
        let subtree = Self::at(&given(&mounts, &groups)?);
        match &subtree {
            Ok(found) => {
                tracing::info!(folder = %found.tasks.display(), "tasks have control groups of their own")
            }
            Err(error) => tracing::info!(%error, "tasks have no control groups of their own"),
        }
        subtree.ok()
    }

    fn at(root: &Path) -> Result<Self> {
        let tasks = root.join(TASKS);
        fs_err::create_dir_all(&tasks)?;
        for dir in [root, &tasks] {
            let there = fs_err::read_to_string(dir.join("cgroup.controllers"))?;
            for controller in
                CONTROLLERS.into_iter().filter(|one| there.split_whitespace().any(|word| word == *one))
            {
                fs_err::write(dir.join("cgroup.subtree_control"), format!("+{controller}"))?;
            }
        }
        // What a task left that ended while no server ran; a group with processes in it stays.
        for entry in fs_err::read_dir(&tasks)?.flatten() {
            let _ = fs_err::remove_dir(entry.path());
        }
        Ok(Self { tasks })
    }

    /// The group of an attempt, which its supervisor makes.
    pub fn of(&self, key: &AttemptKey) -> PathBuf {
        self.tasks.join(format!("{}.{}.{}", key.run_id, key.task_id, key.attempt))
    }
}

/// The folder of the subtree, as the kernel tells of this process.
fn given(mounts: &str, groups: &str) -> Option<PathBuf> {
    let own = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let own =
        Path::new(own).parent().filter(|_| Path::new(own).file_name().is_some_and(|name| name == OWN))?;
    let (root, place) = mounts.lines().find_map(|line| {
        let (fields, kind) = line.split_once(" - ")?;
        let mut fields = fields.split(' ').skip(3);
        kind.starts_with("cgroup2 ").then_some((fields.next()?, fields.next()?))
    })?;
    let below = own.strip_prefix(root).ok()?;
    // Not the whole tree of the machine.
    (!below.as_os_str().is_empty()).then(|| Path::new(place).join(below))
}

/// The group of one attempt.
pub struct Group {
    dir: PathBuf,
    /// Whether it bounds the memory, and the share of CPU.
    pub bounds_memory: bool,
    pub bounds_cpus: bool,
}

impl Group {
    pub fn make(dir: &Path, limits: &Limits) -> Result<Self> {
        fs_err::create_dir(dir)?;
        let mut group = Self { dir: dir.to_owned(), bounds_memory: false, bounds_cpus: false };
        if let Some(bytes) = limits.memory {
            group.bounds_memory = group.set("memory.max", &bytes.to_string())?;
            // Without swap it is the same bound on every machine; and the task ends as a whole.
            group.set("memory.swap.max", "0")?;
            group.set("memory.oom.group", "1")?;
        }
        if let Some(milli) = limits.cpus_milli {
            group.bounds_cpus = group.set("cpu.max", &format!("{} {PERIOD}", milli * PERIOD / 1000))?;
        }
        Ok(group)
    }

    /// The group that an attempt noted, wherever it stands by now.
    pub fn noted(dir: PathBuf) -> Self {
        Self { dir, bounds_memory: false, bounds_cpus: false }
    }

    /// False where this machine has no such bound.
    fn set(&self, file: &str, value: &str) -> Result<bool> {
        let path = self.dir.join(file);
        if !path.exists() {
            return Ok(false);
        }
        fs_err::write(path, value)?;
        Ok(true)
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where a process writes its number to come in.
    pub fn door(&self) -> PathBuf {
        self.dir.join("cgroup.procs")
    }

    /// Ends all in it at once, also those that are being forked.
    pub fn kill(&self) {
        // Kernels before 5.14 have no such file: then the processes are ended one by one, as without a group.
        let _ = fs_err::write(self.dir.join("cgroup.kill"), "1");
    }

    /// Whether nothing in it lives, or it is gone.
    pub fn is_empty(&self) -> bool {
        match fs_err::read_to_string(self.dir.join("cgroup.events")) {
            Ok(events) => events.lines().any(|line| line == "populated 0"),
            Err(error) => error.kind() == ErrorKind::NotFound,
        }
    }

    /// Whether the kernel ended something for want of memory.
    pub fn ran_out_of_memory(&self) -> bool {
        let events = fs_err::read_to_string(self.dir.join("memory.events")).unwrap_or_default();
        let count = events.lines().find_map(|line| line.strip_prefix("oom_kill "));
        count.is_some_and(|count| count != "0")
    }

    /// Removes it, with what the task made below it. Once it is gone, nobody comes in any more.
    pub fn remove(&self) -> Result<()> {
        remove(&self.dir, DEPTH)
    }

    /// Whether the machine still has the tree it was in, so that its absence says something.
    pub fn can_tell(&self) -> bool {
        self.dir.parent().is_some_and(|tasks| tasks.join("cgroup.events").exists())
    }

    /// Ends all in it and removes it; whether nothing of it can be running any more.
    pub fn put_to_rest(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        loop {
            self.kill();
            if self.remove().is_ok() {
                return true;
            }
            if Instant::now() > deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn remove(dir: &Path, depth: usize) -> Result<()> {
    if depth == 0 {
        return Err(Error::other("groups lie too deep"));
    }
    let below = match fs_err::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        below => below?,
    };
    // The files of a group are the kernel's; only groups in it have to go.
    for entry in below.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        remove(&entry.path(), depth - 1)?;
    }
    match fs_err::remove_dir(dir) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Group, Subtree, given};
    use crate::pipelines::{definition::Limits, model::AttemptKey};
    use std::{path::Path, time::Duration};

    const MOUNTS: &str = "25 30 0:23 / /sys rw,nosuid - sysfs sysfs rw\n\
                          31 25 0:27 / /sys/fs/cgroup rw,nosuid,nodev - cgroup2 cgroup2 rw,nsdelegate\n";

    #[test]
    fn a_subtree_is_ours_only_where_we_stand_in_its_group_server() {
        let of = |own: &str| given(MOUNTS, &format!("1:cpu:/\n0::{own}\n"));
        let subtree = Path::new("/sys/fs/cgroup/system.slice/crannog.service");
        assert_eq!(of("/system.slice/crannog.service/server").as_deref(), Some(subtree));
        for other in
            ["/", "/server", "/user.slice/user-0.slice/session-1.scope", "/system.slice/crannog.service"]
        {
            assert_eq!(of(other), None, "{other}");
        }
        let hybrid = "40 31 0:30 /pods/x /mnt/unified rw - cgroup2 cgroup2 rw\n";
        assert_eq!(
            given(hybrid, "0::/pods/x/house/server").as_deref(),
            Some(Path::new("/mnt/unified/house"))
        );
        assert_eq!(given(hybrid, "0::/elsewhere/house/server"), None);
        assert_eq!(given("", "0::/a/server"), None);
    }

    /// A folder that looks like a subtree with both controllers.
    fn subtree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for group in [dir.path().to_owned(), dir.path().join("tasks")] {
            fs_err::create_dir_all(&group).unwrap();
            fs_err::write(group.join("cgroup.controllers"), "cpuset cpu io memory pids\n").unwrap();
        }
        dir
    }

    #[test]
    fn the_controllers_there_are_are_handed_down() {
        let dir = subtree();
        let subtree = Subtree::at(dir.path()).unwrap();
        for group in [dir.path().to_owned(), dir.path().join("tasks")] {
            assert_eq!(fs_err::read_to_string(group.join("cgroup.subtree_control")).unwrap(), "+cpu");
        }
        let key = AttemptKey { run_id: "r1".into(), task_id: "train[0]".into(), attempt: 2 };
        assert_eq!(subtree.of(&key), dir.path().join("tasks/r1.train[0].2"));
    }

    #[test]
    fn a_bound_is_said_to_hold_only_where_its_file_is() {
        let dir = tempfile::tempdir().unwrap();
        let limits = Limits { memory: Some(64 << 20), cpu_s: None, cpus_milli: Some(1500) };
        let group = Group::make(&dir.path().join("a"), &limits).unwrap();
        assert!(!group.bounds_memory && !group.bounds_cpus);
        for file in ["memory.max", "cpu.max", "cgroup.kill"] {
            fs_err::write(group.dir().join(file), "").unwrap();
        }
        assert!(group.set("memory.max", "67108864").unwrap());
        group.kill();
        assert_eq!(fs_err::read_to_string(group.dir().join("cgroup.kill")).unwrap(), "1");
    }

    #[test]
    fn what_the_kernel_says_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let group = Group::noted(dir.path().join("a"));
        assert!(group.is_empty(), "one that is gone is empty");
        fs_err::create_dir(group.dir()).unwrap();
        fs_err::write(group.dir().join("cgroup.events"), "populated 1\nfrozen 0\n").unwrap();
        assert!(!group.is_empty());
        fs_err::write(group.dir().join("cgroup.events"), "populated 0\nfrozen 0\n").unwrap();
        assert!(group.is_empty());
        fs_err::write(group.dir().join("memory.events"), "low 0\noom 3\noom_kill 1\n").unwrap();
        assert!(group.ran_out_of_memory());
        assert!(!group.put_to_rest(Duration::ZERO), "a group that cannot be removed is not at rest");
    }
}
