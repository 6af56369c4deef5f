//! The words of this domain: states of runs, tasks and attempts, and what is stored of each.

mod task;

pub use task::{ForEach, Rules, TaskInstance, base_id};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{collections::BTreeMap, fmt, str::FromStr};

/// The pool of tasks that name none.
pub const DEFAULT_POOL: &str = "default_pool";

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
            pub const ALL: [Self; [$(Self::$variant),+].len()] = [$(Self::$variant),+];

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

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
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
        /// It waits for something outside, without a process: looked at again from time to time.
        Deferred = "deferred",
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
        /// One of a mapped task's, whose list was shorter when the task ran again.
        Removed = "removed",
    }
}

words! {
    /// What a task does, by its key in the definition.
    TaskKind {
        Run = "run",
        WaitFor = "wait_for",
        Python = "python",
        Http = "http",
        Evaluate = "evaluate",
        Promote = "promote",
    }
}

words! {
    /// What made a run.
    Trigger {
        Manual = "manual",
        Schedule = "schedule",
        /// Made for a time in the past, on request.
        Backfill = "backfill",
        /// Something that happened, which the definition asks for.
        Event = "event",
    }
}

words! {
    /// Which of the runs there are already a backfill runs again.
    Reprocess {
        None = "none",
        Failed = "failed",
        /// All that are over.
        Completed = "completed",
    }
}

words! {
    /// What must have become of the tasks a task needs. The words and their meaning are Airflow's.
    TriggerRule {
        AllSuccess = "all_success",
        AllFailed = "all_failed",
        AllDone = "all_done",
        AllDoneMinOneSuccess = "all_done_min_one_success",
        /// Of the tasks it needs that set something up, one succeeded: there is something to tear down.
        AllDoneSetupSuccess = "all_done_setup_success",
        AllSkipped = "all_skipped",
        OneFailed = "one_failed",
        OneSuccess = "one_success",
        OneDone = "one_done",
        NoneFailed = "none_failed",
        NoneFailedMinOneSuccess = "none_failed_min_one_success",
        NoneSkipped = "none_skipped",
        Always = "always",
    }
}

#[expect(clippy::derivable_impls, reason = "the variants are declared by a macro, which marks none")]
impl Default for TriggerRule {
    fn default() -> Self {
        Self::AllSuccess
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
                | Self::Removed
        )
    }

    /// Not begun, and yet to begin.
    pub const fn is_idle(self) -> bool {
        matches!(self, Self::Waiting | Self::Queued | Self::UpForRetry)
    }

    /// Begun, and not over.
    pub const fn is_under_way(self) -> bool {
        matches!(self, Self::Running | Self::Deferred)
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
    /// `api`, or the kind of its source (`file:`, `s3:`, `git:`) and the path there.
    pub source: String,
    /// Where its tasks start: the folder of its file; `None`: in their attempt's own.
    pub folder: Option<String>,
    /// Of one from Git: the commit its text is of.
    pub commit: Option<String>,
    /// The last good text; empty while there never was one.
    pub definition: String,
    /// What is wrong with the newest text, when it is not the one in `definition`.
    pub error: Option<String>,
    /// That newest text.
    pub rejected: Option<String>,
    pub paused: bool,
    /// The next firing of the schedule, ms since the epoch.
    pub next_at: Option<i64>,
    /// Runs of it that may be under way at once.
    pub max_active_runs: u32,
    /// Why an event did not start it, the last time one did not.
    pub trigger_note: Option<String>,
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
    /// The commit of that text and folder, where they came from Git.
    pub commit: Option<String>,
    pub params: BTreeMap<String, String>,
    /// What happened, of a run that an event made.
    pub event: Option<serde_json::Value>,
    /// The pipelines whose runs led to that event, the first one first.
    pub chain: Vec<String>,
    /// When it should be over, and whether it was late.
    pub deadline_at: Option<i64>,
    pub deadline_missed: bool,
    pub created_at: i64,
    /// Queued until then.
    pub not_before: Option<i64>,
    pub started_at: Option<i64>,
    pub ended_at: Option<i64>,
    pub cancel_requested: bool,
}

/// What bounds the tasks that name it: together they use no more than its slots.
#[derive(Clone, Debug)]
pub struct Pool {
    pub name: String,
    pub slots: u32,
    pub description: String,
    /// Whether tasks that wait for something outside take slots too.
    pub include_deferred: bool,
    /// Slots of tasks that take them, of those that would, and of those that wait for something outside.
    pub used: i64,
    pub queued: i64,
    pub deferred: i64,
    /// Tasks, not slots, that would take some.
    pub waiting: i64,
}

impl Pool {
    /// Why a task that asks for so many slots never runs, where that is so, and what to do.
    pub fn never_has(&self, slots: u32) -> Option<String> {
        let (name, has) = (&self.name, self.slots);
        (slots > has).then(|| {
            format!(
                "it can never run: it asks for {slots} slots of pool {name}, which has {has}; ask for fewer \
                 (pool_slots), or give the pool more: crannog pipeline pool set {name} {slots}"
            )
        })
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
    /// What a task that succeeded gave to others: a JSON object.
    pub output: Option<serde_json::Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutcomeKind {
    Success,
    Failed,
    Cancelled,
    /// What it waited for did not come, and that is no failure.
    Skipped,
    /// It failed in a way that no further attempt would mend.
    FailedForGood,
    /// The supervisor is gone without a record. Retried only where every process is proven dead.
    Lost {
        proven_dead: bool,
    },
}
