//! Floor 7: DAGs, schedules, task supervisors.

pub mod cron;
pub mod definition;
pub mod model;
mod template;
