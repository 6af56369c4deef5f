//! The words of this domain: states of runs, tasks and attempts, and what is stored of each.

use std::{collections::BTreeMap, fmt, str::FromStr};

/// Pipeline names and task ids: they stand in URLs and folder names.
pub fn check_name(name: &str) -> Result<(), &'static str> {
    let starts = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if name.is_empty() || name.len() > 100 {
        Err("must have 1 to 100 characters")
    } else if !starts || !plain {
        Err("must begin with a letter or digit and hold only letters, digits, -, _ and .")
    } else {
        Ok(())
    }
}

/// Declares an enum whose variants have one spelling, in the database and on the wire.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl $name {
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err(format!("{text:?} is not a {}", stringify!($name))),
                }
            }
        }
    };
}

words! {
    /// A run, as a whole.
    RunState {
        /// No task has started yet.
        Queued = "queued",
        Running = "running",
        Success = "success",
        Failed = "failed",
        Cancelled = "cancelled",
    }
}

words! {
    /// One task of a run.
    TaskState {
        /// Something it needs has not ended yet.
        Waiting = "waiting",
        /// It may start as soon as there is room.
        Queued = "queued",
        Running = "running",
        Success = "success",
        Failed = "failed",
        Skipped = "skipped",
        /// Something it needs did not succeed.
        UpstreamFailed = "upstream_failed",
        /// It failed and will start again after its delay.
        UpForRetry = "up_for_retry",
        Cancelled = "cancelled",
        /// Its supervisor vanished without an exit record.
        Lost = "lost",
    }
}

words! {
    /// What made a run.
    Trigger {
        Manual = "manual",
        Schedule = "schedule",
    }
}

impl RunState {
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Success | Self::Failed | Self::Cancelled)
    }
}

impl TaskState {
    pub const fn is_over(self) -> bool {
        matches!(
            self,
            Self::Success
                | Self::Failed
                | Self::Skipped
                | Self::UpstreamFailed
                | Self::Cancelled
                | Self::Lost
        )
    }

    /// Over, and not as its dependants hoped.
    pub const fn is_bad(self) -> bool {
        matches!(self, Self::Failed | Self::UpstreamFailed | Self::Cancelled | Self::Lost)
    }
}

/// A stored pipeline.
#[derive(Clone, Debug)]
pub struct Pipeline {
    pub name: String,
    /// `api`, or `file:` and the path below the pipelines folder.
    pub source: String,
    /// Where its tasks start: the folder of its file; `None`: in their attempt's own.
    pub folder: Option<String>,
    /// The last good text; empty while there never was one.
    pub definition: String,
    /// What is wrong with the newest text, when it is not the one in `definition`.
    pub error: Option<String>,
    pub paused: bool,
    /// The next firing of the schedule, ms since the epoch.
    pub next_at: Option<i64>,
}

/// A stored run.
#[derive(Clone, Debug)]
pub struct Run {
    pub id: String,
    pub pipeline: String,
    pub state: RunState,
    pub trigger: Trigger,
    pub logical_at: i64,
    /// The text this run was made from, whatever the pipeline says now.
    pub definition: String,
    pub folder: Option<String>,
    pub params: BTreeMap<String, String>,
    pub created_at: i64,
    pub started_at: Option<i64>,
    pub ended_at: Option<i64>,
    pub cancel_requested: bool,
}

/// A task of a stored run.
#[derive(Clone, Debug)]
pub struct TaskInstance {
    pub id: String,
    /// Places in the run's list of tasks.
    pub needs: Vec<usize>,
    pub state: TaskState,
    /// Attempts begun so far.
    pub attempt: u32,
    pub max_attempts: u32,
    pub retry_delay_ms: i64,
    pub started_at: Option<i64>,
    pub ended_at: Option<i64>,
    pub exit_code: Option<i32>,
    pub reason: Option<String>,
    /// While `up_for_retry`: not before this instant.
    pub not_before: Option<i64>,
}

impl TaskInstance {
    /// A task of a run that has just been made.
    pub fn new(task: &super::definition::Task) -> Self {
        Self {
            id: task.id.clone(),
            needs: task.needs.clone(),
            state: TaskState::Waiting,
            attempt: 0,
            max_attempts: task.retries + 1,
            retry_delay_ms: i64::try_from(task.retry_delay.as_millis()).unwrap_or(i64::MAX),
            started_at: None,
            ended_at: None,
            exit_code: None,
            reason: None,
            not_before: None,
        }
    }
}

/// The name of one attempt of one task.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AttemptKey {
    pub run_id: String,
    pub task_id: String,
    pub attempt: u32,
}

/// One try of a task, as it is remembered.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub number: u32,
    pub state: TaskState,
    pub started_at: i64,
    pub ended_at: Option<i64>,
    pub exit_code: Option<i32>,
    pub reason: Option<String>,
}

/// How an attempt ended, as the scheduler needs to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub kind: OutcomeKind,
    pub exit_code: Option<i32>,
    /// In plain words, shown beside the state.
    pub reason: Option<String>,
    pub started_at: Option<i64>,
    pub ended_at: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutcomeKind {
    Success,
    Failed,
    Cancelled,
    /// The supervisor is gone without a record. Retried only where every process is proven dead.
    Lost {
        proven_dead: bool,
    },
}
