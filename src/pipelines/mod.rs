//! Floor 7: pipelines: DAGs of shell tasks from YAML, cron schedules, runs, logs.
//!
//! One request's way: `routes` -> `service` -> a transaction of `engine` (rules in `machine`, SQL in
//! `store`) -> `scheduler` starts what was claimed through `executor` -> a `supervisor` process per
//! attempt, which talks to the server through the files of `attempt` alone.
//!
//! Invariants:
//! - An attempt's row is committed before its supervisor is started, and only a supervisor that
//!   holds the attempt's lock may begin the command, once. So killing the server at any moment
//!   neither loses a task nor runs it twice, and a running task does not notice.
//! - `lost` (the supervisor vanished without a record) is retried only when every process of the
//!   task is proven dead.
//! - A run keeps the text it was made from; changing a definition changes later runs alone.
//! - Of firings missed while the server was down, the latest is made up for, once; of those missed
//!   while paused, none.
//!
//! It mirrors Airflow's words (runs, task instances, logical date, `upstream_failed`) and its cron.
//! It departs from it: a logical date is the firing itself, with no data interval; there is no
//! catch-up; definitions are data and never executed by the server.

mod airflow;
mod attempt;
mod config;
pub mod cron;
pub mod definition;
mod engine;
mod environment;
mod executor;
mod machine;
pub mod model;
mod routes;
mod scheduler;
mod service;
mod source;
mod store;
mod supervisor;
mod template;
#[cfg(test)]
mod tests;

pub use airflow::router as airflow_router;
pub use config::Config;
pub use environment::{ServerEnvironment, TaskEnvironment};
pub use routes::router;
pub use service::Service;
pub use supervisor::{COMMAND as SUPERVISOR_COMMAND, supervise};
