//! What one version of a model did at one endpoint.

use super::{
    histogram::{Counts, Histogram},
    recent::{Point, Recent},
};
use crate::{kernel::clock::now_ms, serving::model::Latency};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// Sizes up to this are told apart; larger ones are counted as the next power of two.
const EXACT_BATCH: usize = 64;

/// How many, and how long they took together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Timed {
    pub count: u64,
    pub ns: u64,
}

impl Timed {
    fn add(&mut self, taken: Duration) {
        self.count += 1;
        self.ns = self.ns.saturating_add(u64::try_from(taken.as_nanos()).unwrap_or(u64::MAX));
    }
}

/// The model's runs with so many rows.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Batch {
    pub size: usize,
    pub input: Timed,
    pub infer: Timed,
    pub output: Timed,
}

/// The work of one request that reached the model.
#[derive(Clone, Copy, Debug, Default)]
pub struct Run {
    pub rows: usize,
    /// The rows of the model's run; none for all but one of the requests that shared it.
    pub batch: Option<usize>,
    /// From the request's beginning until a core was free for it.
    pub queue: Duration,
    pub input: Duration,
    pub infer: Duration,
    pub output: Duration,
}

/// All that is counted, at one time.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Totals {
    /// Requests answered; the time is the whole of each.
    pub success: Timed,
    /// Requests that the model or its protocol failed on.
    pub fail: Timed,
    /// Requests turned away before they were run: a full queue, a deadline that passed.
    pub refused: u64,
    pub queue: Timed,
    pub input: Timed,
    pub infer: Timed,
    pub output: Timed,
    /// Rows answered.
    pub rows: u64,
    /// Runs of the model.
    pub executions: u64,
    pub last_ms: Option<i64>,
    pub batches: Vec<Batch>,
    pub mirror: Mirror,
}

/// What it did as a shadow: asked what another version was asked, and never heard.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Mirror {
    pub requests: u64,
    pub errors: u64,
    /// Rows both answered.
    pub rows: u64,
    /// Rows both answered alike.
    pub agreed: u64,
    /// Requests that were not mirrored, as too many waited.
    pub dropped: u64,
}

#[derive(Debug, Default)]
struct Slow {
    totals: Totals,
    batches: BTreeMap<usize, Batch>,
    recent: Recent,
}

#[derive(Debug, Default)]
pub struct VersionStats {
    slow: Mutex<Slow>,
    latency: Histogram,
    mirror_latency: Histogram,
    dropped: AtomicU64,
    last_ms: AtomicI64,
    in_flight: AtomicU64,
}

impl VersionStats {
    fn slow(&self) -> MutexGuard<'_, Slow> {
        self.slow.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn answered(&self, run: &Run, total: Duration) {
        let now = now_ms();
        self.latency.add(total);
        self.last_ms.store(now, Relaxed);
        let mut slow = self.slow();
        let slow = &mut *slow;
        slow.recent.add(now, total, true);
        let totals = &mut slow.totals;
        totals.success.add(total);
        totals.queue.add(run.queue);
        totals.input.add(run.input);
        totals.infer.add(run.infer);
        totals.output.add(run.output);
        totals.rows += run.rows as u64;
        let Some(rows) = run.batch else { return };
        totals.executions += 1;
        let size = if rows <= EXACT_BATCH { rows } else { rows.next_power_of_two() };
        let batch = slow.batches.entry(size).or_insert(Batch { size, ..Batch::default() });
        batch.input.add(run.input);
        batch.infer.add(run.infer);
        batch.output.add(run.output);
    }

    pub fn failed(&self, total: Duration) {
        let now = now_ms();
        self.last_ms.store(now, Relaxed);
        let mut slow = self.slow();
        slow.recent.add(now, total, false);
        slow.totals.fail.add(total);
    }

    pub fn refused(&self, total: Duration) {
        let mut slow = self.slow();
        slow.recent.add(now_ms(), total, false);
        slow.totals.refused += 1;
    }

    /// A request it was asked as a shadow.
    pub fn mirrored(&self, taken: Duration, ok: bool) {
        if ok {
            self.mirror_latency.add(taken);
        }
        let mut slow = self.slow();
        slow.totals.mirror.requests += 1;
        slow.totals.mirror.errors += u64::from(!ok);
    }

    /// Rows that it and the champion both answered.
    pub fn compared(&self, rows: u64, agreed: u64) {
        let mut slow = self.slow();
        slow.totals.mirror.rows += rows;
        slow.totals.mirror.agreed += agreed;
    }

    pub fn mirror_dropped(&self) {
        self.dropped.fetch_add(1, Relaxed);
    }

    /// Counted as being asked until the guard is dropped.
    pub fn enter(self: &std::sync::Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Relaxed);
        InFlight(std::sync::Arc::clone(self))
    }

    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(Relaxed)
    }

    pub fn totals(&self) -> Totals {
        let slow = self.slow();
        let mut totals = slow.totals.clone();
        totals.batches = slow.batches.values().copied().collect();
        totals.mirror.dropped = self.dropped.load(Relaxed);
        let last = self.last_ms.load(Relaxed);
        totals.last_ms = (last > 0).then_some(last);
        totals
    }

    pub fn latency(&self) -> Counts {
        self.latency.counts()
    }

    pub fn mirror_latency(&self) -> Counts {
        self.mirror_latency.counts()
    }

    /// The sum of all answered requests' times.
    pub fn seconds(&self) -> f64 {
        self.latency.seconds()
    }

    pub fn series(&self) -> Vec<Point> {
        self.slow().recent.series(now_ms())
    }

    /// Requests a second, and latencies, of the last minute.
    pub fn minute(&self) -> (f64, Counts) {
        let (slow, now) = (self.slow(), now_ms());
        (slow.recent.rate(now), slow.recent.counts(now))
    }

    pub fn minute_latency(&self) -> Latency {
        self.minute().1.latency()
    }
}

/// A request that is waiting or running.
pub struct InFlight(std::sync::Arc<VersionStats>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}
