//! Floor 7: pipelines: DAGs of shell tasks from YAML, cron schedules, runs, logs.
//!
//! One request's way: `routes` -> `service` -> a transaction of `engine` (rules in `machine`, SQL in
//! `store`) -> `scheduler` starts what was claimed through `executor` -> a `supervisor` process per
//! attempt, forked from a small process of this binary (`nursery`), which talks to the server through the files of `attempt` alone.
//!
//! Invariants:
//! - An attempt's row is committed before its supervisor is started, and only a supervisor that
//!   holds the attempt's lock may begin the command, once. So killing the server at any moment
//!   neither loses a task nor runs it twice, and a running task does not notice.
//! - `lost` (the supervisor vanished without a record) is retried only when every process of the
//!   task is proven dead.
//! - A run keeps the text it was made from; changing a definition changes later runs alone.
//! - Of missed firings, as many are made up for as `catchup` says, each once.
//!
//! It mirrors Airflow's words (runs, task instances, logical date, `upstream_failed`) and its cron.
//! It departs from it: a logical date is the firing itself, with no data interval; a task that waits
//! for a slot is `queued` and has no state `scheduled` before; definitions are data and never executed
//! by the server.

mod airflow;
mod archive;
mod aside;
mod attempt;
mod backfill;
mod by_hand;
mod calendar;
mod callbacks;
mod cgroup;
mod condition;
mod config;
pub mod cron;
pub mod definition;
mod ending;
mod engine;
mod environment;
mod events;
mod executor;
mod hidden;
mod history;
mod inside;
mod jump;
mod log;
mod machine;
pub mod model;
mod moment;
mod nursery;
mod output;
mod python;
mod renew;
mod rooms;
mod routes;
mod scheduler;
mod secrets;
mod service;
mod shell;
mod source;
mod store;
mod supervisor;
mod template;
#[cfg(test)]
mod tests;
mod waiting;
mod waits;

pub use airflow::router as airflow_router;
pub use by_hand::Clearing;
pub use config::Config;
pub use environment::{ServerEnvironment, TaskEnvironment};
pub use history::Policy;
pub use rooms::Rooms;
pub use routes::{hooks_router, router};
pub use service::Service;
pub use source::{folder::definitions_in, git::Settings as GitSettings};
pub use supervisor::{COMMAND as SUPERVISOR_COMMAND, NURSERY_COMMAND, nurse, supervise};
pub use waiting::RunView;
