//! What an endpoint counts: by version of its models, over its life, by ten seconds of the last hour, and the
//! last requests that failed.

mod exposition;
mod failures;
mod histogram;
mod recent;
mod version;
pub mod view;

pub use failures::Failures;
pub use histogram::Counts;
pub use version::{Batch, InFlight, Run, Timed, Totals, VersionStats};

use super::model::Latency;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// Versions with numbers of their own; past this, those that rested longest are forgotten.
const MOST_VERSIONS: usize = 100;

/// A registered model's name and a version; of a logged model, its id twice.
pub type Which = (String, String);

/// The numbers of one endpoint.
#[derive(Debug, Default)]
pub struct Board {
    versions: RwLock<BTreeMap<Which, Arc<VersionStats>>>,
    pub failures: Failures,
    /// Requests that found no model to ask.
    unserved: AtomicU64,
}

impl Board {
    pub fn of(&self, model: &str, version: &str) -> Arc<VersionStats> {
        let which = (model.to_owned(), version.to_owned());
        if let Some(found) = self.versions.read().unwrap_or_else(PoisonError::into_inner).get(&which) {
            return Arc::clone(found);
        }
        let mut versions = self.versions.write().unwrap_or_else(PoisonError::into_inner);
        if versions.len() >= MOST_VERSIONS {
            let idle = versions.iter().min_by_key(|(_, stats)| stats.totals().last_ms);
            if let Some(which) = idle.map(|(which, _)| which.clone()) {
                versions.remove(&which);
            }
        }
        Arc::clone(versions.entry(which).or_default())
    }

    pub fn unserved(&self) {
        self.unserved.fetch_add(1, Relaxed);
    }

    pub fn unserved_count(&self) -> u64 {
        self.unserved.load(Relaxed)
    }

    /// Every version with its numbers, by model and version.
    pub fn all(&self) -> Vec<(Which, Arc<VersionStats>)> {
        let versions = self.versions.read().unwrap_or_else(PoisonError::into_inner);
        versions.iter().map(|(which, stats)| (which.clone(), Arc::clone(stats))).collect()
    }

    pub fn summary(&self) -> Summary {
        let mut summary =
            Summary { requests: self.unserved_count(), errors: self.unserved_count(), ..Summary::default() };
        let mut latency = Counts::default();
        let mut minute = Counts::default();
        for (_, stats) in self.all() {
            let totals = stats.totals();
            let errors = totals.fail.count + totals.refused;
            summary.requests += totals.success.count + errors;
            summary.errors += errors;
            let (rate, counts) = stats.minute();
            summary.rate += rate;
            latency.add(&stats.latency());
            minute.add(&counts);
        }
        summary.latency = latency.latency();
        summary.minute = minute.latency();
        summary
    }
}

/// An endpoint in a line.
#[derive(Clone, Copy, Debug, Default)]
pub struct Summary {
    pub requests: u64,
    pub errors: u64,
    /// Requests a second over the last minute.
    pub rate: f64,
    /// Since the server started.
    pub latency: Latency,
    /// Of the last minute.
    pub minute: Latency,
}
