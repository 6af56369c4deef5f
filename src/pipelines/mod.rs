//! Floor 7: DAGs, schedules, task supervisors.

mod attempt;
pub mod cron;
pub mod definition;
mod engine;
mod machine;
pub mod model;
mod store;
mod template;
mod supervisor;
