//! What can be done with questions and queues.

mod queues;
mod schemas;

pub use schemas::NewSchema;

use crate::{
    kernel::error::{Error, Result},
    store::Connection,
    tracking::{
        check,
        model::Stage,
        search::{
            self,
            page::{Ask, Asked},
        },
        store::experiments,
    },
};

const PAGE_DEFAULT: i64 = 100;

/// The number of an experiment that is there and not deleted.
fn active(db: &Connection, id: &str) -> Result<i64> {
    let experiment = check::experiment_id(id)?;
    if experiments::experiment_get(db, experiment)?.lifecycle_stage != Stage::Active.word() {
        return Err(experiments::missing(experiment));
    }
    Ok(experiment)
}

/// Which page of a list is meant.
fn ask(asked: Asked, limit: Option<i64>, token: &str) -> Result<Ask> {
    let limit = limit.unwrap_or(PAGE_DEFAULT);
    if !(1..=search::PAGE_MAX).contains(&limit) {
        return Err(Error::invalid(format!("max_results must be between 1 and {}.", search::PAGE_MAX)));
    }
    Ask::new(asked, usize::try_from(limit).unwrap_or(usize::MAX), token)
}
