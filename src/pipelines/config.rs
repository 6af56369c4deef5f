//! What an operator may set about pipelines.

use super::{history::Policy, source::git::Settings as GitSettings};
use crate::kernel::tls::Trust;
use std::{path::PathBuf, time::Duration};

#[derive(Clone, Debug)]
pub struct Config {
    /// A folder of definitions, looked at every second.
    pub dir: Option<PathBuf>,
    /// Where the virtual environments are that tasks name; none: beside the tasks.
    pub venvs: Option<PathBuf>,
    /// A bucket of definitions, or a prefix of one.
    pub bucket: Option<String>,
    /// A Git repository of definitions.
    pub git: Option<GitSettings>,
    /// Tasks that run at once.
    pub parallelism: usize,
    /// Bytes of output kept of each attempt.
    pub log_limit: u64,
    /// Between asking a task to end (SIGTERM) and making it (SIGKILL).
    pub grace: Duration,
    /// Whether logs are kept in a bucket too.
    pub archive: bool,
    /// How long runs are remembered.
    pub history: Policy,
    /// Whom tasks and waits trust that ask others over https without a process of their own.
    pub trust: Trust,
    /// The program that is run again as supervisor: this very binary, even where its file was
    /// replaced by an upgrade meanwhile.
    pub supervisor: PathBuf,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            dir: None,
            venvs: None,
            bucket: None,
            git: None,
            parallelism: 16,
            log_limit: 64 << 20,
            grace: Duration::from_secs(10),
            archive: true,
            history: Policy { runs: 100, age: Duration::from_secs(90 * 24 * 3600) },
            trust: Trust::default(),
            supervisor: PathBuf::from("/proc/self/exe"),
        }
    }
}
